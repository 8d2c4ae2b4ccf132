/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The JSON parser of requests: valid and invalid texts, the parsed values and
 * their layout in memory.
 *
 * Each listed text, and every text that differs from it by one byte, is also
 * given to jansson: the two parsers must agree on every one of them.
 *
 * Requirements: header-json, json-duplicates, json-nul, json-utf8, exp-range,
 *   json-depth, json-members, json-numbers, json-test-suite,
 *   allocation-failures.
 */

#include <dirent.h>
#include <locale.h>
#include <math.h>

#include <openssl/rand.h>

#include "core/json/at_claim.h"
#include "core/json/at_document.h"
#include "core/json/at_json.h"
#include "data.h"
#include "tap.h"
#include "values.h"


#define S(text)  at_str(text)

#define VALID    0
#define INVALID  (-1)

#define SUITE    "t/data/json-test-suite"


#define DEPTH        32
#define TOO_COMPLEX  AT_JSON_TOO_COMPLEX

static struct {
    unsigned  texts;            /* parsed by both parsers */
    unsigned  different;
    unsigned  valid_prefixes;   /* of valid objects */
} comparison;

/* the text parsed last, in memory of exactly its size */
static char       *memory;
static size_t      memory_len;

static at_json_t   json;

static int  random_fails;


/* replaces the function of OpenSSL */
int
RAND_priv_bytes(unsigned char *bytes, int len)
{
    return random_fails ? 0 : RAND_bytes(bytes, len);
}


static void *
allocate(size_t size)
{
    void  *data = malloc(size + !size);

    must(data != NULL, "no memory");

    return data;
}


static int
parse(at_str_t text, unsigned depth)
{
    free(memory);
    memory = exact_copy(text);
    memory_len = text.len;

    return at_json_parse(&json, memory, memory_len, depth);
}


/* the object, or the end of the test run */
static const at_json_value_t *
object(const char *text)
{
    must(parse(str(text), DEPTH) == VALID, text);

    return json.items;
}


/* the value of a number, or 0 */
static long long
integer(const at_json_value_t *value)
{
    double  number = 0;

    (void) at_json_number(value, &number);

    return (long long) number;
}


/* --- texts that are built piece by piece --------------------------------- */


static char    built[2 * 1024 * 1024];
static size_t  built_len;


static void
add(const char *piece, size_t n)
{
    while (n--) {
        must(built_len + strlen(piece) < sizeof(built), "text too large");
        built_len = (size_t) (stpcpy(built + built_len, piece) - built);
    }
}


static void
add_number(const char *before, unsigned number, const char *after)
{
    char  text[64];

    (void) snprintf(text, sizeof(text), "%s%u%s", before, number, after);
    add(text, 1);
}


/* the piece and its number, n times, separated by commas */
static void
add_numbered(const char *piece, const char *end, unsigned n)
{
    unsigned  i;

    for (i = 0; i < n; i++) {
        add(i ? "," : "", 1);
        add_number(piece, i, end);
    }
}


static int
parse_built(unsigned depth)
{
    at_str_t  text = { built, built_len };

    built_len = 0;

    return parse(text, depth);
}


/* --- valid and invalid texts --------------------------------------------- */


/* with single quotes */
static const at_str_t  valid_objects[] = {
    S("{}"), S(" \t\r\n{ 'a' : 1 } \n"), S("{'a':1,'b':2}")
};

static const at_str_t  invalid_objects[] = {
    S("[]"), S("[{}]"), S("'RS256'"), S("null"), S("true"), S("7"), S("{'a'}"),
    S("{'a':1,}"), S("{a:1}"), S("{}x"), S("{}{}"), S("{} {}"), S("{}//"),
    S("\xef\xbb\xbf{}"), S("{\0}\0"), S("\xff\xfe{\0}\0"), S("\xfe\xff\0{\0}"),
    S("{,'a':1}"), S("{'a':1,,'b':2}"), S("{'a':1 'b':2}"), S("{'a'::1}"),
    S("{'a',1}"), S("{'a':1}}"), S("{'a':1}]"), S("{'a':1},"), S("{{}}"),
    S("{[]}"), S("{}[]"), S("{}1"), S("{}''"), S("{}null"), S("{null:1}"),
    S("{1:1}"), S("{[]:1}"), S("}"), S("{'a':1e5"), S("{'a':1.5 ")
};

static const at_str_t  invalid_duplicates[] = {
    S("{'a':1,'a':1}"), S("{'alg':'none','alg':'RS256'}"),
    S("{'exp':1,'\\u0065xp':2}"), S("{'\\u0065xp':1,'exp':2}"),
    S("{'a':{'b':1,'b':2}}"), S("{'a':[{'b':1,'b':2}]}"), S("{'':1,'':2}"),
    S("{'a/b':1,'a\\/b':2}"), S("{'\\t':1,'\\u0009':2}"),
    S("{'\\u00e9':1,'\xc3\xa9':2}"), S("{'\\u00E9':1,'\\u00e9':2}"),
    S("{'\\ud834\\udd1e':1,'\xf0\x9d\x84\x9e':2}"),
    S("{'\\u0061':1,'\\u0061':2}"), S("{'a':1,'b':2,'c':3,'b':4}"),
    S("{'a':1,'b':2,'c':3,'a':4}"), S("{'a':{},'a':{}}"),
    S("{'a':[[],[1,{'b':2}]],'b':3,'a':4}"), S("{'a':{'b':{'c':1,'c':2}}}"),
    S("{'a':{'b':1},'c':{'b':1,'d':2,'b':3}}"), S("{'':1,'a':2,'':3}"),
    S("{'a\\u0000b':1,'a\\u0000b':2}"), S("{'\\u0000':1,'\\u0000':2}")
};

static const at_str_t  valid_duplicates[] = {
    S("{'a':1,'A':2}"), S("{'a':{'a':1}}"), S("{'':1}"),
    S("{'\\u0061':1,'\\u0041':2}"), S("{'e\xcc\x81':1,'\xc3\xa9':2}"),
    S("{'a':{'b':1},'b':2}"), S("{'b':2,'a':{'b':1}}"),
    S("{'a':[{'a':1},{'a':2}]}"), S("{'a':{'a':{'a':{'a':1}}}}"),
    S("{'a':{'b':1},'c':{'b':1}}"), S("{'a':1,'ab':2,'abc':3}"),
    S("{'a':1,'':2}"), S("{'':{'':{'':1}}}"), S("{'':''}"),
    S("{'a':'b','b':'a'}"), S("{'x':['a','a'],'a':1}")
};

static const at_str_t  invalid_nul[] = {
    S("{}\0"), S("{}\0junk"), S("{'a':1}\0{'a':2}"), S("\0{}"),
    S("{'a':'x\0y'}"), S("{'a\0b':1}"), S("{\0}"), S("{'a':\0}"),
    S("{'a':1\0}"), S("{'a':1.5\0}"), S("{'a':1e5\0}"), S("{'a':[\0]}"),
    S("{'a':true\0}"), S("{}\0\0"), S("{} \0"), S("{'a':'\\u0061\0'}"),
    S("{'a':'\\\0'}"), S("{'a':'\\u\0\0\0\0'}")
};

