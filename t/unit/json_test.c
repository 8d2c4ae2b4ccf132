/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Each text is read twice: as a document, and as what comes with a token.  The
 * two take the same texts, and find the same in them.
 *
 * Requirements: header-json, json-duplicates, json-nul, json-utf8, exp-range,
 *   json-depth, json-members, json-test-suite.
 */

#include <dirent.h>

#include "core/json/at_claim.h"
#include "core/json/at_json.h"
#include "data.h"
#include "tap.h"


#define N(array)  (sizeof(array) / sizeof((array)[0]))

#define SUITE     "t/data/json-test-suite"


static const at_json_limits_t  limits = { 32, 256, 8192 };


/* the texts that both readers were given, and those that they differ about */
static struct {
    unsigned  n;
    unsigned  wrong;
} readers;

/* what comes with a token is read into the same values again and again */
static at_values_t  used;


/* of exactly its size, to be freed */
static char *
copy_of(at_str_t text)
{
    char  *copy;

    copy = malloc(text.len + !text.len);
    if (copy == NULL) {
        abort();
    }

    if (text.len) {
        memcpy(copy, text.data, text.len);
    }

    return copy;
}


/* the same members, in the same order, and 0.0 is not -0.0; NULL: none taken */
static int
is_same(const json_t *object, const at_value_t *value)
{
    int      same;
    char    *one, *two;
    json_t  *other;

    if (object == NULL || value == NULL) {
        return object == NULL && value == NULL;
    }

    other = at_json_from_value(value);
    one = json_dumps(object, JSON_COMPACT);
    two = json_dumps(other, JSON_COMPACT);

    same = json_equal(object, other) && one && two && strcmp(one, two) == 0;

    free(one);
    free(two);
    json_decref(other);

    return same;
}


static int
is_same_values(const json_t *object, at_str_t text, at_values_t *values,
    const at_json_limits_t *within)
{
    int    rc, same;
    char  *copy;

    copy = copy_of(text);
    rc = at_values_parse(values, copy, text.len, within);

    same = (rc == 0 || rc == -1)
           && is_same(object, rc == 0 ? values->items : NULL);

    free(copy);

    return same;
}


/* claims have the limits of most tests */
static int
is_same_claims(const json_t *object, at_str_t text)
{
    int           rc, same;
    at_claims_t  *claims;

    rc = at_claims_parse(&claims, text);

    same = rc == (claims ? 0 : -1) && is_same(object, at_claims_object(claims));

    at_claims_free(claims);

    return same;
}


static void
check_readers(const json_t *object, at_str_t text, const at_json_limits_t *within)
{
    int          same;
    at_values_t  values = { NULL, 0 };

    same = is_same_values(object, text, &values, within)
           && is_same_values(object, text, &used, within)
           && (within != &limits || is_same_claims(object, text));

    at_values_free(&values);

    readers.n++;
    readers.wrong += !same;

    if (!same && readers.wrong < 20) {
        printf("# the readers differ: ");
        tap_print(text.data, text.len < 400 ? text.len : 400);
        printf("\n");
    }
}


/* from a heap copy of exactly its size; says whether the contract of *object holds */
static at_json_e
parse(at_str_t text, const at_json_limits_t *within)
{
    char       *copy;
    json_t     *object;
    at_json_e   rc;

    copy = copy_of(text);
    text.data = copy;
    object = (json_t *) copy;
    rc = at_json_parse(&object, text, within);

    if ((rc == AT_JSON_OK) != (object != NULL)) {
        ok(0, "an object with AT_JSON_OK and only then");
        abort();
    }

    if (object && !json_is_object(object)) {
        ok(0, "what is accepted is an object");
    }

    check_readers(object, text, within);

    json_decref(object);
    free(copy);

    return rc;
}


/* every text that is another by one byte: cut off, left out, put in or changed */
static void
parse_neighbours(at_str_t text)
{
    char                  *near;
    size_t                 i, k;

    static const at_str_t  others = at_str("\0\t\n\x1f \"+,-./019:AEFU[\\]_bdefnrtu{}"
                                           "\x7f\x80\xbf\xc2\xc3\xe0\xed\xf0\xf4\xff");

    near = malloc(text.len + 1);
    if (near == NULL) {
        abort();
    }

    for (i = 0; i <= text.len; i++) {
        (void) parse((at_str_t) { text.data, i }, &limits);

        memcpy(near, text.data, i);
        memcpy(near + i + 1, text.data + i, text.len - i);

        for (k = 0; k < others.len; k++) {
            near[i] = others.data[k];
            (void) parse((at_str_t) { near, text.len + 1 }, &limits);
        }

        if (i == text.len) {
            break;
        }

        memcpy(near + i, text.data + i + 1, text.len - i - 1);
        (void) parse((at_str_t) { near, text.len - 1 }, &limits);

        memcpy(near + i + 1, text.data + i + 1, text.len - i - 1);

        for (k = 0; k < others.len; k++) {
            near[i] = others.data[k];
            (void) parse((at_str_t) { near, text.len }, &limits);
        }
    }

    free(near);
}


static void
test_text(const char *id, at_str_t text, at_json_e rc)
{
    is_int(parse(text, &limits), rc, "%s %.*s is %s", id, (int) text.len,
           text.data, rc == AT_JSON_OK ? "taken" : "refused");

    parse_neighbours(text);
}


/* before, then inside, then after */
static void
test_around(const char *id, const char *before, at_str_t inside,
    const char *after, at_json_e rc)
{
    char    *text;
    size_t   head, tail;

    head = strlen(before);
    tail = strlen(after);

    text = malloc(head + inside.len + tail + 1);
    if (text == NULL) {
        abort();
    }

    memcpy(text, before, head);
    memcpy(text + head, inside.data, inside.len);
    memcpy(text + head + inside.len, after, tail + 1);

    test_text(id, (at_str_t) { text, head + inside.len + tail }, rc);
    free(text);
}


