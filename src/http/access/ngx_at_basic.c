/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "http/access/ngx_at_access.h"

#include "core/base/at_crypto.h"
#include "core/base/at_header.h"
#include "core/session/at_state.h"

#include "http/access/ngx_at_password.h"
#include "http/base/ngx_at_str.h"
#include "http/base/ngx_at_time.h"
#include "http/request/ngx_at_cache.h"
#include "http/store/ngx_at_store.h"
#include "http/worker/ngx_at_worker.h"


#define NGX_AT_BASIC_CACHE_TIME  60  /* seconds, without an issuer */


/* the cache must not hold a password: only this process can compute the MAC */

static ngx_int_t
ngx_at_basic_mac(const ngx_at_ctx_t *ctx, unsigned char mac[AT_SHA256_LEN])
{
    return at_state_mac(mac, &ngx_at_worker.process_key, at_str("basic"),
                        ngx_at_view(ctx->credential))
           == 0 ? NGX_OK : NGX_ERROR;
}


at_verdict_e
ngx_at_basic_lookup(ngx_at_ctx_t *ctx)
{
    unsigned char  mac[AT_SHA256_LEN];

    if (!ctx->conf->local_users) {
        return AT_LOGIN_DISABLED;
    }

    if (ctx->credential.len > AT_HEADER_BASIC_MAX) {
        return AT_BAD_BASIC;
    }

    if (ngx_at_basic_mac(ctx, mac) != NGX_OK) {
        return AT_FAILED;
    }

    return ngx_at_cache_lookup(ctx, (at_str_t) { (char *) mac, sizeof(mac) })
           ? AT_OK : AT_PENDING;
}


static at_verdict_e
ngx_at_basic_start(ngx_http_request_t *r, ngx_at_ctx_t *ctx)
{
    char                     *buf;
    ngx_at_password_check_t  *check;

    check = ngx_pcalloc(r->pool, sizeof(ngx_at_password_check_t));
    buf = ngx_pnalloc(r->pool, ctx->credential.len + 1);

    if (check == NULL || buf == NULL) {
        return AT_FAILED;
    }

    if (at_header_basic_decode(ngx_at_view(ctx->credential), buf,
                               &check->name, &check->secret)
        != 0)
    {
        at_crypto_cleanse(buf, ctx->credential.len);
        return AT_BAD_BASIC;
    }

    check->issuer = ctx->conf->user_issuer;
    check->only_issuer = ctx->conf->only_user_issuer;
    ctx->password_check = check;
    ctx->verify_start = ngx_at_monotonic_nanoseconds();

    return ngx_at_password_check_start(r, ctx, check);
}


at_verdict_e
ngx_at_basic_verify(ngx_http_request_t *r, ngx_at_ctx_t *ctx)
{
    time_t                    cache_time;
    at_verdict_e              verdict;
    unsigned char             mac[AT_SHA256_LEN];
    ngx_at_password_check_t  *check;
    const ngx_at_main_conf_t *atmcf;

    check = ctx->password_check;

    if (check == NULL) {
        return ngx_at_basic_start(r, ctx);
    }

    if (check->job.busy) {
        return AT_PENDING;
    }

    ctx->password_check = NULL;

    atmcf = ngx_http_get_module_main_conf(r, ngx_http_auth_token_module);

    ctx->epoch = ngx_at_cache_epoch(atmcf, ctx);

    verdict = ngx_at_password_check_finish(r, ctx, check);

    ctx->verify_time = ngx_at_monotonic_nanoseconds() - ctx->verify_start;
    ctx->stale_snapshot = ngx_at_store_snapshot_is_stale(atmcf);

    if (verdict != AT_OK) {
        return verdict;
    }

    cache_time = check->issuer ? check->issuer->password_cache_time
                               : NGX_AT_BASIC_CACHE_TIME;

    if (cache_time && ngx_at_basic_mac(ctx, mac) == NGX_OK) {
        ctx->identity_storage.expires = ngx_at_now() + cache_time * 1000;
        ngx_at_cache_insert(ctx, (at_str_t) { (char *) mac, sizeof(mac) });
    }

    /* the time limits the cache, not this request */
    ctx->identity_storage.expires = INT64_MAX;

    return AT_OK;
}
