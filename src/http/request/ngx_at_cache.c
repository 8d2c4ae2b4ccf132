/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "http/request/ngx_at_cache.h"

#include "core/authz/at_identity.h"

#include "http/base/ngx_at_time.h"
#include "http/store/ngx_at_store.h"
#include "http/worker/ngx_at_worker.h"


at_cache_epoch_t
ngx_at_cache_epoch(const ngx_at_main_conf_t *atmcf)
{
    at_cache_epoch_t  epoch;

    epoch.keys = ngx_at_worker.keys_generation + 1;
    epoch.store = ngx_at_store_generation(atmcf);

    return epoch;
}


/* equal lists of trusted issuers have equal addresses */

static at_cache_key_t
ngx_at_cache_key(const ngx_at_ctx_t *ctx, at_str_t text)
{
    at_cache_key_t  key;

    key.text = text;
    key.kind = ctx->kind;

    if (ctx->kind & NGX_AT_JWT) {
        key.trust = ctx->conf->trusted;

    } else {
        key.trust = ctx->kind == NGX_AT_BASIC ? ctx->conf->user_issuer : NULL;
    }

    return key;
}


ngx_uint_t
ngx_at_cache_lookup(ngx_at_ctx_t *ctx, at_str_t text)
{
    at_cache_t           *cache;
    at_cache_key_t        key;
    const at_identity_t  *identity;

    cache = ngx_at_worker.cache;

    if (cache == NULL) {
        return 0;
    }

    key = ngx_at_cache_key(ctx, text);
    identity = at_cache_get(cache, &key, &ctx->epoch, ngx_at_now());

    if (identity == NULL) {
        return 0;
    }

    ctx->identity = identity;

    return 1;
}


static ngx_uint_t
ngx_at_depends_on_store(const ngx_at_ctx_t *ctx)
{
    ngx_uint_t                i;
    const ngx_at_loc_conf_t  *atcf;

    if (!(ctx->kind & NGX_AT_JWT) || ctx->identity->issuer->n_client_claims) {
        return 1;
    }

    /* whether an audience is accepted depends on the clients in the store */

    atcf = ctx->conf;

    for (i = 0; i < atcf->ntrusted; i++) {
        if (atcf->trusted[i]->requirements.any_client_audience) {
            return 1;
        }
    }

    return 0;
}


void
ngx_at_cache_insert(const ngx_at_ctx_t *ctx, at_str_t text)
{
    at_cache_t       *cache;
    at_cache_key_t    key;
    at_cache_epoch_t  epoch;

    cache = ngx_at_worker.cache;

    if (cache == NULL || ctx->stale_snapshot) {
        return;
    }

    epoch = ctx->epoch;

    if (!(ctx->kind & NGX_AT_JWT)) {
        epoch.keys = 0;
    }

    if (!ngx_at_depends_on_store(ctx)) {
        epoch.store = 0;

    } else if (epoch.store == 0) {

        /* the store has become usable since */
        return;
    }

    key = ngx_at_cache_key(ctx, text);
    at_cache_put(cache, &key, ctx->identity, &epoch, ngx_at_now());
}
