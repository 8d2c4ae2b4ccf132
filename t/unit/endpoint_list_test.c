/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Endpoint lists: parsing, errors, matching, and the lists of IP Fabric and
 * CIPP compared with a linear search.
 *
 * Requirements: path-templates, path-methods, allocation-points.
 */

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>

#include "core/base/at_crypto.h"
#include "data.h"
#include "fail.h"


/* OpenSSL allocates memory */
static int
fail_sha1_hex(char hex[AT_SHA1_HEX_LEN], at_str_t text)
{
    return fail_next() ? -1 : at_sha1_hex(hex, text);
}


#define malloc       fail_malloc
#define calloc       fail_calloc
#define at_sha1_hex  fail_sha1_hex

#include "core/authz/at_endpoint_list.c"

#undef malloc
#undef calloc
#undef at_sha1_hex

#include "core/authz/at_rights.h"
#include "linear.h"


#define IPFABRIC  "conf-examples/ipfabric/endpoints.tsv"
#define CIPP      "conf-examples/cipp/endpoints.tsv"
#define IPFABRIC_ROWS  543

/* the id of "GET /snapshots" */
#define SNAPSHOTS  "79ab4b0754b069399464a23c222725111915f8f9"


/* parses a copy of exactly the size of text, and frees it */
static at_endpoint_list_t *
parse(const char *text, const at_endpoint_list_options_t *options,
    at_error_t *err)
{
    at_endpoint_list_t  *list;
    char                *copy = exact_copy(str(text));

    err->text[0] = '\0';
    list = at_endpoint_list_parse((at_str_t) { copy, strlen(text) }, options,
                                  err);
    free(copy);

    return list;
}


static at_endpoint_list_t *
must_parse(const char *text, const char *prefix, unsigned ignore_case)
{
    at_error_t                  err;
    at_endpoint_list_t         *list;
    at_endpoint_list_options_t  options = { 0 };

    options.prefix = str(prefix);
    options.ignore_case = ignore_case != 0;

    list = parse(text, &options, &err);
    must(list != NULL, err.text);

    return list;
}


/* the text of the endpoint, or "-" */
static at_str_t
match(const at_endpoint_list_t *list, const char *method, const char *path)
{
    const at_endpoint_t  *endpoint;

    endpoint = at_endpoint_list_match(list, str(method), str(path));

    return endpoint ? endpoint->text : str("-");
}


