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


#define IPFABRIC  "conf-examples/ipfabric/endpoints.tsv"
#define CIPP      "conf-examples/cipp/endpoints.tsv"

#define ROWS      1000          /* of a file, at most */


/* parses a copy of exactly the size of text, and frees it */
static at_endpoint_list_t *
parse(const char *text, const at_endpoint_list_options_t *options, at_error_t *err)
{
    at_endpoint_list_t  *list;
    size_t               len = strlen(text);
    char                *copy = malloc(len ? len : 1);

    memcpy(copy, text, len);

    err->text[0] = '\0';
    list = at_endpoint_list_parse((at_str_t) { copy, len }, options, err);
    free(copy);

    return list;
}


static at_endpoint_list_t *
must_parse(const char *text, const char *prefix, unsigned ignore_case)
{
    at_error_t                  err;
    at_endpoint_list_t         *list;
    at_endpoint_list_options_t  options;

    memset(&options, 0, sizeof(options));
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
        { "GET", "/", "GET /" },
        { "GET", "", "-" },
        { "GET", "users", "-" },
        { "GET", "*", "-" },
        { "GET", "/users", "GET /users" },
        { "GET", "/users/", "-" },
        { "GET", "/Users", "-" },
        { "GET", "/users/7", "GET /users/:id" },
        { "GET", "/users/:id", "GET /users/:id" },
        { "GET", "/users/*", "GET /users/:id" },
        { "GET", "/users/me", "GET /users/me" },
        { "GET", "/users/mee", "GET /users/:id" },
        { "GET", "/users/m", "GET /users/:id" },
        { "GET", "/users/me/", "-" },
        { "GET", "/users//", "-" },
        { "GET", "/users/7/keys", "GET /users/:id/keys" },
        { "GET", "/users//keys", "-" },
        { "GET", "//users/7", "-" },

        /* the parameter matches where the literal leads nowhere */
        { "GET", "/users/me/keys", "GET /users/:id/keys" },
        { "GET", "/users/me/keys/new", "GET /users/me/keys/:key" },
        { "GET", "/users/7/keys/new", "GET /users/:id/keys/new" },
        { "GET", "/users/7/keys/8", "-" },
        { "GET", "/users/7/keys/last", "GET /users/:id/:what/last" },
        { "GET", "/users/me/keys/last", "GET /users/me/keys/:key" },
        { "GET", "/users/me/x/last", "GET /users/:id/:what/last" },
        { "GET", "/users/me/keys/last/x", "-" },

        { "GET", "/folder/", "GET /folder/" },
        { "GET", "/folder", "-" },
        { "GET", "/folder/x", "-" },

        { "HEAD", "/users/7", "GET /users/:id" },
        { "HEAD", "/any/7", "* /any/:a" },
        { "POST", "/users", "POST /users" },
        { "POST", "/users/7", "-" },
        { "POST", "/users/7/disable", "POST /users/:user/disable" },
        { "GET", "/users/7/disable", "-" },
        { "PURGE-ALL", "/users", "PURGE-ALL /users" },
        { "M_SEARCH", "/users", "M_SEARCH /users" },
        { "PURGE", "/users", "* /users" },
        { "get", "/users/7", "-" },
        { "GET ", "/users/7", "-" },
        { "", "/users/7", "-" },
        { "", "/users", "* /users" },
        { "GETX", "/users/7", "-" },
        { "GE", "/users/7", "-" },

        /* a literal of "*" precedes a parameter of the method */
        { "DELETE", "/users", "* /users" },
        { "GET", "/any/7", "* /any/:a" },
        { "GET", "/any/7/more", "GET /any/:a/more" },
        { "POST", "/any/7/more", "-" },
        { "GET", "/users/root", "* /users/root" },
        { "POST", "/users/root", "* /users/root" },
        { "*", "/users", "* /users" },
        { "*", "/users/me", "-" },

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
    is_int(at_endpoint_list_count(list), 19, "all endpoints are counted");

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
    at_endpoint_list_t  *list;

    static const struct {
        const char  *rows, *prefix;
        unsigned    ignore_case;
        const char  *path;
        int         match;
    } cases[] = {
        { "GET /a", "/api", 0, "/api/a", 1 },
        { "GET /a", "/api", 0, "/a", 0 },
        { "GET /a", "/api", 0, "/apia", 0 },
        { "GET /a", "/api", 0, "/apiX/a", 0 },
        { "GET /a", "/api", 0, "/api//a", 0 },
        { "GET /a", "/api", 0, "/api/api/a", 0 },
        { "GET /a", "/api", 0, "/API/a", 0 },
        { "GET /a", "/api", 0, "api/a", 0 },
        { "GET /a", "/api", 0, "/ap", 0 },
        { "GET /a", "/api", 0, "/api", 0 },
        { "GET /", "/api", 0, "/api/", 1 },
        { "GET /", "/api", 0, "/api", 0 },
        { "GET /a", "/api/v1", 0, "/api/v1/a", 1 },
        { "GET /a", "/api/v1", 0, "/api/v2/a", 0 },
        { "GET /api/a", "/api", 0, "/api/a", 0 },
        { "GET /api/a", "/api", 0, "/api/api/a", 1 },
        { "GET /v1/a", "/api", 0, "/api/v1/a", 1 },

        { "GET /a", "ipfabric", 0, "/api/a", 1 },
        { "GET /a", "ipfabric", 0, "/api/v1/a", 1 },
        { "GET /a", "ipfabric", 0, "/api/v6.0/a", 1 },
        { "GET /a", "ipfabric", 0, "/api/v6.10/a", 1 },
        { "GET /a", "ipfabric", 0, "/api/v6.100/a", 1 },
        { "GET /a", "ipfabric", 0, "/a", 0 },
        { "GET /a", "ipfabric", 0, "/v6.0/a", 0 },
        { "GET /a", "ipfabric", 0, "/api/v10/a", 0 },
        { "GET /a", "ipfabric", 0, "/api/v6./a", 0 },
        { "GET /a", "ipfabric", 0, "/api/v/a", 0 },
        { "GET /a", "ipfabric", 0, "/api/v6.0.1/a", 0 },
        { "GET /a", "ipfabric", 0, "/api/v6x0/a", 0 },
        { "GET /a", "ipfabric", 0, "/api/v6.x/a", 0 },
        { "GET /a", "ipfabric", 0, "/api/vx/a", 0 },
        { "GET /a", "ipfabric", 0, "/api/V6/a", 0 },
        { "GET /a", "ipfabric", 0, "/api/v6.0/v6.0/a", 0 },
        { "GET /a", "ipfabric", 0, "/api//v6.0/a", 0 },
        { "GET /a", "ipfabric", 0, "/api/v6.0//a", 0 },
        { "GET /a", "ipfabric", 0, "/api/v6.0", 0 },
        { "GET /:a", "ipfabric", 0, "/api/v6.0", 1 },
        { "GET /:a", "ipfabric", 0, "/api/v6.0/", 0 },
        { "GET /", "ipfabric", 0, "/api/v6.0/", 1 },
        { "GET /a", "ipfabric", 1, "/API/V6.0/A", 1 },

        { "GET /Ab/:c", "", 1, "/aB/x", 1 },
        { "GET /Ab/:c", "", 1, "/AB/X", 1 },
        { "GET /Ab/:c", "", 1, "/ABC/X", 0 },
        { "GET /Ab/:c", "", 0, "/ab/x", 0 },
        { "GET /a", "/api", 1, "/API/A", 1 },
        { "GET /a", "/API", 1, "/api/A", 1 },
        { "GET /\xc3\xa9", "", 1, "/\xc3\xa9", 1 },
        { "GET /\xc3\xa9", "", 1, "/\xc3\x89", 0 },
        { "GET /a@", "", 1, "/a`", 0 },
    };

    for (i = 0; i < N(cases); i++) {
        list = must_parse(cases[i].rows, cases[i].prefix,
                               cases[i].ignore_case);

        is_bytes(match(list, "GET", cases[i].path),
                 str(cases[i].match ? cases[i].rows : "-"),
                 "'%s' with prefix '%s'%s: %s", cases[i].rows, cases[i].prefix,
                 cases[i].ignore_case ? ", ignore_case" : "", cases[i].path);

        at_endpoint_list_free(list);
    }

    list = must_parse("GET /a", "", 1);
    is_bytes(match(list, "get", "/a"), str("-"),
             "methods are compared with case, also with ignore_case");
    at_endpoint_list_free(list);
}