static const at_str_t  invalid_strings_in_objects[] = {
    S("{'a':'\xe2\x82"), S("{'\\ud834':1}"), S("{'\\x':1}"), S("{\xc3\xa9}"),
    S("{}\xc3\xa9"), S("\xc3\xa9{}"), S("{'a'\x80:1}")
};

static const at_str_t  valid_strings_in_objects[] = {
    S("{'\\u0061':1}"), S("{'\\'\\\\\\/\\b\\f\\n\\r\\t':1}"),
    S("{'\\ud834\\udd1e':1}"), S("{'a\\u0000b':1}"), S("{'\\u0000':1}"),
    S("{'a':1,'a\\u0000':2,'a\\u0000b':3}")
};

static const at_str_t  valid_values[] = {
    S("[]"), S("[[]]"), S("[[],[],[[]],{}]"), S("[{},{},[{}]]"), S("{}"),
    S("[1]"), S("[1,2,3]"), S("true"), S("false"), S("null"),
    S("[true,false,null]")
};

static const at_str_t  invalid_values[] = {
    S(""), S("[1,]"), S("[,1]"), S("[,]"), S("[1,,2]"), S("[1 2]"), S("[1:2]"),
    S("[1}"), S("["), S("[1"), S("[1,"), S("[[]"), S("]"), S("[]]"), S("{]"),
    S("{,}"), S("{'b'}"), S("{'b':}"), S("{'b':1,}"), S("{'b' 1}"), S(","),
    S("1 2"), S("'x''y'"), S("'x"), S("'"), S("x"), S("/**/1"), S("1//"),
    S("True"), S("TRUE"), S("tru"), S("truex"), S("true1"), S("true_"), S("t"),
    S("fals"), S("nul"), S("nulll"), S("nil"), S("truefalse"), S("undefined"),
    S("t rue"), S("tr\nue")
};

static const at_str_t  valid_strings[] = {
    S("'\\''"), S("'\\\\'"), S("'\\/'"), S("'/'"), S("'\\b\\f\\n\\r\\t'"),
    S("'x\\ny\\tz'"), S("'\\\\\\\\'"), S("'\\\\\\''"),
    S("'\\u0041\\u007f\\u0080\\u07ff\\u0800\\uffff'"),
    S("'\\uabcd\\uABCD\\uAbCd'"), S("'\\ud7ff\\ue000'"), S("'\\ud800\\udc00'"),
    S("'\\uDBFF\\uDFFF'"), S("'\\u0001\\u001f'"), S("'\\u0022\\u005c'"),
    S("'\\u005cn'"), S("'\\u00010'"), S("'\\ufeff'"), S("'\\ufffe\\uffff'"),
    S("'\xc3\xa9\\u00e9\xe2\x82\xac\\u20ac'"),
    S("'\xf0\x9d\x84\x9e\\ud834\\udd1e\xc3\xa9'"), S("'\\ud834\\udd1e'"),
    S("'\xf0\x9d\x84\x9e'"), S("'\\\\u0000'"),
    S("'x\\u0000'"), S("'\\u00000'"), S("'\\u0000'")
};

static const at_str_t  invalid_strings[] = {
    S("'\\U0041'"), S("'\\x41'"), S("'\\a'"),
    S("'\\v'"), S("'\\0'"), S("'\\ '"), S("'\\B'"), S("'\\N'"), S("'\\\n'"),
    S("'\\\xc3\xa9'"), S("'\\u'"), S("'\\u1'"), S("'\\u12'"), S("'\\u123'"),
    S("'\\u123g'"), S("'\\u-123'"), S("'\\u+123'"), S("'\\u 123'"),
    S("'\\u0x1'"), S("'\\u:123'"), S("'\\u@123'"), S("'\\u`123'"),
    S("'\\uG123'"), S("'\\ud800\\udbff'"), S("'\\ud800\\ue000'"),
    S("'\\ud800x'"), S("'\\ud800\\n'"), S("'\\ud800\\\\udc00'"),
    S("'\\ud800\\u'"), S("'\\ud800\\udc0'"), S("'\\ud800\\ud800\\udc00'"),
    S("'\\udc00\\ud800'"), S("'\\udfff'"), S("'\\udbff'"),
    S("'\\ud834\\udd1e\\udd1e'"), S("'\\ud800\xed\xb0\x80'"),
    S("'\\ud800\\u0000'"), S("'\xc0\xaf'"), S("'\xe0\x80\xaf'"),
    S("'\xf0\x80\x80\xaf'"), S("'\xed\xa0\x80\xed\xb0\x80'"), S("'\\ud800'"),
    S("'\\udc00'"), S("'\\ud800\\u0041'"), S("\xc3\xa9"), S("1\xc3\xa9")
};

static const at_str_t  valid_numbers[] = {
    S("0"), S("-0"), S("1"), S("-1"), S("10"), S("1234567890"), S("0.0"),
    S("-0.0"), S("0.1"), S("-0.1"), S("1.0"), S("1.10"),
    S("0.00000000000000000001"), S("1e2"), S("1E2"), S("1e+2"), S("1E+2"),
    S("1e-2"), S("1E-2"), S("0e0"), S("0E+0"), S("-0e-0"), S("1e00"),
    S("1e0002"), S("1.5e3"), S("-1.5E-3"), S("0e999999999999999999999"),
    S("0.0e99999"), S("1e-999999999999999999999"), S("-1e-400"),
    S("1.7976931348623157e308"), S("-1.7976931348623157e308"),
    S("1.7976931348623158e308"), S("17976931348623157e292"), S("0.01e310"),
    S("5e-324"), S("4.9406564584124654e-324"), S("2e-324"),
    S("2.2250738585072014e-308"), S("2.2250738585072011e-308"),
    S("9223372036854775806"), S("-9223372036854775807"),
    S("-9223372036854775808"), S("9223372036854775808.0"),
    S("9223372036854775808e0"), S("9007199254740993"), S("9007199254740993.0"),
    S("123456789012345678901234567890.5"), S("0.30000000000000004"),
    S("0.1000000000000000055511151231257827021181583404541015625"),
    S("8.41e21"), S("9.5e-7"), S("[1,-1,0,-0,1.5,-1.5e5]"), S("[1.5,2.5]"),
    S("{'b':1.5}"), S("9223372036854775807"), S("1e308"), S("1e-400"),
    S("1e309"), S("-1e309"), S("1e99999999999999999999"),
    S("-1e99999999999999999999"), S("1.7976931348623159e308"),
    S("-1.7976931348623159e308"), S("0.1e310"), S("-9223372036854775809"),
    S("-9223372036854775810"), S("9223372036854775810"),
    S("9223372036854775817"), S("10000000000000000000"),
    S("-10000000000000000000"), S("18446744073709551615"),
    S("99999999999999999999999999"),
    S("9223372036854775808"), S("18446744073709551616"), S("1e999"),
    S("-1e999")
};

