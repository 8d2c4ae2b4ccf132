/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Failures of a pair of name and address, over all workers.
 */

#ifndef NGX_AT_THROTTLE_H
#define NGX_AT_THROTTLE_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "core/base/at_str.h"

#include "http/base/ngx_at_issuer.h"
#include "http/base/ngx_at_main_conf.h"


typedef struct {
    time_t                           now;
    time_t                           until;     /* where it is exceeded */
    u_char                           digest[16];
} ngx_at_throttle_key_t;

/* kind: 'u' for a user, 'c' for a client */
ngx_int_t ngx_at_throttle_key_init(ngx_http_request_t *r,
    ngx_at_throttle_key_t *pair, u_char kind, at_str_t name);

/* 1 where no further failure is allowed; pair->until is set */
ngx_uint_t ngx_at_is_throttled(
    const ngx_at_main_conf_t *atmcf,
    const ngx_at_issuer_t *issuer,
    ngx_at_throttle_key_t *pair);

void ngx_at_throttle_record_failure(
    const ngx_at_main_conf_t *atmcf,
    const ngx_at_issuer_t *issuer,
    ngx_at_throttle_key_t *pair);
void ngx_at_throttle_clear_failures(
    const ngx_at_main_conf_t *atmcf,
    ngx_at_throttle_key_t *pair);

ngx_int_t ngx_at_throttle_add_zone(ngx_conf_t *cf, ngx_at_main_conf_t *atmcf);


#endif
