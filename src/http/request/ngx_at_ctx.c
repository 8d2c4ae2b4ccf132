/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "http/request/ngx_at_ctx.h"

#include "core/jose/at_jwt.h"

#include "http/base/ngx_at_str.h"


static void
ngx_at_ctx_release_identity(void *data)
{
    ngx_at_ctx_t *ctx = data;

    if (ngx_at_identity_is_cached(ctx)) {
        at_cache_release(ctx->identity);
    }

    at_identity_release(&ctx->identity_storage);
    ctx->identity = &ctx->identity_storage;
}


ngx_at_ctx_t *
ngx_at_find_ctx(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t  *cln;

    for (cln = r->pool->cleanup; cln; cln = cln->next) {
        if (cln->handler == ngx_at_ctx_release_identity) {
            return cln->data;
        }
    }

    return NULL;
}


ngx_at_ctx_t *
ngx_at_get_ctx(ngx_http_request_t *r)
{
    ngx_at_ctx_t        *ctx;
    ngx_pool_cleanup_t  *cln;

    ctx = ngx_at_find_ctx(r);
    if (ctx) {
        return ctx;
    }

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_at_ctx_t));
    if (cln == NULL) {
        return NULL;
    }

    ctx = cln->data;
    ngx_memzero(ctx, sizeof(ngx_at_ctx_t));
    ctx->identity = &ctx->identity_storage;

    cln->handler = ngx_at_ctx_release_identity;

    return ctx;
}


void
ngx_at_ctx_reset(ngx_at_ctx_t *ctx, const ngx_at_loc_conf_t *atcf)
{
    ngx_at_ctx_release_identity(ctx);

    ctx->conf = atcf;
    ctx->phase = NGX_AT_UNDECIDED;
    ctx->authenticated = AT_FAILED;
    ctx->verdict = AT_FAILED;
    ctx->kind = 0;
    ngx_str_null(&ctx->credential);
    ctx->verify_start = 0;
    ctx->verify_time = 0;
    ctx->endpoint = NULL;
    ctx->password_check = NULL;
    ctx->signature = NULL;
    ctx->endpoint_request = NULL;
    ctx->anonymous = 0;
    ctx->stale_snapshot = 0;
}


at_verdict_e
ngx_at_ctx_post(ngx_at_ctx_t *ctx, ngx_at_job_t *job, ngx_at_job_kind_e kind)
{
    switch (ngx_at_job_post(job, kind)) {

    case NGX_OK:
        return AT_PENDING;

    case NGX_BUSY:
        ctx->retry_at = ngx_time() + 1;
        return AT_BUSY;

    default:
        return AT_FAILED;
    }
}


const at_json_value_t *
ngx_at_claims(ngx_at_ctx_t *ctx)
{
    at_identity_t  *storage;

    storage = &ctx->identity_storage;

    /* the cache keeps identities without their claims */

    if (ngx_at_identity_is_cached(ctx) && ctx->identity->issuer
        && storage->claims == NULL)
    {
        storage->claims = at_jwt_decode_claims(ngx_at_view(ctx->credential));
    }

    return at_claims_object(storage->claims);
}
