/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Endpoint catalogues: small ones by hand, the real ones and random ones against
 * a plain search through the rows, and paths that may be read in two ways.
 *
 * Requirements: path-templates, path-methods, path-spellings, path-ambiguous,
 *   path-merge-slashes, allocation-points.
 */

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include "core/base/at_crypto.h"
#include "data.h"


static struct {
    unsigned  n;                /* allocations so far */
    unsigned  fail;             /* the one that fails; 0: none */
} alloc;


static void *
alloc_malloc(size_t size)
{
    return ++alloc.n == alloc.fail ? NULL : malloc(size);
}


static void *
alloc_calloc(size_t n, size_t size)
{
    return ++alloc.n == alloc.fail ? NULL : calloc(n, size);
}


/* allocates, too */
static int
alloc_sha1_hex(char hex[AT_SHA1_HEX_LEN], at_str_t text)
{
    return ++alloc.n == alloc.fail ? -1 : at_sha1_hex(hex, text);
}


/* compiled in once more, with the allocations that fail */

#define malloc       alloc_malloc
#define calloc       alloc_calloc
#define at_sha1_hex  alloc_sha1_hex

#include "core/authz/at_endpoint_list.c"
#include "core/authz/at_path.c"

#include "core/authz/at_rights.h"

#undef malloc
#undef calloc
#undef at_sha1_hex


#define N(array)  (sizeof(array) / sizeof((array)[0]))

#define IPFABRIC  "conf-examples/ipfabric/endpoints.tsv"
#define CIPP      "conf-examples/cipp/endpoints.tsv"

#define ROWS      1000          /* of an oracle, at most */


/* from memory of its exact size, which is gone again when it returns */
static at_endpoint_list_t *
parse(const char *text, const at_endpoint_list_options_t *options, at_error_t *err)
{
    char                *copy;
    size_t               len;
    at_endpoint_list_t  *catalogue;

    len = strlen(text);
    copy = malloc(len ? len : 1);
    memcpy(copy, text, len);

    err->text[0] = '\0';
    catalogue = at_endpoint_list_parse((at_str_t) { copy, len }, options, err);
    free(copy);

    return catalogue;
}


static at_endpoint_list_t *
must_parse(const char *text, const char *prefix, unsigned ignore_case)
{
    at_error_t                  err;
    at_endpoint_list_t         *catalogue;
    at_endpoint_list_options_t  options;

    memset(&options, 0, sizeof(options));
    options.prefix = str(prefix);
    options.ignore_case = ignore_case != 0;

    catalogue = parse(text, &options, &err);
    if (catalogue == NULL) {
        printf("Bail out! %s\n", err.text);
        exit(1);
    }

    return catalogue;
}


/* the text of the row, or "-" */
static at_str_t
match(const at_endpoint_list_t *catalogue, const char *method, const char *path)
{
    const at_endpoint_t  *endpoint;

    endpoint = at_endpoint_list_match(catalogue, str(method), str(path));

    return endpoint ? endpoint->text : str("-");
}


