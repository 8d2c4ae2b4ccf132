/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * "auth_token_logout": ends what a login began.  The refresh cookie's path does
 * not lead here: the access token tells whose it is, until it expires.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "core/base/at_verdict.h"
#include "core/jose/at_jwt.h"
#include "core/session/at_session.h"

#include "http/base/ngx_at_loc_conf.h"
#include "http/base/ngx_at_main_conf.h"
#include "http/base/ngx_at_str.h"
#include "http/access/ngx_at_policy.h"
#include "http/base/ngx_at_time.h"
#include "http/request/ngx_at_credential.h"
#include "http/store/ngx_at_session.h"
#include "http/token/ngx_at_endpoint.h"
#include "http/token/ngx_at_endpoint_request.h"
#include "http/worker/ngx_at_job.h"
#include "http/worker/ngx_at_worker.h"


static void ngx_at_logout_revoked(ngx_http_request_t *r);


/* the access token, of a header or else of the cookie, must hold still */

static at_verdict_e
ngx_at_logout_verify_access_token(ngx_http_request_t *r,
    ngx_at_endpoint_request_t *call)
{
    ngx_uint_t           n;
    at_trusted_issuer_t  trusted;
    at_jwt_query_t       query;
    ngx_at_ctx_t        *ctx;
    const ngx_at_main_conf_t  *atmcf;

    ctx = call->ctx;

    ctx->kind = NGX_AT_BEARER;
    n = ngx_at_read_bearer(r, &ctx->credential);

    if (n == 0) {
        ctx->kind = NGX_AT_COOKIE;
        n = ngx_at_read_cookie(r, &call->issuer->access_cookie,
                               &ctx->credential);
    }

    if (n != 1) {
        ctx->kind = 0;
        ngx_str_null(&ctx->credential);
        return n ? AT_SEVERAL_CREDENTIALS : AT_NO_CREDENTIAL;
    }

    atmcf = ngx_http_get_module_main_conf(r, ngx_http_auth_token_module);

    trusted.issuer = &call->issuer->requirements;
    trusted.sets = call->issuer->sets;
    trusted.n_sets = call->issuer->nsets;

    ngx_memzero(&query, sizeof(at_jwt_query_t));

    query.token = ngx_at_view(ctx->credential);
    query.max_len = atmcf->max_length;
    query.trusted = &trusted;
    query.n = 1;
    query.now = ngx_time();

    call->access = query.token;

    return at_jwt_verify(ngx_at_worker()->verifier, &ctx->identity_storage, &query);
}


static void
ngx_at_logout_work(ngx_at_job_t *job)
{
    ngx_at_endpoint_request_t *call = job->data;

    call->ended = at_session_revoke(call->grant.sessions, call->refresh,
                                    call->access, call->grant.now, &call->err);
}


static at_verdict_e
ngx_at_logout_check_request(ngx_http_request_t *r,
    ngx_at_endpoint_request_t *call)
{
    ngx_str_t            cookie;
    at_verdict_e         verdict;
    const ngx_at_main_conf_t  *atmcf;

    if (r->method != NGX_HTTP_POST) {
        call->ctx->allowed_methods = "POST";
        return AT_BAD_METHOD;
    }

    if (!ngx_at_origin_allowed(r, call->ctx->conf)) {
        return AT_ORIGIN_NOT_ALLOWED;
    }

    atmcf = ngx_http_get_module_main_conf(r, ngx_http_auth_token_module);
    call->grant.sessions = ngx_at_sessions_get(atmcf);

    if (call->grant.sessions == NULL) {
        return AT_UNAVAILABLE;
    }

    verdict = ngx_at_logout_verify_access_token(r, call);

    if (verdict != AT_OK) {
        call->access.len = 0;
    }

    if (ngx_at_read_cookie(r, &call->issuer->refresh_cookie, &cookie) == 1) {
        call->refresh = ngx_at_view(cookie);
    }

    return call->refresh.len ? AT_OK : verdict;
}


ngx_int_t
ngx_at_logout_handler(ngx_http_request_t *r)
{
    ngx_int_t                   rc;
    at_verdict_e                verdict;
    ngx_at_endpoint_request_t  *call;

    call = ngx_at_endpoint_request_create(r);
    if (call == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    verdict = ngx_at_logout_check_request(r, call);

    if (verdict != AT_OK) {
        return ngx_at_endpoint_request_refuse(call, verdict);
    }

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    r->write_event_handler = ngx_at_logout_revoked;

    call->grant.now = ngx_at_now();
    call->job.request = r;
    call->job.data = call;
    call->job.work = ngx_at_logout_work;

    (void) at_error(&call->err, "the thread task was not run");

    if (ngx_at_job_post_write(&call->job) != NGX_OK) {
        return ngx_at_endpoint_request_refuse(call, AT_UNAVAILABLE);
    }

    r->main->count++;

    return NGX_DONE;
}


static void
ngx_at_logout_revoked(ngx_http_request_t *r)
{
    ngx_int_t                   rc;
    ngx_str_t                   body = ngx_string("{\"success\":true}");
    ngx_at_endpoint_request_t  *call;

    call = ngx_at_find_ctx(r)->endpoint_request;

    if (ngx_at_endpoint_request_is_busy(call)) {
        return;
    }

    if (call->job.failed || call->ended == AT_SESSION_FAILED) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "auth_token: logout failed, no session was revoked: %s",
                      call->err.text);
        rc = ngx_at_endpoint_request_refuse(call, AT_UNAVAILABLE);

    } else if (ngx_at_set_cookies(r, call->issuer, NULL) != NGX_OK) {
        rc = NGX_HTTP_INTERNAL_SERVER_ERROR;

    } else {
        rc = ngx_at_reply(r, NGX_HTTP_OK, &body, "no-store");
    }

    ngx_http_finalize_request(r, rc);
}