static void
test_match(void)
{
    size_t               i;
    at_endpoint_list_t  *list;

    static const char    rows[] =
        "# a comment\n"
        "\n"
        "   \t\r\n"
        "GET /\n"
        "GET /users\n"
        "GET\t/users/:id\tusers.read   # a comment\r\n"
        " GET  /users/me \n"
        "GET /users/:id/keys\n"
        "GET /users/me/keys/:key\n"
        "GET /users/:id/keys/new\n"
        "GET /users/:id/:what/last\n"
        "GET /folder/\n"
        "POST /users\n"
        "POST /users/:user/disable\n"
        "PURGE-ALL /users\n"
        "M_SEARCH /users\n"
        "* /users\n"
        "* /any/:a\n"
        "* /users/root\n"
        "GET /any/:a/more\n"
        "GET /v1/:collection/things:cancel\n"
        "GET /.well-known/x~y/$a,b";

    static const struct { const char *method, *path, *row; } cases[] = {
        { "GET", "/", "GET /" }, { "GET", "", "-" }, { "GET", "users", "-" },
        { "GET", "*", "-" }, { "GET", "/users", "GET /users" },
        { "GET", "/users/", "-" }, { "GET", "/Users", "-" },
        { "GET", "/users/7", "GET /users/:id" },
        { "GET", "/users/:id", "GET /users/:id" },
        { "GET", "/users/*", "GET /users/:id" },
        { "GET", "/users/me", "GET /users/me" },
        { "GET", "/users/mee", "GET /users/:id" },
        { "GET", "/users/m", "GET /users/:id" }, { "GET", "/users/me/", "-" },
        { "GET", "/users//", "-" },
        { "GET", "/users/7/keys", "GET /users/:id/keys" },
        { "GET", "/users//keys", "-" }, { "GET", "//users/7", "-" },

        /* the parameter matches where the literal leads nowhere */
        { "GET", "/users/me/keys", "GET /users/:id/keys" },
        { "GET", "/users/me/keys/new", "GET /users/me/keys/:key" },
        { "GET", "/users/7/keys/new", "GET /users/:id/keys/new" },
        { "GET", "/users/7/keys/8", "-" },
        { "GET", "/users/7/keys/last", "GET /users/:id/:what/last" },
        { "GET", "/users/me/keys/last", "GET /users/me/keys/:key" },
        { "GET", "/users/me/x/last", "GET /users/:id/:what/last" },
        { "GET", "/users/me/keys/last/x", "-" },

        { "GET", "/folder/", "GET /folder/" }, { "GET", "/folder", "-" },
        { "GET", "/folder/x", "-" },

        { "HEAD", "/users/7", "GET /users/:id" },
        { "HEAD", "/any/7", "* /any/:a" }, { "POST", "/users", "POST /users" },
        { "POST", "/users/7", "-" },
        { "POST", "/users/7/disable", "POST /users/:user/disable" },
        { "GET", "/users/7/disable", "-" },
        { "PURGE-ALL", "/users", "PURGE-ALL /users" },
        { "M_SEARCH", "/users", "M_SEARCH /users" },
        { "PURGE", "/users", "* /users" }, { "get", "/users/7", "-" },
        { "GET ", "/users/7", "-" }, { "", "/users/7", "-" },
        { "", "/users", "* /users" }, { "GETX", "/users/7", "-" },
        { "GE", "/users/7", "-" },

        /* a literal of "*" precedes a parameter of the method */
        { "DELETE", "/users", "* /users" }, { "GET", "/any/7", "* /any/:a" },
        { "GET", "/any/7/more", "GET /any/:a/more" },
        { "POST", "/any/7/more", "-" },
        { "GET", "/users/root", "* /users/root" },
        { "POST", "/users/root", "* /users/root" },
        { "*", "/users", "* /users" }, { "*", "/users/me", "-" },

        { "GET", "/v1/x/things:cancel", "GET /v1/:collection/things:cancel" },
        { "GET", "/v1/x/things:other", "-" },
        { "GET", "/.well-known/x~y/$a,b", "GET /.well-known/x~y/$a,b" },
    };

    list = must_parse("GET /a", "", 0);
    ok(at_endpoint_list_match(list, (at_str_t) { NULL, 0 },
                              (at_str_t) { NULL, 0 }) == NULL,
       "an empty path matches nothing");
    at_endpoint_list_free(list);

    list = must_parse(rows, "", 0);
    is_int(list->n_endpoints, 19, "all endpoints are counted");

    for (i = 0; i < N(cases); i++) {
        is_bytes(match(list, cases[i].method, cases[i].path),
                 str(cases[i].row), "%s %s", cases[i].method, cases[i].path);
    }

    at_endpoint_list_free(list);
    at_endpoint_list_free(NULL);
}