static void
test_match(void)
{
    size_t               i;
    at_endpoint_list_t  *catalogue;

    static const char    rows[] =
        "# a comment\n"
        "\n"
        "   \t\r\n"
        "GET /\n"
        "GET /users\n"
        "GET\t/users/:id\tusers.read   # behind a row\r\n"
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

    static const struct {
        const char  *method;
        const char  *path;
        const char  *row;
    } cases[] = {
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

        /* below "me" there is no such row: the parameter takes it */
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

        /* a literal of "*" beats a parameter of the method */
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

    catalogue = must_parse("GET /a", "", 0);
    ok(at_endpoint_list_match(catalogue, (at_str_t) { NULL, 0 },
                              (at_str_t) { NULL, 0 }) == NULL, "empty views");
    at_endpoint_list_free(catalogue);

    catalogue = must_parse(rows, "", 0);
    is_int((long long) at_endpoint_list_count(catalogue), 19, "as many as there are");

    for (i = 0; i < N(cases); i++) {
        is_bytes(match(catalogue, cases[i].method, cases[i].path),
                 str(cases[i].row), "%s %s", cases[i].method,
                 cases[i].path);
    }

    at_endpoint_list_free(catalogue);
    at_endpoint_list_free(NULL);
}


static void
test_options(void)
{
    size_t               i;
    at_endpoint_list_t  *catalogue;

    static const struct {
        const char  *rows;
        const char  *prefix;
        unsigned     ignore_case;
        const char  *path;
        int          match;
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
        catalogue = must_parse(cases[i].rows, cases[i].prefix,
                               cases[i].ignore_case);

        is_bytes(match(catalogue, "GET", cases[i].path),
                 str(cases[i].match ? cases[i].rows : "-"),
                 "'%s' with prefix '%s'%s: %s", cases[i].rows, cases[i].prefix,
                 cases[i].ignore_case ? ", ignore_case" : "", cases[i].path);

        at_endpoint_list_free(catalogue);
    }

    catalogue = must_parse("GET /a", "", 1);
    is_bytes(match(catalogue, "get", "/a"), str("-"), "a method has a case");
    at_endpoint_list_free(catalogue);
}


static void
test_errors(void)
{
    size_t                      i;
    at_error_t                  err;
    at_endpoint_list_t         *catalogue;
    at_endpoint_list_options_t  options;

    static const struct {
        const char  *rows;
        const char  *error;
    } cases[] = {
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
        { "GET,POST /a",
          "line 1: invalid method \"GET,POST\": "
          "use upper case, or \"*\" for any method" },
        { "\xef\xbb\xbfGET /a",
          "line 1: invalid method \"\xef\xbb\xbfGET\": "
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
        { "GET /a/:/b", "line 1: invalid path \"/a/:/b\": the name of a parameter "
          "has letters, digits, \"_\" and \"-\" only" },
        { "GET /:a:b", "line 1: invalid path \"/:a:b\": the name of a parameter "
          "has letters, digits, \"_\" and \"-\" only" },
        { "GET /:a.b", "line 1: invalid path \"/:a.b\": the name of a parameter "
          "has letters, digits, \"_\" and \"-\" only" },
        { "GET /:a~", "line 1: invalid path \"/:a~\": the name of a parameter "
          "has letters, digits, \"_\" and \"-\" only" },
        { "GET /:id(x)", "line 1: invalid path \"/:id(x)\": the name of a parameter "
          "has letters, digits, \"_\" and \"-\" only" },
        { "GET /:id?", "line 1: invalid path \"/:id?\": it is not a normalized path" },

        { "GET /a\n\nGET /a b", "line 3: \"GET /a\" is duplicate, see line 1" },
        { "* /a\n* /a", "line 2: \"* /a\" is duplicate, see line 1" },
        { "# x\nGET /:a/b/:c\nPOST /:x/b/:y\nGET /:d/b/:e\n",
          "line 4: \"GET /:d/b/:e\" is duplicate, see line 2" },
    };

    for (i = 0; i < N(cases); i++) {
        catalogue = parse(cases[i].rows, NULL, &err);

        ok(catalogue == NULL, "an error: %.40s", cases[i].rows);
        is_str(err.text, cases[i].error, "it says which");

        at_endpoint_list_free(catalogue);
    }

    memset(&options, 0, sizeof(options));
    options.ignore_case = 1;

    ok(parse("GET /ab\nGET /aB", &options, &err) == NULL,
       "ignore_case: they differ in case");
    is_str(err.text, "line 2: \"GET /aB\" is duplicate, see line 1", "both lines");
    options.ignore_case = 0;

    catalogue = must_parse("GET /ab\nGET /aB\n* /ab\nPOST /ab\nGET /ab/\n"
                           "GET /:ab\nGET /:ab/\n", "", 0);
    is_int((long long) at_endpoint_list_count(catalogue), 7, "these are no duplicates");
    at_endpoint_list_free(catalogue);

    static const char  *prefixes[] = {
        "/", "/api/", "api", "IPFABRIC", "ipfabric ", "//api", "/api//v1",
        "/..", "/api;x", "/a%20", "/\xff", "https://x"
    };

    for (i = 0; i < N(prefixes); i++) {
        options.prefix = str(prefixes[i]);
        ok(parse("GET /a", &options, &err) == NULL
           && strncmp(err.text, "invalid prefix \"", 16) == 0
           && strstr(err.text, prefixes[i]) != NULL,
           "an error: prefix %s", prefixes[i]);
    }
}


static void
test_large(void)
{
    char        *text;
    at_str_t     view;
    at_error_t   err;

    text = malloc(AT_ENDPOINT_LIST_MAX + 1);
    memset(text, '#', AT_ENDPOINT_LIST_MAX + 1);
    memcpy(text, "GET /a\n", 7);

    view = (at_str_t) { text, AT_ENDPOINT_LIST_MAX + 1 };
    ok(at_endpoint_list_parse(view, NULL, &err) == NULL, "a byte too much");
    is_str(err.text, "larger than 4194304 bytes", "it says so");

    view.len--;
    at_endpoint_list_free(at_endpoint_list_parse(view, NULL, &err));

    memset(text + 4, '/', AT_ENDPOINT_LIST_MAX - 4);
    ok(at_endpoint_list_parse(view, NULL, &err) == NULL, "as many slashes");

    /* an error stays one line of its size whatever it shows */
    memset(text + 5, 'a', AT_ENDPOINT_LIST_MAX - 5);
    text[AT_ENDPOINT_LIST_MAX - 1] = '*';
    ok(at_endpoint_list_parse(view, NULL, &err) == NULL
       && strstr(err.text, "\": a parameter is a whole segment") != NULL,
       "a very long word");

    free(text);
}


/* another spelling of a word that opens is a slip, not a scope */
static void
test_slips(void)
{
    size_t       i;
    at_error_t   err;

    static const char  *rows[] = {
        "GET /x public", "GET /x PUBLIC", "GET /x authenticated"
    };

    for (i = 0; i < N(rows); i++) {
        err.text[0] = '\0';
        ok(at_endpoint_list_parse((at_str_t) { rows[i], strlen(rows[i]) }, NULL,
                                  &err) == NULL
           && strncmp(err.text, "line 1: ", 8) == 0, "%s: %s", rows[i],
           err.text);
    }
}


static void
test_endpoint(void)
{
    const at_endpoint_t  *e;
    at_endpoint_list_t   *catalogue;

    catalogue = must_parse("GET /snapshots\n"
                           "\n"
                           "DELETE\t/api-tokens/:key\r\n"
                           "POST /x x.write#1#\n"
                           "GET /me Authenticated\n"
                           "GET /version Public\n"
                           "GET /public publicity\n"
                           "* /star", "", 0);

    e = at_endpoint_list_get(catalogue, 0);
    is_bytes(e->text, str("GET /snapshots"), "text");
    is_bytes(e->id, str("79ab4b0754b069399464a23c222725111915f8f9"), "id");
    is_bytes(e->scope, e->id, "the scope that is left out is the id");
    is_int(e->kind, AT_ENDPOINT_SCOPE, "kind");
    is_int(e->line, 1, "line");

    e = at_endpoint_list_get(catalogue, 1);
    is_bytes(e->text, str("DELETE /api-tokens/:key"), "text: a space for a tab");
    is_bytes(e->id, str("f43f5efc2d2e1cc22d02c9e93894ddde07e023c7"), "id");
    is_int(e->line, 3, "line");

    e = at_endpoint_list_get(catalogue, 2);
    is_bytes(e->scope, str("x.write#1#"), "scope: a # in a word is no comment");
    is_bytes(e->id, str("2858b5e2426f2c00862b54d84869a9c04cf9c1a5"),
             "id beside a scope");

    e = at_endpoint_list_get(catalogue, 3);
    is_int(e->kind, AT_ENDPOINT_AUTHENTICATED, "Authenticated");
    is_bytes(e->scope, str("Authenticated"), "its scope");

    is_int(at_endpoint_list_get(catalogue, 4)->kind, AT_ENDPOINT_PUBLIC,
           "Public");
    is_int(at_endpoint_list_get(catalogue, 5)->kind, AT_ENDPOINT_SCOPE,
           "publicity is a scope");
    is_bytes(at_endpoint_list_get(catalogue, 6)->text, str("* /star"), "any");

    at_endpoint_list_free(catalogue);
}


/* whether scopes alone are enough for it */
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
    at_endpoint_list_t  *catalogue;

    static const struct {
        const char  *row;
        const char  *scope;
        int          granted;
    } cases[] = {
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
        catalogue = must_parse(cases[i].row, "", 0);

        for (j = 0; j < 2; j++) {
            items[j] = str(cases[i].scope);
            items[1 - j] = str("another");
            scopes = (at_scopes_t) { 2, items, NULL };

            is_int(granted(at_endpoint_list_get(catalogue, 0),
                                       &scopes),
                   cases[i].granted, "'%s' for %s", cases[i].scope,
                   cases[i].row);
        }

        scopes = (at_scopes_t) { 0, NULL, NULL };
        is_int(granted(at_endpoint_list_get(catalogue, 0), &scopes),
               at_endpoint_list_get(catalogue, 0)->kind != AT_ENDPOINT_SCOPE,
               "no scope for %s", cases[i].row);

        at_endpoint_list_free(catalogue);
    }
}


static void
test_odd(void)
{
    size_t  i;

    /* normalised NULL: as raw */
    static const struct {
        const char  *raw;
        const char  *normalised;
        int          odd;
    } cases[] = {
        { "/", NULL, 0 },
        { "/admin", NULL, 0 },
        { "/ADMIN", NULL, 0 },
        { "/admin/", NULL, 0 },
        { "/a/b-c_d~e.f/0", NULL, 0 },
        { "/.well-known/..x/.y", NULL, 0 },
        { "/a..b/v1.0", NULL, 0 },
        { "/!$&'()*+,=:@", NULL, 0 },
        { "/\"<>[]^`{|}", NULL, 0 },
        { "/\xc3\xa9", NULL, 0 },
        { "/a%20b", "/a b", 0 },
        { "/a%40b%3ac%3Ad%2C", "/a@b:c:d,", 0 },
        { "/%C3%A9%c3%a9", "/\xc3\xa9\xc3\xa9", 0 },
        { "/%f0%9f%94%91", "/\xf0\x9f\x94\x91", 0 },
        { "/%28%5b%7B%22%3c%7c%5E", "/([{\"<|^", 0 },

        /* */
        { "//admin", "/admin", 1 },
        { "/x/../admin", "/admin", 1 },
        { "/x/%2e%2e/admin", "/admin", 1 },
        { "/x/..%2fadmin", "/admin", 1 },
        { "/x%2f..%2fadmin", "/admin", 1 },
        { "/%61dmin", "/admin", 1 },
        { "/./admin", "/admin", 1 },
        { "/%2fadmin", "/admin", 1 },
        { "/x/.%2e/admin", "/admin", 1 },
        { "/x/%2E./admin", "/admin", 1 },
        { "/admin#f", "/admin", 1 },
        { "/admin?x", "/admin", 1 },
        { "/admin/.", "/admin/", 1 },
        { "/admin/..", "/", 1 },
        { "http://other/admin", "/admin", 1 },

        /* */
        { "/x/..;/admin", NULL, 1 },
        { "/admin;x=1", NULL, 1 },
        { "/admin%3bx", "/admin;x", 1 },
        { "/x\\..\\admin", NULL, 1 },
        { "/admin%5c..", "/admin\\..", 1 },
        { "/x/%252e%252e/admin", "/x/%2e%2e/admin", 1 },
        { "/%c0%ae%c0%ae/admin", "/\xc0\xae\xc0\xae/admin", 1 },
        { "/admin%20", "/admin ", 1 },
        { "/admin.", NULL, 1 },
        { "/admin...", NULL, 1 },
        { "/admin./x", NULL, 1 },
        { "/.../x", NULL, 1 },
        { "/admin%ff", "/admin\xff", 1 },
        { "/admin%2500", "/admin%00", 1 },
        { "/exact%0a", "/exact\n", 1 },
        { "/admin%09", "/admin\t", 1 },
        { "/admin%7f", "/admin\x7f", 1 },
        { "/admin%3fx", "/admin?x", 1 },
        { "/admin%23x", "/admin#x", 1 },
        { "/a%20/b", "/a /b", 1 },
        { "/a/%20b", "/a/ b", 1 },
        { "/%20", "/ ", 1 },
        { "/a/%20/b", "/a/ /b", 1 },

        /* merge_slashes off */
        { "//admin", NULL, 1 },
        { "/admin//", NULL, 1 },
        { "/a//b", NULL, 1 },
        { "//", NULL, 1 },

        /* encodings that are none, or needless */
        { "/%", NULL, 1 },
        { "/%4", NULL, 1 },
        { "/a%4", "/a", 1 },
        { "/%4g", "/x", 1 },
        { "/%g4", "/x", 1 },
        { "/%/0", "/x", 1 },
        { "/%:0", "/x", 1 },
        { "/%0/", "/x", 1 },
        { "/%+4", "/x", 1 },
        { "/%%34", "/x", 1 },
        { "/%u0041", "/A", 1 },
        { "/%2D", "/-", 1 },
        { "/%5f", "/_", 1 },
        { "/%7E", "/~", 1 },
        { "/%30", "/0", 1 },
        { "/%5A", "/Z", 1 },
        { "/%2F", "/", 1 },
        { "/%25", "/%", 1 },

        /* RFC 3629 */
        { "/\x80", NULL, 1 },
        { "/\xbf", NULL, 1 },
        { "/\xc2", NULL, 1 },
        { "/\xc2/", NULL, 1 },
        { "/\xc2x", NULL, 1 },
        { "/\xc2\x80", NULL, 1 },
        { "/\xc2\x9f", NULL, 1 },
        { "/\xc2\xa0", NULL, 0 },
        { "/\xc2\xc2", NULL, 1 },
        { "/\xc1\xbf", NULL, 1 },
        { "/\xdf\xbf", NULL, 0 },
        { "/\xe0\x9f\xbf", NULL, 1 },
        { "/\xe0\xa0\x80", NULL, 0 },
        { "/\xe0\xa0", NULL, 1 },
        { "/\xed\x9f\xbf", NULL, 0 },
        { "/\xed\xa0\x80", NULL, 1 },
        { "/\xed\xbf\xbf", NULL, 1 },
        { "/\xee\x80\x80", NULL, 0 },
        { "/\xef\xbf\xbf", NULL, 0 },
        { "/\xf0\x8f\xbf\xbf", NULL, 1 },
        { "/\xf0\x90\x80\x80", NULL, 0 },
        { "/\xf4\x8f\xbf\xbf", NULL, 0 },
        { "/\xf4\x90\x80\x80", NULL, 1 },
        { "/\xf7\xbf\xbf\xbf", NULL, 1 },
        { "/\xf8\x88\x80\x80\x80", NULL, 1 },
        { "/\xf8\x90\x80\x80", NULL, 1 },
        { "/\xfb\x90\x80\x80", NULL, 1 },
        { "/\xbf\xbf", NULL, 1 },
        { "/\x82\xa0", NULL, 1 },
        { "/\xff", NULL, 1 },
        { "/%c3\xa9", "/\xc3\xa9", 0 },
        { "/%c3x", "/\xc3x", 1 },
        { "/\xc3/\xa9", NULL, 1 },

        /* what was rewritten is judged by itself */
        { "/v2/users", "/users", 0 },
        { "/v2/a%20b", "/x/a b", 0 },
        { "/v2//users", "/users", 1 },
        { "/users", "/v2//users", 1 },
        { "/users", "/../users", 1 },
        { "/users", "/a%20b", 1 },
        { "/users", "", 1 },
        { "/users", "users", 1 },
        { "", "/users", 1 },
        { "", "", 1 },
        { "*", "*", 1 },
        { "users", "/users", 1 },
    };

    for (i = 0; i < N(cases); i++) {
        is_int(at_path_is_ambiguous(str(cases[i].raw),
                                    str(cases[i].normalised ? cases[i].normalised
                                                            : cases[i].raw)),
               cases[i].odd, "%s", cases[i].raw);
    }

    ok(at_path_is_ambiguous((at_str_t) { NULL, 0 }, (at_str_t) { NULL, 0 }),
       "the empty view");
    ok(at_path_is_ambiguous((at_str_t) { "/a%00", 5 }, (at_str_t) { "/a\0", 3 })
       && at_path_is_ambiguous((at_str_t) { "/a\0b", 4 }, (at_str_t) { "/a\0b", 4 }),
       "NUL");
}


/* each byte behind "/a", encoded in both cases of its digits, and as it is */
static void
test_odd_bytes(void)
{
    char      encoded[16], raw[4];
    unsigned  c, odd, wrong;

    wrong = 0;

    for (c = 0; c < 256; c++) {
        raw[0] = '/';
        raw[1] = 'a';
        raw[2] = (char) c;
        raw[3] = 'b';

        odd = c < 32 || c >= 127 || memchr(";\\%?#", (int) c, 5) != NULL;
        wrong += (unsigned) at_path_is_ambiguous((at_str_t) { raw, 4 },
                                                 (at_str_t) { raw, 4 }) != odd;

        odd |= isalnum((int) c) || memchr("-._~/", (int) c, 5) != NULL;

        (void) snprintf(encoded, sizeof(encoded), "/a%%%02xb", c);
        wrong += (unsigned) at_path_is_ambiguous(str(encoded), (at_str_t) { raw, 4 })
                 != odd;

        (void) snprintf(encoded, sizeof(encoded), "/a%%%02Xb", c);
        wrong += (unsigned) at_path_is_ambiguous(str(encoded), (at_str_t) { raw, 4 })
                 != odd;
    }

    is_int(wrong, 0, "every byte, as it is and encoded");
}


/* --- a plain search through the rows, by their text ------------------------- */

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


/* whether a has a literal at the first place where the two differ in that */
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
    const oracle_row_t  *best;

    best = NULL;

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

    row = oracle_search(strcmp(method, "HEAD") == 0 ? "GET" : method, &request);
    any = oracle_search("*", &request);

    if (row == NULL || (any != NULL && oracle_is_better(any, row))) {
        row = any;
    }

    return row ? str(row->text) : str("-");
}