static const at_str_t  invalid_numbers[] = {
    S("-"), S("--1"), S("-+1"), S("+"),
    S("00"), S("-00"), S("-01"), S("00.5"), S("01e1"), S("0 0"), S("1.0e"),
    S("1e"), S("1e+"), S("1e-"), S("1E"), S("1e++1"), S("1e+-1"), S("1e1.5"),
    S("1e1e1"), S("1.e1"), S("1..5"), S("1.5.5"), S("-.5"), S("."), S("-e1"),
    S("e1"), S("1.-5"), S("1.+5"), S("1 .5"), S("1. 5"), S("1 e5"), S("1e 5"),
    S("- 1"), S("1f"), S("1L"), S("1_000"), S("1,5"), S("1a"), S("1.5a"),
    S("0x"), S("0b1"), S("0o7"), S("-Infinity"), S("inf"), S("-inf"), S("nan"),
    S("-nan"), S("1e5x"), S("\xef\xbc\x91"), S("[1.]"), S("[1e]"), S("[-]"),
    S("NaN"), S("Infinity"), S("0123"), S("+1"), S(".5"),
    S("0x7f"), S("1.")
};

static const at_str_t  valid_characters[] = {
    S("\x7f"), S("\xc2\x80"), S("\xdf\xbf"), S("\xe0\xa0\x80"),
    S("\xed\x9f\xbf"), S("\xee\x80\x80"), S("\xef\xbf\xbf"), S("\xef\xbb\xbf"),
    S("\xf0\x90\x80\x80"), S("\xf4\x8f\xbf\xbf")
};

static const at_str_t  invalid_characters[] = {
    S("\xc0\x80"), S("\xc1\xbf"), S("\xe0\x9f\xbf"), S("\xf0\x8f\xbf\xbf"),
    S("\xf4\x90\x80\x80"), S("\xf5\x80\x80\x80"), S("\xf8\x88\x80\x80\x80"),
    S("\xfc\x84\x80\x80\x80\x80"), S("\xfe"), S("\xff"), S("\xed\xa0\x80"),
    S("\xed\xbf\xbf"), S("\x80"), S("\xbf"), S("\xc2"), S("\xe2\x82"),
    S("\xe2"), S("\xf0\x9d\x84"), S("\xf0\x9d"), S("\xf0"), S("\xc2\xc2\x80"),
    S("\xc2\x7f"), S("\xc2\xc0"), S("\xe2\x28\xa1"), S("\xe2\x82\x28"),
    S("\xe2\x82\xc0"), S("\xf0\x28\x8c\xbc"), S("\xf0\x90\x28\xbc"),
    S("\xf0\x90\x8c\x28"), S("\xf0\x9d\x84\xc0"), S("\xc2\x80\x80")
};


/* the same members in the same order; only the text tells 0.0 from -0.0 */
static int
is_same(const json_t *expected, const at_json_value_t *value)
{
    int      same;
    char    *text, *one, *two;
    size_t   len = at_claim_to_json(value, NULL, 0);
    json_t  *other;

    text = allocate(len);
    (void) at_claim_to_json(value, text, len);
    other = json_loadb(text, len, JSON_REJECT_DUPLICATES|JSON_ALLOW_NUL, NULL);

    one = json_dumps(expected, JSON_COMPACT);
    two = json_dumps(other, JSON_COMPACT);

    same = json_equal(expected, other) && one && two && strcmp(one, two) == 0;

    free(text);
    free(one);
    free(two);
    json_decref(other);

    return same;
}


/*
 * The text is far below the depth.  jansson has no numbers beyond its types
 * and no U+0000 in a name: it stops there and has no opinion about the rest.
 */
static int
parse_with_both(at_str_t text)
{
    int                   rc, same;
    json_t               *expected;
    json_error_t          err;
    enum json_error_code  code;

    rc = parse(text, DEPTH);

    expected = json_loadb(text.data, text.len,
                          JSON_REJECT_DUPLICATES|JSON_ALLOW_NUL, &err);
    code = expected != NULL ? json_error_unknown : json_error_code(&err);

    /* jansson reads a NUL byte after the document as its end */
    if (expected != NULL && memchr(text.data, '\0', text.len) != NULL) {
        json_decref(expected);
        expected = NULL;
    }

    same = json_is_object(expected)
           ? rc == VALID && is_same(expected, json.items)
           : rc == INVALID || code == json_error_numeric_overflow
             || code == json_error_null_byte_in_key;

    comparison.texts++;
    comparison.different += !same;

    if (!same && comparison.different < 20) {
        printf("# the parsers differ: ");
        tap_print(text.data, text.len < 400 ? text.len : 400);
        printf("\n");
    }

    json_decref(expected);

    return rc;
}


/* every text that differs by one byte: cut off, left out, added or changed */
static void
parse_neighbours(at_str_t text, int valid)
{
    int                    rc;
    char                  *near;
    size_t                 i, k;

    static const at_str_t  others =
        at_str("\0\t\n\x1f \"+,-./019:AEFU[\\]_bdefnrtu{}"
               "\x7f\x80\xbf\xc2\xc3\xe0\xed\xf0\xf4\xff");

    near = allocate(text.len + 1);

    for (i = 0; i <= text.len; i++) {
        rc = parse_with_both((at_str_t) { text.data, i });
        comparison.valid_prefixes += rc == VALID && valid
                                     && memchr(text.data + i, '}',
                                               text.len - i) != NULL;

        memcpy(near, text.data, i);
        memcpy(near + i + 1, text.data + i, text.len - i);

        for (k = 0; k < others.len; k++) {
            near[i] = others.data[k];
            (void) parse_with_both((at_str_t) { near, text.len + 1 });
        }

        if (i == text.len) {
            break;
        }

        memcpy(near + i, text.data + i + 1, text.len - i - 1);
        (void) parse_with_both((at_str_t) { near, text.len - 1 });

        memcpy(near + i + 1, text.data + i + 1, text.len - i - 1);

        for (k = 0; k < others.len; k++) {
            near[i] = others.data[k];
            (void) parse_with_both((at_str_t) { near, text.len });
        }
    }

    free(near);
}


/* the text: before, inside, after */
static void
test_text(int rc, const char *before, at_str_t inside, const char *after)
{
    char      *copy;
    size_t     head, tail;
    at_str_t   text;

    head = strlen(before);
    tail = strlen(after);
    copy = allocate(head + inside.len + tail);

    memcpy(copy, before, head);
    memcpy(copy + head, inside.data, inside.len);
    memcpy(copy + head + inside.len, after, tail);

    text = (at_str_t) { copy, head + inside.len + tail };

    is_int(parse_with_both(text), rc, "%s: %.*s",
           rc == VALID ? "valid" : "invalid", (int) text.len, text.data);
    parse_neighbours(text, rc == VALID);

    free(copy);
}