static void
test_options(void)
{
    size_t               i;
    const char          *const   *path;
    at_endpoint_list_t  *list;

    static const struct {
        const char  *rows, *prefix;
        unsigned     ignore_case;
        const char  *matching[20], *others[20];
    } cases[] = {
        { "GET /a", "/api", 0, { "/api/a" }, { "/a", "/apia", "/apiX/a",
          "/api//a", "/api/api/a", "/API/a", "api/a", "/ap", "/api" } },
        { "GET /", "/api", 0, { "/api/" }, { "/api" } },
        { "GET /a", "/api/v1", 0, { "/api/v1/a" }, { "/api/v2/a" } },
        { "GET /api/a", "/api", 0, { "/api/api/a" }, { "/api/a" } },
        { "GET /v1/a", "/api", 0, { "/api/v1/a" }, { NULL } },
        { "GET /a", "ipfabric", 0, { "/api/a", "/api/v1/a", "/api/v6.0/a",
          "/api/v6.10/a", "/api/v6.100/a", "/api/v10/a", "/api/v10.2/a",
          "/api/v123.45/a" }, { "/a", "/v6.0/a", "/api/v10./a",
          "/api/v10.2.1/a", "/api/v10.x/a", "/api/v.2/a", "/api/v1a/a",
          "/api/v6./a", "/api/v/a", "/api/v6.0.1/a", "/api/v6x0/a",
          "/api/v6.x/a", "/api/vx/a", "/api/V6/a", "/api/v6.0/v6.0/a",
          "/api//v6.0/a", "/api/v6.0//a", "/api/v6.0" } },
        { "GET /:a", "ipfabric", 0, { "/api/v6.0" }, { "/api/v6.0/" } },
        { "GET /", "ipfabric", 0, { "/api/v6.0/" }, { NULL } },
        { "GET /a", "ipfabric", 1, { "/API/V6.0/A" }, { NULL } },
        { "GET /Ab/:c", "", 1, { "/aB/x", "/AB/X" }, { "/ABC/X" } },
        { "GET /Ab/:c", "", 0, { NULL }, { "/ab/x" } },
        { "GET /a", "/api", 1, { "/API/A" }, { NULL } },
        { "GET /a", "/API", 1, { "/api/A" }, { NULL } },
        { "GET /\xc3\xa9", "", 1, { "/\xc3\xa9" }, { "/\xc3\x89" } },
        { "GET /a@", "", 1, { NULL }, { "/a`" } },
    };

    for (i = 0; i < N(cases); i++) {
        list = must_parse(cases[i].rows, cases[i].prefix,
                          cases[i].ignore_case);

        for (path = cases[i].matching; *path; path++) {
            is_bytes(match(list, "GET", *path), str(cases[i].rows),
                     "'%s' with prefix '%s'%s matches %s", cases[i].rows,
                     cases[i].prefix,
                     cases[i].ignore_case ? ", ignore_case" : "", *path);
        }

        for (path = cases[i].others; *path; path++) {
            is_bytes(match(list, "GET", *path), str("-"),
                     "'%s' with prefix '%s'%s does not match %s",
                     cases[i].rows, cases[i].prefix,
                     cases[i].ignore_case ? ", ignore_case" : "", *path);
        }

        at_endpoint_list_free(list);
    }

    list = must_parse("GET /a", "", 1);
    is_bytes(match(list, "get", "/a"), str("-"),
             "methods are compared with case, also with ignore_case");
    at_endpoint_list_free(list);
}


static void
is_error(const char *rows, const char *expected)
{
    at_error_t           err;
    at_endpoint_list_t  *list = parse(rows, NULL, &err);

    ok(list == NULL, "'%.40s' is an error", rows);
    is_str(err.text, expected, "the error names line and cause");
    at_endpoint_list_free(list);
}


static void
test_long_word(void)
{
    char  word[101 + 1], row[128], error[256];

    memset(word, 'x', 101);
    word[101] = '\0';
    (void) snprintf(row, sizeof(row), "%s /a read\n", word);
    (void) snprintf(error, sizeof(error), "line 1: invalid method \"%.100s\": "
                    "use upper case, or \"*\" for any method", word);
    is_error(row, error);
}


/* words ends with NULL; each is inserted into both formats */
static void
are_errors(const char *const *words, const char *row, const char *expected)
{
    char  rows[64], error[160];

    for ( ; *words; words++) {
        (void) snprintf(rows, sizeof(rows), row, *words);
        (void) snprintf(error, sizeof(error), expected, *words);
        is_error(rows, error);
    }
}