/* from the rows of a file, which it cuts up; the third words go to scopes */
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


/* the template of a row as a path, with value for each parameter */
static void
fill(char path[256], const oracle_row_t *row, const char *value)
{
    size_t    i, len;
    at_str_t  part;

    len = 0;

    for (i = 1; i < row->n; i++) {
        part = oracle_is_param(row->part[i]) ? str(value) : row->part[i];
        len += (size_t) snprintf(path + len, 256 - len, "/%.*s", (int) part.len,
                                 part.data);
    }
}


/* --- the real catalogues ---------------------------------------------------- */

static const char  *methods[] = {
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "*"
};


static unsigned
count_wrong(const at_endpoint_list_t *catalogue, const char *prefix,
    const char *path)
{
    char      full[300];
    size_t    i;
    unsigned  wrong;

    wrong = 0;
    (void) snprintf(full, sizeof(full), "%s%s", prefix, path);

    for (i = 0; i < N(methods); i++) {
        if (!at_str_equal(match(catalogue, methods[i], full),
                          oracle_match(methods[i], path)))
        {
            printf("# %s %s\n", methods[i], full);
            wrong++;
        }
    }

    return wrong;
}


/* whether one path can match both, though they are not the same */
static int
overlap(const oracle_row_t *a, const oracle_row_t *b)
{
    int     differ;
    size_t  i;

    differ = 0;

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


/* of all methods: a path of the one with a parameter's value from the other */
static void
test_overlaps(const at_endpoint_list_t *catalogue)
{
    char      path[256];
    size_t    i, j, n;
    unsigned  wrong;

    n = 0;
    wrong = 0;

    for (i = 0; i < n_oracle; i++) {
        for (j = 0; j < i; j++) {
            if (overlap(&oracle[i], &oracle[j])) {
                n++;
                fill(path, &oracle[i], "x");
                wrong += count_wrong(catalogue, "/api/v6.0", path);
                fill(path, &oracle[j], "x");
                wrong += count_wrong(catalogue, "/api/v6.0", path);
            }
        }
    }

    is_int((long long) n, 35, "overlaps of a literal and a parameter");
    is_int(wrong, 0, "by every method, as a plain search says");
    is_bytes(match(catalogue, "GET", "/api/v6.0/reports/groups"),
             str("GET /reports/groups"), "such as this one");
    is_bytes(match(catalogue, "GET", "/api/v6.0/reports/group"),
             str("GET /reports/:key"), "and its neighbour");
}


static void
test_every_row(const at_endpoint_list_t *catalogue, const char *prefix)
{
    char      path[256];
    size_t    i, j;
    unsigned  wrong;

    static const char  *values[] = { "1", "settings", ":key", "groups", "" };

    wrong = 0;

    for (i = 0; i < n_oracle; i++) {
        for (j = 0; j < N(values); j++) {
            fill(path, &oracle[i], values[j]);
            wrong += count_wrong(catalogue, prefix, path);
        }
    }

    is_int(wrong, 0, "every row by every method%s%s", *prefix ? " below " : "",
           prefix);
}


static at_endpoint_list_t *
read_catalogue(at_file_t *file, const char *name, const char *prefix,
    const char **scopes)
{
    at_error_t                  err;
    at_endpoint_list_t         *catalogue;
    at_endpoint_list_options_t  options;

    memset(&options, 0, sizeof(options));
    options.prefix = str(prefix);
    options.ignore_case = strcmp(name, CIPP) == 0;

    *file = data_read(name);
    catalogue = at_endpoint_list_parse((at_str_t) { file->data, file->len },
                                       &options, &err);

    if (catalogue == NULL) {
        printf("Bail out! %s\n", err.text);
        exit(1);
    }

    oracle_read(file, scopes);
    is_int((long long) at_endpoint_list_count(catalogue), (long long) n_oracle,
           "%s: the rows", name);

    return catalogue;
}


static void
test_ipfabric(void)
{
    size_t                i;
    unsigned              wrong;
    at_file_t             file;
    at_endpoint_list_t   *catalogue;
    const at_endpoint_t  *e;
    static const char    *scopes[ROWS];

    catalogue = read_catalogue(&file, IPFABRIC, "ipfabric", scopes);
    wrong = 0;

    for (i = 0; i < n_oracle; i++) {
        e = at_endpoint_list_get(catalogue, i);

        wrong += !at_str_equal(e->text, str(oracle[i].text))
                 || !at_str_equal(e->scope, str(scopes[i]))
                 || !at_str_equal(e->id, e->scope);
    }

    is_int((long long) n_oracle, 537, "IP Fabric's endpoints");
    is_int(wrong, 0, "their ids are those that IP Fabric gives them");

    test_every_row(catalogue, "/api");
    test_every_row(catalogue, "/api/v1");
    test_every_row(catalogue, "/api/v6.10");
    test_overlaps(catalogue);

    at_endpoint_list_free(catalogue);
    at_file_free(&file);
}


static void
test_cipp(void)
{
    char                  path[256];
    size_t                i, j, public;
    unsigned              wrong;
    at_file_t             file;
    at_endpoint_list_t   *catalogue;
    const at_endpoint_t  *e;
    static const char    *scopes[ROWS];

    catalogue = read_catalogue(&file, CIPP, "", scopes);
    test_every_row(catalogue, "");

    wrong = 0;
    public = 0;

    for (i = 0; i < n_oracle; i++) {
        e = at_endpoint_list_get(catalogue, i);

        wrong += !at_str_equal(e->scope, str(scopes[i]));
        public += (e->kind == AT_ENDPOINT_PUBLIC);

        fill(path, &oracle[i], "");

        for (j = 0; path[j]; j++) {
            path[j] ^= (isalpha((unsigned char) path[j]) && (i ^ j) & 1) ? 0x20 : 0;
        }

        wrong += !at_str_equal(match(catalogue, e->text.data[0] == 'G' ? "GET"
                                                                       : "POST",
                                     path), e->text);
    }

    is_int((long long) n_oracle, 645, "CIPP's endpoints");
    is_int((long long) public, 4, "of which public");
    is_int(wrong, 0, "in any case; their permissions");

    at_endpoint_list_free(catalogue);
    at_file_free(&file);
}


/* --- random catalogues ------------------------------------------------------ */

static uint64_t
random64(void)
{
    static uint64_t  state = 0x9e3779b97f4a7c15;

    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;

    return state;
}


/* of few words, so that much overlaps; the first of them are the parameters */
static void
random_row(char text[64], unsigned from)
{
    size_t    len;
    unsigned  i, depth;

    static const char  *random_methods[] = { "GET", "*", "POST" };
    static const char  *names[] = { ":x", ":y", "a", "b", "ab", "A" };

    depth = 1 + (unsigned) (random64() % 5);
    len = (size_t) snprintf(text, 64, "%s ", random_methods[random64() % 3]);

    for (i = 0; i < depth; i++) {
        len += (size_t) snprintf(text + len, 64 - len, "/%s",
                                 names[from + random64() % (N(names) - from)]);
    }
}


static int
is_duplicate(const char *text)
{
    size_t        i, j;
    oracle_row_t  row;

    row = oracle_split(text);

    for (i = 0; i < n_oracle; i++) {
        if (oracle[i].n != row.n
            || !at_str_equal(oracle[i].part[0], row.part[0]))
        {
            continue;
        }

        for (j = 1; j < row.n; j++) {
            if (oracle_is_param(row.part[j])
                ? !oracle_is_param(oracle[i].part[j])
                : !at_str_equal(row.part[j], oracle[i].part[j]))
            {
                break;
            }
        }

        if (j == row.n) {
            return 1;
        }
    }

    return 0;
}


static unsigned
try_random(unsigned rows)
{
    char                 request[64];
    unsigned             i, wrong;
    at_endpoint_list_t  *catalogue;
    static char          texts[64][64], text[64 * 65];

    n_oracle = 0;
    text[0] = '\0';

    for (i = 0; i < rows; i++) {
        random_row(texts[n_oracle], 0);
        strcat(texts[n_oracle], i % 8 ? "" : "/");

        if (!is_duplicate(texts[n_oracle])) {
            oracle[n_oracle] = oracle_split(texts[n_oracle]);
            strcat(strcat(text, texts[n_oracle]), "\n");
            n_oracle++;
        }
    }

    catalogue = must_parse(text, "", 0);
    wrong = 0;

    for (i = 0; i < 100; i++) {
        random_row(request, 2);
        strcat(request, i % 8 ? "" : "/");
        wrong += count_wrong(catalogue, "", strchr(request, '/'));
    }

    at_endpoint_list_free(catalogue);

    return wrong;
}


static void
test_random(void)
{
    unsigned  i, wrong;

    wrong = 0;

    for (i = 0; i < 1000; i++) {
        wrong += try_random(1 + i % 64);
    }

    is_int(wrong, 0, "1000 random catalogues, as a plain search says");
}


/* --- bounds ----------------------------------------------------------------- */

/* each of 2^depth rows is a literal or a parameter in each place, and then an end */
static char *
full_tree(unsigned depth)
{
    char      *text;
    size_t     len, size;
    unsigned   i, j;

    size = ((size_t) 1 << depth) * (depth * 4 + 10);
    text = malloc(size);
    len = 0;

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
    at_endpoint_list_t  *catalogue;

    /* 1 + 2 + 4 + 8 + 16 + 32 nodes, and 32 ends */
    text = full_tree(5);
    catalogue = must_parse(text, "", 0);
    is_bytes(match(catalogue, "GET", "/a/a/a/a/a/x"), str("-"),
             "32 ways that lead nowhere");
    is_bytes(match(catalogue, "GET", "/a/b/a/b/a/e"),
             str("GET /a/:p/a/:p/a/e"), "one of 32 ways");
    at_endpoint_list_free(catalogue);
    free(text);

    text = full_tree(6);
    ok(parse(text, NULL, &err) == NULL, "64 ways are too many");
    ok(strncmp(err.text, "line 1: too many segments, or too many literals", 40)
       == 0, "it says where");
    free(text);

    /* a chain of parameters, each beside a literal, is no tree */
    deep[0] = '\0';

    for (i = 0; i < 60; i++) {
        strcat(deep, "/:p");
    }

    text = malloc(100 * 1024);
    text[0] = '\0';

    for (i = 0; i < 60; i++) {
        sprintf(text + strlen(text), "GET %.*s/end\n", (int) i * 3, deep);
    }

    catalogue = must_parse(text, "", 0);
    is_bytes(match(catalogue, "GET", "/end/end/end/end"),
             str("GET /:p/:p/:p/end"), "deep");
    at_endpoint_list_free(catalogue);

    text[0] = '\0';
    strcat(text, "POST /x\nGET ");

    for (i = 0; i < AT_ENDPOINT_LIST_STEPS_MAX - 1; i++) {
        strcat(text, "/a");
    }

    catalogue = must_parse(text, "", 0);
    is_bytes(match(catalogue, "GET", strchr(text + 8, '/')), str(text + 8),
             "the deepest");
    at_endpoint_list_free(catalogue);

    strcat(text, "/a");
    ok(parse(text, NULL, &err) == NULL, "too deep");
    ok(strncmp(err.text, "line 2: too many segments", 25) == 0, "it says where");

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


/* two names of one hash: a client can find another name for any literal */
static void
test_collision(void)
{
    char                   row[32], name[16], other[16];
    unsigned               i, found;
    uint64_t              *hashes;
    at_endpoint_list_t    *catalogue;
    static const unsigned  n = 400000;

    hashes = malloc(n * sizeof(uint64_t));

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

        catalogue = must_parse(row, "", 0);
        is_bytes(match(catalogue, "GET", row + 4), str(row), "%s", row + 4);
        is_bytes(match(catalogue, "GET", other), str("-"),
                 "%s, of the same hash", other);
        at_endpoint_list_free(catalogue);
        found++;
    }

    ok(found > 0, "names of one hash");
    free(hashes);
}


/* each allocation of a catalogue fails in turn */
static void
test_alloc(void)
{
    unsigned                    n;
    at_error_t                  err;
    at_endpoint_list_t         *catalogue;
    at_endpoint_list_options_t  options = { at_str("/api"), 1 };

    catalogue = NULL;

    for (n = 1; catalogue == NULL && n < 100; n++) {
        alloc.n = 0;
        alloc.fail = n;

        catalogue = parse("GET /a\nGET /b/:c d\n", &options, &err);

        if (catalogue == NULL && strcmp(err.text, "no memory") != 0) {
            break;
        }
    }

    alloc.fail = 0;

    ok(catalogue != NULL && n > 8, "each of %u allocations", n - 2);
    at_endpoint_list_free(catalogue);
}


/* --- time ------------------------------------------------------------------- */

#define REQUESTS  4096

/* n templates of seven words' depth at most, as APIs have them */
static at_endpoint_list_t *
many_rows(char paths[REQUESTS][96], unsigned n)
{
    char                *text;
    size_t               len;
    unsigned             i, k;
    at_endpoint_list_t  *catalogue;

    static const char   *forms[] = {
        "/inventory/resource-%u", "/inventory/resource-%u/:id",
        "/tables/area-%u/:key/items", "/tables/area-%u/:key/items/:item",
        "/snapshots/:snapshot/views-%u", "/snapshots/:snapshot/views-%u/:view/raw",
        "/settings/section-%u/default", "/settings/section-%u/:name",
    };

    text = malloc(n * 96);
    len = 0;

    for (i = 0; i < n; i++) {
        len += (size_t) snprintf(text + len, n * 96 - len, "GET ");
        len += (size_t) snprintf(text + len, n * 96 - len, forms[i % 8], i / 8);
        text[len++] = '\n';
    }

    text[len] = '\0';
    catalogue = must_parse(text, "", 0);
    free(text);

    for (i = 0; i < REQUESTS; i++) {
        const at_endpoint_t  *e;

        k = (unsigned) (random64() % n);
        e = at_endpoint_list_get(catalogue, k);

        (void) snprintf(paths[i], 96, "%.*s", (int) e->text.len - 4,
                        e->text.data + 4);

        for (char *p = strchr(paths[i], ':'); p; p = strchr(p + 1, ':')) {
            *p = '7';
        }
    }

    return catalogue;
}


static double
seconds(void)
{
    struct timespec  now;

    (void) clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);

    return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}