static void
test_texts(int rc, const char *before, const at_str_t *list, size_t n,
    const char *after)
{
    char    *text;
    size_t   i, k;

    for (i = 0; i < n; i++) {
        text = exact_copy(list[i]);

        for (k = 0; k < list[i].len; k++) {
            text[k] = text[k] == '\'' ? '"' : text[k];
        }

        test_text(rc, before, (at_str_t) { text, list[i].len }, after);
        free(text);
    }
}


#define test_list(rc, before, list, after)                                    \
    test_texts(rc, before, list, N(list), after)


static void
test_lists(void)
{
    test_list(VALID, "", valid_objects, "");
    test_list(INVALID, "", invalid_objects, "");
    test_list(VALID, "", valid_duplicates, "");
    test_list(INVALID, "", invalid_duplicates, "");
    test_list(INVALID, "", invalid_nul, "");
    test_list(VALID, "", valid_strings_in_objects, "");
    test_list(INVALID, "", invalid_strings_in_objects, "");

    test_list(VALID, "{\"a\":", valid_values, "}");
    test_list(INVALID, "{\"a\":", invalid_values, "}");
    test_list(VALID, "{\"a\":", valid_strings, "}");
    test_list(INVALID, "{\"a\":", invalid_strings, "}");
    test_list(VALID, "{\"a\":", valid_numbers, "}");
    test_list(INVALID, "{\"a\":", invalid_numbers, "}");

    test_text(INVALID, "", at_str("{'a':1}"), "");
    test_text(INVALID, "{\"a\":", at_str("'x'"), "}");
    test_text(INVALID, "{\"a\":\"", at_str("\\'"), "\"}");

    is_int(parse((at_str_t) { NULL, 0 }, DEPTH), INVALID, "invalid: empty");
}


/* in a string and in a name, after other bytes, and at the end of the text */
static void
test_characters(void)
{
    int          rc;
    char         c;
    unsigned     byte;

    test_list(VALID, "{\"a\":\"", valid_characters, "\"}");
    test_list(VALID, "{\"", valid_characters, "\":1}");
    test_list(VALID, "{\"a\":\"x\\n\\u20ac", valid_characters, "\"}");
    test_list(INVALID, "{\"a\":\"", valid_characters, "");
    test_list(INVALID, "{\"a\":\"\\t", valid_characters, "");

    test_list(INVALID, "{\"a\":\"", invalid_characters, "\"}");
    test_list(INVALID, "{\"", invalid_characters, "\":1}");
    test_list(INVALID, "{\"a\":\"x\\n\\u20ac", invalid_characters, "\"}");
    test_list(INVALID, "{\"a\":\"", invalid_characters, "");
    test_list(INVALID, "{\"a\":\"\\t", invalid_characters, "");

    for (byte = 0; byte < 256; byte++) {
        c = (char) byte;
        rc = byte >= ' ' && byte < 0x80 && c != '"' && c != '\\' ? VALID
             : INVALID;

        test_text(rc, "{\"a\":\"", (at_str_t) { &c, 1 }, "\"}");
        test_text(rc, "{\"", (at_str_t) { &c, 1 }, "\":1}");
        test_text(rc, "{\"a\":\"\\t", (at_str_t) { &c, 1 }, "x\"}");
    }
}


/* White space may stand between all tokens; nothing else may. */
static void
test_space(void)
{
    char         token[2] = "";
    size_t       i;
    const char  *p;

    static const char  *spaces[] = { " ", "\t", "\n", "\r", " \t\r\n \n\n" };
    static const char   tokens[] =
        "_{_'a'_:_[_1_,_{_}_,_-0.5e1_,_true_,_[_]_,_null_]_,_'b'_:_'c'_}_";

    static const at_str_t  others[] = {
        S("\v"), S("\f"), S("\b"), S("\x1f"), S("\x7f"), S("\xc2\xa0"),
        S("\xe2\x80\xa8"), S("\xef\xbb\xbf"), S("\x85"), S("\xe3\x80\x80"),
        S("\\n"), S("\\u0020"), S("//"), S("/* */")
    };

    for (i = 0; i < N(spaces); i++) {
        for (p = tokens; *p; p++) {
            token[0] = *p == '\'' ? '"' : *p;
            add(*p == '_' ? spaces[i] : token, 1);
        }

        test_text(VALID, "", (at_str_t) { built, built_len }, "");
        built_len = 0;
    }

    test_list(INVALID, "", others, "{}");
    test_list(INVALID, "{", others, "}");
    test_list(INVALID, "{}", others, "");
    test_list(INVALID, "{\"a\"", others, ":1}");
    test_list(INVALID, "{\"a\":", others, "1}");
    test_list(INVALID, "{\"a\":1", others, "}");
    test_list(INVALID, "{\"a\":[1", others, "]}");
}


/* the text: before, n times the repeated text, after */
static int
parse_repeated(const char *before, const char *repeated, size_t n,
    const char *after, unsigned depth)
{
    add(before, 1);
    add(repeated, n);
    add(after, 1);

    return parse_built(depth);
}


static void
test_long_numbers(void)
{
    int     rc;
    size_t  i;

    static const struct {
        const char *before, *digit; size_t n; const char *after; int rc;
    } cases[] = {
        { "", "9", 18, "", VALID }, { "-", "9", 18, "", VALID },
        { "", "9", 19, "", VALID }, { "", "1", 5000, "", VALID },
        { "-", "1", 5000, "", VALID }, { "-1", "0", 40000, "", VALID },
        { "", "0", 5000, "", INVALID },

        { "", "9", 308, ".0", VALID }, { "", "9", 308, "e0", VALID },
        { "", "9", 309, ".0", VALID }, { "-", "1", 309, "E0", VALID },
        { "-", "1", 310, "E0", VALID }, { "", "1", 5000, ".5", VALID },
        { "", "1", 5000, "e-4800", VALID },
        { "", "1", 40000, "e-40100", VALID }, { "0.", "1", 5000, "", VALID },
        { "0.", "3", 40000, "", VALID }, { "-0.", "0", 40000, "", VALID },
        { "0.", "0", 40000, "1", VALID }, { "0.", "0", 5000, "1e5000", VALID },
        { "0.", "0", 40000, "1e40300", VALID },
        { "0.", "0", 40000, "1e40400", VALID },
        { "0.5", "0", 40000, "1", VALID },
        { "9007199254740993.", "0", 5000, "", VALID },
        { "9007199254740993.", "0", 5000, "1", VALID },
        { "1e", "0", 5000, "5", VALID }, { "1e", "9", 5000, "", VALID },
        { "1e-", "9", 5000, "", VALID }, { "0e", "9", 5000, "", VALID },
    };

    for (i = 0; i < N(cases); i++) {
        char  before[64], after[64];

        (void) snprintf(before, sizeof(before), "{\"a\":%s", cases[i].before);
        (void) snprintf(after, sizeof(after), "%s}", cases[i].after);

        rc = parse_repeated(before, cases[i].digit, cases[i].n, after,
                            DEPTH);
        is_int(rc, cases[i].rc, "%s: \"%s\", %zu times %s, \"%s\"",
               cases[i].rc == VALID ? "valid" : "invalid", cases[i].before,
               cases[i].n, cases[i].digit, cases[i].after);
    }
}


