/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "http/access/ngx_at_access.h"

#include "core/authz/at_rights.h"
#include "core/authz/at_role.h"
#include "core/base/at_header.h"
#include "core/jose/at_jwt.h"
#include "core/store/at_account.h"
#include "core/store/at_store.h"

#include "http/base/ngx_at_main_conf.h"
#include "http/base/ngx_at_str.h"
#include "http/base/ngx_at_time.h"
#include "http/keys/ngx_at_fetch.h"
#include "http/keys/ngx_at_keys.h"
#include "http/request/ngx_at_cache.h"
#include "http/request/ngx_at_credential.h"
#include "http/request/ngx_at_origin.h"
#include "http/request/ngx_at_refuse.h"
#include "http/store/ngx_at_session.h"
#include "http/store/ngx_at_store.h"
#include "http/worker/ngx_at_worker.h"


/* --- authenticate -------------------------------------------------------- */


/* for "audience clients any" */

static int
ngx_at_client_exists(void *data, at_str_t id)
{
    return data ? at_account_client_exists(data, id) : -1;
}


/* once for each issuer block */

static void
ngx_at_warn_no_user(ngx_http_request_t *r, const ngx_at_main_conf_t *atmcf,
    const at_identity_t *identity)
{
    ngx_uint_t         i;
    ngx_at_issuer_t  **issuers;

    if (ngx_at_worker.no_user_logged == NULL) {
        ngx_at_worker.no_user_logged = ngx_calloc(atmcf->issuers.nelts,
                                                  r->connection->log);
        if (ngx_at_worker.no_user_logged == NULL) {
            return;
        }
    }

    issuers = atmcf->issuers.elts;

    for (i = 0; i < atmcf->issuers.nelts; i++) {

        if (&issuers[i]->requirements != identity->issuer
            || ngx_at_worker.no_user_logged[i])
        {
            continue;
        }

        ngx_at_worker.no_user_logged[i] = 1;

        ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                      "auth_token: no user in a token, $auth_token_user is "
                      "empty, issuer: \"%V\"; use \"user_claim\" with "
                      "\"required\" or \"optional\"", &issuers[i]->name);
    }
}


static at_verdict_e
ngx_at_verify_jwt(ngx_http_request_t *r, const ngx_at_main_conf_t *atmcf,
    ngx_at_ctx_t *ctx, at_deferred_t *deferred)
{
    at_store_t      *store;
    at_verdict_e     verdict;
    at_identity_t   *identity;
    at_jwt_query_t   query;

    identity = &ctx->identity_storage;
    store = ngx_at_store_get(atmcf);

    query.token = ngx_at_view(ctx->credential);
    query.max_len = atmcf->max_length;
    query.n = ctx->conf->ntrusted;
    query.trusted = ngx_at_trusted_issuers(r, ctx->conf->trusted, query.n);
    query.now = ngx_time();
    query.is_client = ngx_at_client_exists;
    query.data = store;

    if (query.trusted == NULL) {
        return AT_FAILED;
    }

    verdict = at_jwt_verify_deferred(ngx_at_worker.verifier, identity, &query,
                                     deferred);

    if (verdict == AT_PENDING) {
        return ngx_at_signature_start(r, ctx, deferred);
    }

    if (verdict != AT_OK) {
        ngx_at_fetch_missing_keys(ctx->conf, query.trusted, &ctx->credential);
        return verdict;
    }

    if (!identity->issuer->user_optional
        && !at_header_can_carry(identity->user))
    {
        ngx_at_warn_no_user(r, atmcf, identity);
    }

    if (identity->issuer->n_client_claims == 0) {
        return AT_OK;
    }

    return store ? at_account_authorize_client(identity, store,
                                               atmcf->issuers.nelts == 1)
                 : AT_UNAVAILABLE;
}


static at_verdict_e
ngx_at_verify_api_token(const ngx_at_main_conf_t *atmcf, ngx_at_ctx_t *ctx)
{
    at_store_t  *store;

    store = ngx_at_store_get(atmcf);

    return store ? at_account_lookup_api_token(&ctx->identity_storage, store,
                                               ngx_at_view(ctx->credential),
                                               ngx_at_now())
                 : AT_UNAVAILABLE;
}


/* deferred: NULL if the request cannot wait for a signature */

static at_verdict_e
ngx_at_verify_token(ngx_http_request_t *r, const ngx_at_main_conf_t *atmcf,
    ngx_at_ctx_t *ctx, at_deferred_t *deferred)
{
    at_verdict_e  verdict;

    /* read the clock only if $auth_token_verify_time is used */

    if (ngx_at_worker.measure_time && ctx->verify_start == 0) {
        ctx->verify_start = ngx_at_monotonic_nanoseconds();
    }

    verdict = ctx->kind == NGX_AT_API_TOKEN
              ? ngx_at_verify_api_token(atmcf, ctx)
              : ngx_at_verify_jwt(r, atmcf, ctx, deferred);

    if (ngx_at_worker.measure_time) {
        ctx->verify_time = ngx_at_monotonic_nanoseconds() - ctx->verify_start;
    }

    ctx->stale_snapshot = ctx->epoch.store
                          && ngx_at_store_snapshot_is_stale(atmcf);

    if (verdict == AT_OK) {
        ngx_at_cache_insert(ctx, ngx_at_view(ctx->credential));
    }

    return verdict;
}