static void
test_errors(void)
{
    size_t                      i;
    at_error_t                  err;
    at_endpoint_list_t         *list;
    at_endpoint_list_options_t  options = { 0 };

    static const struct { const char *rows, *error; } cases[] = {
        { "", "no endpoint in the file" },
        { "# GET /a\n \n", "no endpoint in the file" },
        { "GET", "line 1: no path after the method" },
        { "GET\n/a", "line 1: no path after the method" },
        { "GET #/a", "line 1: no path after the method" },
        { "GET /a b c", "line 1: unexpected \"c\" after the scope" },
        { "\n\r\nGET /a b c # d", "line 3: unexpected \"c\" after the scope" },
        { "GET /a\r", "line 1: a control character" },
        { "GET /a\rGET /b\n", "line 1: a control character" },
        { "GET /a\v\n", "line 1: a control character" },
        { "\x01GET /a\n", "line 1: a control character" },
        { "GET /a \x7f\n", "line 1: a control character" },
        { "# \x01\nGET /a\n", "line 1: a control character" },
        { "GET /a\nHEAD /a", "line 2: invalid method \"HEAD\": use \"GET\", "
          "which includes it" },
        { "GET /a\n\nGET /a b",
          "line 3: \"GET /a\" is duplicate, see line 1" },
        { "* /a\n* /a", "line 2: \"* /a\" is duplicate, see line 1" },
        { "# x\nGET /:a/b/:c\nPOST /:x/b/:y\nGET /:d/b/:e\n",
          "line 4: \"GET /:d/b/:e\" is duplicate, see line 2" },
    };

    static const char  *const bad_methods[] = {
        "get", "/a", "**", "GET,POST", "\xef\xbb\xbfGET", NULL
    };
    static const char  *const not_normalized[] = {
        "a", "//", "/a//b", "/a//", "/./a", "/a/..", "/a.", "/%61", "/a;b",
        "/a?b", "/a#b", "/a\\b", "/\xff", "http://h/a", "/:id?", NULL
    };
    static const char  *const not_segments[] = {
        "/a/*", "/{id}", "/<id>", "/:id*", NULL
    };
    static const char  *const bad_names[] = {
        "/:", "/a/:/b", "/:a:b", "/:a.b", "/:a~", "/:id(x)", NULL
    };
    static const char  *const bad_scopes[] = {
        "public", "authenticated", NULL
    };

    for (i = 0; i < N(cases); i++) {
        is_error(cases[i].rows, cases[i].error);
    }

    are_errors(bad_methods, "%s /a", "line 1: invalid method \"%s\": "
               "use upper case, or \"*\" for any method");
    are_errors(not_normalized, "GET %s",
               "line 1: invalid path \"%s\": it is not a normalized path");
    are_errors(not_segments, "GET %s", "line 1: invalid path \"%s\": "
               "a parameter is a whole segment \":name\"");
    are_errors(bad_names, "GET %s", "line 1: invalid path \"%s\": the name of "
               "a parameter has letters, digits, \"_\" and \"-\" only");
    are_errors(bad_scopes, "GET /x %s", "line 1: invalid scope \"%s\": "
               "use \"Public\" or \"Authenticated\"");

    options.ignore_case = 1;

    ok(parse("GET /ab\nGET /aB", &options, &err) == NULL,
       "endpoints that differ in case are duplicates with ignore_case");
    is_str(err.text, "line 2: \"GET /aB\" is duplicate, see line 1",
           "the error names both lines");
    options.ignore_case = 0;

    list = must_parse("GET /ab\nGET /aB\n* /ab\nPOST /ab\nGET /ab/\n"
                      "GET /:ab\nGET /:ab/\n", "", 0);
    is_int(list->n_endpoints, 7,
           "endpoints that differ in case, method, slash or parameter");
    at_endpoint_list_free(list);

    static const char  *prefixes[] = {
        "/", "/api/", "api", "IPFABRIC", "ipfabric ", "//api", "/api//v1",
        "/..", "/api;x", "/a%20", "/\xff", "https://x"
    };

    for (i = 0; i < N(prefixes); i++) {
        options.prefix = str(prefixes[i]);
        ok(parse("GET /a", &options, &err) == NULL
           && strncmp(err.text, "invalid prefix \"", 16) == 0
           && strstr(err.text, prefixes[i]) != NULL,
           "the prefix %s is an error", prefixes[i]);
    }
}


static void
test_large(void)
{
    at_str_t    view;
    at_error_t  err;
    char       *text = malloc(AT_ENDPOINT_LIST_MAX + 1);

    memset(text, '#', AT_ENDPOINT_LIST_MAX + 1);
    memcpy(text, "GET /a\n", 7);

    view = (at_str_t) { text, AT_ENDPOINT_LIST_MAX + 1 };
    ok(at_endpoint_list_parse(view, NULL, &err) == NULL,
       "a text above the maximum is an error");
    is_str(err.text, "larger than 4194304 bytes",
           "the error names the maximum");

    view.len--;
    at_endpoint_list_free(at_endpoint_list_parse(view, NULL, &err));

    memset(text + 4, '/', AT_ENDPOINT_LIST_MAX - 4);
    ok(at_endpoint_list_parse(view, NULL, &err) == NULL,
       "a text of slashes is an error");

    /* an error shows at most 100 bytes of the text */
    memset(text + 5, 'a', AT_ENDPOINT_LIST_MAX - 5);
    text[AT_ENDPOINT_LIST_MAX - 1] = '*';
    ok(at_endpoint_list_parse(view, NULL, &err) == NULL
       && strstr(err.text, "\": a parameter is a whole segment") != NULL,
       "an error shortens a long word");

    free(text);
}