static void
test_shapes(void)
{
    size_t  i;

    static const struct {
        const char  *id;
        at_str_t     text;
        at_json_e    rc;
    } cases[] = {
        { "header-json", at_str("{}"), AT_JSON_OK },
        { "header-json", at_str(" \t\r\n{ \"a\" : 1 } \n"), AT_JSON_OK },
        { "header-json", at_str("[]"), AT_JSON_INVALID },
        { "header-json", at_str("[{}]"), AT_JSON_INVALID },
        { "header-json", at_str("\"RS256\""), AT_JSON_INVALID },
        { "header-json", at_str("null"), AT_JSON_INVALID },
        { "header-json", at_str("true"), AT_JSON_INVALID },
        { "header-json", at_str("7"), AT_JSON_INVALID },
        { "header-json", at_str(""), AT_JSON_INVALID },
        { "header-json", at_str(" "), AT_JSON_INVALID },
        { "header-json", at_str("{"), AT_JSON_INVALID },
        { "header-json", at_str("{\"a\"}"), AT_JSON_INVALID },
        { "header-json", at_str("{\"a\":1,}"), AT_JSON_INVALID },
        { "header-json", at_str("{'a':1}"), AT_JSON_INVALID },
        { "header-json", at_str("{a:1}"), AT_JSON_INVALID },
        { "header-json", at_str("{}x"), AT_JSON_INVALID },
        { "header-json", at_str("{}{}"), AT_JSON_INVALID },
        { "header-json", at_str("{} {}"), AT_JSON_INVALID },
        { "header-json", at_str("{}//"), AT_JSON_INVALID },
        { "header-json", at_str("\xef\xbb\xbf{}"), AT_JSON_INVALID },
        { "header-json", at_str("{\0}\0"), AT_JSON_INVALID },
        { "header-json", at_str("\xff\xfe{\0}\0"), AT_JSON_INVALID },
        { "header-json", at_str("\xfe\xff\0{\0}"), AT_JSON_INVALID },

        { "json-duplicates", at_str("{\"a\":1,\"a\":1}"), AT_JSON_INVALID },
        { "json-duplicates", at_str("{\"alg\":\"none\",\"alg\":\"RS256\"}"), AT_JSON_INVALID },
        { "json-duplicates", at_str("{\"exp\":1,\"\\u0065xp\":2}"), AT_JSON_INVALID },
        { "json-duplicates", at_str("{\"\\u0065xp\":1,\"exp\":2}"), AT_JSON_INVALID },
        { "json-duplicates", at_str("{\"a\":{\"b\":1,\"b\":2}}"), AT_JSON_INVALID },
        { "json-duplicates", at_str("{\"a\":[{\"b\":1,\"b\":2}]}"), AT_JSON_INVALID },
        { "json-duplicates", at_str("{\"\":1,\"\":2}"), AT_JSON_INVALID },
        { "json-duplicates", at_str("{\"a\":1,\"A\":2}"), AT_JSON_OK },
        { "json-duplicates", at_str("{\"a\":{\"a\":1}}"), AT_JSON_OK },
        { "json-duplicates", at_str("{\"\":1}"), AT_JSON_OK },

        { "json-nul", at_str("{}\0"), AT_JSON_INVALID },
        { "json-nul", at_str("{}\0junk"), AT_JSON_INVALID },
        { "json-nul", at_str("{\"a\":1}\0{\"a\":2}"), AT_JSON_INVALID },
        { "json-nul", at_str("\0{}"), AT_JSON_INVALID },
        { "json-nul", at_str("{\"a\":\"x\0y\"}"), AT_JSON_INVALID },
        { "json-nul", at_str("{\"a\0b\":1}"), AT_JSON_INVALID },
        { "json-nul", at_str("{\"a\":\"\\u0000\"}"), AT_JSON_INVALID },
        { "json-nul", at_str("{\"a\\u0000b\":1}"), AT_JSON_INVALID },
        { "json-nul", at_str("{\"\\u0000\":1}"), AT_JSON_INVALID },
        { "json-nul", at_str("{\"a\":\"\\\\u0000\"}"), AT_JSON_OK },

        { "json-utf8", at_str("{\"a\":\"\xff\"}"), AT_JSON_INVALID },
        { "json-utf8", at_str("{\"a\":\"\xc0\xaf\"}"), AT_JSON_INVALID },
        { "json-utf8", at_str("{\"a\":\"\xe0\x80\xaf\"}"), AT_JSON_INVALID },
        { "json-utf8", at_str("{\"a\":\"\xf0\x80\x80\xaf\"}"), AT_JSON_INVALID },
        { "json-utf8", at_str("{\"a\":\"\xf4\x90\x80\x80\"}"), AT_JSON_INVALID },
        { "json-utf8", at_str("{\"a\":\"\xed\xa0\x80\"}"), AT_JSON_INVALID },
        { "json-utf8", at_str("{\"a\":\"\xed\xa0\x80\xed\xb0\x80\"}"), AT_JSON_INVALID },
        { "json-utf8", at_str("{\"a\":\"\xe2\x82\"}"), AT_JSON_INVALID },
        { "json-utf8", at_str("{\"a\":\"\xe2\x82"), AT_JSON_INVALID },
        { "json-utf8", at_str("{\"a\":\"\x80\"}"), AT_JSON_INVALID },
        { "json-utf8", at_str("{\"\xff\":1}"), AT_JSON_INVALID },
        { "json-utf8", at_str("{\"a\":\"\\ud800\"}"), AT_JSON_INVALID },
        { "json-utf8", at_str("{\"a\":\"\\udc00\"}"), AT_JSON_INVALID },
        { "json-utf8", at_str("{\"a\":\"\\ud800\\u0041\"}"), AT_JSON_INVALID },
        { "json-utf8", at_str("{\"a\":\"\\ud834\\udd1e\"}"), AT_JSON_OK },
        { "json-utf8", at_str("{\"a\":\"\xf0\x9d\x84\x9e\"}"), AT_JSON_OK },

        { "exp-range", at_str("{\"a\":9223372036854775807}"), AT_JSON_OK },
        { "exp-range", at_str("{\"a\":9223372036854775808}"), AT_JSON_INVALID },
        { "exp-range", at_str("{\"a\":18446744073709551616}"), AT_JSON_INVALID },
        { "exp-range", at_str("{\"a\":1e308}"), AT_JSON_OK },
        { "exp-range", at_str("{\"a\":1e999}"), AT_JSON_INVALID },
        { "exp-range", at_str("{\"a\":-1e999}"), AT_JSON_INVALID },
        { "exp-range", at_str("{\"a\":1e-400}"), AT_JSON_OK },
        { "exp-range", at_str("{\"a\":NaN}"), AT_JSON_INVALID },
        { "exp-range", at_str("{\"a\":Infinity}"), AT_JSON_INVALID },
        { "exp-range", at_str("{\"a\":0123}"), AT_JSON_INVALID },
        { "exp-range", at_str("{\"a\":+1}"), AT_JSON_INVALID },
        { "exp-range", at_str("{\"a\":.5}"), AT_JSON_INVALID },
        { "exp-range", at_str("{\"a\":0x7f}"), AT_JSON_INVALID },
        { "exp-range", at_str("{\"a\":1.}"), AT_JSON_INVALID },

        { "header-json", at_str("{\"a\":1,\"b\":2}"), AT_JSON_OK },
        { "header-json", at_str("{,\"a\":1}"), AT_JSON_INVALID },
        { "header-json", at_str("{\"a\":1,,\"b\":2}"), AT_JSON_INVALID },
        { "header-json", at_str("{\"a\":1 \"b\":2}"), AT_JSON_INVALID },
        { "header-json", at_str("{\"a\"::1}"), AT_JSON_INVALID },
        { "header-json", at_str("{\"a\",1}"), AT_JSON_INVALID },
        { "header-json", at_str("{\"a\":1}}"), AT_JSON_INVALID },
        { "header-json", at_str("{\"a\":1}]"), AT_JSON_INVALID },
        { "header-json", at_str("{\"a\":1},"), AT_JSON_INVALID },
        { "header-json", at_str("{{}}"), AT_JSON_INVALID },
        { "header-json", at_str("{[]}"), AT_JSON_INVALID },
        { "header-json", at_str("{}[]"), AT_JSON_INVALID },
        { "header-json", at_str("{}1"), AT_JSON_INVALID },
        { "header-json", at_str("{}\"\""), AT_JSON_INVALID },
        { "header-json", at_str("{}null"), AT_JSON_INVALID },
        { "header-json", at_str("{null:1}"), AT_JSON_INVALID },
        { "header-json", at_str("{1:1}"), AT_JSON_INVALID },
        { "header-json", at_str("{[]:1}"), AT_JSON_INVALID },
        { "header-json", at_str("}"), AT_JSON_INVALID },
        { "header-json", at_str("{\""), AT_JSON_INVALID },
        { "header-json", at_str("{\"a"), AT_JSON_INVALID },
        { "header-json", at_str("{\"a\""), AT_JSON_INVALID },
        { "header-json", at_str("{\"a\":"), AT_JSON_INVALID },
        { "header-json", at_str("{\"a\":1"), AT_JSON_INVALID },
        { "header-json", at_str("{\"a\":1,"), AT_JSON_INVALID },
        { "header-json", at_str("{\"a\":["), AT_JSON_INVALID },
        { "header-json", at_str("{\"a\":[1"), AT_JSON_INVALID },
        { "header-json", at_str("{\"a\":[1,"), AT_JSON_INVALID },
        { "header-json", at_str("{\"a\":t"), AT_JSON_INVALID },
        { "header-json", at_str("{\"a\":true"), AT_JSON_INVALID },
        { "header-json", at_str("{\"a\":nul"), AT_JSON_INVALID },
        { "header-json", at_str("{\"a\":-"), AT_JSON_INVALID },
        { "header-json", at_str("{\"a\":0"), AT_JSON_INVALID },
        { "header-json", at_str("{\"a\":1."), AT_JSON_INVALID },
        { "header-json", at_str("{\"a\":1.5"), AT_JSON_INVALID },
        { "header-json", at_str("{\"a\":1e"), AT_JSON_INVALID },
        { "header-json", at_str("{\"a\":1e+"), AT_JSON_INVALID },
        { "header-json", at_str("{\"a\":1e5"), AT_JSON_INVALID },
        { "header-json", at_str("{\"a\":1.5 "), AT_JSON_INVALID },
        { "header-json", at_str("{\"a\":9223372036854775808"), AT_JSON_INVALID },

        { "json-duplicates", at_str("{\"a/b\":1,\"a\\/b\":2}"), AT_JSON_INVALID },
        { "json-duplicates", at_str("{\"\\t\":1,\"\\u0009\":2}"), AT_JSON_INVALID },
        { "json-duplicates", at_str("{\"\\u00e9\":1,\"\xc3\xa9\":2}"), AT_JSON_INVALID },
        { "json-duplicates", at_str("{\"\\u00E9\":1,\"\\u00e9\":2}"), AT_JSON_INVALID },
        { "json-duplicates", at_str("{\"\\ud834\\udd1e\":1,\"\xf0\x9d\x84\x9e\":2}"),
          AT_JSON_INVALID },
        { "json-duplicates", at_str("{\"\\u0061\":1,\"\\u0061\":2}"), AT_JSON_INVALID },
        { "json-duplicates", at_str("{\"a\":1,\"b\":2,\"c\":3,\"b\":4}"), AT_JSON_INVALID },
        { "json-duplicates", at_str("{\"a\":1,\"b\":2,\"c\":3,\"a\":4}"), AT_JSON_INVALID },
        { "json-duplicates", at_str("{\"a\":{},\"a\":{}}"), AT_JSON_INVALID },
        { "json-duplicates", at_str("{\"a\":[[],[1,{\"b\":2}]],\"b\":3,\"a\":4}"),
          AT_JSON_INVALID },
        { "json-duplicates", at_str("{\"a\":{\"b\":{\"c\":1,\"c\":2}}}"), AT_JSON_INVALID },
        { "json-duplicates", at_str("{\"a\":{\"b\":1},\"c\":{\"b\":1,\"d\":2,\"b\":3}}"),
          AT_JSON_INVALID },
        { "json-duplicates", at_str("{\"\":1,\"a\":2,\"\":3}"), AT_JSON_INVALID },
        { "json-duplicates", at_str("{\"\\u0061\":1,\"\\u0041\":2}"), AT_JSON_OK },
        { "json-duplicates", at_str("{\"e\xcc\x81\":1,\"\xc3\xa9\":2}"), AT_JSON_OK },
        { "json-duplicates", at_str("{\"a\":{\"b\":1},\"b\":2}"), AT_JSON_OK },
        { "json-duplicates", at_str("{\"b\":2,\"a\":{\"b\":1}}"), AT_JSON_OK },
        { "json-duplicates", at_str("{\"a\":[{\"a\":1},{\"a\":2}]}"), AT_JSON_OK },
        { "json-duplicates", at_str("{\"a\":{\"a\":{\"a\":{\"a\":1}}}}"), AT_JSON_OK },
        { "json-duplicates", at_str("{\"a\":{\"b\":1},\"c\":{\"b\":1}}"), AT_JSON_OK },
        { "json-duplicates", at_str("{\"a\":1,\"ab\":2,\"abc\":3}"), AT_JSON_OK },
        { "json-duplicates", at_str("{\"a\":1,\"\":2}"), AT_JSON_OK },
        { "json-duplicates", at_str("{\"\":{\"\":{\"\":1}}}"), AT_JSON_OK },
        { "json-duplicates", at_str("{\"\":\"\"}"), AT_JSON_OK },
        { "json-duplicates", at_str("{\"a\":\"b\",\"b\":\"a\"}"), AT_JSON_OK },
        { "json-duplicates", at_str("{\"x\":[\"a\",\"a\"],\"a\":1}"), AT_JSON_OK },

        { "json-nul", at_str("{\0}"), AT_JSON_INVALID },
        { "json-nul", at_str("{\"a\":\0}"), AT_JSON_INVALID },
        { "json-nul", at_str("{\"a\":1\0}"), AT_JSON_INVALID },
        { "json-nul", at_str("{\"a\":1.5\0}"), AT_JSON_INVALID },
        { "json-nul", at_str("{\"a\":1e5\0}"), AT_JSON_INVALID },
        { "json-nul", at_str("{\"a\":[\0]}"), AT_JSON_INVALID },
        { "json-nul", at_str("{\"a\":true\0}"), AT_JSON_INVALID },
        { "json-nul", at_str("{}\0\0"), AT_JSON_INVALID },
        { "json-nul", at_str("{} \0"), AT_JSON_INVALID },
        { "json-nul", at_str("{\"a\":\"\\u0061\0\"}"), AT_JSON_INVALID },
        { "json-nul", at_str("{\"a\":\"\\\0\"}"), AT_JSON_INVALID },
        { "json-nul", at_str("{\"a\":\"\\u\0\0\0\0\"}"), AT_JSON_INVALID },

        { "json-utf8", at_str("{\"a\":\"\\"), AT_JSON_INVALID },
        { "json-utf8", at_str("{\"a\":\"\\\\"), AT_JSON_INVALID },
        { "json-utf8", at_str("{\"a\":\"\\\""), AT_JSON_INVALID },
        { "json-utf8", at_str("{\"a\":\"\\u"), AT_JSON_INVALID },
        { "json-utf8", at_str("{\"a\":\"\\u0"), AT_JSON_INVALID },
        { "json-utf8", at_str("{\"a\":\"\\u00"), AT_JSON_INVALID },
        { "json-utf8", at_str("{\"a\":\"\\u004"), AT_JSON_INVALID },
        { "json-utf8", at_str("{\"a\":\"\\u0041"), AT_JSON_INVALID },
        { "json-utf8", at_str("{\"a\":\"\\ud800"), AT_JSON_INVALID },
        { "json-utf8", at_str("{\"a\":\"\\ud800\\"), AT_JSON_INVALID },
        { "json-utf8", at_str("{\"a\":\"\\ud800\\u"), AT_JSON_INVALID },
        { "json-utf8", at_str("{\"a\":\"\\ud800\\udc0"), AT_JSON_INVALID },
        { "json-utf8", at_str("{\"a\":\"\\ud800\\udc00"), AT_JSON_INVALID },
        { "json-utf8", at_str("{\"a\":\"\\ud800\\udc00\""), AT_JSON_INVALID },
        { "json-utf8", at_str("{\"\\"), AT_JSON_INVALID },
        { "json-utf8", at_str("{\"\\u"), AT_JSON_INVALID },
        { "json-utf8", at_str("{\"\\u0061"), AT_JSON_INVALID },
        { "json-utf8", at_str("{\"\\u0061\""), AT_JSON_INVALID },
        { "json-utf8", at_str("{\"\\u0061\":"), AT_JSON_INVALID },
        { "json-utf8", at_str("{\"\\ud834\":1}"), AT_JSON_INVALID },
        { "json-utf8", at_str("{\"\\x\":1}"), AT_JSON_INVALID },
        { "json-utf8", at_str("{\"\\u0061\":1}"), AT_JSON_OK },
        { "json-utf8", at_str("{\"\\\"\\\\\\/\\b\\f\\n\\r\\t\":1}"), AT_JSON_OK },
        { "json-utf8", at_str("{\"\\ud834\\udd1e\":1}"), AT_JSON_OK },
        { "json-utf8", at_str("{\xc3\xa9}"), AT_JSON_INVALID },
        { "json-utf8", at_str("{}\xc3\xa9"), AT_JSON_INVALID },
        { "json-utf8", at_str("\xc3\xa9{}"), AT_JSON_INVALID },
        { "json-utf8", at_str("{\"a\":\xc3\xa9}"), AT_JSON_INVALID },
        { "json-utf8", at_str("{\"a\":1\xc3\xa9}"), AT_JSON_INVALID },
        { "json-utf8", at_str("{\"a\"\x80:1}"), AT_JSON_INVALID },
    };

    for (i = 0; i < N(cases); i++) {
        test_text(cases[i].id, cases[i].text, cases[i].rc);
    }

    is_int(parse((at_str_t) { NULL, 0 }, &limits), AT_JSON_INVALID,
           "the empty view");
}


