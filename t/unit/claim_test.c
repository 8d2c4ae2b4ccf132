/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Requirements: variable-names, variable-types, variable-text,
 *   naughty-strings.
 */

#include "core/json/at_claim.h"
#include "data.h"
#include "tap.h"
#include "values.h"


/* the value of an integer member, or 0 */
static long long
integer(const at_json_value_t *claim)
{
    double  number = 0;

    (void) at_json_number(claim, &number);

    return (long long) number;
}


/* "a|b": the names of a path, or NULL if it is invalid */
static const char *
names(const char *text)
{
    char            *copy = exact_copy(str(text));
    size_t           i, len;
    at_claim_path_t  path;
    static char      out[256];

    out[0] = '\0';

    if (at_claim_path_parse(&path, copy, strlen(text)) != 0) {
        free(copy);
        return NULL;
    }

    for (i = 0; i < path.n; i++) {
        len = strlen(out);
        (void) snprintf(out + len, sizeof(out) - len, "%s%.*s", i ? "|" : "",
                        (int) path.names[i].len, path.names[i].data);
    }

    free(copy);

    return out;
}


static void
test_path(void)
{
    size_t       i;
    const char  *got;

    static const struct { const char *text, *names; } cases[] = {
        { "scope", "scope" },
        { "realm_access.roles", "realm_access|roles" },
        { "a.b.c.d.e.f.g.h", "a|b|c|d|e|f|g|h" },
        { "a.b.c.d.e.f.g.h.i", NULL }, { "a.b.c.d.e.f.g.h.", NULL },
        { "", NULL }, { ".", NULL }, { "a.", NULL }, { ".a", NULL },
        { "a..b", NULL }, { "a\\.b", "a.b" }, { "a\\\\b", "a\\b" },
        { "a\\\\.b", "a\\|b" }, { "a\\.\\.b", "a..b" }, { "\\.", "." },
        { "\\\\", "\\" }, { "a\\", NULL }, { "a\\b", NULL }, { "\\", NULL },
        { "\\\\\\", NULL },
        { "https://example\\.com/roles", "https://example.com/roles" },
        { "a\\.b.c\\.d.e", "a.b|c.d|e" }, { " a . b ", " a | b " },
        { "h\xc3\xa9.x", "h\xc3\xa9|x" },
    };

    for (i = 0; i < N(cases); i++) {
        got = names(cases[i].text);

        is_str(got ? got : "(refused)",
               cases[i].names ? cases[i].names : "(refused)",
               "path '%s'", cases[i].text);
    }
}


static void
test_find(void)
{
    char                    buf[64];
    size_t                  i;
    at_claim_path_t         path;
    at_claims_t            *claims;
    const at_json_value_t  *object, *found;

    static const struct {
        const char  *path;
        int          value;         /* 0: not found */
    } cases[] = {
        { "a", 1 }, { "b.c", 2 }, { "b.d.e", 3 }, { "x\\.y", 4 },
        { "x.y", 0 }, { "A", 0 }, { "a.b", 0 }, { "b.c.d", 0 }, { "none", 0 },
        { "b.none", 0 }, { "list.0", 0 }, { "b\\\\", 5 }, { "aa", 0 },
    };

    claims = values_claims("{\"a\": 1, \"b\": {\"c\": 2, \"d\": {\"e\": 3}}, "
                           "\"x.y\": 4, \"list\": [7], \"b\\\\\": 5}");
    object = at_claims_object(claims);

    for (i = 0; i < N(cases); i++) {
        (void) snprintf(buf, sizeof(buf), "%s", cases[i].path);
        (void) at_claim_path_parse(&path, buf, strlen(buf));

        found = at_claim_find(object, &path);

        is_int(integer(found), cases[i].value, "find %s", cases[i].path);
        is_int(found != NULL, cases[i].value != 0, "%s is found or not",
               cases[i].path);
    }

    ok(at_claim_find(NULL, &path) == NULL, "NULL has no claim");

    path.n = 0;
    ok(at_claim_find(object, &path) == NULL, "an empty path finds nothing");

    at_claims_free(claims);
}


static void
test_nocase(void)
{
    size_t                  i;
    at_claims_t            *claims;
    const at_json_value_t  *object;

    static const struct { const char *name; int value; } cases[] = {
        { "sub", 1 }, { "SUB", 1 }, { "sUb", 1 },
        { "userid", 2 }, { "USERID", 2 }, { "userId", 2 },
        { "twice", 3 }, { "TWICE", 4 }, { "Twice", 0 },
        { "su", 0 }, { "subs", 0 }, { "", 0 }, { "\xc3\xa9", 0 },
    };

    claims = values_claims("{\"sub\": 1, \"userId\": 2, \"twice\": 3, "
                           "\"TWICE\": 4, \"\xc3\x89\": 5}");
    object = at_claims_object(claims);

    for (i = 0; i < N(cases); i++) {
        is_int(integer(at_claim_find_nocase(object, str(cases[i].name))),
               cases[i].value, "find '%s' in any case", cases[i].name);
    }

    ok(at_claim_find_nocase(NULL, at_str("a")) == NULL,
       "NULL has no claim, without regard to case");

    at_claims_free(claims);
}