static void
test_endpoint(void)
{
    size_t                i;
    const at_endpoint_t  *e;
    at_endpoint_list_t   *list;

    static const struct {
        const char *text, *id, *scope; at_endpoint_e kind; unsigned line;
    } cases[] = {
        { "GET /snapshots", SNAPSHOTS, SNAPSHOTS, AT_ENDPOINT_SCOPE, 1 },
        { "DELETE /api-tokens/:key",
          "f43f5efc2d2e1cc22d02c9e93894ddde07e023c7",
          "f43f5efc2d2e1cc22d02c9e93894ddde07e023c7", AT_ENDPOINT_SCOPE, 3 },
        { "POST /x", "2858b5e2426f2c00862b54d84869a9c04cf9c1a5", "x.write#1#",
          AT_ENDPOINT_SCOPE, 4 },
        { "GET /me", NULL, NULL, AT_ENDPOINT_AUTHENTICATED, 5 },
        { "GET /version", NULL, NULL, AT_ENDPOINT_PUBLIC, 6 },
        { "GET /public", NULL, "publicity", AT_ENDPOINT_SCOPE, 7 },
        { "* /star", NULL, NULL, AT_ENDPOINT_SCOPE, 8 },
    };

    list = must_parse("GET /snapshots\n\nDELETE\t/api-tokens/:key\r\n"
                      "POST /x x.write#1#\nGET /me Authenticated\n"
                      "GET /version Public\nGET /public publicity\n* /star",
                      "", 0);

    for (i = 0; i < N(cases); i++) {
        e = &list->endpoints[i];
        is_bytes(e->text, str(cases[i].text), "%s: the text", cases[i].text);
        is_int(e->kind, cases[i].kind, "%s: the kind", cases[i].text);
        is_int(e->line, cases[i].line, "%s: the line", cases[i].text);

        if (cases[i].id) {
            is_bytes(e->id, str(cases[i].id),
                     "%s: the id is the SHA-1 of the text", cases[i].text);
        }

        if (cases[i].scope) {
            is_bytes(e->scope, str(cases[i].scope),
                     "%s: the scope, or the id without one", cases[i].text);
        }
    }

    at_endpoint_list_free(list);
}


/* whether an identity with these scopes is granted the endpoint */
static int
granted(const at_endpoint_t *endpoint, const at_scopes_t *scopes)
{
    at_rights_t  rights = { 0 };

    rights.scopes = *scopes;

    return at_rights_allow_endpoint(&rights, endpoint);
}


/* scope ends with NULL; each is the first and the last of two scopes */
static void
are_granted(const at_endpoint_t *endpoint, const char *const *scope,
    int expected)
{
    size_t       i;
    at_str_t     items[2];
    at_scopes_t  scopes = { 2, items, NULL };

    for ( ; *scope; scope++) {
        for (i = 0; i < 2; i++) {
            items[i] = str(*scope);
            items[1 - i] = str("another");

            is_int(granted(endpoint, &scopes), expected, "scope '%s' for %.*s",
                   *scope, (int) endpoint->text.len, endpoint->text.data);
        }
    }
}


static void
test_granted(void)
{
    size_t               i;
    at_scopes_t          none = { 0, NULL, NULL };
    at_endpoint_list_t  *list;

    static const struct {
        const char *row, *granted[4], *others[13];
    } cases[] = {
        { "GET /snapshots read", { "read", "GET /snapshots", SNAPSHOTS },
          { "READ", "rea", "*", "", "get /snapshots", "GET /Snapshots",
            "GET  /snapshots", "HEAD /snapshots", "* /snapshots", "/snapshots",
            "79AB4B0754B069399464A23C222725111915F8F9" } },
        { "GET /snapshots", { SNAPSHOTS, "GET /snapshots" },
          { "f43f5efc2d2e1cc22d02c9e93894ddde07e023c7" } },
        { "* /snapshots", { "* /snapshots" }, { "GET /snapshots" } },
        { "GET /snapshots Authenticated", { "x" }, { NULL } },
        { "GET /snapshots Public", { "x" }, { NULL } },
    };

    for (i = 0; i < N(cases); i++) {
        list = must_parse(cases[i].row, "", 0);

        are_granted(&list->endpoints[0], cases[i].granted, 1);
        are_granted(&list->endpoints[0], cases[i].others, 0);

        is_int(granted(&list->endpoints[0], &none),
               list->endpoints[0].kind != AT_ENDPOINT_SCOPE,
               "an identity without scopes for %s", cases[i].row);

        at_endpoint_list_free(list);
    }
}


