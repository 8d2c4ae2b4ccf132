/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * What was read of a token: how it lies in memory, and how it is found there.
 * Which texts are taken is for json_test.c.
 *
 * Requirements: allocation-failures, json-utf8, exp-range, header-json.
 */

#include <locale.h>
#include <math.h>
#include <stdint.h>

#include "core/json/at_claim.h"
#include "core/json/at_value.h"
#include "tap.h"
#include "values.h"


#define N(array)  (sizeof(array) / sizeof((array)[0]))


static const at_json_limits_t  limits = { 32, 256, 8192 };

/* the text that was read last, of exactly its size */
static char         *memory;
static size_t        memory_len;

static at_values_t   values;


static int
read_text(at_str_t text)
{
    free(memory);
    memory = malloc(text.len + !text.len);
    if (memory == NULL) {
        abort();
    }

    memcpy(memory, text.data, text.len);
    memory_len = text.len;

    return at_values_parse(&values, memory, memory_len, &limits);
}


/* the object, or the end of the test run */
static const at_value_t *
object(const char *text)
{
    if (read_text(str(text)) != 0) {
        printf("Bail out! %s is no JSON\n", text);
        exit(1);
    }

    return values.items;
}


/* --- how it lies ------------------------------------------------------------ */


/* "O1/3 S1 I": each value in turn, with its n, and its span where it has more than 1 */
static const char *
layout(const at_value_t *value)
{
    size_t             len;
    const at_value_t  *end;
    static char        out[512];

    len = 0;

    for (end = at_value_next(value); value < end; value++) {
        len += (size_t) snprintf(out + len, sizeof(out) - len, "%s%c",
                                 len ? " " : "", "NFTIRSAO"[value->type]);

        if (value->type >= AT_VALUE_STRING) {
            len += (size_t) snprintf(out + len, sizeof(out) - len, "%u", value->n);
        }

        if (value->span != 1) {
            len += (size_t) snprintf(out + len, sizeof(out) - len, "/%u",
                                     (unsigned) value->span);
        }
    }

    return out;
}


static void
test_layout(void)
{
    size_t  i;

    static const struct {
        const char  *text;
        const char  *layout;
    } cases[] = {
        { "{}", "O0" },
        { "{\"a\":1}", "O1/3 S1 I" },
        { "{\"\":null}", "O1/3 S0 N" },
        { "{\"a\":[]}", "O1/3 S1 A0" },
        { "{\"a\":[[]]}", "O1/4 S1 A1/2 A0" },
        { "{\"a\":[[],[],{}]}", "O1/6 S1 A3/4 A0 A0 O0" },
        { "{\"a\":{\"bc\":true},\"def\":false}", "O2/7 S1 O1/3 S2 T S3 F" },
        { "{\"a\":[1,[2,{\"b\":[3.5]},\"xy\"],null],\"c\":0}",
          "O2/14 S1 A3/10 I A3/7 I O1/4 S1 A1/2 R S2 N S1 I" },
        { "{\"\\u20ac\":\"\\n\"}", "O1/3 S3 S1" },
    };

    for (i = 0; i < N(cases); i++) {
        is_str(layout(object(cases[i].text)), cases[i].layout, "the layout of %s",
               cases[i].text);
    }
}


/* from one to the next, over all that is within */
static void
test_next(void)
{
    const at_value_t  *value, *item;

    value = object("{\"a\":[[1,[2,[3]]],{\"b\":[4]},[],5],\"c\":[{\"d\":{}}],\"e\":6}");

    item = value + 1;
    is_bytes((at_str_t) { item->text, item->n }, at_str("a"), "the first name");

    item++;
    is_int(item->n, 4, "its array has four items");
    is_int(item[1].type, AT_VALUE_ARRAY, "an array");
    is_int(at_value_next(item + 1)->type, AT_VALUE_OBJECT, "then an object");
    is_int(at_value_next(at_value_next(item + 1))->type, AT_VALUE_ARRAY,
           "then an array, an empty one");
    is_int(at_value_next(at_value_next(at_value_next(item + 1)))->integer, 5,
           "then a number");

    item = at_value_next(item);
    is_bytes((at_str_t) { item->text, item->n }, at_str("c"),
             "behind it the second name");

    item = at_value_next(item + 1);
    is_bytes((at_str_t) { item->text, item->n }, at_str("e"), "and the third");
    ok(at_value_next(item + 1) == at_value_next(value), "and that is the end");
}