static void
test_text(void)
{
    char          buf[128];
    size_t        i;
    size_t        n;
    at_claims_t  *claims;

    static const struct { const char *json, *text; } cases[] = {
        { "\"x\"", "x" }, { "\"\"", "" }, { "\"a\\\"b\\\\\"", "a\"b\\" },
        { "\"\\u00e9\"", "\xc3\xa9" }, { "\"\\r\\n\"", "\r\n" },
        { "null", "" }, { "true", "true" }, { "false", "false" }, { "0", "0" },
        { "-0", "-0" }, { "7", "7" }, { "-7", "-7" },
        { "9007199254740993", "9007199254740993" },
        { "9223372036854775807", "9223372036854775807" },
        { "-9223372036854775808", "-9223372036854775808" },
        { "0.1", "0.1" }, { "0.5", "0.5" }, { "-0.0", "-0.0" },
        { "1.0", "1.0" }, { "0.3", "0.3" },
        { "0.30000000000000004", "0.30000000000000004" },
        { "1e400", "1e400" }, { "4102444800.5", "4102444800.5" },
        { "1e3", "1e3" }, { "1E+3", "1E+3" }, { "1.10", "1.10" },
        { "18446744073709551615", "18446744073709551615" },
        { "100000000000000000000000000", "100000000000000000000000000" },
        { "2.2250738585072014e-308", "2.2250738585072014e-308" },
        { "1.7976931348623157e308", "1.7976931348623157e308" },
        { "5e-324", "5e-324" },
        { "123456789012345680.0", "123456789012345680.0" },
        { "[]", "[]" }, { "{}", "{}" },
        { "[ 1, \"a\", null ]", "[1,\"a\",null]" },
        { "{ \"a\": [ 1 ], \"b\": { } }", "{\"a\":[1],\"b\":{}}" },
        { "[\"a\\nb\"]", "[\"a\\nb\"]" },
        { "[18446744073709551615, 1e2]", "[18446744073709551615,1e2]" },
        { "[\"\\u0001\\u001f\\u007f\\b\\f\\r\\t\\/\"]",
          "[\"\\u0001\\u001F\x7f\\b\\f\\r\\t/\"]" },
        { "{\"\\\"\\\\\":\"\\u00e9\"}", "{\"\\\"\\\\\":\"\xc3\xa9\"}" },
        { "\"\\u0000\"", "" }, { "\"a\\u0000b\"", "" },
        { "[\"a\\u0000\"]", "" }, { "{\"a\\u0000\":1}", "" },
        { "-", NULL }, { "01", NULL },
    };

    for (i = 0; i < N(cases); i++) {
        if (cases[i].text == NULL) {
            claims = values_wrap(str(cases[i].json));
            ok(claims == NULL, "%s is not valid JSON", cases[i].json);
            at_claims_free(claims);
            continue;
        }

        claims = values_any(cases[i].json);
        n = at_claim_to_text(values_unwrap(claims), buf, sizeof(buf));
        is_bytes((at_str_t) { buf, n }, str(cases[i].text), "%s as text",
                 cases[i].json);
        at_claims_free(claims);
    }
}


/* nothing is written beyond size; the full length is returned */
static void
test_room(void)
{
    char                   *buf;
    size_t                  i, size, whole, wrong;
    char                    full[64];
    at_claims_t            *claims;
    const at_json_value_t  *claim;

    static const char      *cases[] = {
        "\"a string of some length\"", "[1,\"two\",3.5,null]", "12345678",
        "-0.125", "{\"a\":{\"b\":[true,false]}}", "null", "\"\""
    };

    for (i = 0; i < N(cases); i++) {
        claims = values_any(cases[i]);
        claim = values_unwrap(claims);
        whole = at_claim_to_text(claim, full, sizeof(full));
        wrong = 0;

        for (size = 0; size <= whole + 1; size++) {
            buf = malloc(size + !size);
            must(buf != NULL, "no memory");

            wrong += at_claim_to_text(claim, buf, size) != whole;

            if (size >= whole) {
                wrong += memcmp(buf, full, whole) != 0;
            }

            free(buf);
        }

        is_int(wrong, 0, "%s in less and less room", cases[i]);
        is_int(at_claim_to_text(claim, NULL, 0), whole,
               "%s: how long it is", cases[i]);

        at_claims_free(claims);
    }
}


static void
test_naughty(void)
{
    char          buf[4096], *text;
    size_t        i;
    json_t       *list, *entry;
    size_t        n;
    at_claims_t  *claims;

    list = data_json("t/data/naughty-strings/blns.json");

    json_array_foreach(list, i, entry) {
        text = json_dumps(entry, JSON_ENCODE_ANY);
        claims = values_any(text);
        n = at_claim_to_text(values_unwrap(claims), buf, sizeof(buf));

        is_bytes((at_str_t) { buf, n },
                 (at_str_t) { json_string_value(entry),
                              json_string_length(entry) },
                 "naughty string %zu is itself", i);

        at_claims_free(claims);
        free(text);
    }

    json_decref(list);
}


int
main(void)
{
    RUN(test_path, test_find, test_nocase, test_text, test_room, test_naughty);

    return tap_done();
}