/* --- the lists of IP Fabric and CIPP ------------------------------------- */

static const char  *methods[] = {
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "*"
};

/* a path of each is compared with a linear search; ends with NULL */
static const char  *const ipfabric_prefixes[] = {
    "/api", "/api/v1", "/api/v6.10", NULL
};
static const char  *const cipp_prefixes[] = { "", NULL };


/* a path for the template of an endpoint: value replaces each parameter */
static void
fill(char path[256], const at_endpoint_t *endpoint, const char *value)
{
    size_t    i, len = 0;
    at_str_t  part;

    for (i = 0; linear_segment(linear_template(endpoint), i, &part); i++) {
        part = linear_is_param(part) ? str(value) : part;
        len += (size_t) snprintf(path + len, 256 - len, "/%.*s",
                                 (int) part.len, part.data);
    }
}


/* lists with prefix "" ignore case */
static unsigned
count_wrong(const at_endpoint_list_t *list, const char *const *prefixes,
    const char *path)
{
    char                  full[300];
    size_t                i, j;
    unsigned              wrong = 0;
    const at_endpoint_t  *row;

    for (i = 0; i < N(methods); i++) {
        row = linear_match(list, str(methods[i]), str(path), !**prefixes);

        for (j = 0; prefixes[j] != NULL; j++) {
            (void) snprintf(full, sizeof(full), "%s%s", prefixes[j], path);

            if (at_endpoint_list_match(list, str(methods[i]), str(full))
                != row)
            {
                printf("# %s %s\n", methods[i], full);
                wrong++;
            }
        }
    }

    return wrong;
}


/* whether a path can match both, and a literal is beside a parameter */
static int
overlap(const at_endpoint_t *a, const at_endpoint_t *b)
{
    int       differ = 0, more_a, more_b;
    size_t    i;
    at_str_t  one, two;

    for (i = 0; ; i++) {
        more_a = linear_segment(linear_template(a), i, &one);
        more_b = linear_segment(linear_template(b), i, &two);

        if (!more_a || !more_b) {
            return more_a == more_b && differ;
        }

        if (linear_is_param(one) != linear_is_param(two)) {
            differ = 1;

        } else if (!linear_is_param(one) && !at_str_equal(one, two)) {
            return 0;
        }
    }
}


static void
test_overlaps(const at_endpoint_list_t *list)
{
    char                  path[256];
    size_t                i, j, n = 0, count = list->n_endpoints;
    unsigned              wrong = 0;
    const at_endpoint_t  *a, *b;

    for (i = 0; i < count; i++) {
        for (j = 0; j < i; j++) {
            a = &list->endpoints[i];
            b = &list->endpoints[j];

            if (overlap(a, b)) {
                n++;
                fill(path, a, "x");
                wrong += count_wrong(list, ipfabric_prefixes, path);
                fill(path, b, "x");
                wrong += count_wrong(list, ipfabric_prefixes, path);
            }
        }
    }

    is_int(n, 38, "38 pairs of endpoints overlap");
    is_int(wrong, 0,
           "paths of overlapping endpoints match like in a linear search");
    is_bytes(match(list, "GET", "/api/v6.0/reports/groups"),
             str("GET /reports/groups"), "a literal precedes a parameter");
    is_bytes(match(list, "GET", "/api/v6.0/reports/group"),
             str("GET /reports/:key"), "another value matches the parameter");
}