static void
test_errors(void)
{
    size_t                      i;
    at_error_t                  err;
    at_endpoint_list_t         *list;
    at_endpoint_list_options_t  options;

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
        { "GET /a \x7f\n", "line 1: a control character" },
        { "# \x01\nGET /a\n", "line 1: a control character" },

        { "get /a", "line 1: invalid method \"get\": "
          "use upper case, or \"*\" for any method" },
        { "/a GET", "line 1: invalid method \"/a\": "
          "use upper case, or \"*\" for any method" },
        { "** /a", "line 1: invalid method \"**\": "
          "use upper case, or \"*\" for any method" },
        { "GET,POST /a", "line 1: invalid method \"GET,POST\": "
          "use upper case, or \"*\" for any method" },
        { "\xef\xbb\xbfGET /a", "line 1: invalid method \"\xef\xbb\xbfGET\": "
          "use upper case, or \"*\" for any method" },
        { "GET /a\nHEAD /a", "line 2: invalid method \"HEAD\": use \"GET\", which includes it" },

        { "GET a", "line 1: invalid path \"a\": it is not a normalized path" },
        { "GET //", "line 1: invalid path \"//\": it is not a normalized path" },
        { "GET /a//b", "line 1: invalid path \"/a//b\": it is not a normalized path" },
        { "GET /a//", "line 1: invalid path \"/a//\": it is not a normalized path" },
        { "GET /./a", "line 1: invalid path \"/./a\": it is not a normalized path" },
        { "GET /a/..", "line 1: invalid path \"/a/..\": it is not a normalized path" },
        { "GET /a.", "line 1: invalid path \"/a.\": it is not a normalized path" },
        { "GET /%61", "line 1: invalid path \"/%61\": it is not a normalized path" },
        { "GET /a;b", "line 1: invalid path \"/a;b\": it is not a normalized path" },
        { "GET /a?b", "line 1: invalid path \"/a?b\": it is not a normalized path" },
        { "GET /a#b", "line 1: invalid path \"/a#b\": it is not a normalized path" },
        { "GET /a\\b", "line 1: invalid path \"/a\\b\": it is not a normalized path" },
        { "GET /\xff", "line 1: invalid path \"/\xff\": it is not a normalized path" },
        { "GET http://h/a", "line 1: invalid path \"http://h/a\": it is not a normalized path" },

        { "GET /a/*",
          "line 1: invalid path \"/a/*\": a parameter is a whole segment \":name\"" },
        { "GET /{id}",
          "line 1: invalid path \"/{id}\": a parameter is a whole segment \":name\"" },
        { "GET /<id>",
          "line 1: invalid path \"/<id>\": a parameter is a whole segment \":name\"" },
        { "GET /:id*",
          "line 1: invalid path \"/:id*\": a parameter is a whole segment \":name\"" },
        { "GET /:", "line 1: invalid path \"/:\": the name of a parameter "
          "has letters, digits, \"_\" and \"-\" only" },
        { "GET /a/:/b",
          "line 1: invalid path \"/a/:/b\": the name of a parameter "
          "has letters, digits, \"_\" and \"-\" only" },
        { "GET /:a:b",
          "line 1: invalid path \"/:a:b\": the name of a parameter "
          "has letters, digits, \"_\" and \"-\" only" },
        { "GET /:a.b",
          "line 1: invalid path \"/:a.b\": the name of a parameter "
          "has letters, digits, \"_\" and \"-\" only" },
        { "GET /:a~", "line 1: invalid path \"/:a~\": the name of a parameter "
          "has letters, digits, \"_\" and \"-\" only" },
        { "GET /:id(x)",
          "line 1: invalid path \"/:id(x)\": the name of a parameter "
          "has letters, digits, \"_\" and \"-\" only" },
        { "GET /:id?", "line 1: invalid path \"/:id?\": it is not a normalized path" },

        { "GET /x public",
          "line 1: invalid scope \"public\": use \"Public\" or \"Authenticated\"" },
        { "GET /x authenticated",
          "line 1: invalid scope \"authenticated\": use \"Public\" or "
          "\"Authenticated\"" },
        { "GET /a\n\nGET /a b", "line 3: \"GET /a\" is duplicate, see line 1" },
        { "* /a\n* /a", "line 2: \"* /a\" is duplicate, see line 1" },
        { "# x\nGET /:a/b/:c\nPOST /:x/b/:y\nGET /:d/b/:e\n",
          "line 4: \"GET /:d/b/:e\" is duplicate, see line 2" },
    };

    for (i = 0; i < N(cases); i++) {
        list = parse(cases[i].rows, NULL, &err);

        ok(list == NULL, "'%.40s' is an error", cases[i].rows);
        is_str(err.text, cases[i].error, "the error names line and cause");

        at_endpoint_list_free(list);
    }

    memset(&options, 0, sizeof(options));
    options.ignore_case = 1;

    ok(parse("GET /ab\nGET /aB", &options, &err) == NULL,
       "endpoints that differ in case are duplicates with ignore_case");
    is_str(err.text, "line 2: \"GET /aB\" is duplicate, see line 1",
           "the error names both lines");
    options.ignore_case = 0;

    list = must_parse("GET /ab\nGET /aB\n* /ab\nPOST /ab\nGET /ab/\n"
                           "GET /:ab\nGET /:ab/\n", "", 0);
    is_int(at_endpoint_list_count(list), 7,
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
    at_str_t     view;
    at_error_t   err;
    char        *text = malloc(AT_ENDPOINT_LIST_MAX + 1);

    memset(text, '#', AT_ENDPOINT_LIST_MAX + 1);
    memcpy(text, "GET /a\n", 7);

    view = (at_str_t) { text, AT_ENDPOINT_LIST_MAX + 1 };
    ok(at_endpoint_list_parse(view, NULL, &err) == NULL,
       "a text above the maximum is an error");
    is_str(err.text,
           "larger than 4194304 bytes", "the error names the maximum");

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
    const at_endpoint_t  *e;
    at_endpoint_list_t   *list;

    list = must_parse("GET /snapshots\n"
                           "\n"
                           "DELETE\t/api-tokens/:key\r\n"
                           "POST /x x.write#1#\n"
                           "GET /me Authenticated\n"
                           "GET /version Public\n"
                           "GET /public publicity\n"
                           "* /star", "", 0);

    e = at_endpoint_list_get(list, 0);
    is_bytes(e->text, str("GET /snapshots"), "the text of an endpoint");
    is_bytes(e->id, str("79ab4b0754b069399464a23c222725111915f8f9"),
             "the id is the SHA-1 of the text");
    is_bytes(e->scope, e->id, "the id is the default scope");
    is_int(e->kind, AT_ENDPOINT_SCOPE, "the id is a scope");
    is_int(e->line, 1, "the line of the first endpoint");

    e = at_endpoint_list_get(list, 1);
    is_bytes(e->text, str("DELETE /api-tokens/:key"),
             "the text has one space instead of a tab");
    is_bytes(e->id, str("f43f5efc2d2e1cc22d02c9e93894ddde07e023c7"),
             "the id is computed with that space");
    is_int(e->line, 3, "empty lines are counted");

    e = at_endpoint_list_get(list, 2);
    is_bytes(e->scope,
             str("x.write#1#"), "\"#\" inside a word is not a comment");
    is_bytes(e->id, str("2858b5e2426f2c00862b54d84869a9c04cf9c1a5"),
             "an endpoint with a scope has an id, too");

    e = at_endpoint_list_get(list, 3);
    is_int(e->kind, AT_ENDPOINT_AUTHENTICATED,
           "Authenticated requires an identity");

    is_int(at_endpoint_list_get(list, 4)->kind, AT_ENDPOINT_PUBLIC,
           "Public requires no credential");
    is_int(at_endpoint_list_get(list, 5)->kind, AT_ENDPOINT_SCOPE,
           "a word that begins like Public is a scope");
    is_bytes(at_endpoint_list_get(list, 6)->text, str("* /star"),
             "the text of an endpoint for any method");

    at_endpoint_list_free(list);
}


