/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Keys of sources, in a worker.
 */

#ifndef NGX_AT_FETCH_H
#define NGX_AT_FETCH_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "http/base/ngx_at_loc_conf.h"
#include "http/base/ngx_at_main_conf.h"


ngx_int_t ngx_at_fetch_watch(ngx_cycle_t *cycle,
    const ngx_at_main_conf_t *atmcf);
void ngx_at_fetch_exit(const ngx_at_main_conf_t *atmcf);

/* a token names a key that nobody knows: it may be a new one */
void ngx_at_fetch_for_unknown_kid(
    const ngx_at_loc_conf_t *atcf, const ngx_str_t *token);

/* "name:keys=N,age=S,fetches=N,failures=N" of each issuer of the location */
ngx_int_t ngx_at_fetch_status(ngx_http_request_t *r,
    const ngx_at_loc_conf_t *atcf, ngx_str_t *state);


#endif
