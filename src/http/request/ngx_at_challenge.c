/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "http/request/ngx_at_challenge.h"

#include "core/base/at_verdict.h"

#include "http/request/ngx_at_header.h"


/* the realm was escaped when the configuration was read */

ngx_int_t
ngx_at_add_scheme(ngx_http_request_t *r, const ngx_at_ctx_t *ctx,
    const char *scheme, const char *parameters)
{
    u_char           *p;
    ngx_str_t         value;
    const ngx_str_t  *realm;

    realm = &ctx->conf->realm;

    p = ngx_pnalloc(r->pool, ngx_strlen(scheme) + sizeof(" realm=\"\"")
                             + realm->len + ngx_strlen(parameters));
    if (p == NULL) {
        return NGX_ERROR;
    }

    value.data = p;
    value.len = ngx_sprintf(p, "%s realm=\"%V\"%s", scheme, realm, parameters)
                - p;

    return ngx_at_add_header(r, "WWW-Authenticate", &value);
}


ngx_int_t
ngx_at_add_challenge(ngx_http_request_t *r, const ngx_at_ctx_t *ctx)
{
    ngx_uint_t       accept, unauthorized;
    const char      *error;
    at_challenge_e   challenge;

    challenge = at_verdict_info(ctx->verdict)->challenge;
    unauthorized = ctx->status == NGX_HTTP_UNAUTHORIZED;

    if (challenge == AT_CHALLENGE_INSUFFICIENT_SCOPE
        && (unauthorized || ctx->status == NGX_HTTP_FORBIDDEN))
    {
        error = ", error=\"insufficient_scope\"";

    } else if (unauthorized) {
        error = challenge == AT_CHALLENGE_INVALID_TOKEN
                ? ", error=\"invalid_token\"" : "";

    } else {
        return NGX_OK;
    }

    /* a token endpoint must not make a browser ask for a password */
    accept = ctx->endpoint_request ? NGX_AT_BEARER : ctx->conf->accept;

    if (!(accept & (NGX_AT_JWT|NGX_AT_BASIC))) {
        return ngx_at_add_scheme(r, ctx, "ApiKey", error);
    }

    if ((accept & NGX_AT_JWT)
        && ngx_at_add_scheme(r, ctx, "Bearer", error) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return (accept & NGX_AT_BASIC) && unauthorized
           ? ngx_at_add_scheme(r, ctx, "Basic", ", charset=\"UTF-8\"")
           : NGX_OK;
}


ngx_int_t
ngx_at_add_number(ngx_http_request_t *r, const char *name, time_t number)
{
    ngx_str_t  value;

    value.data = ngx_pnalloc(r->pool, NGX_TIME_T_LEN);
    if (value.data == NULL) {
        return NGX_ERROR;
    }

    value.len = ngx_sprintf(value.data, "%T", number) - value.data;

    return ngx_at_add_header(r, name, &value);
}


ngx_int_t
ngx_at_add_error_headers(ngx_http_request_t *r, const ngx_at_ctx_t *ctx)
{
    time_t     wait;
    ngx_str_t  allow, no_store = ngx_string("no-store");

    if (ngx_at_add_header(r, "Cache-Control", &no_store) != NGX_OK) {
        return NGX_ERROR;
    }

    if (at_verdict_info(ctx->verdict)->code == AT_API_TOO_MANY_REQUESTS) {
        wait = ngx_max(ctx->retry_at - ngx_time(), 1);

        if (ngx_at_add_number(r, "Retry-After", wait) != NGX_OK
            || ngx_at_add_number(r, "X-RateLimit-Remaining", 0) != NGX_OK)
        {
            return NGX_ERROR;
        }

        return ngx_at_add_number(r, "X-RateLimit-Reset", ngx_time() + wait);
    }

    if (ctx->status == NGX_HTTP_NOT_ALLOWED && ctx->allowed_methods) {
        allow.data = (u_char *) ctx->allowed_methods;
        allow.len = ngx_strlen(ctx->allowed_methods);
        return ngx_at_add_header(r, "Allow", &allow);
    }

    return ctx->status == NGX_HTTP_SERVICE_UNAVAILABLE
           ? ngx_at_add_number(r, "Retry-After", 1) : NGX_OK;
}
