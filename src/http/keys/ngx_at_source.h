/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * A source of keys.
 */

#ifndef NGX_AT_SOURCE_H
#define NGX_AT_SOURCE_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "core/base/at_crypto.h"

#include "http/base/ngx_at_directive.h"
#include "http/base/ngx_at_issuer.h"


#define NGX_AT_LEASE_TIME      15000  /* longer than two documents take */
#define NGX_AT_RECENT_HEADERS  8


/* changed under the lock of the zone alone; times are of ngx_current_msec */
typedef struct {
    u_char                           digest[AT_SHA256_LEN];
    ngx_uint_t                       used;      /* by which cycle; 0: free */

    ngx_uint_t                       version;   /* of the file with the keys */
    ngx_uint_t                       wanted;    /* earlier than it is due */
    ngx_uint_t                       holder;    /* 1: somebody fetches */
    ngx_uint_t                       lease;     /* differs for each fetch */
    ngx_msec_t                       lease_end;
    ngx_msec_t                       started;   /* the fetch before */
    ngx_msec_t                       due;

    time_t                           fetched;   /* the last good one; 0: none */
    ngx_uint_t                       fetches;
    ngx_uint_t                       failures;
    ngx_uint_t                       row;       /* failures without a success */
    u_char                           complaint[AT_SHA256_LEN];

    /* who had it fetched by an unknown kid, a short while ago */
    struct {
        u_char                       header[AT_SHA256_LEN];
        ngx_msec_t                   time;
    } asked[NGX_AT_RECENT_HEADERS];
} ngx_at_slot_t;


typedef struct ngx_at_fetch_s  ngx_at_fetch_t;

struct ngx_at_source_s {
    ngx_at_issuer_t        *issuer;
    ngx_uint_t              set;                /* its index in issuer->sets */

    ngx_str_t               url;                /* or the issuer's */
    ngx_uint_t              discovery;
    time_t                  refresh;
    time_t                  max_stale;
    time_t                  pause;
    ngx_str_t               ca_file;
    ngx_str_t               proxy;
    ngx_at_conf_position_t  where;

    u_char                  digest[AT_SHA256_LEN];
    ngx_shm_zone_t         *zone;
    ngx_at_slot_t          *slot;

    /* of a worker: the keys that it uses */
    ngx_str_t               file;
    ngx_uint_t              version;
    time_t                  fetched;            /* 0: there are none */
    u_char                  document[AT_SHA256_LEN];
    ngx_at_fetch_t         *fetch;
};


typedef enum {
    NGX_AT_FETCH_FAILED = 0,
    NGX_AT_FETCH_STOPPED,
    NGX_AT_FETCH_OK
} ngx_at_fetch_e;


/* 1 with the lease if this worker is to fetch now */
ngx_uint_t ngx_at_source_acquire_lease(
    ngx_at_source_t *source, ngx_uint_t *lease);

/*
 * Gives the lease back.  text is what went wrong: 1 if that is news, or if it
 * went well again.  A lease that was lost changes nothing.
 */
ngx_uint_t ngx_at_source_release_lease(
    ngx_at_source_t *source, ngx_uint_t lease,
    ngx_at_fetch_e result, time_t fetched, int64_t max_age,
    const char *text);

/* has it fetched as soon as may be: for the token with this header, or NULL */
void ngx_at_source_request_fetch(ngx_at_source_t *source,
    const ngx_str_t *header);


char *ngx_at_issuer_set_jwks_uri(ngx_conf_t *cf,
    ngx_at_issuer_t *issuer, size_t offset);
char *ngx_at_issuer_set_discovery(ngx_conf_t *cf,
    ngx_at_issuer_t *issuer, size_t offset);
char *ngx_at_sources_resolve(ngx_conf_t *cf, ngx_at_issuer_t *issuer);


#endif