/* as the value of a member */
static void
test_values(void)
{
    size_t  i;

    static const struct {
        const char  *id;
        at_str_t     text;
        at_json_e    rc;
    } cases[] = {
        { "header-json", at_str("[]"), AT_JSON_OK },
        { "header-json", at_str("[[]]"), AT_JSON_OK },
        { "header-json", at_str("[[],[],[[]],{}]"), AT_JSON_OK },
        { "header-json", at_str("[{},{},[{}]]"), AT_JSON_OK },
        { "header-json", at_str("{}"), AT_JSON_OK },
        { "header-json", at_str("[1]"), AT_JSON_OK },
        { "header-json", at_str("[1,2,3]"), AT_JSON_OK },
        { "header-json", at_str("true"), AT_JSON_OK },
        { "header-json", at_str("false"), AT_JSON_OK },
        { "header-json", at_str("null"), AT_JSON_OK },
        { "header-json", at_str("[true,false,null]"), AT_JSON_OK },
        { "header-json", at_str(""), AT_JSON_INVALID },
        { "header-json", at_str("[1,]"), AT_JSON_INVALID },
        { "header-json", at_str("[,1]"), AT_JSON_INVALID },
        { "header-json", at_str("[,]"), AT_JSON_INVALID },
        { "header-json", at_str("[1,,2]"), AT_JSON_INVALID },
        { "header-json", at_str("[1 2]"), AT_JSON_INVALID },
        { "header-json", at_str("[1:2]"), AT_JSON_INVALID },
        { "header-json", at_str("[1}"), AT_JSON_INVALID },
        { "header-json", at_str("["), AT_JSON_INVALID },
        { "header-json", at_str("[1"), AT_JSON_INVALID },
        { "header-json", at_str("[1,"), AT_JSON_INVALID },
        { "header-json", at_str("[[]"), AT_JSON_INVALID },
        { "header-json", at_str("]"), AT_JSON_INVALID },
        { "header-json", at_str("[]]"), AT_JSON_INVALID },
        { "header-json", at_str("{]"), AT_JSON_INVALID },
        { "header-json", at_str("{,}"), AT_JSON_INVALID },
        { "header-json", at_str("{\"b\"}"), AT_JSON_INVALID },
        { "header-json", at_str("{\"b\":}"), AT_JSON_INVALID },
        { "header-json", at_str("{\"b\":1,}"), AT_JSON_INVALID },
        { "header-json", at_str("{\"b\" 1}"), AT_JSON_INVALID },
        { "header-json", at_str(","), AT_JSON_INVALID },
        { "header-json", at_str(":1"), AT_JSON_INVALID },
        { "header-json", at_str("1 2"), AT_JSON_INVALID },
        { "header-json", at_str("\"x\"\"y\""), AT_JSON_INVALID },
        { "header-json", at_str("\"x"), AT_JSON_INVALID },
        { "header-json", at_str("\""), AT_JSON_INVALID },
        { "header-json", at_str("'x'"), AT_JSON_INVALID },
        { "header-json", at_str("x"), AT_JSON_INVALID },
        { "header-json", at_str("/**/1"), AT_JSON_INVALID },
        { "header-json", at_str("1//"), AT_JSON_INVALID },
        { "header-json", at_str("True"), AT_JSON_INVALID },
        { "header-json", at_str("TRUE"), AT_JSON_INVALID },
        { "header-json", at_str("tru"), AT_JSON_INVALID },
        { "header-json", at_str("truex"), AT_JSON_INVALID },
        { "header-json", at_str("true1"), AT_JSON_INVALID },
        { "header-json", at_str("true_"), AT_JSON_INVALID },
        { "header-json", at_str("t"), AT_JSON_INVALID },
        { "header-json", at_str("fals"), AT_JSON_INVALID },
        { "header-json", at_str("nul"), AT_JSON_INVALID },
        { "header-json", at_str("nulll"), AT_JSON_INVALID },
        { "header-json", at_str("nil"), AT_JSON_INVALID },
        { "header-json", at_str("truefalse"), AT_JSON_INVALID },
        { "header-json", at_str("undefined"), AT_JSON_INVALID },
        { "header-json", at_str("t rue"), AT_JSON_INVALID },
        { "header-json", at_str("tr\nue"), AT_JSON_INVALID },

        { "json-utf8", at_str("\"\\\"\""), AT_JSON_OK },
        { "json-utf8", at_str("\"\\\\\""), AT_JSON_OK },
        { "json-utf8", at_str("\"\\/\""), AT_JSON_OK },
        { "json-utf8", at_str("\"/\""), AT_JSON_OK },
        { "json-utf8", at_str("\"\\b\\f\\n\\r\\t\""), AT_JSON_OK },
        { "json-utf8", at_str("\"x\\ny\\tz\""), AT_JSON_OK },
        { "json-utf8", at_str("\"\\\\\\\\\""), AT_JSON_OK },
        { "json-utf8", at_str("\"\\\\\\\"\""), AT_JSON_OK },
        { "json-utf8", at_str("\"\\u0041\\u007f\\u0080\\u07ff\\u0800\\uffff\""),
          AT_JSON_OK },
        { "json-utf8", at_str("\"\\uabcd\\uABCD\\uAbCd\""), AT_JSON_OK },
        { "json-utf8", at_str("\"\\ud7ff\\ue000\""), AT_JSON_OK },
        { "json-utf8", at_str("\"\\ud800\\udc00\""), AT_JSON_OK },
        { "json-utf8", at_str("\"\\uDBFF\\uDFFF\""), AT_JSON_OK },
        { "json-utf8", at_str("\"\\u0001\\u001f\""), AT_JSON_OK },
        { "json-utf8", at_str("\"\\u0022\\u005c\""), AT_JSON_OK },
        { "json-utf8", at_str("\"\\u005cn\""), AT_JSON_OK },
        { "json-utf8", at_str("\"\\u00010\""), AT_JSON_OK },
        { "json-utf8", at_str("\"\\ufeff\""), AT_JSON_OK },
        { "json-utf8", at_str("\"\\ufffe\\uffff\""), AT_JSON_OK },
        { "json-utf8", at_str("\"\xc3\xa9\\u00e9\xe2\x82\xac\\u20ac\""), AT_JSON_OK },
        { "json-utf8", at_str("\"\xf0\x9d\x84\x9e\\ud834\\udd1e\xc3\xa9\""), AT_JSON_OK },
        { "json-utf8", at_str("\"\\u0000\""), AT_JSON_INVALID },
        { "json-utf8", at_str("\"x\\u0000\""), AT_JSON_INVALID },
        { "json-utf8", at_str("\"\\u00000\""), AT_JSON_INVALID },
        { "json-utf8", at_str("\"\\U0041\""), AT_JSON_INVALID },
        { "json-utf8", at_str("\"\\x41\""), AT_JSON_INVALID },
        { "json-utf8", at_str("\"\\a\""), AT_JSON_INVALID },
        { "json-utf8", at_str("\"\\v\""), AT_JSON_INVALID },
        { "json-utf8", at_str("\"\\0\""), AT_JSON_INVALID },
        { "json-utf8", at_str("\"\\'\""), AT_JSON_INVALID },
        { "json-utf8", at_str("\"\\ \""), AT_JSON_INVALID },
        { "json-utf8", at_str("\"\\B\""), AT_JSON_INVALID },
        { "json-utf8", at_str("\"\\N\""), AT_JSON_INVALID },
        { "json-utf8", at_str("\"\\\n\""), AT_JSON_INVALID },
        { "json-utf8", at_str("\"\\\xc3\xa9\""), AT_JSON_INVALID },
        { "json-utf8", at_str("\"\\u\""), AT_JSON_INVALID },
        { "json-utf8", at_str("\"\\u1\""), AT_JSON_INVALID },
        { "json-utf8", at_str("\"\\u12\""), AT_JSON_INVALID },
        { "json-utf8", at_str("\"\\u123\""), AT_JSON_INVALID },
        { "json-utf8", at_str("\"\\u123g\""), AT_JSON_INVALID },
        { "json-utf8", at_str("\"\\u-123\""), AT_JSON_INVALID },
        { "json-utf8", at_str("\"\\u+123\""), AT_JSON_INVALID },
        { "json-utf8", at_str("\"\\u 123\""), AT_JSON_INVALID },
        { "json-utf8", at_str("\"\\u0x1\""), AT_JSON_INVALID },
        { "json-utf8", at_str("\"\\u:123\""), AT_JSON_INVALID },
        { "json-utf8", at_str("\"\\u@123\""), AT_JSON_INVALID },
        { "json-utf8", at_str("\"\\u`123\""), AT_JSON_INVALID },
        { "json-utf8", at_str("\"\\uG123\""), AT_JSON_INVALID },
        { "json-utf8", at_str("\"\\ud800\\udbff\""), AT_JSON_INVALID },
        { "json-utf8", at_str("\"\\ud800\\ue000\""), AT_JSON_INVALID },
        { "json-utf8", at_str("\"\\ud800x\""), AT_JSON_INVALID },
        { "json-utf8", at_str("\"\\ud800\\n\""), AT_JSON_INVALID },
        { "json-utf8", at_str("\"\\ud800\\\\udc00\""), AT_JSON_INVALID },
        { "json-utf8", at_str("\"\\ud800\\u\""), AT_JSON_INVALID },
        { "json-utf8", at_str("\"\\ud800\\udc0\""), AT_JSON_INVALID },
        { "json-utf8", at_str("\"\\ud800\\ud800\\udc00\""), AT_JSON_INVALID },
        { "json-utf8", at_str("\"\\udc00\\ud800\""), AT_JSON_INVALID },
        { "json-utf8", at_str("\"\\udfff\""), AT_JSON_INVALID },
        { "json-utf8", at_str("\"\\udbff\""), AT_JSON_INVALID },
        { "json-utf8", at_str("\"\\ud834\\udd1e\\udd1e\""), AT_JSON_INVALID },
        { "json-utf8", at_str("\"\\ud800\xed\xb0\x80\""), AT_JSON_INVALID },
        { "json-utf8", at_str("\"\\ud800\\u0000\""), AT_JSON_INVALID },

        { "exp-range", at_str("0"), AT_JSON_OK },
        { "exp-range", at_str("-0"), AT_JSON_OK },
        { "exp-range", at_str("1"), AT_JSON_OK },
        { "exp-range", at_str("-1"), AT_JSON_OK },
        { "exp-range", at_str("10"), AT_JSON_OK },
        { "exp-range", at_str("1234567890"), AT_JSON_OK },
        { "exp-range", at_str("0.0"), AT_JSON_OK },
        { "exp-range", at_str("-0.0"), AT_JSON_OK },
        { "exp-range", at_str("0.1"), AT_JSON_OK },
        { "exp-range", at_str("-0.1"), AT_JSON_OK },
        { "exp-range", at_str("1.0"), AT_JSON_OK },
        { "exp-range", at_str("1.10"), AT_JSON_OK },
        { "exp-range", at_str("0.00000000000000000001"), AT_JSON_OK },
        { "exp-range", at_str("1e2"), AT_JSON_OK },
        { "exp-range", at_str("1E2"), AT_JSON_OK },
        { "exp-range", at_str("1e+2"), AT_JSON_OK },
        { "exp-range", at_str("1E+2"), AT_JSON_OK },
        { "exp-range", at_str("1e-2"), AT_JSON_OK },
        { "exp-range", at_str("1E-2"), AT_JSON_OK },
        { "exp-range", at_str("0e0"), AT_JSON_OK },
        { "exp-range", at_str("0E+0"), AT_JSON_OK },
        { "exp-range", at_str("-0e-0"), AT_JSON_OK },
        { "exp-range", at_str("1e00"), AT_JSON_OK },
        { "exp-range", at_str("1e0002"), AT_JSON_OK },
        { "exp-range", at_str("1.5e3"), AT_JSON_OK },
        { "exp-range", at_str("-1.5E-3"), AT_JSON_OK },
        { "exp-range", at_str("0e999999999999999999999"), AT_JSON_OK },
        { "exp-range", at_str("0.0e99999"), AT_JSON_OK },
        { "exp-range", at_str("1e-999999999999999999999"), AT_JSON_OK },
        { "exp-range", at_str("-1e-400"), AT_JSON_OK },
        { "exp-range", at_str("1.7976931348623157e308"), AT_JSON_OK },
        { "exp-range", at_str("-1.7976931348623157e308"), AT_JSON_OK },
        { "exp-range", at_str("1.7976931348623158e308"), AT_JSON_OK },
        { "exp-range", at_str("17976931348623157e292"), AT_JSON_OK },
        { "exp-range", at_str("0.01e310"), AT_JSON_OK },
        { "exp-range", at_str("5e-324"), AT_JSON_OK },
        { "exp-range", at_str("4.9406564584124654e-324"), AT_JSON_OK },
        { "exp-range", at_str("2e-324"), AT_JSON_OK },
        { "exp-range", at_str("2.2250738585072014e-308"), AT_JSON_OK },
        { "exp-range", at_str("2.2250738585072011e-308"), AT_JSON_OK },
        { "exp-range", at_str("9223372036854775806"), AT_JSON_OK },
        { "exp-range", at_str("-9223372036854775807"), AT_JSON_OK },
        { "exp-range", at_str("-9223372036854775808"), AT_JSON_OK },
        { "exp-range", at_str("9223372036854775808.0"), AT_JSON_OK },
        { "exp-range", at_str("9223372036854775808e0"), AT_JSON_OK },
        { "exp-range", at_str("9007199254740993"), AT_JSON_OK },
        { "exp-range", at_str("9007199254740993.0"), AT_JSON_OK },
        { "exp-range", at_str("123456789012345678901234567890.5"), AT_JSON_OK },
        { "exp-range", at_str("0.30000000000000004"), AT_JSON_OK },
        { "exp-range", at_str("0.1000000000000000055511151231257827021181583404541015625"),
          AT_JSON_OK },
        { "exp-range", at_str("8.41e21"), AT_JSON_OK },
        { "exp-range", at_str("9.5e-7"), AT_JSON_OK },
        { "exp-range", at_str("[1,-1,0,-0,1.5,-1.5e5]"), AT_JSON_OK },
        { "exp-range", at_str("[1.5,2.5]"), AT_JSON_OK },
        { "exp-range", at_str("{\"b\":1.5}"), AT_JSON_OK },
        { "exp-range", at_str("1e309"), AT_JSON_INVALID },
        { "exp-range", at_str("-1e309"), AT_JSON_INVALID },
        { "exp-range", at_str("1e99999999999999999999"), AT_JSON_INVALID },
        { "exp-range", at_str("-1e99999999999999999999"), AT_JSON_INVALID },
        { "exp-range", at_str("1.7976931348623159e308"), AT_JSON_INVALID },
        { "exp-range", at_str("-1.7976931348623159e308"), AT_JSON_INVALID },
        { "exp-range", at_str("0.1e310"), AT_JSON_INVALID },
        { "exp-range", at_str("-9223372036854775809"), AT_JSON_INVALID },
        { "exp-range", at_str("-9223372036854775810"), AT_JSON_INVALID },
        { "exp-range", at_str("9223372036854775810"), AT_JSON_INVALID },
        { "exp-range", at_str("9223372036854775817"), AT_JSON_INVALID },
        { "exp-range", at_str("10000000000000000000"), AT_JSON_INVALID },
        { "exp-range", at_str("-10000000000000000000"), AT_JSON_INVALID },
        { "exp-range", at_str("18446744073709551615"), AT_JSON_INVALID },
        { "exp-range", at_str("99999999999999999999999999"), AT_JSON_INVALID },
        { "exp-range", at_str("-"), AT_JSON_INVALID },
        { "exp-range", at_str("--1"), AT_JSON_INVALID },
        { "exp-range", at_str("-+1"), AT_JSON_INVALID },
        { "exp-range", at_str("+"), AT_JSON_INVALID },
        { "exp-range", at_str("00"), AT_JSON_INVALID },
        { "exp-range", at_str("-00"), AT_JSON_INVALID },
        { "exp-range", at_str("-01"), AT_JSON_INVALID },
        { "exp-range", at_str("00.5"), AT_JSON_INVALID },
        { "exp-range", at_str("01e1"), AT_JSON_INVALID },
        { "exp-range", at_str("0 0"), AT_JSON_INVALID },
        { "exp-range", at_str("1.0e"), AT_JSON_INVALID },
        { "exp-range", at_str("1e"), AT_JSON_INVALID },
        { "exp-range", at_str("1e+"), AT_JSON_INVALID },
        { "exp-range", at_str("1e-"), AT_JSON_INVALID },
        { "exp-range", at_str("1E"), AT_JSON_INVALID },
        { "exp-range", at_str("1e++1"), AT_JSON_INVALID },
        { "exp-range", at_str("1e+-1"), AT_JSON_INVALID },
        { "exp-range", at_str("1e1.5"), AT_JSON_INVALID },
        { "exp-range", at_str("1e1e1"), AT_JSON_INVALID },
        { "exp-range", at_str("1.e1"), AT_JSON_INVALID },
        { "exp-range", at_str("1..5"), AT_JSON_INVALID },
        { "exp-range", at_str("1.5.5"), AT_JSON_INVALID },
        { "exp-range", at_str("-.5"), AT_JSON_INVALID },
        { "exp-range", at_str("."), AT_JSON_INVALID },
        { "exp-range", at_str("-e1"), AT_JSON_INVALID },
        { "exp-range", at_str("e1"), AT_JSON_INVALID },
        { "exp-range", at_str("1.-5"), AT_JSON_INVALID },
        { "exp-range", at_str("1.+5"), AT_JSON_INVALID },
        { "exp-range", at_str("1 .5"), AT_JSON_INVALID },
        { "exp-range", at_str("1. 5"), AT_JSON_INVALID },
        { "exp-range", at_str("1 e5"), AT_JSON_INVALID },
        { "exp-range", at_str("1e 5"), AT_JSON_INVALID },
        { "exp-range", at_str("- 1"), AT_JSON_INVALID },
        { "exp-range", at_str("1f"), AT_JSON_INVALID },
        { "exp-range", at_str("1L"), AT_JSON_INVALID },
        { "exp-range", at_str("1_000"), AT_JSON_INVALID },
        { "exp-range", at_str("1,5"), AT_JSON_INVALID },
        { "exp-range", at_str("1a"), AT_JSON_INVALID },
        { "exp-range", at_str("1.5a"), AT_JSON_INVALID },
        { "exp-range", at_str("0x"), AT_JSON_INVALID },
        { "exp-range", at_str("0b1"), AT_JSON_INVALID },
        { "exp-range", at_str("0o7"), AT_JSON_INVALID },
        { "exp-range", at_str("-Infinity"), AT_JSON_INVALID },
        { "exp-range", at_str("inf"), AT_JSON_INVALID },
        { "exp-range", at_str("-inf"), AT_JSON_INVALID },
        { "exp-range", at_str("nan"), AT_JSON_INVALID },
        { "exp-range", at_str("-nan"), AT_JSON_INVALID },
        { "exp-range", at_str("1e5x"), AT_JSON_INVALID },
        { "exp-range", at_str("\xef\xbc\x91"), AT_JSON_INVALID },
        { "exp-range", at_str("[1.]"), AT_JSON_INVALID },
        { "exp-range", at_str("[1e]"), AT_JSON_INVALID },
        { "exp-range", at_str("[-]"), AT_JSON_INVALID },
    };

    for (i = 0; i < N(cases); i++) {
        test_around(cases[i].id, "{\"a\":", cases[i].text, "}", cases[i].rc);
    }
}


