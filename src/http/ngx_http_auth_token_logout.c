/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * "auth_token_logout": ends what a login began.  The refresh cookie's path does
 * not lead here: the access token tells whose it is, until it expires.
 */

#include "ngx_http_auth_token_local.h"


static void ngx_http_auth_token_logout_ended(ngx_http_request_t *r);


/* the access token, of a header or else of the cookie, must hold still */

static at_verdict_e
ngx_http_auth_token_logout_access(ngx_http_request_t *r,
    ngx_http_auth_token_call_t *call)
{
    ngx_uint_t                        n;
    at_trusted_t                      trusted;
    at_jwt_query_t                    query;
    ngx_http_auth_token_ctx_t        *ctx;
    ngx_http_auth_token_main_conf_t  *atmcf;

    ctx = call->ctx;

    ctx->kind = NGX_HTTP_AUTH_TOKEN_BEARER;
    n = ngx_http_auth_token_read_bearer(r, &ctx->credential);

    if (n == 0) {
        ctx->kind = NGX_HTTP_AUTH_TOKEN_COOKIE;
        n = ngx_http_auth_token_read_cookie(r, &call->issuer->access_cookie,
                                            &ctx->credential);
    }

    if (n != 1) {
        ctx->kind = 0;
        ngx_str_null(&ctx->credential);
        return n ? AT_SEVERAL_CREDENTIALS : AT_NO_CREDENTIAL;
    }

    atmcf = ngx_http_get_module_main_conf(r, ngx_http_auth_token_module);

    trusted.issuer = &call->issuer->demands;
    trusted.sets = call->issuer->sets;
    trusted.n_sets = call->issuer->nsets;

    ngx_memzero(&query, sizeof(at_jwt_query_t));

    query.token = ngx_http_auth_token_view(ctx->credential);
    query.max_len = atmcf->max_length;
    query.trusted = &trusted;
    query.n = 1;
    query.now = ngx_time();

    call->access = query.token;

    return at_jwt_verify(atmcf->verifier, &ctx->own, &query);
}


static void
ngx_http_auth_token_logout_work(ngx_http_auth_token_job_t *job)
{
    ngx_http_auth_token_call_t *call = job->data;

    call->ended = at_session_end(call->grant.sessions, call->refresh,
                                 call->access, call->grant.now);
}


static at_verdict_e
ngx_http_auth_token_logout_judge(ngx_http_request_t *r,
    ngx_http_auth_token_call_t *call)
{
    ngx_str_t                         cookie;
    at_verdict_e                      verdict;
    ngx_http_auth_token_main_conf_t  *atmcf;

    if (r->method != NGX_HTTP_POST) {
        call->ctx->allow = "POST";
        return AT_BAD_METHOD;
    }

    if (!ngx_http_auth_token_origin_allowed(r, call->ctx->conf)) {
        return AT_ORIGIN;
    }

    atmcf = ngx_http_get_module_main_conf(r, ngx_http_auth_token_module);
    call->grant.sessions = ngx_http_auth_token_sessions(atmcf);

    if (call->grant.sessions == NULL) {
        return AT_UNAVAILABLE;
    }

    verdict = ngx_http_auth_token_logout_access(r, call);

    if (verdict != AT_OK) {
        call->access.len = 0;
    }

    if (ngx_http_auth_token_read_cookie(r, &call->issuer->refresh_cookie,
                                        &cookie)
        == 1)
    {
        call->refresh = ngx_http_auth_token_view(cookie);
    }

    return call->refresh.len ? AT_OK : verdict;
}


ngx_int_t
ngx_http_auth_token_logout_handler(ngx_http_request_t *r)
{
    ngx_int_t                    rc;
    at_verdict_e                 verdict;
    ngx_http_auth_token_call_t  *call;

    call = ngx_http_auth_token_call(r);
    if (call == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    verdict = ngx_http_auth_token_logout_judge(r, call);

    if (verdict != AT_OK) {
        return ngx_http_auth_token_call_refuse(call, verdict);
    }

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    r->write_event_handler = ngx_http_auth_token_logout_ended;

    call->grant.now = ngx_http_auth_token_now();
    call->job.request = r;
    call->job.data = call;
    call->job.work = ngx_http_auth_token_logout_work;

    if (ngx_http_auth_token_write(&call->job) != NGX_OK) {
        return ngx_http_auth_token_call_refuse(call, AT_UNAVAILABLE);
    }

    r->main->count++;

    return NGX_DONE;
}


static void
ngx_http_auth_token_logout_ended(ngx_http_request_t *r)
{
    ngx_int_t                    rc;
    ngx_str_t                    body = ngx_string("{\"success\":true}");
    ngx_http_auth_token_call_t  *call;

    call = ngx_http_auth_token_find_ctx(r)->call;

    if (ngx_http_auth_token_call_waits(call)) {
        return;
    }

    if (call->job.failed || call->ended == AT_SESSION_FAILED) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "auth_token: no session was ended: %s",
                      at_sessions_error(call->grant.sessions));
        rc = ngx_http_auth_token_call_refuse(call, AT_UNAVAILABLE);

    } else if (ngx_http_auth_token_set_cookies(r, call->issuer, NULL)
               != NGX_OK)
    {
        rc = NGX_HTTP_INTERNAL_SERVER_ERROR;

    } else {
        rc = ngx_http_auth_token_reply(r, NGX_HTTP_OK, &body, "no-store");
    }

    ngx_http_finalize_request(r, rc);
}
