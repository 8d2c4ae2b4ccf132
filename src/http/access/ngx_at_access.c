/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The policy: authenticate once, authorize every time, never wait.
 */

#include "http/access/ngx_at_access.h"

#include "core/authz/at_cache.h"
#include "core/authz/at_endpoint.h"
#include "core/authz/at_identity.h"
#include "core/authz/at_rights.h"
#include "core/authz/at_role.h"
#include "core/authz/at_scope.h"
#include "core/base/at_str.h"
#include "core/base/at_verdict.h"
#include "core/jose/at_jwt.h"
#include "core/store/at_account.h"
#include "core/store/at_store.h"

#include "http/access/ngx_at_basic.h"
#include "http/base/ngx_at_loc_conf.h"
#include "http/base/ngx_at_main_conf.h"
#include "http/base/ngx_at_str.h"
#include "http/keys/ngx_at_fetch.h"
#include "http/request/ngx_at_cache.h"
#include "http/request/ngx_at_ctx.h"
#include "http/request/ngx_at_refuse.h"
#include "http/request/ngx_at_request.h"
#include "http/store/ngx_at_store.h"
#include "http/store/ngx_at_uses.h"
#include "http/worker/ngx_at_worker.h"


static at_verdict_e ngx_at_identify(ngx_http_request_t *r,
    const ngx_at_main_conf_t *atmcf, ngx_at_ctx_t *ctx);
static at_verdict_e ngx_at_verify_credential(
    const ngx_at_main_conf_t *atmcf, ngx_at_ctx_t *ctx);
static at_verdict_e ngx_at_authorize(ngx_http_request_t *r,
    const ngx_at_loc_conf_t *atcf,
    const ngx_at_ctx_t *ctx);
static at_verdict_e ngx_at_verify_jwt(
    const ngx_at_main_conf_t *atmcf, ngx_at_ctx_t *ctx);
static at_verdict_e ngx_at_verify_api_token(
    const ngx_at_main_conf_t *atmcf, ngx_at_ctx_t *ctx);
static at_verdict_e ngx_at_check_scopes(ngx_http_request_t *r,
    const ngx_at_loc_conf_t *atcf, const at_rights_t *rights);
static at_verdict_e ngx_at_check_endpoint(const ngx_at_ctx_t *ctx);


/* forgets what was found under the demands of another location */

static void
ngx_at_ctx_reset(ngx_at_ctx_t *ctx, const ngx_at_loc_conf_t *atcf)
{
    ngx_at_ctx_clear_identity(ctx);

    ctx->conf = atcf;
    ctx->authenticated = AT_FAILED;
    ctx->verdict = AT_FAILED;
    ctx->decided = 0;
    ctx->nobody = 0;
    ctx->behind = 0;
    ctx->kind = 0;
    ctx->endpoint = NULL;
    ctx->check = NULL;
    ctx->content = 0;
    ctx->verified = 0;
    ctx->verify_time = 0;
    ngx_str_null(&ctx->credential);
}


/* for these no credential is read, whatever is sent */

ngx_uint_t
ngx_at_request_is_public(ngx_http_request_t *r,
    const ngx_at_loc_conf_t *atcf, const at_endpoint_t **endpoint)
{
    *endpoint = NULL;

    if (atcf->preflight && ngx_at_is_preflight(r)) {
        return 1;
    }

    if (atcf->endpoints) {
        *endpoint = ngx_at_find_endpoint(r, atcf);
    }

    return *endpoint && (*endpoint)->kind == AT_ENDPOINT_PUBLIC;
}


/* what nobody in particular may do: location ranges hold for it all the same */

static at_verdict_e
ngx_at_authorize_anonymous(ngx_http_request_t *r,
    const ngx_at_loc_conf_t *atcf)
{
    static const at_identity_t  nobody;

    return ngx_at_address_allowed(r, atcf, &nobody) ? AT_OK
                                                    : AT_ADDRESS_NOT_ALLOWED;
}


static at_verdict_e
ngx_at_decide(ngx_http_request_t *r,
    const ngx_at_loc_conf_t *atcf, ngx_at_ctx_t *ctx)
{
    at_verdict_e            verdict;
    const at_endpoint_t    *endpoint;

    if (atcf->incomplete) {
        ngx_at_ctx_reset(ctx, atcf);
        return AT_MISCONFIGURED;
    }

    if (ngx_at_request_is_public(r, atcf, &endpoint)) {
        ngx_at_ctx_reset(ctx, atcf);
        ctx->nobody = 1;
        ctx->endpoint = endpoint;
        return ngx_at_authorize_anonymous(r, atcf);
    }

    verdict = ngx_at_authenticate(r, atcf, ctx);
    ctx->endpoint = endpoint;

    /* the only thing that a request waits for */

    if (verdict == AT_PENDING) {
        verdict = ngx_at_basic_verify(r, ctx);
        ctx->authenticated = verdict;
    }

    return verdict == AT_OK ? ngx_at_authorize(r, atcf, ctx)
                            : verdict;
}