/* in a string and in a name, behind other bytes, and where the text ends */
static void
test_characters(void)
{
    char        c;
    size_t      i;
    unsigned    byte;
    at_str_t    one;
    at_json_e   rc;

    static const struct {
        at_str_t   text;
        at_json_e  rc;
    } cases[] = {
        { at_str("\x7f"), AT_JSON_OK },
        { at_str("\xc2\x80"), AT_JSON_OK },
        { at_str("\xdf\xbf"), AT_JSON_OK },
        { at_str("\xe0\xa0\x80"), AT_JSON_OK },
        { at_str("\xed\x9f\xbf"), AT_JSON_OK },
        { at_str("\xee\x80\x80"), AT_JSON_OK },
        { at_str("\xef\xbf\xbf"), AT_JSON_OK },
        { at_str("\xef\xbb\xbf"), AT_JSON_OK },
        { at_str("\xf0\x90\x80\x80"), AT_JSON_OK },
        { at_str("\xf4\x8f\xbf\xbf"), AT_JSON_OK },
        { at_str("\xc0\x80"), AT_JSON_INVALID },
        { at_str("\xc1\xbf"), AT_JSON_INVALID },
        { at_str("\xe0\x9f\xbf"), AT_JSON_INVALID },
        { at_str("\xf0\x8f\xbf\xbf"), AT_JSON_INVALID },
        { at_str("\xf4\x90\x80\x80"), AT_JSON_INVALID },
        { at_str("\xf5\x80\x80\x80"), AT_JSON_INVALID },
        { at_str("\xf8\x88\x80\x80\x80"), AT_JSON_INVALID },
        { at_str("\xfc\x84\x80\x80\x80\x80"), AT_JSON_INVALID },
        { at_str("\xfe"), AT_JSON_INVALID },
        { at_str("\xff"), AT_JSON_INVALID },
        { at_str("\xed\xa0\x80"), AT_JSON_INVALID },
        { at_str("\xed\xbf\xbf"), AT_JSON_INVALID },
        { at_str("\x80"), AT_JSON_INVALID },
        { at_str("\xbf"), AT_JSON_INVALID },
        { at_str("\xc2"), AT_JSON_INVALID },
        { at_str("\xe2\x82"), AT_JSON_INVALID },
        { at_str("\xe2"), AT_JSON_INVALID },
        { at_str("\xf0\x9d\x84"), AT_JSON_INVALID },
        { at_str("\xf0\x9d"), AT_JSON_INVALID },
        { at_str("\xf0"), AT_JSON_INVALID },
        { at_str("\xc2\xc2\x80"), AT_JSON_INVALID },
        { at_str("\xc2\x7f"), AT_JSON_INVALID },
        { at_str("\xc2\xc0"), AT_JSON_INVALID },
        { at_str("\xe2\x28\xa1"), AT_JSON_INVALID },
        { at_str("\xe2\x82\x28"), AT_JSON_INVALID },
        { at_str("\xe2\x82\xc0"), AT_JSON_INVALID },
        { at_str("\xf0\x28\x8c\xbc"), AT_JSON_INVALID },
        { at_str("\xf0\x90\x28\xbc"), AT_JSON_INVALID },
        { at_str("\xf0\x90\x8c\x28"), AT_JSON_INVALID },
        { at_str("\xf0\x9d\x84\xc0"), AT_JSON_INVALID },
        { at_str("\xc2\x80\x80"), AT_JSON_INVALID },
    };

    for (i = 0; i < N(cases); i++) {
        test_around("json-utf8", "{\"a\":\"", cases[i].text, "\"}", cases[i].rc);
        test_around("json-utf8", "{\"", cases[i].text, "\":1}", cases[i].rc);
        test_around("json-utf8", "{\"a\":\"x\\n\\u20ac", cases[i].text, "\"}",
                    cases[i].rc);
        test_around("json-utf8", "{\"a\":\"", cases[i].text, "", AT_JSON_INVALID);
        test_around("json-utf8", "{\"a\":\"\\t", cases[i].text, "", AT_JSON_INVALID);
    }

    /* each byte alone */
    for (byte = 0; byte < 256; byte++) {
        c = (char) byte;
        one = (at_str_t) { &c, 1 };
        rc = byte >= ' ' && byte < 0x80 && c != '"' && c != '\\' ? AT_JSON_OK
             : AT_JSON_INVALID;

        test_around("json-nul, json-utf8", "{\"a\":\"", one, "\"}", rc);
        test_around("json-nul, json-utf8", "{\"", one, "\":1}", rc);
        test_around("json-nul, json-utf8", "{\"a\":\"\\t", one, "x\"}", rc);
    }
}