/* continues once a thread has verified a signature */

static at_verdict_e
ngx_at_resume_jwt(ngx_http_request_t *r, ngx_at_ctx_t *ctx)
{
    at_verdict_e               verdict;
    at_deferred_t             *deferred;
    const ngx_at_main_conf_t  *atmcf;

    verdict = ngx_at_signature_finish(ctx, &deferred);

    if (verdict != AT_OK) {
        return verdict;
    }

    atmcf = ngx_http_get_module_main_conf(r, ngx_http_auth_token_module);
    ctx->epoch = ngx_at_cache_epoch(atmcf, ctx);

    return ngx_at_verify_token(r, atmcf, ctx, deferred);
}


static at_verdict_e
ngx_at_verify_credential(ngx_http_request_t *r,
    const ngx_at_main_conf_t *atmcf, ngx_at_ctx_t *ctx, ngx_uint_t may_wait)
{
    at_verdict_e   verdict;
    at_deferred_t  deferred;

    if (ctx->conf->accept == NGX_AT_NONE) {
        ctx->identity_storage.expires = INT64_MAX;
        ctx->epoch = ngx_at_cache_epoch(atmcf, ctx);
        return AT_OK;
    }

    verdict = ngx_at_read_credential(r, ctx);

    if (verdict != AT_OK) {
        return verdict;
    }

    ctx->epoch = ngx_at_cache_epoch(atmcf, ctx);

    if (ctx->kind == NGX_AT_BASIC) {
        return ngx_at_basic_lookup(ctx);
    }

    if (ngx_at_cache_lookup(ctx, ngx_at_view(ctx->credential))) {
        return AT_OK;
    }

    deferred.key = NULL;
    deferred.n = 0;

    return ngx_at_verify_token(r, atmcf, ctx, may_wait ? &deferred : NULL);
}


/* keys, store and time can change while limit_req delays the request */

static ngx_uint_t
ngx_at_is_authenticated(const ngx_at_loc_conf_t *atcf,
    const ngx_at_main_conf_t *atmcf, const ngx_at_ctx_t *ctx)
{
    at_cache_epoch_t  epoch;

    if (ctx->conf != atcf || ctx->anonymous || ctx->endpoint_request) {
        return 0;
    }

    if (ctx->authenticated != AT_OK) {
        return 1;
    }

    if (ctx->stale_snapshot || ctx->identity->expires <= ngx_at_now()) {
        return 0;
    }

    epoch = ngx_at_cache_epoch(atmcf, ctx);

    return ctx->epoch.keys == epoch.keys && ctx->epoch.store == epoch.store;
}


at_verdict_e
ngx_at_authenticate(ngx_http_request_t *r, const ngx_at_loc_conf_t *atcf,
    ngx_at_ctx_t *ctx, ngx_uint_t may_wait)
{
    const ngx_at_main_conf_t  *atmcf;

    atmcf = ngx_http_get_module_main_conf(r, ngx_http_auth_token_module);

    if (ngx_at_is_authenticated(atcf, atmcf, ctx)) {
        return ctx->authenticated;
    }

    ngx_at_ctx_reset(ctx, atcf);

    ctx->authenticated = ngx_at_verify_credential(r, atmcf, ctx, may_wait);

    return ctx->authenticated;
}


/* --- authorize ----------------------------------------------------------- */


static at_verdict_e
ngx_at_check_scopes(ngx_http_request_t *r, const ngx_at_ctx_t *ctx)
{
    ngx_str_t                  required;
    ngx_uint_t                 i, satisfied;
    const ngx_array_t         *scopes;
    ngx_http_complex_value_t  *cv;

    scopes = ctx->conf->scopes;

    if (scopes == NULL) {
        return AT_OK;
    }

    cv = scopes->elts;
    satisfied = 0;

    for (i = 0; i < scopes->nelts; i++) {

        if (ngx_http_complex_value(r, &cv[i], &required) != NGX_OK) {
            return AT_FAILED;
        }

        while (required.len && required.data[required.len - 1] == ' ') {
            required.len--;
        }

        /* an empty value (a map without an entry) denies */
        if (required.len == 0) {
            return AT_INSUFFICIENT_SCOPE;
        }

        satisfied += at_rights_satisfy(&ctx->identity->rights,
                                       ngx_at_view(required),
                                       ctx->conf->scope_mode);
    }

    return satisfied == i
           || (satisfied && ctx->conf->scope_mode == AT_SCOPE_ANY)
           ? AT_OK : AT_INSUFFICIENT_SCOPE;
}


