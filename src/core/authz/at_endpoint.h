/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Endpoint catalogues: which scope a request needs, by its method and path.
 * A catalogue is the bytes of a file, a row a line:
 *
 *     METHOD  /path/:with/parameters  [SCOPE]     # and a comment
 *
 * Words are separated by spaces and tabs; a "#" that starts a word starts a
 * comment; lines end with LF or CRLF.  METHOD is upper-case, or "*" for any.
 * HEAD counts as GET and has no rows of its own.  A segment ":name" matches
 * exactly one segment that is not empty; there is no other wildcard.  Literals
 * are written as in the normalised URI, which has no "%"; a template that no
 * plain path (below) could match is an error.  A path that ends with a slash
 * is another one than the path without it.
 *
 * SCOPE omitted is IP Fabric's scope id: SHA-1 of "METHOD /template" in hex.
 * Two scopes are none: "Authenticated" takes a valid identity, "Public" no
 * credential at all.  Another case of these words is an error.
 */

#ifndef AT_ENDPOINT_H
#define AT_ENDPOINT_H

#include "core/base/at_error.h"
#include "core/base/at_str.h"


#define AT_ENDPOINT_LIST_MAX        (4 * 1024 * 1024)  /* of the text, at most */
#define AT_ENDPOINT_LIST_STEPS_MAX  128  /* of a match, at most: below */


/* a zeroed one, or NULL: no prefix, and case counts */
typedef struct {
    /*
     * What a request's path must start with before a row is looked for by the
     * rest: "/api" and so on; or "ipfabric": "/api", and then "/v6" or "/v6.10"
     * if it is there.  Only whole segments count.  Empty: nothing.
     */
    at_str_t  prefix;

    unsigned  ignore_case:1;    /* ASCII; of literals and the prefix */
} at_endpoint_list_options_t;


typedef enum {
    AT_ENDPOINT_SCOPE = 0,
    AT_ENDPOINT_AUTHENTICATED,
    AT_ENDPOINT_PUBLIC
} at_endpoint_e;

typedef struct {
    at_str_t       text;        /* "GET /template", one space between */
    at_str_t       id;          /* SHA-1 of text, 40 hex digits */
    at_str_t       scope;       /* as written, or the id */
    at_endpoint_e  kind;
    unsigned       line;        /* of the file, from 1 */
} at_endpoint_t;

/* const once it is made: any number of threads may match */
typedef struct at_endpoint_list_s  at_endpoint_list_t;


/*
 * Neither text nor options are needed afterwards.  Errors name the line, and
 * these are some: two rows that differ in the names of parameters only (or in
 * case, with ignore_case), with both lines; no row at all; templates so much
 * overlapping that a match could take more than AT_ENDPOINT_LIST_STEPS_MAX.  Returns a
 * catalogue that the caller frees, or NULL with err set.
 */
at_endpoint_list_t *at_endpoint_list_parse(at_str_t text,
    const at_endpoint_list_options_t *options, at_error_t *err);

/* catalogue may be NULL */
void at_endpoint_list_free(at_endpoint_list_t *catalogue);

/* the rows in the order of the file; i is less than the count */
size_t at_endpoint_list_count(const at_endpoint_list_t *catalogue);
const at_endpoint_t *at_endpoint_list_get(const at_endpoint_list_t *catalogue,
    size_t i);

/*
 * The row for a normalised path without a query, or NULL.  Among the rows of
 * the method and those of "*", from left to right, a literal beats a parameter;
 * where a literal leads to no row, the parameter is tried; of two rows with the
 * same template the method's own counts.
 *
 * The rows are a tree of segments, and a step is one segment of the path found
 * in one hash table, however many rows there are.  No node is visited twice.
 * Where a literal and a parameter stand side by side both may have to be tried:
 * the longest such search of each method is known when the catalogue is parsed,
 * and is at most AT_ENDPOINT_LIST_STEPS_MAX.
 *
 * This is not for a path that at_path_is_ambiguous().
 */
const at_endpoint_t *at_endpoint_list_match(const at_endpoint_list_t *catalogue,
    at_str_t method, at_str_t path);

/*
 * A request must match nothing, and no "Public" row either, if an upstream may
 * read its path otherwise than we did.  raw is the path of the request line
 * without the query, normalised is the URI that is matched.  Each must start
 * with a slash and be plain: valid UTF-8 (RFC 3629), without control characters
 * and ; \ % ? #; no segment but the last one empty; none that starts with a
 * space, and none that ends with a space or a dot, as "." and ".." do.  In raw,
 * besides, a percent-encoding must be a right one (RFC 3986 section 2.1) of a
 * character that is plain, not unreserved (section 2.3) and not a slash.
 *
 * That the two differ in any other way is the operator's rewriting, and no
 * fault of the request.
 */
int at_path_is_ambiguous(at_str_t raw, at_str_t normalised);


#endif