static void
test_every_row(const at_endpoint_list_t *list, const char *const *prefixes)
{
    char      path[256];
    size_t    i, j;
    unsigned  wrong = 0;

    static const char  *values[] = { "1", "settings", ":key", "groups", "" };

    for (i = 0; i < list->n_endpoints; i++) {
        for (j = 0; j < N(values); j++) {
            fill(path, &list->endpoints[i], values[j]);
            wrong += count_wrong(list, prefixes, path);
        }
    }

    is_int(wrong, 0, "prefix '%s': paths of every endpoint, by every method, "
           "match like in a linear search", *prefixes);
}


/* the endpoints are the lines of the file: method and path, tab, scope */
static at_endpoint_list_t *
read_file(const char *name, const char *prefix, size_t n)
{
    char                       *next, *line, *scope;
    size_t                      i = 0;
    unsigned                    wrong = 0;
    at_file_t                   file = data_read(name);
    at_error_t                  err;
    at_endpoint_list_t         *list;
    const at_endpoint_t        *e;
    at_endpoint_list_options_t  options = { str(prefix), *prefix == '\0' };

    list = at_endpoint_list_parse((at_str_t) { file.data, file.len }, &options,
                                  &err);
    must(list != NULL, err.text);
    is_int(list->n_endpoints, n, "%s has %zu endpoints", name, n);

    for (next = file.data; (line = strsep(&next, "\n")) != NULL && i < n; ) {
        if (*line != '#' && *line != '\0') {
            e = &list->endpoints[i++];
            line[strcspn(line, "\t")] = ' ';
            scope = line;
            (void) strsep(&scope, "\t");
            wrong += !at_str_equal(e->text, str(line))
                     || !at_str_equal(e->scope, str(scope));
        }
    }

    is_int(wrong, 0, "%s: all endpoints and their scopes are read", name);
    at_file_free(&file);

    return list;
}


static void
test_ipfabric(void)
{
    size_t                i, ids = 0;
    unsigned              wrong = 0;
    at_endpoint_list_t   *list = read_file(IPFABRIC, "ipfabric",
                                           IPFABRIC_ROWS);
    const at_endpoint_t  *e;

    for (i = 0; i < list->n_endpoints; i++) {
        e = &list->endpoints[i];
        ids += e->kind == AT_ENDPOINT_SCOPE;
        wrong += e->kind == AT_ENDPOINT_SCOPE
                 && !at_str_equal(e->id, e->scope);
    }

    is_int(ids, IPFABRIC_ROWS - 5, "5 endpoints require no scope");
    is_int(wrong, 0, "the ids are the scope ids of IP Fabric");

    test_every_row(list, ipfabric_prefixes);
    test_overlaps(list);
    at_endpoint_list_free(list);
}


static void
test_cipp(void)
{
    char                  path[256];
    size_t                i, j, public = 0;
    unsigned              wrong = 0;
    at_endpoint_list_t   *list = read_file(CIPP, "", 646);
    const at_endpoint_t  *e;

    test_every_row(list, cipp_prefixes);

    for (i = 0; i < list->n_endpoints; i++) {
        e = &list->endpoints[i];
        public += (e->kind == AT_ENDPOINT_PUBLIC);
        fill(path, e, "");

        for (j = 0; path[j]; j++) {
            path[j] ^= (isalpha((unsigned char) path[j])
                        && (i ^ j) & 1) ? 0x20 : 0;
        }

        wrong += at_endpoint_list_match(list, linear_method(e), str(path))
                 != e;
    }

    is_int(public, 4, "4 endpoints of CIPP are public");
    is_int(wrong, 0, "paths match in any case");
    at_endpoint_list_free(list);
}


/* --- bounds -------------------------------------------------------------- */

/* 2^depth endpoints: each segment is a literal or a parameter */
static char *
full_tree(unsigned depth)
{
    char     *text, *p;
    unsigned  i, j;

    text = malloc(((size_t) 1 << depth) * (depth * 4 + 10));
    p = text;

    for (i = 0; i < 1u << depth; i++) {
        p = stpcpy(p, "GET ");

        for (j = 0; j < depth; j++) {
            p = stpcpy(p, i >> j & 1 ? "/:p" : "/a");
        }

        p = stpcpy(p, "/e\n");
    }

    return text;
}