/* whether an identity with these scopes is granted the endpoint */
static int
granted(const at_endpoint_t *endpoint, const at_scopes_t *scopes)
{
    at_rights_t  rights;

    memset(&rights, 0, sizeof(rights));
    rights.scopes = *scopes;

    return at_rights_allow_endpoint(&rights, endpoint);
}


static void
test_granted(void)
{
    size_t               i, j;
    at_str_t             items[2];
    at_scopes_t          scopes;
    at_endpoint_list_t  *list;

    static const struct { const char *row, *scope; int granted; } cases[] = {
        { "GET /snapshots read", "read", 1 },
        { "GET /snapshots read", "READ", 0 },
        { "GET /snapshots read", "rea", 0 },
        { "GET /snapshots read", "*", 0 },
        { "GET /snapshots read", "", 0 },
        { "GET /snapshots read", "GET /snapshots", 1 },
        { "GET /snapshots read", "get /snapshots", 0 },
        { "GET /snapshots read", "GET /Snapshots", 0 },
        { "GET /snapshots read", "GET  /snapshots", 0 },
        { "GET /snapshots read", "HEAD /snapshots", 0 },
        { "GET /snapshots read", "* /snapshots", 0 },
        { "GET /snapshots read", "/snapshots", 0 },
        { "GET /snapshots read", "79ab4b0754b069399464a23c222725111915f8f9", 1 },
        { "GET /snapshots read", "79AB4B0754B069399464A23C222725111915F8F9", 0 },
        { "GET /snapshots", "79ab4b0754b069399464a23c222725111915f8f9", 1 },
        { "GET /snapshots", "GET /snapshots", 1 },
        { "GET /snapshots", "f43f5efc2d2e1cc22d02c9e93894ddde07e023c7", 0 },
        { "* /snapshots", "* /snapshots", 1 },
        { "* /snapshots", "GET /snapshots", 0 },
        { "GET /snapshots Authenticated", "x", 1 },
        { "GET /snapshots Public", "x", 1 },
    };

    for (i = 0; i < N(cases); i++) {
        list = must_parse(cases[i].row, "", 0);

        for (j = 0; j < 2; j++) {
            items[j] = str(cases[i].scope);
            items[1 - j] = str("another");
            scopes = (at_scopes_t) { 2, items, NULL };

            is_int(granted(at_endpoint_list_get(list, 0), &scopes),
                   cases[i].granted,
                   "scope '%s' for %s", cases[i].scope, cases[i].row);
        }

        scopes = (at_scopes_t) { 0, NULL, NULL };
        is_int(granted(at_endpoint_list_get(list, 0), &scopes),
               at_endpoint_list_get(list, 0)->kind != AT_ENDPOINT_SCOPE,
               "an identity without scopes for %s", cases[i].row);

        at_endpoint_list_free(list);
    }
}


