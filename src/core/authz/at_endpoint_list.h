/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Endpoint lists: the scope that a request requires, by its method and path.
 *
 * An endpoint list is a text file with one endpoint per line:
 *
 *     METHOD  /path/:with/parameters  [SCOPE]     # comment
 *
 * Words are separated by spaces and tabs.  A "#" at the start of a word begins
 * a comment.  Lines end with LF or CRLF.  METHOD is upper-case, or "*" for any
 * method.  A HEAD request is treated as GET.  A segment ":name" matches
 * exactly one segment that is not empty; there is no other wildcard.  Literals
 * are written like the normalized URI of nginx, which has no
 * percent-encodings, and "/a" and "/a/" are two paths.
 *
 * Without SCOPE, the required scope is the scope id of IP Fabric: the SHA-1
 * hash of "METHOD /path" in hexadecimal.  Two words are not scopes:
 * "Authenticated" requires a valid identity only, "Public" requires no
 * credential.  Other spellings of these two words are errors.
 */

#ifndef AT_ENDPOINT_LIST_H
#define AT_ENDPOINT_LIST_H

#include "core/base/at_error.h"
#include "core/base/at_str.h"


#define AT_ENDPOINT_LIST_MAX        (4 * 1024 * 1024)  /* bytes of the text */
#define AT_ENDPOINT_LIST_STEPS_MAX  128  /* of a match: see below */


typedef struct {
    /*
     * The beginning of a request's path that is removed before the match, such
     * as "/api"; whole segments only.  "ipfabric" stands for "/api",
     * optionally followed by a version such as "/v6" or "/v10.2".  Empty:
     * none.
     */
    at_str_t  prefix;

    unsigned  ignore_case:1;    /* of ASCII letters in literals and prefix */
} at_endpoint_list_options_t;


typedef enum {
    AT_ENDPOINT_SCOPE = 0,
    AT_ENDPOINT_AUTHENTICATED,
    AT_ENDPOINT_PUBLIC
} at_endpoint_e;

typedef struct {
    at_str_t       text;        /* "GET /template", with one space */
    at_str_t       id;          /* SHA-1 of text, 40 hexadecimal digits */
    at_str_t       scope;       /* from the file, or the id */
    at_endpoint_e  kind;
    unsigned       line;        /* in the file, from 1 */
} at_endpoint_t;

/* Constant after parsing: any number of threads may use it. */
typedef struct at_endpoint_list_s  at_endpoint_list_t;


/*
 * options may be NULL; neither text nor options are needed afterwards.  A list
 * without endpoints is an error.  So are two endpoints that differ only in the
 * names of parameters (or in case, with ignore_case), and templates that
 * overlap so much that a match could take more than AT_ENDPOINT_LIST_STEPS_MAX
 * steps.  Returns a list that the caller frees, or NULL with err set.
 */
at_endpoint_list_t *at_endpoint_list_parse(at_str_t text,
    const at_endpoint_list_options_t *options, at_error_t *err);

/* list may be NULL */
void at_endpoint_list_free(at_endpoint_list_t *list);

/*
 * The endpoint of a request, or NULL.  path is the normalized path without the
 * query, and at_path_is_ambiguous() must be false.
 *
 * Segments are compared from left to right, and a literal precedes a
 * parameter; if the literal leads to no endpoint, the parameter is tried.  Of
 * two endpoints with the same template, one for the method precedes one for
 * "*".
 *
 * A step is the lookup of one segment, or of the method, in a hash table.
 * Where a literal and a parameter are siblings, both may have to be tried; the
 * longest such search is determined when the list is parsed.
 */
const at_endpoint_t *at_endpoint_list_match(const at_endpoint_list_t *list,
    at_str_t method, at_str_t path);


#endif