/* --- limits -------------------------------------------------------------- */


/* an object with depth - 1 nested arrays or objects; inside: the innermost */
static int
parse_nested(unsigned depth, const char *open, const char *inside,
    const char *close, unsigned allowed)
{
    add("{\"a\":", 1);
    add(open, depth - 1);
    add(depth == 1 ? "1" : inside, 1);
    add(close, depth - 1);
    add("}", 1);

    return parse_built(allowed);
}


static void
test_depth(void)
{
    size_t  i;

    static const struct { unsigned depth, allowed; int rc; } cases[] = {
        { 1, 1, VALID }, { 2, 1, TOO_COMPLEX }, { 8, 8, VALID },
        { 9, 8, TOO_COMPLEX }, { 512, 512, VALID }, { 513, 512, TOO_COMPLEX },
        { 2047, 32, TOO_COMPLEX }, { 100000, 32, TOO_COMPLEX },
        { 100000, 1000000, TOO_COMPLEX },
        { 512, 1000000, VALID }, { 513, 1000000, TOO_COMPLEX },
        { 511, 511, VALID }, { 511, 510, TOO_COMPLEX },
        { 1, 0, TOO_COMPLEX },
    };

    for (i = 0; i < N(cases); i++) {
        is_int(parse_nested(cases[i].depth, "[", "", "]", cases[i].allowed),
               cases[i].rc, "%u nested arrays, %u levels are allowed",
               cases[i].depth, cases[i].allowed);
        is_int(parse_nested(cases[i].depth, "{\"a\":", "1", "}",
                            cases[i].allowed),
               cases[i].rc, "%u nested objects, %u levels are allowed",
               cases[i].depth, cases[i].allowed);
    }

    is_int(parse_repeated("{\"a\":", "[", 100000, "", DEPTH), TOO_COMPLEX,
           "100,000 unclosed arrays");
    is_int(parse_repeated("", "[", 8000, "", DEPTH), INVALID,
           "8,000 unclosed arrays, without an object");
}


/* the depth counts, not the number of arrays */
static void
test_breadth(void)
{
    unsigned  allowed;

    for (allowed = 1; allowed <= 4; allowed++) {
        is_int(parse_repeated("{\"a\":[[]", ",{},[]", 500, "]}", allowed),
               allowed < 3 ? TOO_COMPLEX : VALID,
               "1,000 arrays and objects at level 3, %u levels are allowed",
               allowed);
    }
}


/* n members, one of which has the name of another */
static int
parse_members(unsigned n, unsigned first, unsigned second)
{
    unsigned  i;

    add("{", 1);

    for (i = 0; i < n; i++) {
        add(i ? "," : "", 1);
        add_number("\"m", i == second ? first : i, "\":[{}]");
    }

    add("}", 1);

    return parse_built(DEPTH);
}


/* small objects and those with a hash table, two members at each place */
static void
test_members(void)
{
    size_t    i;
    unsigned  n, first, second, wrong;

    static const unsigned  large[] = { 31, 32, 33, 64, 100, 1000, 20000 };

    wrong = 0;

    for (n = 0; n < 24; n++) {
        wrong += parse_members(n, n, n) != VALID;

        for (first = 0; first < n; first++) {
            for (second = first + 1; second < n; second++) {
                wrong += parse_members(n, first, second) != INVALID;
            }
        }
    }

    is_int(wrong, 0, "two of up to 23 members with the same name are found");

    for (i = 0; i < N(large); i++) {
        n = large[i];

        is_int(parse_members(n, n, n), VALID, "%u members", n);
        is_int(parse_members(n, 0, n - 1), INVALID,
               "the first and the last of %u members are equal", n);
        is_int(parse_members(n, n - 2, n - 1), INVALID,
               "the last two of %u members are equal", n);
        is_int(parse_members(n, 3, n / 2), INVALID,
               "two of %u members are equal", n);
    }
}


/* proportional: objects inside objects are compared once each */
static void
test_nested_members(void)
{
    add("{\"a\":[", 1);
    add("{\"0\":0,\"1\":0,\"2\":0,\"3\":0,\"4\":0,\"5\":0,\"6\":0,\"7\":0,"
        "\"8\":0,\"9\":0,\"a\":0,\"b\":0,\"c\":0,\"d\":0,\"e\":0,\"f\":0,"
        "\"g\":{\"g\":0}},", 1000);
    add("0]}", 1);
    is_int(parse_built(DEPTH), VALID, "1,000 objects of 17 members");

    add("{\"a\":[", 1);
    add("{\"0\":0,\"1\":0,\"2\":0,\"3\":0,\"4\":0,\"5\":0,\"6\":0,\"7\":0,"
        "\"8\":0,\"9\":0,\"a\":0,\"b\":0,\"c\":0,\"d\":0,\"e\":0,\"f\":0,"
        "\"g\":{\"g\":0},\"\\u0067\":0},", 1);
    add("0]}", 1);
    is_int(parse_built(DEPTH), INVALID, "an escaped name is compared as well");
}


/* --- JSONTestSuite ------------------------------------------------------- */


/*
 * By the first letter of its name a file is valid (y), invalid (n) or left to
 * the parser (i).  Texts without an object at the top level are invalid for
 * this parser, so each file is also parsed as the value of a member.
 */
static void
test_suite_file(const char *name)
{
    int         valid, object, rc;
    char       *text = allocate(strlen(SUITE) + strlen(name) + 2);
    json_t     *other;
    at_file_t   file;

    (void) sprintf(text, SUITE "/%s", name);
    file = data_read(text);
    free(text);

    other = json_loadb(file.data, file.len, JSON_ALLOW_NUL, NULL);
    object = json_is_object(other)
             || strcmp(name, "y_object_escaped_null_in_key.json") == 0;
    json_decref(other);

    /* stricter on purpose: duplicate names */
    valid = name[0] == 'y'
            && strncmp(name, "y_object_duplicated_key", 23) != 0;

    rc = parse((at_str_t) { file.data, file.len }, DEPTH);
    ok(name[0] == 'i' || (rc == VALID) == (valid && object),
       "JSONTestSuite: %s", name);

    text = allocate(file.len + 6);
    memcpy(text, "{\"a\":", 5);
    memcpy(text + 5, file.data, file.len);
    text[file.len + 5] = '}';

    rc = parse((at_str_t) { text, file.len + 6 }, DEPTH);
    ok(name[0] == 'i' || (valid ? rc == VALID : rc != VALID && rc != -2),
       "JSONTestSuite: %s as the value of a member", name);

    free(text);
    at_file_free(&file);
}


static void
test_suite(void)
{
    unsigned        n = 0;
    struct dirent  *entry;
    DIR            *dir = opendir(SUITE);

    while (dir && (entry = readdir(dir)) != NULL) {
        if (strstr(entry->d_name, ".json") != NULL) {
            test_suite_file(entry->d_name);
            n++;
        }
    }

    if (dir) {
        (void) closedir(dir);
    }

    is_int(n, 318, "all files of JSONTestSuite");
}


