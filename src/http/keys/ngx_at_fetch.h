/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Key sources in a worker process.  Twice a second each worker checks whether
 * a source is due.  The worker that gets the lease fetches and validates the
 * JWK Set in a thread, and stores the usable keys as a sealed file of the
 * state directory; every worker loads a new version from there, in a thread.
 * A failure changes nothing: the previous keys stay in use until "max_stale".
 * A request never waits.
 */

#ifndef NGX_AT_FETCH_H
#define NGX_AT_FETCH_H

#include "http/base/ngx_at_loc_conf.h"
#include "http/base/ngx_at_main_conf.h"


ngx_int_t ngx_at_fetch_watch(ngx_cycle_t *cycle,
    const ngx_at_main_conf_t *atmcf);
void ngx_at_fetch_exit(void);

/*
 * The first part of ngx_at_fetch_watch(): loads the keys that workers have
 * stored, and fetches nothing.
 */
ngx_int_t ngx_at_fetch_load_stored(ngx_cycle_t *cycle,
    const ngx_at_main_conf_t *atmcf);

/*
 * Requests a fetch of the keys of each trusted issuer with lacks_key, at most
 * once a minute for tokens with the same header: the token may be signed by a
 * new key.
 */
void ngx_at_fetch_missing_keys(const ngx_at_loc_conf_t *atcf,
    const at_trusted_issuer_t *trusted, const ngx_str_t *token);

/* -1: unknown, or without a key source */
typedef struct {
    ngx_int_t  keys;            /* in use */
    ngx_int_t  age;             /* seconds since the oldest were fetched */
    ngx_int_t  fetches;
    ngx_int_t  failures;
    ngx_int_t  next;            /* seconds until the next fetch */
} ngx_at_key_stats_t;

void ngx_at_fetch_get_stats(ngx_http_request_t *r,
    const ngx_at_issuer_t *issuer, ngx_at_key_stats_t *stats);

/* "NAME:keys=N,age=S,fetches=N,failures=N" for each trusted issuer */
ngx_int_t ngx_at_fetch_status(ngx_http_request_t *r,
    const ngx_at_loc_conf_t *atcf, ngx_str_t *status);


#endif
