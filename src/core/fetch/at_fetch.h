/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Fetches JSON documents over HTTPS.  The functions block: they are called in
 * a thread, never on the event loop.
 */

#ifndef AT_FETCH_H
#define AT_FETCH_H

#include <stdint.h>

#include "core/base/at_error.h"


#define AT_FETCH_SIZE_MAX  (1024 * 1024)  /* bytes of a decoded document */
#define AT_FETCH_TIMEOUT   5  /* seconds, with redirects */


/* All strings are terminated and owned by the caller; NULL if absent. */
typedef struct {
    const char  *url;           /* at_url_is_valid() */
    const char  *ca_file;       /* NULL: the certificates of the system */
    const char  *proxy;         /* at_url_is_origin(); NULL: none, also
                                   if the environment names one */
    int        (*stop)(void *data);
                                /* called every 50 ms; not 0 aborts */
    void        *data;
} at_fetch_t;

typedef struct {
    char        *body;          /* terminated */
    size_t       len;
    int64_t      max_age;       /* see at_cache_control_max_age() */
} at_fetch_response_t;


/* Call once in a process, before its first thread.  Returns 0 or -1. */
int at_fetch_init(void);

/*
 * Fetches a document with status 200.  Any Content-Type is accepted: object
 * stores label JSON as text/plain; HTML and XML are refused by their content.
 * TLS certificates are verified; at most three redirects, to https only; gzip
 * is decoded.  Neither the environment nor files of the user are read, and no
 * credentials are sent.  Returns 0, and the caller frees response->body; or -1
 * with err set, which names the URL and the cause.
 */
int at_fetch(at_fetch_response_t *response, const at_fetch_t *fetch,
    at_error_t *err);


#endif