at_verdict_e
ngx_at_check_caller(ngx_http_request_t *r, const ngx_at_ctx_t *ctx)
{
    const at_identity_t  *identity;

    identity = ctx->identity;

    if ((ctx->kind & (NGX_AT_COOKIE|NGX_AT_BASIC))
        && !ngx_at_origin_allowed(r, ctx->conf))
    {
        return AT_ORIGIN_NOT_ALLOWED;
    }

    if (!ngx_at_address_allowed(r, ctx->conf, identity)) {
        return AT_ADDRESS_NOT_ALLOWED;
    }

    return identity->needs_role && identity->rights.role == NULL ? AT_NO_ROLE
                                                                 : AT_OK;
}


/* the order matters: the first reason found is the verdict */

static at_verdict_e
ngx_at_authorize(ngx_http_request_t *r, const ngx_at_ctx_t *ctx)
{
    at_verdict_e        verdict;
    const at_role_t    *role;
    const at_rights_t  *rights;

    rights = &ctx->identity->rights;
    role = rights->role;

    verdict = ngx_at_check_caller(r, ctx);

    if (verdict == AT_OK) {
        verdict = ngx_at_check_scopes(r, ctx);
    }

    if (verdict != AT_OK || ctx->conf->endpoints == NULL) {
        return verdict;
    }

    if (ctx->endpoint == NULL) {
        return AT_UNKNOWN_ENDPOINT;
    }

    if (!at_rights_allow_endpoint(rights, ctx->endpoint)) {
        return AT_ENDPOINT_NOT_GRANTED;
    }

    return role && at_role_blocks(role, ctx->endpoint->text)
           ? AT_BLOCKED_ENDPOINT : AT_OK;
}


/* --- decide -------------------------------------------------------------- */


static at_verdict_e
ngx_at_decide(ngx_http_request_t *r, const ngx_at_loc_conf_t *atcf,
    ngx_at_ctx_t *ctx)
{
    at_verdict_e          verdict;
    const at_endpoint_t  *endpoint;

    if (atcf->incomplete) {
        ngx_at_ctx_reset(ctx, atcf);
        return AT_MISCONFIGURED;
    }

    if (ngx_at_request_is_public(r, atcf, &endpoint)) {
        ngx_at_ctx_reset(ctx, atcf);
        ctx->anonymous = 1;
        ctx->endpoint = endpoint;

        return ngx_at_address_allowed(r, atcf, ctx->identity)
               ? AT_OK : AT_ADDRESS_NOT_ALLOWED;
    }

    verdict = ngx_at_authenticate(r, atcf, ctx, 1);
    ctx->endpoint = endpoint;

    if (verdict == AT_PENDING) {
        verdict = ctx->kind == NGX_AT_BASIC ? ngx_at_basic_verify(r, ctx)
                                            : ngx_at_resume_jwt(r, ctx);
        ctx->authenticated = verdict;
    }

    return verdict == AT_OK ? ngx_at_authorize(r, ctx) : verdict;
}


ngx_int_t
ngx_at_access_handler(ngx_http_request_t *r)
{
    ngx_int_t                 rc;
    at_verdict_e              verdict;
    ngx_at_ctx_t             *ctx;
    const ngx_at_loc_conf_t  *atcf;

    atcf = ngx_http_get_module_loc_conf(r, ngx_http_auth_token_module);

    /* a browser sends a preflight without credentials */

    rc = ngx_at_answer_preflight(r, atcf);

    if (rc != NGX_DECLINED || !atcf->enable) {
        return rc;
    }

    ctx = ngx_at_get_ctx(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (r->connection->error) {
        return NGX_ERROR;
    }

    ctx->phase = NGX_AT_UNDECIDED;

    verdict = ngx_at_decide(r, atcf, ctx);

    if (verdict == AT_PENDING) {
        return NGX_AGAIN;
    }

    if (verdict != AT_OK) {
        return ngx_at_refuse(r, ctx, verdict);
    }

    ctx->verdict = AT_OK;
    ctx->phase = NGX_AT_GRANTED;
    ngx_http_set_ctx(r, NULL, ngx_http_auth_token_module);

    if (ctx->kind == NGX_AT_API_TOKEN) {
        ngx_at_count_use(ngx_at_view(ctx->credential));
    }

    return NGX_OK;
}


/* runs for a refused request only if another module granted: "satisfy any" */

ngx_int_t
ngx_at_precontent_handler(ngx_http_request_t *r)
{
    ngx_at_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_auth_token_module);

    if (ctx && r == r->main) {
        ctx->phase = NGX_AT_OVERRULED;
        ngx_http_set_ctx(r, NULL, ngx_http_auth_token_module);
    }

    return NGX_DECLINED;
}