ngx_int_t
ngx_at_access_handler(ngx_http_request_t *r)
{
    ngx_at_ctx_t       *ctx;
    const ngx_at_loc_conf_t  *atcf;

    atcf = ngx_http_get_module_loc_conf(r, ngx_http_auth_token_module);

    if (!atcf->enable) {
        return NGX_DECLINED;
    }

    ctx = ngx_at_get_ctx(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (r->connection->error) {
        return NGX_ERROR;
    }

    ctx->decided = 0;
    ctx->verdict = ngx_at_decide(r, atcf, ctx);

    if (ctx->verdict == AT_PENDING) {
        return NGX_AGAIN;
    }

    ctx->decided = 1;
    ctx->passed = 0;

    if (ctx->verdict != AT_OK) {
        return ngx_at_refuse(r, ctx);
    }

    ngx_http_set_ctx(r, NULL, ngx_http_auth_token_module);

    ngx_at_count_use(
        ngx_http_get_module_main_conf(r, ngx_http_auth_token_module), ctx);

    return NGX_OK;
}


/* under "satisfy any" another module may have granted what we refused */

ngx_int_t
ngx_at_precontent_handler(ngx_http_request_t *r)
{
    ngx_at_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_auth_token_module);

    if (ctx && r == r->main) {
        ctx->passed = 1;
        ngx_http_set_ctx(r, NULL, ngx_http_auth_token_module);
    }

    return NGX_DECLINED;
}


/* while limit_req held the request back, things may have changed */

static ngx_uint_t
ngx_at_ctx_is_current(const ngx_at_main_conf_t *atmcf, const ngx_at_ctx_t *ctx)
{
    at_cache_epoch_t  epoch;

    if (ctx->authenticated != AT_OK) {
        return 1;
    }

    epoch = ngx_at_cache_epoch(atmcf);

    return !ctx->behind && ctx->identity->expires > ngx_at_now()
           && ctx->epoch.keys == epoch.keys && ctx->epoch.store == epoch.store;
}


at_verdict_e
ngx_at_authenticate(ngx_http_request_t *r,
    const ngx_at_loc_conf_t *atcf, ngx_at_ctx_t *ctx)
{
    const ngx_at_main_conf_t  *atmcf;

    atmcf = ngx_http_get_module_main_conf(r, ngx_http_auth_token_module);

    if (ctx->conf == atcf && !ctx->nobody
        && ngx_at_ctx_is_current(atmcf, ctx))
    {
        return ctx->authenticated;
    }

    ngx_at_ctx_reset(ctx, atcf);

    ctx->epoch = ngx_at_cache_epoch(atmcf);
    ctx->authenticated = ngx_at_identify(r, atmcf, ctx);

    return ctx->authenticated;
}


/* who the request's credential speaks for: remembered, or verified now */

static at_verdict_e
ngx_at_identify(ngx_http_request_t *r,
    const ngx_at_main_conf_t *atmcf, ngx_at_ctx_t *ctx)
{
    at_verdict_e  verdict;

    if (ctx->conf->accept == NGX_AT_NONE) {
        ctx->own.expires = INT64_MAX;
        return AT_OK;
    }

    verdict = ngx_at_read_credential(r, ctx->conf, &ctx->kind,
                                     &ctx->credential);
    if (verdict != AT_OK) {
        return verdict;
    }

    if (ctx->kind == NGX_AT_BASIC) {
        return ngx_at_basic_lookup(r, atmcf, ctx);
    }

    if (ngx_at_cache_lookup(atmcf, ctx)) {
        return AT_OK;
    }

    verdict = ngx_at_verify_credential(atmcf, ctx);

    ngx_at_store_check_snapshot(atmcf, ctx);

    if (verdict == AT_OK) {
        ngx_at_cache_insert(atmcf, ctx);
    }

    return verdict;
}


static int64_t
ngx_at_nanoseconds(void)
{
    struct timespec  now;

    (void) clock_gettime(CLOCK_MONOTONIC, &now);

    return (int64_t) now.tv_sec * 1000000000 + now.tv_nsec;
}


/* for "audience clients any" */

static int
ngx_at_is_client(void *data, at_str_t id)
{
    return data ? at_account_client_exists(data, id) : -1;
}


/* to look at the clock takes a tenth of what an API token does: for who asks */