/* n values within, the last of them at the end of the array's memory */
static void
test_sizes(void)
{
    char      *text;
    size_t     len;
    unsigned   i, n, wrong;

    text = malloc(4096);
    if (text == NULL) {
        abort();
    }

    wrong = 0;

    for (n = 0; n < 600; n++) {
        len = (size_t) sprintf(text, "{\"a\":[");

        for (i = 0; i < n; i++) {
            len += (size_t) sprintf(text + len, "%s%u", i ? "," : "", i % 1000);
        }

        (void) sprintf(text + len, "]}");

        at_values_free(&values);
        (void) object(text);

        wrong += values.items->span != n + 3 || values.items[2].n != n
                 || values.size < n + 3;

        for (i = 0; i < n; i++) {
            wrong += values.items[3 + i].integer != i % 1000;
        }
    }

    is_int(wrong, 0, "arrays of up to 600 numbers");
    free(text);
}


/* what was read before leaves nothing behind, and room for what comes */
static void
test_again(void)
{
    char               large[8192];
    size_t             len, size;
    unsigned           i;
    const at_value_t  *items;

    len = (size_t) sprintf(large, "{\"a\":{");

    for (i = 0; i < 250; i++) {
        len += (size_t) sprintf(large + len, "%s\"name%u\":[\"x\"]", i ? "," : "", i);
    }

    (void) sprintf(large + len, "}}");

    (void) object(large);
    items = values.items;
    size = values.size;
    is_int(items->span, 3 + 250 * 3, "many values");

    (void) object("{\"b\":2}");
    ok(values.items == items && values.size == size, "then few, in the same place");
    is_str(layout(items), "O1/3 S1 I", "those alone");
    ok(at_value_member(items, at_str("a")) == NULL, "none of the ones before");

    is_int(read_text(at_str("{\"c\":[1,2,")), -1, "then what is no JSON");
    is_str(layout(object("{}")), "O0", "then an empty object");
    (void) object(large);
    is_int(values.items->span, 3 + 250 * 3, "then many again");
    ok(values.items == items && values.size == size, "in the same place");

    at_values_free(&values);
    ok(values.items == NULL && values.size == 0, "none are left");
    at_values_free(&values);
    is_str(layout(object("{\"b\":2}")), "O1/3 S1 I", "and once more from the start");
}


/* --- strings and numbers ---------------------------------------------------- */


/* a view of the text, exactly those bytes */
static void
test_strings(void)
{
    char      text[128];
    size_t    i;
    at_str_t  got;

    static const struct {
        const char  *json;
        at_str_t     bytes;
    } cases[] = {
        { "", at_str("") },
        { "abc", at_str("abc") },
        { "\\\"\\\\\\/\\b\\f\\n\\r\\t", at_str("\"\\/\b\f\n\r\t") },
        { "\\u0041\\u007f", at_str("A\x7f") },
        { "\\u0080\\u07ff", at_str("\xc2\x80\xdf\xbf") },
        { "\\u0800\\uffff", at_str("\xe0\xa0\x80\xef\xbf\xbf") },
        { "\\uD834\\uDd1e", at_str("\xf0\x9d\x84\x9e") },
        { "\\ud800\\udc00\\udbff\\udfff", at_str("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf") },
        { "x\\u00e9y\xc3\xa9z", at_str("x\xc3\xa9y\xc3\xa9z") },
        { "\\u20ac\xf0\x9d\x84\x9e", at_str("\xe2\x82\xac\xf0\x9d\x84\x9e") },
        { "\\\\u0041", at_str("\\u0041") },
        { "\\u005cn", at_str("\\n") },
        { "\\u0022:1}", at_str("\":1}") },
    };

    for (i = 0; i < N(cases); i++) {
        (void) snprintf(text, sizeof(text), "{\"a\":\"%s\",\"b\":\"next\"}",
                        cases[i].json);
        (void) at_value_string(at_value_member(object(text), at_str("a")), &got);
        is_bytes(got, cases[i].bytes, "the bytes of \"%s\"", cases[i].json);
        ok(got.data >= memory && got.data + got.len < memory + memory_len,
           "they are in the text");

        (void) at_value_string(at_value_member(values.items, at_str("b")), &got);
        is_bytes(got, at_str("next"), "and what follows is as it was");

        (void) snprintf(text, sizeof(text), "{\"%s\":7}", cases[i].json);
        is_int(at_value_member(object(text), cases[i].bytes)->integer, 7,
               "a name \"%s\" is found", cases[i].json);
    }
}