static void
test_time(unsigned n)
{
    double               from, ns, odd_ns;
    unsigned             i, hits, odd;
    at_str_t             views[REQUESTS];
    at_endpoint_list_t  *catalogue;
    static char          paths[REQUESTS][96];

    catalogue = many_rows(paths, n);

    for (i = 0; i < REQUESTS; i++) {
        views[i] = str(paths[i]);
    }

    hits = 0;
    odd = 0;
    from = seconds();

    for (i = 0; i < 1000000; i++) {
        hits += at_endpoint_list_match(catalogue, at_str("GET"),
                                       views[i % REQUESTS]) != NULL;
    }

    ns = (seconds() - from) * 1e3;
    from = seconds();

    for (i = 0; i < 1000000; i++) {
        odd += (unsigned) at_path_is_ambiguous(views[i % REQUESTS],
                                               views[i % REQUESTS]);
    }

    odd_ns = (seconds() - from) * 1e3;

    printf("# %.0f ns a match, %.0f ns to see that a path is plain\n", ns, odd_ns);
    is_int(hits, 1000000, "%u templates: each path is found", n);
    is_int(odd, 0, "and none is odd");

#if !defined(__SANITIZE_ADDRESS__)
    ok(ns < 1000, "and soon");
#endif

    at_endpoint_list_free(catalogue);
}


int
main(void)
{
    test_match();
    test_options();
    test_errors();
    test_large();
    test_endpoint();
    test_slips();
    test_granted();
    test_odd();
    test_odd_bytes();
    test_ipfabric();
    test_cipp();
    test_random();
    test_steps();
    test_collision();
    test_alloc();
    test_time(100);
    test_time(10000);

    return tap_done();
}
