/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The verification cache of a worker.
 */

#ifndef NGX_AT_CACHE_H
#define NGX_AT_CACHE_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "core/authz/at_cache.h"
#include "core/base/at_str.h"

#include "http/base/ngx_at_main_conf.h"
#include "http/request/ngx_at_ctx.h"


at_cache_epoch_t ngx_at_cache_epoch(const ngx_at_main_conf_t *atmcf);

/* milliseconds since the epoch */
int64_t ngx_at_now(void);

/* 1 with the identity of the ctx's credential, or 0 */
ngx_uint_t ngx_at_cache_lookup(
    const ngx_at_main_conf_t *atmcf,
    ngx_at_ctx_t *ctx);
void ngx_at_cache_insert(
    const ngx_at_main_conf_t *atmcf,
    const ngx_at_ctx_t *ctx);

/* the same by another text, which stands for the credential under trust */
ngx_uint_t ngx_at_cache_lookup_text(
    const ngx_at_main_conf_t *atmcf,
    ngx_at_ctx_t *ctx, at_str_t text, const void *trust);
void ngx_at_cache_insert_text(
    const ngx_at_main_conf_t *atmcf,
    const ngx_at_ctx_t *ctx, at_str_t text, const void *trust);


#endif
