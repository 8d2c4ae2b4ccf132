/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The policy: authenticate once, authorize every time, never wait.
 */

#include "ngx_http_auth_token.h"


static at_verdict_e ngx_http_auth_token_verify(ngx_http_request_t *r,
    const ngx_http_auth_token_loc_conf_t *atcf,
    ngx_http_auth_token_ctx_t *ctx);
static at_verdict_e ngx_http_auth_token_authorize(ngx_http_request_t *r,
    const ngx_http_auth_token_loc_conf_t *atcf,
    const ngx_http_auth_token_ctx_t *ctx);
static at_verdict_e ngx_http_auth_token_check_scopes(ngx_http_request_t *r,
    const ngx_http_auth_token_loc_conf_t *atcf, const at_identity_t *identity);


/* forgets what was found under the demands of another location */

static void
ngx_http_auth_token_start(ngx_http_auth_token_ctx_t *ctx,
    ngx_http_auth_token_loc_conf_t *atcf)
{
    at_identity_release(&ctx->identity);

    ctx->conf = atcf;
    ctx->authenticated = AT_FAILED;
    ctx->verdict = AT_FAILED;
    ctx->decided = 0;
    ctx->kind = 0;
    ngx_str_null(&ctx->credential);
}


static at_verdict_e
ngx_http_auth_token_decide(ngx_http_request_t *r,
    ngx_http_auth_token_loc_conf_t *atcf, ngx_http_auth_token_ctx_t *ctx)
{
    at_verdict_e  verdict;

    if (atcf->incomplete) {
        ngx_http_auth_token_start(ctx, atcf);
        return AT_MISCONFIGURED;
    }

    /* a preflight is nobody's, and carries no credential */
    if (atcf->preflight && ngx_http_auth_token_is_preflight(r)) {
        ngx_http_auth_token_start(ctx, atcf);
        return ngx_http_auth_token_address_allowed(r, atcf) ? AT_OK
                                                            : AT_ADDRESS;
    }

    verdict = ngx_http_auth_token_authenticate(r, atcf, ctx);

    return verdict == AT_OK ? ngx_http_auth_token_authorize(r, atcf, ctx)
                            : verdict;
}


ngx_int_t
ngx_http_auth_token_access_handler(ngx_http_request_t *r)
{
    ngx_http_auth_token_ctx_t       *ctx;
    ngx_http_auth_token_loc_conf_t  *atcf;

    atcf = ngx_http_get_module_loc_conf(r, ngx_http_auth_token_module);

    if (!atcf->enable) {
        return NGX_DECLINED;
    }

    ctx = ngx_http_auth_token_get_ctx(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->verdict = ngx_http_auth_token_decide(r, atcf, ctx);
    ctx->decided = 1;
    ctx->passed = 0;

    if (ctx->verdict != AT_OK) {
        return ngx_http_auth_token_refuse(r, ctx);
    }

    ngx_http_set_ctx(r, NULL, ngx_http_auth_token_module);

    return NGX_OK;
}


/* under "satisfy any" another module may have granted what we refused */

ngx_int_t
ngx_http_auth_token_precontent_handler(ngx_http_request_t *r)
{
    ngx_http_auth_token_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_auth_token_module);

    if (ctx && r == r->main) {
        ctx->passed = 1;
        ngx_http_set_ctx(r, NULL, ngx_http_auth_token_module);
    }

    return NGX_DECLINED;
}


at_verdict_e
ngx_http_auth_token_authenticate(ngx_http_request_t *r,
    ngx_http_auth_token_loc_conf_t *atcf, ngx_http_auth_token_ctx_t *ctx)
{
    if (ctx->conf == atcf) {
        return ctx->authenticated;
    }

    ngx_http_auth_token_start(ctx, atcf);

    ctx->authenticated = ngx_http_auth_token_verify(r, atcf, ctx);

    return ctx->authenticated;
}


static at_verdict_e
ngx_http_auth_token_verify(ngx_http_request_t *r,
    const ngx_http_auth_token_loc_conf_t *atcf,
    ngx_http_auth_token_ctx_t *ctx)
{
    at_verdict_e                      verdict;
    ngx_http_auth_token_main_conf_t  *atmcf;

    if (atcf->accept == NGX_HTTP_AUTH_TOKEN_NONE) {
        return AT_OK;
    }

    verdict = ngx_http_auth_token_read_credential(r, atcf, &ctx->kind,
                                                  &ctx->credential);
    if (verdict != AT_OK) {
        return verdict;
    }

    atmcf = ngx_http_get_module_main_conf(r, ngx_http_auth_token_module);

    return at_jwt_verify(&ctx->identity,
                         ngx_http_auth_token_view(ctx->credential),
                         atmcf->max_length, atcf->trusted, atcf->ntrusted,
                         ngx_time());
}


/* the whole policy, in order; the first reason found is the answer */

static at_verdict_e
ngx_http_auth_token_authorize(ngx_http_request_t *r,
    const ngx_http_auth_token_loc_conf_t *atcf,
    const ngx_http_auth_token_ctx_t *ctx)
{
    if (ctx->kind == NGX_HTTP_AUTH_TOKEN_COOKIE
        && !ngx_http_auth_token_origin_allowed(r, atcf))
    {
        return AT_ORIGIN;
    }

    if (!ngx_http_auth_token_address_allowed(r, atcf)) {
        return AT_ADDRESS;
    }

    return ngx_http_auth_token_check_scopes(r, atcf, &ctx->identity);
}


static ngx_uint_t
ngx_http_auth_token_is_blank(const ngx_str_t *s)
{
    size_t  i;

    for (i = 0; i < s->len && s->data[i] == ' '; i++) { /* void */ }

    return i == s->len;
}


static at_verdict_e
ngx_http_auth_token_check_scopes(ngx_http_request_t *r,
    const ngx_http_auth_token_loc_conf_t *atcf, const at_identity_t *identity)
{
    ngx_str_t                  required;
    ngx_uint_t                 i, met;
    ngx_http_complex_value_t  *cv;

    if (atcf->scopes == NULL) {
        return AT_OK;
    }

    cv = atcf->scopes->elts;
    met = 0;

    for (i = 0; i < atcf->scopes->nelts; i++) {

        if (ngx_http_complex_value(r, &cv[i], &required) != NGX_OK) {
            return AT_FAILED;
        }

        /* a map without a row for this request: nobody may */
        if (ngx_http_auth_token_is_blank(&required)) {
            return AT_SCOPE;
        }

        if (identity->admin
            || at_scopes_satisfy(&identity->scopes,
                                 ngx_http_auth_token_view(required),
                                 atcf->scope_mode))
        {
            met++;
        }
    }

    return met == i || (met && atcf->scope_mode == AT_SCOPE_ANY) ? AT_OK
                                                                 : AT_SCOPE;
}