/* --- layout -------------------------------------------------------------- */


/*
 * One word for each value in memory: its type, then the bytes of a string or
 * the number of items or members, then the span if that is not 1.
 */
static const char *
layout(const at_json_value_t *value)
{
    size_t                  len = 0;
    const at_json_value_t  *end;
    static char             out[512];

    for (end = at_json_next(value); value < end; value++) {
        len += (size_t) sprintf(out + len, "%s%c", len ? " " : "",
                                "NFTDSAO"[value->type]);

        if (value->type >= AT_JSON_NUMBER) {
            len += (size_t) sprintf(out + len, "%u", value->n);
        }

        if (value->span != 1) {
            len += (size_t) sprintf(out + len, "/%u", (unsigned) value->span);
        }
    }

    return out;
}


static void
test_layout(void)
{
    size_t  i;

    static const struct { const char *text, *layout; } cases[] = {
        { "{}", "O0" }, { "{\"a\":1}", "O1/3 S1 D1" },
        { "{\"\":null}", "O1/3 S0 N" }, { "{\"a\":[]}", "O1/3 S1 A0" },
        { "{\"a\":[[]]}", "O1/4 S1 A1/2 A0" },
        { "{\"a\":[[],[],{}]}", "O1/6 S1 A3/4 A0 A0 O0" },
        { "{\"a\":{\"bc\":true},\"def\":false}", "O2/7 S1 O1/3 S2 T S3 F" },
        { "{\"a\":[1,[2,{\"b\":[3.5]},\"xy\"],null],\"c\":0}",
          "O2/14 S1 A3/10 D1 A3/7 D1 O1/4 S1 A1/2 D3 S2 N S1 D1" },
        { "{\"a\":[[1,[2,[3]]],{\"b\":[4]},[],5],\"c\":[{\"d\":{}}],\"e\":6}",
          "O3/22 S1 A4/13 A2/6 D1 A2/4 D1 A1/2 D1 O1/4 S1 A1/2 D1 A0 D1 "
          "S1 A1/4 O1/3 S1 O0 S1 D1" },
        { "{\"\\u20ac\":\"\\n\"}", "O1/3 S3 S1" },
    };

    for (i = 0; i < N(cases); i++) {
        is_str(layout(object(cases[i].text)), cases[i].layout,
               "layout of %s", cases[i].text);
    }
}


static void
test_array_sizes(void)
{
    unsigned  i, n, wrong = 0;

    for (n = 0; n < 600; n++) {
        add("{\"a\":[", 1);
        add_numbered("", "", n);
        add("]}", 1);

        at_json_free(&json);
        must(parse_built(DEPTH) == VALID, "invalid array");

        wrong += json.items->span != n + 3 || json.items[2].n != n
                 || json.size < n + 3;

        for (i = 0; i < n; i++) {
            wrong += integer(&json.items[3 + i]) != i;
        }
    }

    is_int(wrong, 0, "arrays of 0 to 599 numbers");
}


static void
parse_large_object(void)
{
    add("{\"a\":{", 1);
    add_numbered("\"name", "\":[\"x\"]", 250);
    add("}}", 1);

    must(parse_built(DEPTH) == VALID, "invalid object");
}


static void
test_reuse(void)
{
    size_t                  size;
    const at_json_value_t  *items;

    parse_large_object();
    items = json.items;
    size = json.size;
    is_int(items->span, 3 + 250 * 3, "a large object");

    (void) object("{\"b\":2}");
    ok(json.items == items && json.size == size,
       "a small object uses the same memory");
    is_str(layout(items), "O1/3 S1 D1",
           "the small object has its values only");
    ok(at_json_member(items, at_str("a")) == NULL,
       "members of the previous object are not found");

    is_int(parse(at_str("{\"c\":[1,2,"), DEPTH), INVALID, "invalid text");
    is_str(layout(object("{}")), "O0", "an empty object after invalid text");
    parse_large_object();
    is_int(json.items->span, 3 + 250 * 3, "the large object again");
    ok(json.items == items && json.size == size,
       "the large object uses the same memory");

    at_json_free(&json);
    ok(json.items == NULL && json.size == 0, "the memory is freed");
    at_json_free(&json);
    is_str(layout(object("{\"b\":2}")), "O1/3 S1 D1",
           "freed memory is allocated again");
}


/* --- strings and numbers ------------------------------------------------- */


static void
test_strings(void)
{
    char      text[128];
    size_t    i;
    at_str_t  value;

    static const struct { const char *json; at_str_t bytes; } cases[] = {
        { "", at_str("") }, { "abc", at_str("abc") },
        { "\\\"\\\\\\/\\b\\f\\n\\r\\t", at_str("\"\\/\b\f\n\r\t") },
        { "\\u0041\\u007f", at_str("A\x7f") },
        { "\\u0080\\u07ff", at_str("\xc2\x80\xdf\xbf") },
        { "\\u0800\\uffff", at_str("\xe0\xa0\x80\xef\xbf\xbf") },
        { "\\uD834\\uDd1e", at_str("\xf0\x9d\x84\x9e") },
        { "\\ud800\\udc00\\udbff\\udfff",
          at_str("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf") },
        { "x\\u00e9y\xc3\xa9z", at_str("x\xc3\xa9y\xc3\xa9z") },
        { "\\u20ac\xf0\x9d\x84\x9e", at_str("\xe2\x82\xac\xf0\x9d\x84\x9e") },
        { "\\\\u0041", at_str("\\u0041") }, { "\\u005cn", at_str("\\n") },
        { "\\u0022:1}", at_str("\":1}") },
    };

    for (i = 0; i < N(cases); i++) {
        (void) snprintf(text, sizeof(text), "{\"a\":\"%s\",\"b\":\"next\"}",
                        cases[i].json);
        (void) at_json_string(at_json_member(object(text), at_str("a")),
                              &value);
        is_bytes(value, cases[i].bytes, "\"%s\" is unescaped", cases[i].json);
        ok(value.data >= memory
           && value.data + value.len < memory + memory_len,
           "\"%s\" is a view of the text", cases[i].json);

        (void) at_json_string(at_json_member(json.items, at_str("b")), &value);
        is_bytes(value, at_str("next"), "\"%s\": the next member is unchanged",
                 cases[i].json);

        (void) snprintf(text, sizeof(text), "{\"%s\":7}", cases[i].json);
        is_int(integer(at_json_member(object(text), cases[i].bytes)), 7,
               "the name \"%s\" is found", cases[i].json);
    }
}


