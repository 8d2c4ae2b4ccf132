/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * "auth_token_refresh": exchanges a refresh token, in body or cookie, for a
 * new pair of tokens.  Concurrent requests with the same token get the same
 * pair.
 */

#include "http/token/ngx_at_endpoint_request.h"

#include "http/base/ngx_at_str.h"
#include "http/base/ngx_at_time.h"
#include "http/request/ngx_at_credential.h"
#include "http/store/ngx_at_session.h"
#include "http/token/ngx_at_body.h"
#include "http/token/ngx_at_reply.h"


#define NGX_AT_REFRESH_LENGTH_MAX  1024


/* body and cookie may both have the token if they are equal */

static at_verdict_e
ngx_at_refresh_read_token(ngx_at_endpoint_request_t *er)
{
    at_str_t      token, name = at_str("refreshToken");
    ngx_str_t     cookie;
    ngx_uint_t    n;
    at_verdict_e  verdict;

    verdict = ngx_at_parse_body(er, &token, &name, 1,
                                at_fields_from_json);
    if (verdict != AT_OK) {
        return verdict;
    }

    if (token.data && token.len == 0) {
        return AT_UNKNOWN_REFRESH_TOKEN;
    }

    n = ngx_at_read_cookie(er->request, &er->issuer->refresh_cookie, &cookie);

    if (n > 1
        || (n == 1 && token.len && !at_str_equal(token, ngx_at_view(cookie))))
    {
        return AT_SEVERAL_REFRESH_TOKENS;
    }

    if (n == 0 && token.len == 0) {
        return AT_NO_REFRESH_TOKEN;
    }

    if (token.len == 0) {
        token = ngx_at_view(cookie);
    }

    er->refresh_token = token;
    er->ctx->kind = NGX_AT_REFRESH;
    er->ctx->credential = ngx_at_from_view(token);

    if (token.len == 0 || token.len > NGX_AT_REFRESH_LENGTH_MAX) {
        return AT_UNKNOWN_REFRESH_TOKEN;
    }

    return er->ctx->conf->local_users ? AT_OK : AT_REFRESH_DISABLED;
}


static at_verdict_e
ngx_at_refresh_rotate(ngx_at_endpoint_request_t *er)
{
    char                 buf[AT_SESSION_BUF_SIZE];
    at_session_t         session;
    at_verdict_e         verdict;
    at_user_record_t     user;
    at_session_limits_t  limits;

    verdict = ngx_at_endpoint_get_sessions(er);

    if (verdict != AT_OK) {
        return verdict;
    }

    limits = ngx_at_session_limits(er->issuer);
    verdict = ngx_at_session_verdict(at_session_find(er->sessions, &session,
                                                     buf, er->refresh_token,
                                                     &limits, ngx_at_now(),
                                                     &er->err));
    if (verdict == AT_UNAVAILABLE) {
        ngx_log_error(NGX_LOG_ERR, er->request->connection->log, 0,
                      "auth_token: session not read: %s", er->err.text);
    }

    if (verdict == AT_TOO_MANY_REFRESHES) {
        er->ctx->retry_at = (session.minute + AT_SESSION_MINUTE + 999) / 1000;
    }

    if (verdict != AT_OK) {
        return verdict;
    }

    if (!at_str_equal(session.issuer, ngx_at_view(er->issuer->name))) {
        return AT_REFRESH_TOKEN_ISSUER_MISMATCH;
    }

    /* "max" may be shorter than when the token was issued */
    if (ngx_at_session_end(er->issuer, session.created) <= ngx_at_now()) {
        return AT_EXPIRED_REFRESH_TOKEN;
    }

    verdict = ngx_at_session_get_user(er, &er->ctx->identity_storage,
                                      &user, &session);

    if (verdict == AT_OK) {
        verdict = ngx_at_sessions_check_space(er->main_conf);
    }

    if (verdict == AT_OK) {
        ngx_memcpy(er->grant.session.id, session.id, AT_SESSION_ID_LEN);
        er->grant.session.created = session.created;
        verdict = ngx_at_grant_user(er, &user);
    }

    if (verdict != AT_OK) {
        return verdict;
    }

    er->job.prepare = ngx_at_grant_sign;

    return ngx_at_endpoint_post(er, ngx_at_grant_store, NGX_AT_JOB_WRITE);
}


const ngx_at_step_pt  ngx_at_refresh_steps[] = {
    ngx_at_check_json_post,
    ngx_at_read_body,
    ngx_at_refresh_read_token,
    ngx_at_refresh_rotate,
    ngx_at_grant_check_signature,
    ngx_at_grant_check_session,
    ngx_at_set_cookies,
    NULL
};
