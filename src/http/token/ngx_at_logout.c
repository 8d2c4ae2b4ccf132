/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * "auth_token_logout": revokes the session of the access token or of the
 * refresh token.  By default the path of the refresh cookie does not include
 * this endpoint, so a client usually sends its access token, until it expires.
 */

#include "http/token/ngx_at_endpoint_request.h"

#include "core/jose/at_jwt.h"

#include "http/base/ngx_at_str.h"
#include "http/base/ngx_at_time.h"
#include "http/keys/ngx_at_keys.h"
#include "http/request/ngx_at_credential.h"
#include "http/token/ngx_at_reply.h"
#include "http/worker/ngx_at_worker.h"


/* reads the token from the Authorization header, or else from the cookie */

static at_verdict_e
ngx_at_logout_verify_access_token(ngx_at_endpoint_request_t *er)
{
    ngx_uint_t       n;
    ngx_at_ctx_t    *ctx;
    at_jwt_query_t   query;

    ctx = er->ctx;

    ctx->kind = NGX_AT_BEARER;
    n = ngx_at_read_bearer(er->request, &ctx->credential);

    if (n == 0) {
        ctx->kind = NGX_AT_COOKIE;
        n = ngx_at_read_cookie(er->request, &er->issuer->access_cookie,
                               &ctx->credential);
    }

    if (n != 1) {
        ctx->kind = 0;
        ngx_str_null(&ctx->credential);
        return n ? AT_SEVERAL_CREDENTIALS : AT_NO_CREDENTIAL;
    }

    ngx_memzero(&query, sizeof(at_jwt_query_t));

    query.token = ngx_at_view(ctx->credential);
    query.max_len = er->main_conf->max_length;
    query.trusted = ngx_at_trusted_issuers(er->request, &er->issuer, 1);
    query.n = 1;
    query.now = ngx_time();

    return query.trusted ? at_jwt_verify(ngx_at_worker.verifier,
                                         &ctx->identity_storage, &query)
                         : AT_FAILED;
}


/* one valid token is enough: the refresh token is checked by the revocation */

static at_verdict_e
ngx_at_logout_read_tokens(ngx_at_endpoint_request_t *er)
{
    ngx_str_t     cookie;
    at_verdict_e  verdict;

    verdict = ngx_at_endpoint_get_sessions(er);

    if (verdict != AT_OK) {
        return verdict;
    }

    verdict = ngx_at_logout_verify_access_token(er);

    if (verdict == AT_OK) {
        er->access_token = ngx_at_view(er->ctx->credential);
    }

    if (ngx_at_read_cookie(er->request, &er->issuer->refresh_cookie, &cookie)
        == 1)
    {
        er->refresh_token = ngx_at_view(cookie);
    }

    return er->refresh_token.len ? AT_OK : verdict;
}


static void
ngx_at_logout_work(ngx_at_job_t *job)
{
    ngx_at_endpoint_request_t *er = job->data;

    er->session_result = at_session_revoke(er->sessions, er->refresh_token,
                                           er->access_token, er->grant.now,
                                           &er->err);
}


static at_verdict_e
ngx_at_logout_revoke_session(ngx_at_endpoint_request_t *er)
{
    er->grant.now = ngx_at_now();

    return ngx_at_endpoint_post(er, ngx_at_logout_work, NGX_AT_JOB_WRITE);
}


/* a session that is unknown or was revoked before is a success as well */

static at_verdict_e
ngx_at_logout_check_result(ngx_at_endpoint_request_t *er)
{
    if (er->session_result == AT_SESSION_FAILED) {
        ngx_log_error(NGX_LOG_ERR, er->request->connection->log, 0,
                      "auth_token: session not revoked: %s", er->err.text);
        return AT_UNAVAILABLE;
    }

    ngx_str_set(&er->response, "{\"success\":true}");

    return AT_OK;
}


const ngx_at_step_pt  ngx_at_logout_steps[] = {
    ngx_at_check_post,
    ngx_at_logout_read_tokens,
    ngx_at_logout_revoke_session,
    ngx_at_logout_check_result,
    ngx_at_set_cookies,
    NULL
};