/* --- a linear search ----------------------------------------------------- */

/* "GET", "a", ":b" */
typedef struct {
    size_t        n;
    at_str_t      part[16];
    const char   *text;
} oracle_row_t;

static oracle_row_t  oracle[ROWS];
static size_t        n_oracle;


static oracle_row_t
oracle_split(const char *text)
{
    oracle_row_t  row;

    row.text = text;
    row.part[0] = (at_str_t) { text, strcspn(text, " ") };
    text += row.part[0].len + 1;

    for (row.n = 1; *text == '/' && row.n < N(row.part); row.n++) {
        row.part[row.n] = (at_str_t) { text + 1, strcspn(text + 1, "/") };
        text += 1 + row.part[row.n].len;
    }

    return row;
}


static int
oracle_is_param(at_str_t part)
{
    return part.len && part.data[0] == ':';
}


static int
oracle_row_matches(const oracle_row_t *row, const oracle_row_t *request)
{
    size_t  i;

    if (row->n != request->n) {
        return 0;
    }

    for (i = 1; i < row->n; i++) {
        if (oracle_is_param(row->part[i])
            ? request->part[i].len == 0
            : !at_str_equal(row->part[i], request->part[i]))
        {
            return 0;
        }
    }

    return 1;
}


/* whether a has a literal where they first differ in literal and parameter */
static int
oracle_is_better(const oracle_row_t *a, const oracle_row_t *b)
{
    size_t  i;

    for (i = 1; i < a->n; i++) {
        if (oracle_is_param(a->part[i]) != oracle_is_param(b->part[i])) {
            return oracle_is_param(b->part[i]);
        }
    }

    return 0;
}