/* between all that there is; whatever else is no white space is none anywhere */
static void
test_space(void)
{
    char         text[512];
    size_t       i;

    static const char  *spaces[] = { " ", "\t", "\n", "\r", " \t\r\n \n\n" };
    static const char  *others[] = {
        "\v", "\f", "\b", "\x1f", "\x7f", "\xc2\xa0", "\xe2\x80\xa8", "\xef\xbb\xbf",
        "\x85", "\xe3\x80\x80", "\\n", "\\u0020", "//", "/* */"
    };

    for (i = 0; i < N(spaces); i++) {
        const char  *s = spaces[i];

        (void) snprintf(text, sizeof(text),
                        "%s{%s\"a\"%s:%s[%s1%s,%s{%s}%s,%s-0.5e1%s,%strue%s,%s[%s]%s,"
                        "%snull%s]%s,%s\"b\"%s:%s\"c\"%s}%s", s, s, s, s, s, s, s, s,
                        s, s, s, s, s, s, s, s, s, s, s, s, s, s, s, s);
        test_text("header-json", str(text), AT_JSON_OK);
    }

    for (i = 0; i < N(others); i++) {
        test_around("header-json", "", str(others[i]), "{}", AT_JSON_INVALID);
        test_around("header-json", "{", str(others[i]), "}", AT_JSON_INVALID);
        test_around("header-json", "{}", str(others[i]), "", AT_JSON_INVALID);
        test_around("header-json", "{\"a\"", str(others[i]), ":1}", AT_JSON_INVALID);
        test_around("header-json", "{\"a\":", str(others[i]), "1}", AT_JSON_INVALID);
        test_around("header-json", "{\"a\":1", str(others[i]), "}", AT_JSON_INVALID);
        test_around("header-json", "{\"a\":[1", str(others[i]), "]}", AT_JSON_INVALID);
    }
}


