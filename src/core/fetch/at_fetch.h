/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Documents of a provider, fetched over HTTPS by libcurl, whose only user this
 * is.  It blocks: it is called in a thread, never on an event loop.
 */

#ifndef AT_FETCH_H
#define AT_FETCH_H

#include <stdint.h>

#include "core/base/at_error.h"
#include "core/base/at_str.h"


#define AT_FETCH_SIZE_MAX  (1024 * 1024)  /* of a document, decoded */
#define AT_FETCH_TIMEOUT   5  /* in all, redirects included */


/* All strings are terminated and the caller's; NULL where there is none. */
typedef struct {
    const char  *url;
    const char  *ca_file;       /* else the system's */
    const char  *proxy;         /* valid as below; else none: the environment
                                   has no say */
    int        (*stop)(void *data);
                                /* asked now and then; not 0 gives up */
    void        *data;
} at_fetch_t;

typedef struct {
    char        *body;
    size_t       len;
    int64_t      max_age;       /* seconds by Cache-Control (RFC 9111), less
                                   Age; -1: nothing is said; 0: no-store,
                                   no-cache */
} at_fetch_response_t;


/* once in a process, before its first thread; 0, or -1 */
int at_fetch_init(void);

/*
 * An https URL with a host, without user information and fragment; http is
 * taken for a loopback address alone ("localhost" is a name, and none).
 */
int at_fetch_url_is_valid(at_str_t url);

/* http or https, a host and perhaps a port, nothing else: no credential */
int at_fetch_proxy_is_valid(at_str_t proxy);

/*
 * Fetches a document with status 200 and a Content-Type that is JSON's or
 * absent: TLS verified, redirects to https alone and at most three, gzip
 * decoded within AT_FETCH_SIZE_MAX.  No signal, no environment, no credential.
 * Returns 0 and the caller frees fetched->body; -1 with err set, which names
 * the URL and the cause.
 */
int at_fetch(at_fetch_response_t *fetched, const at_fetch_t *fetch, at_error_t *err);

/*
 * max_age as above, of the values of Cache-Control, joined by commas, and of
 * Age; either may be empty.  What cannot be read is as if it were not there.
 */
int64_t at_fetch_max_age(at_str_t cache_control, at_str_t age);


/*
 * OpenID Connect Discovery 1.0, section 4: where the metadata of issuer is, and
 * its jwks_uri, which must be valid as above, and https where the issuer is;
 * its issuer must be that one exactly.  Both return a terminated string for free(), or NULL with err set.
 */
char *at_discovery_url(at_str_t issuer, at_error_t *err);
char *at_discovery_parse(at_str_t document, at_str_t issuer, at_error_t *err);


#endif
