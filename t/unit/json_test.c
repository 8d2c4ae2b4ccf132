/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <dirent.h>

#include "at_json.h"
#include "outside.h"
#include "tap.h"


#define N(array)  (sizeof(array) / sizeof((array)[0]))

#define SUITE     OUTSIDE "json/JSONTestSuite/test_parsing"


static const at_json_limits_t  limits = { 32, 256, 8192 };


/* from a heap copy of exactly its size; says whether the contract of *object holds */
static at_json_e
parse(at_str_t text, const at_json_limits_t *within)
{
    char       *copy;
    json_t     *object;
    at_json_e   rc;

    copy = malloc(text.len + !text.len);
    if (copy == NULL) {
        abort();
    }

    if (text.len) {
        memcpy(copy, text.data, text.len);
    }

    text.data = copy;
    object = (json_t *) copy;
    rc = at_json_parse(&object, text, within);
    free(copy);

    if ((rc == AT_JSON_OK) != (object != NULL)) {
        ok(0, "an object with AT_JSON_OK and only then");
        abort();
    }

    if (object && !json_is_object(object)) {
        ok(0, "what is accepted is an object");
    }

    json_decref(object);

    return rc;
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
        { "J9", at_str("{}"), AT_JSON_OK },
        { "J9", at_str(" \t\r\n{ \"a\" : 1 } \n"), AT_JSON_OK },
        { "J9", at_str("[]"), AT_JSON_INVALID },
        { "J9", at_str("[{}]"), AT_JSON_INVALID },
        { "J9", at_str("\"RS256\""), AT_JSON_INVALID },
        { "J9", at_str("null"), AT_JSON_INVALID },
        { "J9", at_str("true"), AT_JSON_INVALID },
        { "J9", at_str("7"), AT_JSON_INVALID },
        { "J9", at_str(""), AT_JSON_INVALID },
        { "J9", at_str(" "), AT_JSON_INVALID },
        { "J9", at_str("{"), AT_JSON_INVALID },
        { "J9", at_str("{\"a\"}"), AT_JSON_INVALID },
        { "J9", at_str("{\"a\":1,}"), AT_JSON_INVALID },
        { "J9", at_str("{'a':1}"), AT_JSON_INVALID },
        { "J9", at_str("{a:1}"), AT_JSON_INVALID },
        { "J9", at_str("{}x"), AT_JSON_INVALID },
        { "J9", at_str("{}{}"), AT_JSON_INVALID },
        { "J9", at_str("{} {}"), AT_JSON_INVALID },
        { "J9", at_str("{}//"), AT_JSON_INVALID },
        { "J9", at_str("\xef\xbb\xbf{}"), AT_JSON_INVALID },
        { "J9", at_str("{\0}\0"), AT_JSON_INVALID },
        { "J9", at_str("\xff\xfe{\0}\0"), AT_JSON_INVALID },
        { "J9", at_str("\xfe\xff\0{\0}"), AT_JSON_INVALID },

        { "J11", at_str("{\"a\":1,\"a\":1}"), AT_JSON_INVALID },
        { "J11", at_str("{\"alg\":\"none\",\"alg\":\"RS256\"}"), AT_JSON_INVALID },
        { "J11", at_str("{\"exp\":1,\"\\u0065xp\":2}"), AT_JSON_INVALID },
        { "J11", at_str("{\"\\u0065xp\":1,\"exp\":2}"), AT_JSON_INVALID },
        { "J11", at_str("{\"a\":{\"b\":1,\"b\":2}}"), AT_JSON_INVALID },
        { "J11", at_str("{\"a\":[{\"b\":1,\"b\":2}]}"), AT_JSON_INVALID },
        { "J11", at_str("{\"\":1,\"\":2}"), AT_JSON_INVALID },
        { "J11", at_str("{\"a\":1,\"A\":2}"), AT_JSON_OK },
        { "J11", at_str("{\"a\":{\"a\":1}}"), AT_JSON_OK },
        { "J11", at_str("{\"\":1}"), AT_JSON_OK },

        { "J12", at_str("{}\0"), AT_JSON_INVALID },
        { "J12", at_str("{}\0junk"), AT_JSON_INVALID },
        { "J12", at_str("{\"a\":1}\0{\"a\":2}"), AT_JSON_INVALID },
        { "J12", at_str("\0{}"), AT_JSON_INVALID },
        { "J12", at_str("{\"a\":\"x\0y\"}"), AT_JSON_INVALID },
        { "J12", at_str("{\"a\0b\":1}"), AT_JSON_INVALID },
        { "J12", at_str("{\"a\":\"\\u0000\"}"), AT_JSON_INVALID },
        { "J12", at_str("{\"a\\u0000b\":1}"), AT_JSON_INVALID },
        { "J12", at_str("{\"\\u0000\":1}"), AT_JSON_INVALID },
        { "J12", at_str("{\"a\":\"\\\\u0000\"}"), AT_JSON_OK },

        { "J13", at_str("{\"a\":\"\xff\"}"), AT_JSON_INVALID },
        { "J13", at_str("{\"a\":\"\xc0\xaf\"}"), AT_JSON_INVALID },
        { "J13", at_str("{\"a\":\"\xe0\x80\xaf\"}"), AT_JSON_INVALID },
        { "J13", at_str("{\"a\":\"\xf0\x80\x80\xaf\"}"), AT_JSON_INVALID },
        { "J13", at_str("{\"a\":\"\xf4\x90\x80\x80\"}"), AT_JSON_INVALID },
        { "J13", at_str("{\"a\":\"\xed\xa0\x80\"}"), AT_JSON_INVALID },
        { "J13", at_str("{\"a\":\"\xed\xa0\x80\xed\xb0\x80\"}"), AT_JSON_INVALID },
        { "J13", at_str("{\"a\":\"\xe2\x82\"}"), AT_JSON_INVALID },
        { "J13", at_str("{\"a\":\"\xe2\x82"), AT_JSON_INVALID },
        { "J13", at_str("{\"a\":\"\x80\"}"), AT_JSON_INVALID },
        { "J13", at_str("{\"\xff\":1}"), AT_JSON_INVALID },
        { "J13", at_str("{\"a\":\"\\ud800\"}"), AT_JSON_INVALID },
        { "J13", at_str("{\"a\":\"\\udc00\"}"), AT_JSON_INVALID },
        { "J13", at_str("{\"a\":\"\\ud800\\u0041\"}"), AT_JSON_INVALID },
        { "J13", at_str("{\"a\":\"\\ud834\\udd1e\"}"), AT_JSON_OK },
        { "J13", at_str("{\"a\":\"\xf0\x9d\x84\x9e\"}"), AT_JSON_OK },

        { "C4", at_str("{\"a\":9223372036854775807}"), AT_JSON_OK },
        { "C4", at_str("{\"a\":9223372036854775808}"), AT_JSON_INVALID },
        { "C4", at_str("{\"a\":18446744073709551616}"), AT_JSON_INVALID },
        { "C4", at_str("{\"a\":1e308}"), AT_JSON_OK },
        { "C4", at_str("{\"a\":1e999}"), AT_JSON_INVALID },
        { "C4", at_str("{\"a\":-1e999}"), AT_JSON_INVALID },
        { "C4", at_str("{\"a\":1e-400}"), AT_JSON_OK },
        { "C4", at_str("{\"a\":NaN}"), AT_JSON_INVALID },
        { "C4", at_str("{\"a\":Infinity}"), AT_JSON_INVALID },
        { "C4", at_str("{\"a\":0123}"), AT_JSON_INVALID },
        { "C4", at_str("{\"a\":+1}"), AT_JSON_INVALID },
        { "C4", at_str("{\"a\":.5}"), AT_JSON_INVALID },
        { "C4", at_str("{\"a\":0x7f}"), AT_JSON_INVALID },
        { "C4", at_str("{\"a\":1.}"), AT_JSON_INVALID },
    };

    for (i = 0; i < N(cases); i++) {
        is_int(parse(cases[i].text, &limits), cases[i].rc, "%s %.*s is %s",
               cases[i].id, (int) cases[i].text.len, cases[i].text.data,
               cases[i].rc == AT_JSON_OK ? "taken" : "refused");
    }

    is_int(parse((at_str_t) { NULL, 0 }, &limits), AT_JSON_INVALID,
           "J9 the empty view");
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
    };

    for (i = 0; i < N(cases); i++) {
        is_int(nested(cases[i].depth, "[", "]", cases[i].allowed), cases[i].rc,
               "J14 arrays %u deep of %u", cases[i].depth, cases[i].allowed);
        is_int(nested(cases[i].depth, "{\"a\":", "}", cases[i].allowed),
               cases[i].rc, "J14 objects %u deep of %u", cases[i].depth,
               cases[i].allowed);
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
           "J14 8,000 unclosed arrays");

    memcpy(text, "{\"a\":", 5);
    is_int(parse((at_str_t) { text, 100000 }, &limits), AT_JSON_INVALID,
           "J14 100,000 unclosed arrays in an object");

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
    is_int(members(256, 0), AT_JSON_OK, "J15 256 members");
    is_int(members(257, 0), AT_JSON_INVALID, "J15 257 members");
    is_int(members(256, 100), AT_JSON_OK, "J15 256 members, 100 of them inside");
    is_int(members(257, 100), AT_JSON_INVALID, "J15 257 members, 100 of them inside");
    is_int(members(100000, 0), AT_JSON_INVALID, "J15 100,000 members");
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
    is_int(string(8192, "{\"a\":\"", "\"}"), AT_JSON_OK, "J15 a value of 8 KiB");
    is_int(string(8193, "{\"a\":\"", "\"}"), AT_JSON_INVALID, "J15 and a byte more");
    is_int(string(8192, "{\"", "\":1}"), AT_JSON_OK, "J15 a name of 8 KiB");
    is_int(string(8193, "{\"", "\":1}"), AT_JSON_INVALID, "J15 and a byte more");
    is_int(string(8193, "{\"a\":[\"", "\"]}"), AT_JSON_INVALID,
           "J15 in an array too");
}


