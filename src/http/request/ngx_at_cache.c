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
ngx_at_cache_epoch(const ngx_at_main_conf_t *atmcf, const ngx_at_ctx_t *ctx)
{
    ngx_uint_t        needs_store;
    at_cache_epoch_t  epoch;

    needs_store = ctx->kind & NGX_AT_JWT ? ctx->conf->jwt_needs_store
                                         : ctx->kind != 0;

    epoch.keys = ngx_at_worker.keys_generation + 1;
    epoch.store = needs_store ? ngx_at_store_generation(atmcf) : 0;

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
    at_cache_key_t        key;
    const at_identity_t  *identity;

    if (ngx_at_worker.cache == NULL) {
        return 0;
    }

    key = ngx_at_cache_key(ctx, text);
    identity = at_cache_get(ngx_at_worker.cache, &key, &ctx->epoch,
                            ngx_at_now());

    if (identity == NULL) {
        return 0;
    }

    ctx->identity = identity;

    return 1;
}


void
ngx_at_cache_insert(const ngx_at_ctx_t *ctx, at_str_t text)
{
    ngx_uint_t                i, depends_on_store;
    at_cache_key_t            key;
    at_cache_epoch_t          epoch;
    const ngx_at_loc_conf_t  *atcf;

    if (ngx_at_worker.cache == NULL || ctx->stale_snapshot) {
        return;
    }

    atcf = ctx->conf;
    epoch = ctx->epoch;
    depends_on_store = 1;

    if (ctx->kind & NGX_AT_JWT) {
        depends_on_store = ctx->identity->issuer->n_client_claims != 0;

        /* whether an audience is accepted depends on the clients there */

        for (i = 0; i < atcf->ntrusted; i++) {
            depends_on_store |=
                atcf->trusted[i]->requirements.any_client_audience;
        }

    } else {
        epoch.keys = 0;
    }

    if (!depends_on_store) {
        epoch.store = 0;

    } else if (epoch.store == 0) {

        /* the store has become usable since */
        return;
    }

    key = ngx_at_cache_key(ctx, text);
    at_cache_put(ngx_at_worker.cache, &key, ctx->identity, &epoch,
                 ngx_at_now());
}