static const oracle_row_t *
oracle_search(const char *method, const oracle_row_t *request)
{
    size_t               i;
    const oracle_row_t  *best = NULL;

    for (i = 0; i < n_oracle; i++) {
        if (at_str_equal(oracle[i].part[0], str(method))
            && oracle_row_matches(&oracle[i], request)
            && (best == NULL || oracle_is_better(&oracle[i], best)))
        {
            best = &oracle[i];
        }
    }

    return best;
}


static at_str_t
oracle_match(const char *method, const char *path)
{
    char                 text[256];
    oracle_row_t         request;
    const oracle_row_t  *row, *any;

    (void) snprintf(text, sizeof(text), "%s %s", method, path);
    request = oracle_split(text);

    row = oracle_search(strcmp(method, "HEAD") == 0 ? "GET" : method,
                        &request);
    any = oracle_search("*", &request);

    if (row == NULL || (any != NULL && oracle_is_better(any, row))) {
        row = any;
    }

    return row ? str(row->text) : str("-");
}


/* reads the lines of a file, which is modified; the third words are scopes */
static void
oracle_read(at_file_t *file, const char **scopes)
{
    char  *text, *line, *row;

    text = file->data;
    n_oracle = 0;

    while ((line = strsep(&text, "\n")) != NULL) {
        if (*line == '#' || *line == '\0' || n_oracle == ROWS) {
            continue;
        }

        row = line;
        line[strcspn(line, "\t")] = ' ';
        (void) strsep(&line, "\t");

        scopes[n_oracle] = line;
        oracle[n_oracle++] = oracle_split(row);
    }
}


