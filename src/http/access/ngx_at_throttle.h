/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The limit on failed passwords.  Failures are counted in shared memory for
 * each pair of a name and a client address, so that an attacker cannot lock
 * out a user at another address.  Unknown names are counted as well.
 */

#ifndef NGX_AT_THROTTLE_H
#define NGX_AT_THROTTLE_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "core/base/at_str.h"

#include "http/base/ngx_at_main_conf.h"


/* a name and an address, with the limits of an issuer */
typedef struct {
    ngx_shm_zone_t  *zone;
    uint32_t         max_failures;
    time_t           interval;
    time_t           until;     /* set by ngx_at_is_throttled() */
    u_char           digest[16];
} ngx_at_throttle_t;

/* kind: 'u' for a user, 'c' for a client; issuer NULL: default limits */
ngx_int_t ngx_at_throttle_init(ngx_http_request_t *r,
    ngx_at_throttle_t *throttle, const ngx_at_issuer_t *issuer, u_char kind,
    at_str_t name);

/* 1: the limit is reached, no check is allowed before throttle->until */
ngx_uint_t ngx_at_is_throttled(ngx_at_throttle_t *throttle);

void ngx_at_throttle_record_failure(const ngx_at_throttle_t *throttle);
void ngx_at_throttle_clear_failures(const ngx_at_throttle_t *throttle);

/*
 * All passwords that are hashed for an address count as failures until they
 * prove to be right: a limit for any number of names.
 */
ngx_int_t ngx_at_throttle_init_address(ngx_http_request_t *r,
    ngx_at_throttle_t *throttle, const ngx_at_issuer_t *issuer);
void ngx_at_throttle_undo_failure(const ngx_at_throttle_t *throttle);

ngx_int_t ngx_at_throttle_add_zone(ngx_conf_t *cf, ngx_at_main_conf_t *atmcf);


#endif