static at_verdict_e
ngx_at_verify_credential(const ngx_at_main_conf_t *atmcf, ngx_at_ctx_t *ctx)
{
    int64_t       start;
    at_verdict_e  verdict;

    start = ngx_at_worker()->measure_time ? ngx_at_nanoseconds() : 0;

    verdict = ctx->kind == NGX_AT_API_TOKEN
              ? ngx_at_verify_api_token(atmcf, ctx)
              : ngx_at_verify_jwt(atmcf, ctx);

    ctx->verified = 1;

    if (ngx_at_worker()->measure_time) {
        ctx->verify_time = ngx_at_nanoseconds() - start;
    }

    return verdict;
}


static at_verdict_e
ngx_at_verify_jwt(const ngx_at_main_conf_t *atmcf, ngx_at_ctx_t *ctx)
{
    at_store_t      *store;
    at_verdict_e     verdict;
    at_verifier_t   *verifier;
    at_jwt_query_t   query;

    query.token = ngx_at_view(ctx->credential);
    query.max_len = atmcf->max_length;
    query.trusted = ctx->conf->trusted;
    query.n = ctx->conf->ntrusted;
    query.now = ngx_time();
    query.is_client = ngx_at_is_client;
    query.data = ngx_at_store_get(atmcf);

    verifier = ngx_at_worker()->verifier;
    verdict = at_jwt_verify(verifier, &ctx->own, &query);

    if (verdict != AT_OK && at_verifier_missed_kid(verifier)) {
        ngx_at_fetch_for_unknown_kid(ctx->conf, &ctx->credential);
    }

    if (verdict != AT_OK || ctx->own.issuer->n_client_claims == 0) {
        return verdict;
    }

    store = ngx_at_store_get(atmcf);

    return store ? at_account_authorize_client(&ctx->own, store,
                                               atmcf->issuers.nelts == 1)
                 : AT_UNAVAILABLE;
}


static at_verdict_e
ngx_at_verify_api_token(const ngx_at_main_conf_t *atmcf, ngx_at_ctx_t *ctx)
{
    at_store_t  *store;

    store = ngx_at_store_get(atmcf);

    return store ? at_account_lookup_api_token(&ctx->own, store,
                                               ngx_at_view(ctx->credential),
                                               ngx_at_now())
                 : AT_UNAVAILABLE;
}


/* the whole policy, in order; the first reason found is the answer */

static at_verdict_e
ngx_at_authorize(ngx_http_request_t *r,
    const ngx_at_loc_conf_t *atcf,
    const ngx_at_ctx_t *ctx)
{
    at_verdict_e          verdict;
    const at_identity_t  *identity;

    identity = ctx->identity;

    if (ctx->kind == NGX_AT_COOKIE && !ngx_at_origin_allowed(r, atcf)) {
        return AT_ORIGIN_NOT_ALLOWED;
    }

    if (!ngx_at_address_allowed(r, atcf, identity)) {
        return AT_ADDRESS_NOT_ALLOWED;
    }

    if (identity->needs_role && identity->rights.role == NULL) {
        return AT_NO_ROLE;
    }

    verdict = ngx_at_check_scopes(r, atcf, &identity->rights);

    if (verdict != AT_OK || atcf->endpoints == NULL) {
        return verdict;
    }

    return ngx_at_check_endpoint(ctx);
}


static at_verdict_e
ngx_at_check_endpoint(const ngx_at_ctx_t *ctx)
{
    const at_rights_t    *rights;
    const at_endpoint_t  *endpoint;

    endpoint = ctx->endpoint;
    rights = &ctx->identity->rights;

    if (endpoint == NULL) {
        return AT_UNKNOWN_ENDPOINT;
    }

    if (!at_rights_allow_endpoint(rights, endpoint)) {
        return AT_ENDPOINT_NOT_GRANTED;
    }

    return rights->role && at_role_blocks(rights->role, endpoint->text)
           ? AT_BLOCKED_ENDPOINT : AT_OK;
}


static ngx_uint_t
ngx_at_is_blank(const ngx_str_t *s)
{
    size_t  i;

    for (i = 0; i < s->len && s->data[i] == ' '; i++) { /* void */ }

    return i == s->len;
}


static at_verdict_e
ngx_at_check_scopes(ngx_http_request_t *r,
    const ngx_at_loc_conf_t *atcf, const at_rights_t *rights)
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
        if (ngx_at_is_blank(&required)) {
            return AT_INSUFFICIENT_SCOPE;
        }

        met += at_rights_satisfy(rights, ngx_at_view(required),
                                 atcf->scope_mode);
    }

    return met == i || (met && atcf->scope_mode == AT_SCOPE_ANY) ? AT_OK
                                                                 : AT_INSUFFICIENT_SCOPE;
}