/* a path for the template of a row: value replaces each parameter */
static void
fill(char path[256], const oracle_row_t *row, const char *value)
{
    size_t    i, len = 0;
    at_str_t  part;

    for (i = 1; i < row->n; i++) {
        part = oracle_is_param(row->part[i]) ? str(value) : row->part[i];
        len += (size_t) snprintf(path + len, 256 - len,
                                 "/%.*s", (int) part.len, part.data);
    }
}


/* --- the lists of IP Fabric and CIPP ------------------------------------- */

static const char  *methods[] = {
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "*"
};


static unsigned
count_wrong(const at_endpoint_list_t *list, const char *prefix,
    const char *path)
{
    char      full[300];
    size_t    i;
    unsigned  wrong = 0;

    (void) snprintf(full, sizeof(full), "%s%s", prefix, path);

    for (i = 0; i < N(methods); i++) {
        if (!at_str_equal(match(list, methods[i], full),
                          oracle_match(methods[i], path)))
        {
            printf("# %s %s\n", methods[i], full);
            wrong++;
        }
    }

    return wrong;
}


/* whether a path can match both, and a literal is beside a parameter */
static int
overlap(const oracle_row_t *a, const oracle_row_t *b)
{
    int     differ = 0;
    size_t  i;

    for (i = 1; a->n == b->n && i < a->n; i++) {
        if (oracle_is_param(a->part[i]) != oracle_is_param(b->part[i])) {
            differ = 1;

        } else if (!oracle_is_param(a->part[i])
                   && !at_str_equal(a->part[i], b->part[i]))
        {
            return 0;
        }
    }

    return differ;
}


static void
test_overlaps(const at_endpoint_list_t *list)
{
    char      path[256];
    size_t    i, j, n = 0;
    unsigned  wrong = 0;

    for (i = 0; i < n_oracle; i++) {
        for (j = 0; j < i; j++) {
            if (overlap(&oracle[i], &oracle[j])) {
                n++;
                fill(path, &oracle[i], "x");
                wrong += count_wrong(list, "/api/v6.0", path);
                fill(path, &oracle[j], "x");
                wrong += count_wrong(list, "/api/v6.0", path);
            }
        }
    }

    is_int(n, 35, "35 pairs of endpoints overlap");
    is_int(wrong,
           0, "paths of overlapping endpoints match like in a linear search");
    is_bytes(match(list, "GET", "/api/v6.0/reports/groups"),
             str("GET /reports/groups"), "a literal precedes a parameter");
    is_bytes(match(list, "GET", "/api/v6.0/reports/group"),
             str("GET /reports/:key"), "another value matches the parameter");
}


static void
test_every_row(const at_endpoint_list_t *list, const char *prefix)
{
    char      path[256];
    size_t    i, j;
    unsigned  wrong;

    static const char  *values[] = { "1", "settings", ":key", "groups", "" };

    wrong = 0;

    for (i = 0; i < n_oracle; i++) {
        for (j = 0; j < N(values); j++) {
            fill(path, &oracle[i], values[j]);
            wrong += count_wrong(list, prefix, path);
        }
    }

    is_int(wrong, 0, "prefix '%s': paths of every endpoint, by every method, "
           "match like in a linear search", prefix);
}


