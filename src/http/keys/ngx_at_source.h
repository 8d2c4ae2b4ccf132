/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * A key source: a URL, or discovery.  Its slot in shared memory coordinates
 * the workers: one of them fetches, all of them use the result.
 */

#ifndef NGX_AT_SOURCE_H
#define NGX_AT_SOURCE_H

#include "core/base/at_crypto.h"

#include "http/base/ngx_at_main_conf.h"


#define NGX_AT_SOURCES_MAX     64  /* in a configuration */
#define NGX_AT_RECENT_HEADERS  8


/* protected by the mutex of the zone; ngx_msec_t: as in ngx_current_msec */
typedef struct {
    u_char                  digest[AT_SHA256_LEN];  /* of the source */
    ngx_uint_t              cycle;              /* last used by; 0: free */

    ngx_uint_t              version;            /* of the stored document */
    ngx_uint_t              requested;          /* fetch before it is due */
    ngx_msec_t              due;

    ngx_uint_t              leased;             /* a worker is fetching */
    ngx_uint_t              lease;              /* number of the last lease */
    ngx_msec_t              lease_end;
    ngx_msec_t              started;            /* the last fetch */

    time_t                  fetched;            /* last success; 0: never */
    int64_t                 fetched_steady;     /* ngx_at_steady_now() */
    ngx_uint_t              fetches;
    ngx_uint_t              failures;
    ngx_uint_t              failures_in_row;
    u_char                  error[AT_SHA256_LEN];   /* last one; 0: none */

    /* JOSE headers of tokens that have requested a fetch */
    struct {
        u_char              header[AT_SHA256_LEN];
        ngx_msec_t          time;
    } recent[NGX_AT_RECENT_HEADERS];
} ngx_at_slot_t;


struct ngx_at_source_s {
    const ngx_at_issuer_t  *issuer;
    ngx_uint_t              set;                /* index in issuer->sets */
    ngx_uint_t              index;              /* among all key sources */
    ngx_at_conf_position_t  position;

    ngx_str_t               url;                /* discovery: the issuer's */
    ngx_uint_t              discovery;
    time_t                  refresh;
    time_t                  max_stale;
    time_t                  pause;
    ngx_str_t               ca_file;
    ngx_str_t               proxy;

    u_char                  digest[AT_SHA256_LEN];
    ngx_shmtx_t            *mutex;              /* of the zone */
    ngx_at_slot_t          *slot;
};


typedef enum {
    NGX_AT_FETCH_FAILED = 0,
    NGX_AT_FETCH_STOPPED,                       /* by the end of the worker */
    NGX_AT_FETCH_OK
} ngx_at_fetch_result_e;


/* adds the shared memory zone; called while a directive is parsed */
char *ngx_at_source_add_zone(ngx_conf_t *cf, ngx_at_main_conf_t *atmcf);

/* 1 if this worker must fetch now; *lease is the number of its lease */
ngx_uint_t ngx_at_source_acquire_lease(const ngx_at_source_t *source,
    ngx_uint_t *lease);

/*
 * Ends a lease; an expired lease changes nothing.  fetched and max_age (in
 * seconds; -1: unknown) belong to a success, error to a failure.  Returns 1 if
 * the result has to be logged: the error is new, or a success follows one.
 */
ngx_uint_t ngx_at_source_release_lease(const ngx_at_source_t *source,
    ngx_uint_t lease, ngx_at_fetch_result_e result, time_t fetched,
    int64_t max_age, const char *error);

/*
 * Requests a fetch before it is due.  header is the JOSE header of a token
 * whose key is missing, or NULL; the same header is ignored for a minute.
 */
void ngx_at_source_request_fetch(const ngx_at_source_t *source,
    const ngx_str_t *header);


#endif