static void
test_numbers(void)
{
    char                    text[128];
    size_t                  i;
    double                  number;
    const at_json_value_t  *value;

    static const struct { const char *json; double number; } cases[] = {
        { "0", 0 }, { "-0", -0.0 }, { "-1", -1 }, { "7", 7 },
        { "1700000000", 1700000000 }, { "999999999999999", 999999999999999.0 },
        { "1000000000000000", 1000000000000000.0 },
        { "9007199254740993", 9007199254740992.0 },
        { "9223372036854775807", 9223372036854775808.0 },
        { "-9223372036854775808", -9223372036854775808.0 },
        { "18446744073709551615", 18446744073709551616.0 },
        { "100000000000000000000000", 1e23 },
        { "0.0", 0.0 }, { "-0.0", -0.0 }, { "0.1", 0.1 }, { "1.5", 1.5 },
        { "-2.5e3", -2500 }, { "1E+2", 100 }, { "1e2", 100 },
        { "1e-400", 0 }, { "-1e-400", -0.0 }, { "5e-324", 5e-324 },
        { "2.2250738585072014e-308", 2.2250738585072014e-308 },
        { "1.7976931348623157e308", 1.7976931348623157e308 },
        { "4102444800.5", 4102444800.5 },
    };

    static const char  *large[] = {
        "1e309", "-1e309", "1.7976931348623159e308", "1e99999999999999999999"
    };

    for (i = 0; i < N(cases); i++) {
        (void) snprintf(text, sizeof(text), "{\"a\":[%s,\"x\"],\"b\":%s}",
                        cases[i].json, cases[i].json);
        value = at_json_member(object(text), at_str("b"));
        number = NAN;

        ok(at_json_number(value, &number) == 0 && number == cases[i].number
           && signbit(number) == signbit(cases[i].number),
           "%s has its value", cases[i].json);
        is_bytes((at_str_t) { value->text, value->n }, str(cases[i].json),
                 "%s keeps its text", cases[i].json);

        number = NAN;
        value = at_json_member(json.items, at_str("a")) + 1;
        ok(at_json_number(value, &number) == 0 && number == cases[i].number,
           "%s before a comma has its value", cases[i].json);
    }

    for (i = 0; i < N(large); i++) {
        (void) snprintf(text, sizeof(text), "{\"a\":%s }", large[i]);
        value = at_json_member(object(text), at_str("a"));

        is_int(at_json_number(value, &number), -1, "%s is no double",
               large[i]);
        is_bytes((at_str_t) { value->text, value->n }, str(large[i]),
                 "%s keeps its text", large[i]);
    }
}


/* U+0000 matters only in strings that are used */
static void
test_nul(void)
{
    size_t                  i;
    at_str_t                text;
    const at_json_value_t  *value;

    static const struct { const char *json; int has_nul, is_string; }
    cases[] = {
        { "\"\\u0000\"", 1, 0 }, { "\"a\\u0000b\"", 1, 0 },
        { "\"\\u0001\"", 0, 1 }, { "\"\\\\u0000\"", 0, 1 }, { "\"\"", 0, 1 },
        { "[1,[\"\\u0000\"]]", 1, 0 }, { "{\"a\\u0000\":1}", 1, 0 },
        { "{\"a\":{\"b\":\"x\\u0000\"}}", 1, 0 }, { "[\"a\",null]", 0, 0 },
        { "7", 0, 0 },
    };

    for (i = 0; i < N(cases); i++) {
        add("{\"before\":\"\\u0000\",\"v\":", 1);
        add(cases[i].json, 1);
        add(",\"after\":\"\\u0000\"}", 1);
        must(parse_built(DEPTH) == VALID, cases[i].json);

        value = at_json_member(json.items, at_str("v"));
        is_int(at_json_has_nul(value), cases[i].has_nul, "%s %s U+0000",
               cases[i].json, cases[i].has_nul ? "contains" : "has no");
        is_int(at_json_string(value, &text) == 0, cases[i].is_string,
               "%s %s used as a string", cases[i].json,
               cases[i].is_string ? "is" : "is not");
    }

    is_int(at_json_member_string(json.items, at_str("after"), &text), -1,
           "a member with U+0000 is an error where it is used");
}


/* the decimal separator is a point in every locale */
static void
test_locale(void)
{
    size_t       i;
    double       number;
    const char  *locale;

    static const char  *locales[] = {
        "de_DE.UTF-8", "de_DE.utf8", "de_DE", "fr_FR.UTF-8", "fr_FR",
        "nl_NL.UTF-8", "ru_RU.UTF-8", "pl_PL.UTF-8", "es_ES.UTF-8",
        "it_IT.UTF-8", "pt_BR.UTF-8"
    };

    locale = NULL;

    for (i = 0; i < N(locales) && locale == NULL; i++) {
        locale = setlocale(LC_ALL, locales[i]);
    }

    if (locale == NULL || strcmp(localeconv()->decimal_point, ",") != 0) {
        skip("no locale with a decimal comma is installed");
        (void) setlocale(LC_ALL, "C");
        return;
    }

    number = 0;
    (void) at_json_number(at_json_member(object("{\"a\":1234.5,\"b\":0}"),
                                         at_str("a")), &number);
    ok(number == 1234.5, "1234.5 in the locale %s", locale);
    is_int(parse(at_str("{\"a\":1234,5}"), DEPTH), INVALID,
           "1234,5 is invalid in this locale");
    is_int(parse(at_str("{\"a\":1.234.5}"), DEPTH), INVALID,
           "1.234.5 is invalid in this locale");
    is_str(setlocale(LC_ALL, NULL), locale, "the locale is unchanged");

    (void) setlocale(LC_ALL, "C");
}


/* --- access -------------------------------------------------------------- */


static void
test_member(void)
{
    size_t                  i;
    at_str_t                empty = { NULL, 0 };
    at_claims_t            *claims;
    const at_json_value_t  *value, *found;

    /* 0: not found */
    static const struct { at_str_t name; int value; } cases[] = {
        { at_str("a"), 1 }, { at_str("ab"), 2 }, { at_str(""), 3 },
        { at_str("last"), 4 }, { at_str("A"), 5 },
        { at_str("b"), 0 }, { at_str("abc"), 0 }, { at_str("in"), 0 },
        { at_str("text"), 0 }, { at_str("a\0"), 0 }, { at_str("las"), 0 },
        { at_str("LAST"), 0 },
    };

    static const char  *others[] = {
        "null", "true", "false", "7", "7.5", "\"a\"", "[\"a\",\"a\",{\"a\":1}]"
    };

    value = object("{\"a\":1,\"ab\":2,\"o\":{\"in\":7,\"last\":8},"
                   "\"s\":\"text\",\"l\":[\"text\",9,{\"b\":10}],\"\":3,"
                   "\"A\":5,\"last\":4}");

    for (i = 0; i < N(cases); i++) {
        found = at_json_member(value, cases[i].name);

        is_int(integer(found), cases[i].value,
               "the member \"%s\" is %s", cases[i].name.data,
               cases[i].value ? "found" : "not found");
    }

    is_int(integer(at_json_member(value, empty)), 3,
           "the empty view is the empty name");
    ok(at_json_member(NULL, at_str("a")) == NULL, "NULL has no members");

    for (i = 0; i < N(others); i++) {
        claims = values_any(others[i]);
        ok(at_json_member(values_unwrap(claims), at_str("a")) == NULL,
           "%s has no members", others[i]);
        at_claims_free(claims);
    }

    ok(at_json_member(object("{}"), empty) == NULL, "{} has no members");
}