static at_endpoint_list_t *
read_file(at_file_t *file, const char *name, const char *prefix,
    const char **scopes)
{
    at_error_t                  err;
    at_endpoint_list_t         *list;
    at_endpoint_list_options_t  options;

    memset(&options, 0, sizeof(options));
    options.prefix = str(prefix);
    options.ignore_case = strcmp(name, CIPP) == 0;

    *file = data_read(name);
    list = at_endpoint_list_parse((at_str_t) { file->data, file->len },
                                       &options, &err);

    must(list != NULL, err.text);

    oracle_read(file, scopes);
    is_int(at_endpoint_list_count(list), n_oracle,
           "%s: all endpoints are read", name);

    return list;
}


static void
test_ipfabric(void)
{
    size_t                i;
    unsigned              wrong = 0;
    at_file_t             file;
    at_endpoint_list_t   *list;
    const at_endpoint_t  *e;
    static const char    *scopes[ROWS];

    list = read_file(&file, IPFABRIC, "ipfabric", scopes);

    for (i = 0; i < n_oracle; i++) {
        e = at_endpoint_list_get(list, i);

        wrong += !at_str_equal(e->text, str(oracle[i].text))
                 || !at_str_equal(e->scope, str(scopes[i]))
                 || !at_str_equal(e->id, e->scope);
    }

    is_int(n_oracle, 537, "IP Fabric has 537 endpoints");
    is_int(wrong, 0, "their ids are the scope ids of IP Fabric");

    test_every_row(list, "/api");
    test_every_row(list, "/api/v1");
    test_every_row(list, "/api/v6.10");
    test_overlaps(list);

    at_endpoint_list_free(list);
    at_file_free(&file);
}


static void
test_cipp(void)
{
    char                  path[256];
    size_t                i, j, public = 0;
    unsigned              wrong = 0;
    at_file_t             file;
    const at_endpoint_t  *e;
    static const char    *scopes[ROWS];
    at_endpoint_list_t   *list = read_file(&file, CIPP, "", scopes);

    test_every_row(list, "");

    for (i = 0; i < n_oracle; i++) {
        e = at_endpoint_list_get(list, i);

        wrong += !at_str_equal(e->scope, str(scopes[i]));
        public += (e->kind == AT_ENDPOINT_PUBLIC);

        fill(path, &oracle[i], "");

        for (j = 0; path[j]; j++) {
            path[j] ^= (isalpha((unsigned char) path[j])
                        && (i ^ j) & 1) ? 0x20 : 0;
        }

        wrong += !at_str_equal(match(list,
                                     e->text.data[0] == 'G' ? "GET" : "POST",
                                     path), e->text);
    }

    is_int(n_oracle, 645, "CIPP has 645 endpoints");
    is_int(public, 4, "4 of them are public");
    is_int(wrong, 0, "scopes are read, and paths match in any case");

    at_endpoint_list_free(list);
    at_file_free(&file);
}


/* --- bounds -------------------------------------------------------------- */

/* 2^depth endpoints: each segment is a literal or a parameter */
static char *
full_tree(unsigned depth)
{
    char      *text;
    size_t     len = 0, size;
    unsigned   i, j;

    size = ((size_t) 1 << depth) * (depth * 4 + 10);
    text = malloc(size);

    for (i = 0; i < 1u << depth; i++) {
        len += (size_t) snprintf(text + len, size - len, "GET ");

        for (j = 0; j < depth; j++) {
            len += (size_t) snprintf(text + len, size - len, "%s",
                                     i >> j & 1 ? "/:p" : "/a");
        }

        len += (size_t) snprintf(text + len, size - len, "/e\n");
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

    /* 1 + 2 + 4 + 8 + 16 + 32 nodes, and 32 ends */
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
    ok(strncmp(err.text, "line 1: too many segments, or too many literals", 40)
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

    text[0] = '\0';
    strcat(text, "POST /x\nGET ");

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
    uint64_t  a, b;

    a = *(const uint64_t *) one;
    b = *(const uint64_t *) two;

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
        hashes[i] = (uint64_t) at_node_hash(1, str(name), 0) << 32 | i;
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
    at_endpoint_list_t         *list;
    at_endpoint_list_options_t  options = { at_str("/api"), 1 };

    list = NULL;

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
    RUN(test_match, test_options, test_errors, test_large, test_endpoint,
        test_granted, test_ipfabric, test_cipp, test_steps, test_collision,
        test_alloc);

    return tap_done();
}
