/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The credentials that a worker has verified.  An entry is for one credential,
 * of one kind, under one list of trusted issuers; it ends with its expiry, with
 * any change of keys, and with any change of the store if it came from there.
 * What it may do is asked anew each time.
 */

#include "http/request/ngx_at_cache.h"

#include "core/authz/at_cache.h"
#include "core/authz/at_identity.h"
#include "core/base/at_str.h"
#include "core/jose/at_jwt.h"
#include "core/store/at_store_digest.h"

#include "http/base/ngx_at_loc_conf.h"
#include "http/base/ngx_at_main_conf.h"
#include "http/base/ngx_at_str.h"
#include "http/request/ngx_at_ctx.h"
#include "http/store/ngx_at_store.h"
#include "http/worker/ngx_at_worker.h"


at_cache_epoch_t
ngx_at_cache_epoch(const ngx_at_main_conf_t *atmcf)
{
    at_cache_epoch_t  epoch;

    epoch.keys = ngx_at_worker()->keys_generation + 1;
    epoch.store = ngx_at_store_generation(atmcf);

    return epoch;
}


int64_t
ngx_at_now(void)
{
    ngx_time_t  *now;

    now = ngx_timeofday();

    return (int64_t) now->sec * 1000 + now->msec;
}


/* no other list grants what this one does: the same pointer, the same list */

static at_cache_key_t
ngx_at_cache_key(const ngx_at_ctx_t *ctx, at_str_t text, const void *trust)
{
    at_cache_key_t  key;

    key.text = text;
    key.kind = ctx->kind;
    key.trust = trust;
    key.cheap = ctx->kind == NGX_AT_API_TOKEN;

    return key;
}


static const void *
ngx_at_cache_trust(const ngx_at_ctx_t *ctx)
{
    return ctx->kind & NGX_AT_JWT ? ctx->conf->trusted : NULL;
}


ngx_uint_t
ngx_at_cache_lookup(const ngx_at_main_conf_t *atmcf, ngx_at_ctx_t *ctx)
{
    return ngx_at_cache_lookup_text(atmcf, ctx,
                                    ngx_at_view(ctx->credential),
                                    ngx_at_cache_trust(ctx));
}


ngx_uint_t
ngx_at_cache_lookup_text(const ngx_at_main_conf_t *atmcf,
    ngx_at_ctx_t *ctx, at_str_t text, const void *trust)
{
    at_cache_key_t        key;
    const at_identity_t  *identity;

    if (ngx_at_worker()->cache == NULL) {
        return 0;
    }

    key = ngx_at_cache_key(ctx, text, trust);
    identity = at_cache_get(ngx_at_worker()->cache, &key, &ctx->epoch,
                            ngx_at_now());
    if (identity == NULL) {
        return 0;
    }

    ctx->identity = identity;
    ctx->recalled = 1;

    return 1;
}


/* what is no token of an issuer's came from the store */

static ngx_uint_t
ngx_at_depends_on_keys(const ngx_at_ctx_t *ctx)
{
    return (ctx->kind & NGX_AT_JWT) != 0;
}


static ngx_uint_t
ngx_at_depends_on_store(const ngx_at_ctx_t *ctx)
{
    ngx_uint_t                            i;
    const ngx_at_loc_conf_t *atcf;

    if (!ngx_at_depends_on_keys(ctx)
        || ctx->identity->issuer->n_client_claims)
    {
        return 1;
    }

    /* it may have another word on whose the token is, later */

    atcf = ctx->conf;

    for (i = 0; i < atcf->ntrusted; i++) {
        if (atcf->trusted[i].issuer->any_client_audience) {
            return 1;
        }
    }

    return 0;
}


void
ngx_at_cache_insert(const ngx_at_main_conf_t *atmcf, const ngx_at_ctx_t *ctx)
{
    ngx_at_cache_insert_text(atmcf, ctx,
                             ngx_at_view(ctx->credential),
                             ngx_at_cache_trust(ctx));
}


void
ngx_at_cache_insert_text(
    const ngx_at_main_conf_t *atmcf,
    const ngx_at_ctx_t *ctx, at_str_t text, const void *trust)
{
    at_cache_key_t    key;
    at_cache_epoch_t  epoch;

    if (ngx_at_worker()->cache == NULL || ctx->behind) {
        return;
    }

    epoch = ctx->epoch;

    if (!ngx_at_depends_on_keys(ctx)) {
        epoch.keys = 0;
    }

    if (!ngx_at_depends_on_store(ctx)) {
        epoch.store = 0;

    } else if (epoch.store == 0) {

        /* it came from a store that could not be named: it is not kept */

        return;
    }

    key = ngx_at_cache_key(ctx, text, trust);
    at_cache_put(ngx_at_worker()->cache, &key, ctx->identity, &epoch,
                 ngx_at_now());
}