static void
test_numbers(void)
{
    char               text[128];
    size_t             i;
    double             number;
    const at_value_t  *value;

    static const struct {
        const char  *json;
        int          real;
        int64_t      integer;
        double       number;
    } cases[] = {
        { "0", 0, 0, 0 },
        { "-0", 0, 0, 0 },
        { "-1", 0, -1, -1 },
        { "1700000000", 0, 1700000000, 1700000000 },
        { "9007199254740993", 0, 9007199254740993, 9007199254740992.0 },
        { "9223372036854775807", 0, INT64_MAX, 9223372036854775808.0 },
        { "-9223372036854775808", 0, INT64_MIN, -9223372036854775808.0 },
        { "0.0", 1, 0, 0.0 },
        { "-0.0", 1, 0, -0.0 },
        { "0.1", 1, 0, 0.1 },
        { "-2.5e3", 1, 0, -2500 },
        { "1E+2", 1, 0, 100 },
        { "1e-400", 1, 0, 0 },
        { "-1e-400", 1, 0, -0.0 },
        { "5e-324", 1, 0, 5e-324 },
        { "2.2250738585072014e-308", 1, 0, 2.2250738585072014e-308 },
        { "1.7976931348623157e308", 1, 0, 1.7976931348623157e308 },
        { "4102444800.5", 1, 0, 4102444800.5 },
        { "9223372036854775808.0", 1, 0, 9223372036854775808.0 },
    };

    for (i = 0; i < N(cases); i++) {
        (void) snprintf(text, sizeof(text), "{\"a\":[%s,\"x\"],\"b\":%s}",
                        cases[i].json, cases[i].json);
        value = at_value_member(object(text), at_str("b"));
        number = NAN;

        is_int(at_value_number(value, &number), 0, "%s is a number",
               cases[i].json);
        ok(number == cases[i].number
           && signbit(number) == signbit(cases[i].number), "%s is itself",
           cases[i].json);
        is_int(value->type, cases[i].real ? AT_VALUE_REAL : AT_VALUE_INTEGER,
               "%s is %s", cases[i].json, cases[i].real ? "real" : "integer");

        if (!cases[i].real) {
            ok(value->integer == cases[i].integer, "%s, each bit of it",
               cases[i].json);
        }

        is_str(layout(values.items),
               cases[i].real ? "O2/7 S1 A2/3 R S1 S1 R" : "O2/7 S1 A2/3 I S1 S1 I",
               "and what is behind it");
    }
}


/* the decimal point is that of JSON, whatever the locale has */
static void
test_locale(void)
{
    size_t       i;
    double       number;
    const char  *set;

    static const char  *locales[] = {
        "de_DE.UTF-8", "de_DE.utf8", "de_DE", "fr_FR.UTF-8", "fr_FR", "nl_NL.UTF-8",
        "ru_RU.UTF-8", "pl_PL.UTF-8", "es_ES.UTF-8", "it_IT.UTF-8", "pt_BR.UTF-8"
    };

    set = NULL;

    for (i = 0; i < N(locales) && set == NULL; i++) {
        set = setlocale(LC_ALL, locales[i]);
    }

    if (set == NULL || strcmp(localeconv()->decimal_point, ",") != 0) {
        skip("no locale is here that has a decimal comma");
        (void) setlocale(LC_ALL, "C");
        return;
    }

    number = 0;
    (void) at_value_number(at_value_member(object("{\"a\":1234.5,\"b\":0}"),
                                           at_str("a")), &number);
    ok(number == 1234.5, "1234.5 in %s", set);
    is_int(read_text(at_str("{\"a\":1234,5}")), -1, "1234,5 is no number there");
    is_int(read_text(at_str("{\"a\":1.234.5}")), -1, "nor is 1.234.5");
    is_str(setlocale(LC_ALL, NULL), set, "it is the locale still");

    (void) setlocale(LC_ALL, "C");
}


/* --- looking ---------------------------------------------------------------- */


static void
test_member(void)
{
    size_t             i;
    at_str_t           none = { NULL, 0 };
    const at_value_t  *value, *found;

    static const struct {
        at_str_t  name;
        int       value;        /* 0: not there */
    } cases[] = {
        { at_str("a"), 1 }, { at_str("ab"), 2 }, { at_str(""), 3 },
        { at_str("last"), 4 }, { at_str("A"), 5 },
        { at_str("b"), 0 }, { at_str("abc"), 0 }, { at_str("in"), 0 },
        { at_str("text"), 0 }, { at_str("a\0"), 0 }, { at_str("las"), 0 },
        { at_str("LAST"), 0 },
    };

    value = object("{\"a\":1,\"ab\":2,\"o\":{\"in\":7,\"last\":8},\"s\":\"text\","
                   "\"l\":[\"text\",9,{\"b\":10}],\"\":3,\"A\":5,\"last\":4}");

    for (i = 0; i < N(cases); i++) {
        found = at_value_member(value, cases[i].name);

        is_int(found ? found->integer : 0, cases[i].value, "the member \"%s\"",
               cases[i].name.data);
    }

    is_int(at_value_member(value, none)->integer, 3, "the empty view is a name");

    ok(at_value_member(NULL, at_str("a")) == NULL, "no value, no member");

    for (i = 0; i < 7; i++) {
        static const char  *others[] = {
            "null", "true", "false", "7", "7.5", "\"a\"", "[\"a\",\"a\",{\"a\":1}]"
        };
        at_claims_t        *claims;

        claims = values_any(others[i]);
        ok(at_value_member(values_unwrap(claims), at_str("a")) == NULL,
           "%s has no member", others[i]);
        at_claims_free(claims);
    }

    ok(at_value_member(object("{}"), none) == NULL, "nor has {}");
}