/* before, digits n times, after: as the value of a member */
static at_json_e
digits(const char *before, char digit, size_t n, const char *after)
{
    char       *text;
    size_t      len;
    at_json_e   rc;

    text = malloc(n + strlen(before) + strlen(after) + 16);
    if (text == NULL) {
        abort();
    }

    len = (size_t) sprintf(text, "{\"a\":%s", before);
    memset(text + len, digit, n);
    len += n;
    len += (size_t) sprintf(text + len, "%s}", after);

    rc = parse((at_str_t) { text, len }, &limits);
    free(text);

    return rc;
}


static void
test_long_numbers(void)
{
    size_t  i;

    static const struct {
        const char  *before;
        char         digit;
        size_t       n;
        const char  *after;
        at_json_e    rc;
    } cases[] = {
        { "", '9', 18, "", AT_JSON_OK },
        { "-", '9', 18, "", AT_JSON_OK },
        { "", '9', 19, "", AT_JSON_INVALID },
        { "", '1', 19, "", AT_JSON_OK },
        { "", '1', 5000, "", AT_JSON_INVALID },
        { "-", '1', 5000, "", AT_JSON_INVALID },
        { "-1", '0', 18, "", AT_JSON_OK },
        { "-1", '0', 40000, "", AT_JSON_INVALID },
        { "", '0', 5000, "", AT_JSON_INVALID },

        { "", '9', 308, ".0", AT_JSON_OK },
        { "", '9', 308, "e0", AT_JSON_OK },
        { "", '9', 309, ".0", AT_JSON_INVALID },
        { "-", '1', 309, "E0", AT_JSON_OK },
        { "-", '1', 310, "E0", AT_JSON_INVALID },
        { "", '1', 5000, ".5", AT_JSON_INVALID },
        { "", '1', 5000, "e-4800", AT_JSON_OK },
        { "", '1', 40000, "e-40100", AT_JSON_OK },
        { "0.", '1', 5000, "", AT_JSON_OK },
        { "0.", '3', 40000, "", AT_JSON_OK },
        { "-0.", '0', 40000, "", AT_JSON_OK },
        { "0.", '0', 40000, "1", AT_JSON_OK },
        { "0.", '0', 5000, "1e5000", AT_JSON_OK },
        { "0.", '0', 40000, "1e40300", AT_JSON_OK },
        { "0.", '0', 40000, "1e40400", AT_JSON_INVALID },
        { "0.5", '0', 40000, "1", AT_JSON_OK },
        { "9007199254740993.", '0', 5000, "", AT_JSON_OK },
        { "9007199254740993.", '0', 5000, "1", AT_JSON_OK },
        { "1e", '0', 5000, "5", AT_JSON_OK },
        { "1e", '9', 5000, "", AT_JSON_INVALID },
        { "1e-", '9', 5000, "", AT_JSON_OK },
        { "0e", '9', 5000, "", AT_JSON_OK },
    };

    for (i = 0; i < N(cases); i++) {
        is_int(digits(cases[i].before, cases[i].digit, cases[i].n, cases[i].after),
               cases[i].rc, "%s, %zu times %c, then \"%s\" is %s",
               cases[i].before, cases[i].n, cases[i].digit, cases[i].after,
               cases[i].rc == AT_JSON_OK ? "taken" : "refused");
    }
}