static void
test_steps(void)
{
    char                *text, deep[1024];
    unsigned             i;
    at_error_t           err;
    at_endpoint_list_t  *list;

    /* 1 + 2 + 4 + 8 + 16 + 32 segments, and 32 methods */
    text = full_tree(5);
    list = must_parse(text, "", 0);
    is_bytes(match(list, "GET", "/a/a/a/a/a/x"), str("-"),
             "a search that tries all of 32 branches");
    is_bytes(match(list, "GET", "/a/b/a/b/a/e"), str("GET /a/:p/a/:p/a/e"),
             "a path that matches one of 32 branches");
    at_endpoint_list_free(list);
    free(text);

    text = full_tree(6);
    ok(parse(text, NULL, &err) == NULL, "a list with 64 branches is an error");
    ok(strncmp(err.text, "line 2: too many segments, or too many literals", 40)
       == 0, "the error says why");
    free(text);

    /* a literal beside each of a chain of parameters */
    deep[0] = '\0';

    for (i = 0; i < 60; i++) {
        strcat(deep, "/:p");
    }

    text = malloc(100 * 1024);
    text[0] = '\0';

    for (i = 0; i < 60; i++) {
        sprintf(text + strlen(text), "GET %.*s/end\n", (int) i * 3, deep);
    }

    list = must_parse(text, "", 0);
    is_bytes(match(list, "GET", "/end/end/end/end"),
             str("GET /:p/:p/:p/end"), "a chain of parameters is not a tree");
    at_endpoint_list_free(list);

    strcpy(text, "POST /x\nGET ");

    for (i = 0; i < AT_ENDPOINT_LIST_STEPS_MAX - 1; i++) {
        strcat(text, "/a");
    }

    list = must_parse(text, "", 0);
    is_bytes(match(list, "GET", strchr(text + 8, '/')), str(text + 8),
             "a path of the maximum depth");
    at_endpoint_list_free(list);

    strcat(text, "/a");
    ok(parse(text, NULL, &err) == NULL, "a deeper path is an error");
    ok(strncmp(err.text, "line 2: too many segments", 25) == 0,
       "the error names the line");

    free(text);
}


static int
compare_hashes(const void *one, const void *two)
{
    uint64_t  a = *(const uint64_t *) one, b = *(const uint64_t *) two;

    return (a > b) - (a < b);
}


/* the hash is not secret: a client can find names that collide */
static void
test_collision(void)
{
    char                   row[32], name[16], other[16];
    unsigned               i, found;
    at_endpoint_list_t    *list;
    static const unsigned  n = 400000;
    uint64_t              *hashes = malloc(n * sizeof(uint64_t));

    for (i = 0; i < n; i++) {
        (void) snprintf(name, sizeof(name), "%u", i);
        hashes[i] = (uint64_t) at_node_hash(0, str(name), 0) << 32 | i;
    }

    qsort(hashes, n, sizeof(uint64_t), compare_hashes);
    found = 0;

    for (i = 1; i < n; i++) {
        if (hashes[i] >> 32 != hashes[i - 1] >> 32) {
            continue;
        }

        (void) snprintf(row, sizeof(row), "GET /%u", (unsigned) hashes[i]);
        (void) snprintf(other, sizeof(other), "/%u", (unsigned) hashes[i - 1]);

        list = must_parse(row, "", 0);
        is_bytes(match(list, "GET", row + 4), str(row), "%s matches", row + 4);
        is_bytes(match(list, "GET", other), str("-"),
                 "%s has the same hash and does not match", other);
        at_endpoint_list_free(list);
        found++;
    }

    ok(found > 0, "names with equal hashes were found");
    free(hashes);
}


static void
test_alloc(void)
{
    unsigned                    n;
    at_error_t                  err;
    at_endpoint_list_t         *list = NULL;
    at_endpoint_list_options_t  options = { at_str("/api"), 1 };

    for (n = 1; list == NULL && n < 100; n++) {
        fail_begin(n, 0);
        list = parse("GET /a\nGET /b/:c d\n", &options, &err);
        (void) fail_end();

        if (list == NULL && strcmp(err.text, "no memory") != 0) {
            break;
        }
    }

    ok(list != NULL && n > 8,
       "each of %u allocations fails with \"no memory\"", n - 2);
    at_endpoint_list_free(list);
}


int
main(void)
{
    RUN(test_match, test_options, test_errors, test_long_word, test_endpoint,
        test_large, test_granted, test_ipfabric, test_cipp, test_steps,
        test_collision, test_alloc);

    return tap_done();
}