static void
test_types(void)
{
    int                     is_string, is_number;
    size_t                  i;
    double                  number;
    at_str_t                text;
    at_json_type_e          type;
    const at_json_value_t  *value;

    static const struct { const char *name; at_json_type_e type; } cases[] = {
        { "null", AT_JSON_NULL }, { "false", AT_JSON_FALSE },
        { "true", AT_JSON_TRUE }, { "integer", AT_JSON_NUMBER },
        { "real", AT_JSON_NUMBER }, { "string", AT_JSON_STRING },
        { "array", AT_JSON_ARRAY }, { "object", AT_JSON_OBJECT },
        { "missing", AT_JSON_OBJECT + 1 },
    };

    (void) object("{\"null\":null,\"false\":false,\"true\":true,\"integer\":1,"
                  "\"real\":1.5,\"string\":\"x\",\"array\":[\"x\",1],"
                  "\"object\":{\"x\":1}}");

    for (i = 0; i < N(cases); i++) {
        value = at_json_member(json.items, str(cases[i].name));
        text = at_str("unchanged");
        number = 7;
        is_string = cases[i].type == AT_JSON_STRING;
        is_number = cases[i].type == AT_JSON_NUMBER;

        for (type = AT_JSON_NULL; type <= AT_JSON_OBJECT; type++) {
            is_int(at_json_is(value, type), type == cases[i].type,
                   "%s %s of type %d", cases[i].name,
                   type == cases[i].type ? "is" : "is not", (int) type);
        }

        is_int(at_json_string(value, &text), is_string ? 0 : -1,
               "%s %s a string", cases[i].name, is_string ? "is" : "is not");
        is_bytes(text, is_string ? at_str("x") : at_str("unchanged"),
                 "%s: the string", cases[i].name);

        is_int(at_json_number(value, &number), is_number ? 0 : -1,
               "%s %s a number", cases[i].name, is_number ? "is" : "is not");
        ok(number == (!is_number ? 7 : cases[i].name[0] == 'r' ? 1.5 : 1),
           "%s: the number", cases[i].name);

        is_int(at_json_member_string(json.items, str(cases[i].name), &text),
               is_string ? 1 : value == NULL ? 0 : -1,
               "%s as a string member", cases[i].name);
    }

    is_int(at_json_member_string(NULL, at_str("x"), &text), 0,
           "NULL has no string member");
    is_int(at_json_member_string(at_json_member(json.items, at_str("array")),
                                 at_str("x"), &text), 0,
           "an array has no string member");
}


/* --- claims -------------------------------------------------------------- */


static void
test_claims(void)
{
    char         *text;
    at_str_t      sub;
    at_claims_t  *claims;

    static const char  payload[] = "{\"sub\":\"\\u00e9\",\"x\":1.5}";

    text = strdup(payload);
    must(text != NULL, "no memory");

    is_int(at_claims_parse(&claims, str(text)), 0, "a payload is parsed");
    is_str(text, payload, "the text of the payload is unchanged");
    memset(text, 'x', strlen(text));
    free(text);

    is_int(at_json_member_string(at_claims_object(claims), at_str("sub"),
                                 &sub), 1, "claims own a copy of the text");
    is_bytes(sub, at_str("\xc3\xa9"), "a claim has its value");
    at_claims_free(claims);

    claims = (at_claims_t *) &sub;
    is_int(at_claims_parse(&claims, (at_str_t) { NULL, 0 }), -1,
           "an empty payload is invalid");
    ok(claims == NULL, "an empty payload has no claims");

    claims = (at_claims_t *) &sub;
    is_int(at_claims_parse(&claims, at_str("[]")), -1,
           "a payload that is an array is invalid");
    ok(claims == NULL, "an array has no claims");

    ok(at_claims_object(NULL) == NULL, "NULL has no object of claims");
    at_claims_free(NULL);
}


/* --- documents ----------------------------------------------------------- */


static void
test_document(void)
{
    json_t    *document;
    size_t     i;
    at_str_t   value;

    static const at_str_t  invalid[] = {
        S(""), S("7"), S("\"x\""), S("{}x"), S("{}{}"), S("{}\0"), S("{}\0x"),
        S("{\"a\":\"\\u0000\"}"), S("{\"a\":1,\"a\":1}"),
        S("{\"a\":1,\"\\u0061\":1}"), S("{\"a\":\"\xff\"}")
    };

    for (i = 0; i < N(invalid); i++) {
        document = at_document_parse(invalid[i], 100);
        ok(document == NULL, "invalid document: %.*s", (int) invalid[i].len,
           invalid[i].data);
        json_decref(document);
    }

    document = at_document_parse(at_str("[{\"a\":1}]"), 9);
    ok(json_is_array(document), "a document of the maximum size is valid");
    json_decref(document);

    document = at_document_parse(at_str("[{\"a\":1} ]"), 9);
    ok(document == NULL, "a document of one byte more is refused");

    document = at_document_parse(at_str("{\"s\":\"x\",\"n\":7,\"e\":\"\","
                                        "\"z\":null}"), 100);

    is_int(at_document_string(document, "s", &value), 1, "a string member");
    is_bytes(value, at_str("x"), "a string member has its value");
    is_int(at_document_string(document, "e", &value), 1, "an empty string");
    is_int(value.len, 0, "an empty string is empty");
    is_int(at_document_string(document, "n", &value), -1,
           "a number is not a string");
    is_int(at_document_string(document, "z", &value), -1,
           "null is not a string");
    is_int(at_document_string(document, "x", &value), 0, "a missing member");

    json_decref(document);
}


/* names are hashed: without a random seed they could be chosen to collide */
static void
test_seed(void)
{
    int   i, len = 0;
    char  text[1024];

    for (i = 0; i < 100; i++) {
        len += snprintf(text + len, sizeof(text) - (size_t) len, "%c\"%d\":0",
                        i == 0 ? '{' : ',', i);
    }

    text[len++] = '}';

    is_int(parse((at_str_t) { text, (size_t) len }, DEPTH), VALID,
           "an object of 100 members");
    random_fails = 1;
    is_int(parse((at_str_t) { text, (size_t) len }, DEPTH), AT_JSON_NO_MEMORY,
           "it is not parsed without random bytes for the hash of the names");
    random_fails = 0;
}


int
main(void)
{
    RUN(test_lists, test_characters, test_space, test_long_numbers);

    ok(comparison.texts > 100000, "%u texts were parsed by both parsers",
       comparison.texts);
    is_int(comparison.different, 0, "both parsers agree on all texts");
    is_int(comparison.valid_prefixes, 0, "a prefix of an object is invalid");

    RUN(test_depth, test_breadth, test_members, test_nested_members,
        test_seed, test_suite);

    RUN(test_layout, test_array_sizes, test_reuse, test_strings, test_numbers,
        test_nul, test_locale);

    RUN(test_member, test_types, test_claims, test_document);

    at_json_free(&json);
    free(memory);

    return tap_done();
}