/* {"a": + depth-1 times open + depth-1 times close + } */
static at_json_e
nested(unsigned depth, const char *open, const char *close, unsigned allowed)
{
    char             *text;
    size_t            len;
    unsigned          i;
    at_json_e         rc;
    at_json_limits_t  within = { allowed, 1000000, 100 };

    text = malloc(depth * (strlen(open) + strlen(close)) + 16);
    if (text == NULL) {
        abort();
    }

    len = (size_t) sprintf(text, "{\"a\":");

    for (i = 1; i < depth; i++) {
        len += (size_t) sprintf(text + len, "%s", open);
    }

    if (depth == 1 || *open == '{') {
        len += (size_t) sprintf(text + len, "1");
    }

    for (i = 1; i < depth; i++) {
        len += (size_t) sprintf(text + len, "%s", close);
    }

    len += (size_t) sprintf(text + len, "}");

    rc = parse((at_str_t) { text, len }, &within);
    free(text);

    return rc;
}


static void
test_depth(void)
{
    size_t  i;

    static const struct {
        unsigned   depth;
        unsigned   allowed;
        at_json_e  rc;
    } cases[] = {
        { 1, 1, AT_JSON_OK }, { 2, 1, AT_JSON_INVALID },
        { 8, 8, AT_JSON_OK }, { 9, 8, AT_JSON_INVALID },
        { 32, 32, AT_JSON_OK }, { 33, 32, AT_JSON_INVALID },
        { 2047, 32, AT_JSON_INVALID }, { 100000, 32, AT_JSON_INVALID },
        { 100000, 1000000, AT_JSON_INVALID },
        { 2047, 1000000, AT_JSON_OK }, { 2049, 1000000, AT_JSON_INVALID },
        { 2047, 2047, AT_JSON_OK }, { 2047, 2046, AT_JSON_INVALID },
        { 1, 0, AT_JSON_INVALID },
    };

    for (i = 0; i < N(cases); i++) {
        is_int(nested(cases[i].depth, "[", "]", cases[i].allowed), cases[i].rc,
               "arrays %u deep of %u", cases[i].depth, cases[i].allowed);
        is_int(nested(cases[i].depth, "{\"a\":", "}", cases[i].allowed),
               cases[i].rc, "objects %u deep of %u", cases[i].depth,
               cases[i].allowed);
    }

    /* the last level has room for what is empty */
    is_int(nested(2048, "[", "]", 1000000), AT_JSON_OK, "arrays 2048 deep");
    is_int(nested(2048, "{\"a\":", "}", 1000000), AT_JSON_INVALID,
           "a number within objects 2048 deep");
}


/* how deep, and not how many: 1,000 arrays, each alone at the last level */
static void
test_breadth(void)
{
    char      text[8192];
    size_t    len;
    unsigned  i, allowed;

    len = (size_t) sprintf(text, "{\"a\":[[]");

    for (i = 1; i < 1000; i++) {
        len += (size_t) sprintf(text + len, i % 2 ? ",{}" : ",[]");
    }

    len += (size_t) sprintf(text + len, "]}");

    for (allowed = 1; allowed <= 4; allowed++) {
        at_json_limits_t  within = { allowed, 1, 1 };

        is_int(parse((at_str_t) { text, len }, &within),
               allowed < 3 ? AT_JSON_INVALID : AT_JSON_OK,
               "1,000 arrays and objects side by side, %u levels", allowed);
    }
}


static void
test_unclosed(void)
{
    char  *text;

    text = malloc(100000);
    if (text == NULL) {
        abort();
    }

    memset(text, '[', 100000);
    is_int(parse((at_str_t) { text, 8000 }, &limits), AT_JSON_INVALID,
           "8,000 unclosed arrays");

    memcpy(text, "{\"a\":", 5);
    is_int(parse((at_str_t) { text, 100000 }, &limits), AT_JSON_INVALID,
           "100,000 unclosed arrays in an object");

    free(text);
}