/* what each type is, and is not */
static void
test_types(void)
{
    size_t             i;
    double             number;
    at_str_t           text;
    at_value_e         type;
    const at_value_t  *value;

    static const struct {
        const char  *name;
        at_value_e   type;
    } cases[] = {
        { "null", AT_VALUE_NULL }, { "false", AT_VALUE_FALSE },
        { "true", AT_VALUE_TRUE }, { "integer", AT_VALUE_INTEGER },
        { "real", AT_VALUE_REAL }, { "string", AT_VALUE_STRING },
        { "array", AT_VALUE_ARRAY }, { "object", AT_VALUE_OBJECT },
        { "none", AT_VALUE_OBJECT + 1 },
    };

    (void) object("{\"null\":null,\"false\":false,\"true\":true,\"integer\":1,"
                  "\"real\":1.5,\"string\":\"x\",\"array\":[\"x\",1],"
                  "\"object\":{\"x\":1}}");

    for (i = 0; i < N(cases); i++) {
        value = at_value_member(values.items, str(cases[i].name));
        text = at_str("before");
        number = 7;

        for (type = AT_VALUE_NULL; type <= AT_VALUE_OBJECT; type++) {
            is_int(at_value_is(value, type), type == cases[i].type,
                   "%s is of type %d or not", cases[i].name, (int) type);
        }

        is_int(at_value_string(value, &text),
               cases[i].type == AT_VALUE_STRING ? 0 : -1, "%s as a string",
               cases[i].name);
        is_bytes(text, cases[i].type == AT_VALUE_STRING ? at_str("x")
                                                        : at_str("before"),
                 "%s, the view", cases[i].name);

        is_int(at_value_number(value, &number),
               cases[i].type == AT_VALUE_INTEGER || cases[i].type == AT_VALUE_REAL
               ? 0 : -1, "%s as a number", cases[i].name);
        ok(number == (cases[i].type == AT_VALUE_INTEGER ? 1
                      : cases[i].type == AT_VALUE_REAL ? 1.5 : 7),
           "%s, the number", cases[i].name);

        is_int(at_value_member_string(values.items, str(cases[i].name), &text),
               cases[i].type == AT_VALUE_STRING ? 1
               : cases[i].type > AT_VALUE_OBJECT ? 0 : -1,
               "%s as a member that is a string", cases[i].name);
    }

    is_int(at_value_member_string(NULL, at_str("x"), &text), 0,
           "no object, no member");
    is_int(at_value_member_string(at_value_member(values.items, at_str("array")),
                                  at_str("x"), &text), 0,
           "an array, no member");
}


/* --- claims ----------------------------------------------------------------- */


static void
test_claims(void)
{
    char         *text;
    at_str_t      sub;
    at_claims_t  *claims;

    static const char  document[] = "{\"sub\":\"\\u00e9\",\"x\":1.5}";

    text = strdup(document);
    if (text == NULL) {
        abort();
    }

    is_int(at_claims_parse(&claims, str(text)), 0, "a payload");
    is_str(text, document, "is not changed");
    memset(text, 'x', strlen(text));
    free(text);

    is_int(at_value_member_string(at_claims_object(claims), at_str("sub"), &sub), 1,
           "its claims are there without it");
    is_bytes(sub, at_str("\xc3\xa9"), "and are what they were");
    at_claims_free(claims);

    claims = (at_claims_t *) &sub;
    is_int(at_claims_parse(&claims, (at_str_t) { NULL, 0 }), -1, "the empty view");
    ok(claims == NULL, "is no claims");

    claims = (at_claims_t *) &sub;
    is_int(at_claims_parse(&claims, at_str("[]")), -1, "an array");
    ok(claims == NULL, "is none either");

    ok(at_claims_object(NULL) == NULL, "no claims, no object");
    at_claims_free(NULL);
}


int
main(void)
{
    test_layout();
    test_next();
    test_sizes();
    test_again();
    test_strings();
    test_numbers();
    test_locale();
    test_member();
    test_types();
    test_claims();

    at_values_free(&values);
    free(memory);

    return tap_done();
}