static void
test_string_member(void)
{
    json_t    *object;
    at_str_t   value;

    (void) at_json_parse(&object, at_str("{\"s\":\"x\",\"n\":7,\"e\":\"\","
                                         "\"z\":null}"), &limits);

    is_int(at_json_string(object, "s", &value), 1, "a member that is a string");
    is_bytes(value, at_str("x"), "and its value");
    is_int(at_json_string(object, "e", &value), 1, "an empty one");
    is_int((long long) value.len, 0, "is empty");
    is_int(at_json_string(object, "n", &value), -1, "a number is none");
    is_int(at_json_string(object, "z", &value), -1, "null is none");
    is_int(at_json_string(object, "none", &value), 0, "not there");

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

    file = outside_read(path);
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
            is_int(rc, AT_JSON_INVALID, "J22 %s is refused on purpose", name);

        } else {
            is_int(rc, object ? AT_JSON_OK : AT_JSON_INVALID, "J22 %s", name);
        }

        break;

    case 'n':
        is_int(rc, AT_JSON_INVALID, "J22 %s", name);
        break;

    default:
        ok(rc == AT_JSON_OK || rc == AT_JSON_INVALID, "J22 %s", name);
    }

    at_file_free(&file);
}


static void
test_suite(void)
{
    DIR            *dir;
    unsigned        n;
    struct dirent  *entry;

    if (!outside_has(SUITE)) {
        return;
    }

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

    is_int(n, 318, "J22 files of JSONTestSuite");
}


int
main(void)
{
    test_shapes();
    test_depth();
    test_unclosed();
    test_members();
    test_strings();
    test_string_member();
    test_suite();

    return tap_done();
}