/* n members, of which some are in an object in an array */
static at_json_e
members(unsigned n, unsigned inner)
{
    char       *text;
    size_t      len;
    unsigned    i;
    at_json_e   rc;

    text = malloc(16 * (size_t) n + 64);
    if (text == NULL) {
        abort();
    }

    len = (size_t) sprintf(text, "{");

    for (i = inner ? inner + 1 : 0; i < n; i++) {
        len += (size_t) sprintf(text + len, "\"m%u\":1,", i);
    }

    len -= (inner == 0);

    if (inner) {
        len += (size_t) sprintf(text + len, "\"in\":[{");

        for (i = 0; i < inner; i++) {
            len += (size_t) sprintf(text + len, "\"m%u\":1,", i);
        }

        len += (size_t) sprintf(text + len - 1, "}]") - 1;
    }

    len += (size_t) sprintf(text + len, "}");

    rc = parse((at_str_t) { text, len }, &limits);
    free(text);

    return rc;
}


static void
test_members(void)
{
    is_int(members(256, 0), AT_JSON_OK, "256 members");
    is_int(members(257, 0), AT_JSON_INVALID, "257 members");
    is_int(members(256, 100), AT_JSON_OK, "256 members, 100 of them inside");
    is_int(members(257, 100), AT_JSON_INVALID, "257 members, 100 of them inside");
    is_int(members(100000, 0), AT_JSON_INVALID, "100,000 members");
}


/* of all objects together, wherever they are */
static void
test_few_members(void)
{
    size_t  i;

    static const struct {
        at_str_t   text;
        unsigned   n;
    } cases[] = {
        { at_str("{}"), 0 },
        { at_str("{\"a\":1}"), 1 },
        { at_str("{\"a\":{}}"), 1 },
        { at_str("{\"a\":[1,2,3,[],[4]]}"), 1 },
        { at_str("{\"a\":{\"a\":{\"a\":1}}}"), 3 },
        { at_str("{\"a\":[{\"a\":1},{\"a\":1},{}],\"b\":2}"), 4 },
    };

    for (i = 0; i < N(cases); i++) {
        at_json_limits_t  within = { 8, cases[i].n, 8 };

        is_int(parse(cases[i].text, &within), AT_JSON_OK, "%u members: %s",
               cases[i].n, cases[i].text.data);

        if (within.members-- > 0) {
            is_int(parse(cases[i].text, &within), AT_JSON_INVALID,
                   "and one less: %s", cases[i].text.data);
        }
    }
}


/* the bytes of a string are those that it has when it is read */
static void
test_short_strings(void)
{
    size_t  i;

    static const struct {
        const char  *text;
        size_t       len;
    } cases[] = {
        { "", 0 }, { "abcd", 4 }, { "\\n\\n", 2 }, { "\\u0041", 1 }, { "\\u00e9", 2 },
        { "\\u20ac", 3 }, { "\\ud834\\udd1e", 4 }, { "\xf0\x9d\x84\x9e", 4 },
        { "a\\/b", 3 }, { "\\u20ac\\u20acx", 7 }, { "\xc3\xa9\\u00e9", 4 },
    };

    for (i = 0; i < N(cases); i++) {
        char              text[64];
        at_json_limits_t  within = { 8, 8, cases[i].len };

        (void) snprintf(text, sizeof(text), "{\"\":\"%s\"}", cases[i].text);
        is_int(parse(str(text), &within), AT_JSON_OK, "%s has %zu bytes",
               text, cases[i].len);

        (void) snprintf(text, sizeof(text), "{\"%s\":[]}", cases[i].text);
        is_int(parse(str(text), &within), AT_JSON_OK, "%s too", text);

        if (within.string-- > 0) {
            is_int(parse(str(text), &within), AT_JSON_INVALID,
                   "%s is a byte too long", text);

            (void) snprintf(text, sizeof(text), "{\"\":\"%s\"}", cases[i].text);
            is_int(parse(str(text), &within), AT_JSON_INVALID,
                   "%s is a byte too long", text);
        }
    }
}


static at_json_e
string(size_t len, const char *before, const char *after)
{
    char       *text;
    size_t      head;
    at_json_e   rc;

    text = malloc(len + 64);
    if (text == NULL) {
        abort();
    }

    head = (size_t) sprintf(text, "%s", before);
    memset(text + head, 'x', len);
    len += head;
    len += (size_t) sprintf(text + len, "%s", after);

    rc = parse((at_str_t) { text, len }, &limits);
    free(text);

    return rc;
}


static void
test_strings(void)
{
    is_int(string(8192, "{\"a\":\"", "\"}"), AT_JSON_OK, "a value of 8 KiB");
    is_int(string(8193, "{\"a\":\"", "\"}"), AT_JSON_INVALID, "and a byte more");
    is_int(string(8192, "{\"", "\":1}"), AT_JSON_OK, "a name of 8 KiB");
    is_int(string(8193, "{\"", "\":1}"), AT_JSON_INVALID, "and a byte more");
    is_int(string(8193, "{\"a\":[\"", "\"]}"), AT_JSON_INVALID,
           "in an array too");
    is_int(string(8191, "{\"a\":\"\\n", "\"}"), AT_JSON_OK,
           "8 KiB, one of them escaped");
    is_int(string(8192, "{\"a\":\"\\n", "\"}"), AT_JSON_INVALID,
           "and a byte more");
    is_int(string(8189, "{\"", "\\u20ac\":1}"), AT_JSON_OK,
           "a name of 8 KiB, escaped at its end");
    is_int(string(8190, "{\"", "\\u20ac\":1}"), AT_JSON_INVALID,
           "and a byte more");
}


static void
test_string_member(void)
{
    json_t    *object;
    at_str_t   value;

    (void) at_json_parse(&object, at_str("{\"s\":\"x\",\"n\":7,\"e\":\"\","
                                         "\"z\":null}"), &limits);

    is_int(at_json_member_string(object, "s", &value), 1, "a member that is a string");
    is_bytes(value, at_str("x"), "and its value");
    is_int(at_json_member_string(object, "e", &value), 1, "an empty one");
    is_int((long long) value.len, 0, "is empty");
    is_int(at_json_member_string(object, "n", &value), -1, "a number is none");
    is_int(at_json_member_string(object, "z", &value), -1, "null is none");
    is_int(at_json_member_string(object, "none", &value), 0, "not there");

    json_decref(object);
}


/*
 * y_: must be taken (of any shape that is no object: refused for that alone),
 * n_: must be refused, i_: as one likes, without a crash.
 */
static void
test_suite_file(const char *name)
{
    int          object;
    char         path[512];
    json_t      *json;
    at_file_t    file;
    at_json_e    rc;

    (void) snprintf(path, sizeof(path), SUITE "/%s", name);

    file = data_read(path);
    rc = parse((at_str_t) { file.data, file.len }, &limits);

    switch (name[0]) {

    case 'y':
        json = json_loadb(file.data, file.len,
                          JSON_DECODE_ANY|JSON_ALLOW_NUL, NULL);
        object = json_is_object(json);
        json_decref(json);

        if (strcmp(name, "y_object_duplicated_key.json") == 0
            || strcmp(name, "y_object_duplicated_key_and_value.json") == 0
            || strcmp(name, "y_object_escaped_null_in_key.json") == 0)
        {
            is_int(rc, AT_JSON_INVALID, "%s is refused on purpose", name);

        } else {
            is_int(rc, object ? AT_JSON_OK : AT_JSON_INVALID, "%s", name);
        }

        break;

    case 'n':
        is_int(rc, AT_JSON_INVALID, "%s", name);
        break;

    default:
        ok(rc == AT_JSON_OK || rc == AT_JSON_INVALID, "%s", name);
    }

    at_file_free(&file);
}


static void
test_suite(void)
{
    DIR            *dir;
    unsigned        n;
    struct dirent  *entry;

    dir = opendir(SUITE);
    n = 0;

    while (dir && (entry = readdir(dir)) != NULL) {
        if (strstr(entry->d_name, ".json") != NULL) {
            test_suite_file(entry->d_name);
            n++;
        }
    }

    if (dir) {
        (void) closedir(dir);
    }

    is_int(n, 318, "files of JSONTestSuite");
}


int
main(void)
{
    test_shapes();
    test_values();
    test_characters();
    test_space();
    test_long_numbers();
    test_depth();
    test_breadth();
    test_unclosed();
    test_members();
    test_few_members();
    test_strings();
    test_short_strings();
    test_string_member();
    test_suite();

    ok(readers.n > 100000, "%u texts and their neighbours", readers.n);
    is_int(readers.wrong, 0, "both readers read all of them alike");

    at_values_free(&used);

    return tap_done();
}
