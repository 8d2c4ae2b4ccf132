/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * "auth_token_refresh": a refresh token, in the body or as a cookie, for two new
 * ones.  Of all that use one at once, one gets them.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "core/authz/at_record.h"
#include "core/base/at_str.h"
#include "core/base/at_verdict.h"
#include "core/base/at_crypto.h"
#include "core/json/at_fields.h"
#include "core/session/at_session.h"
#include "core/store/at_account.h"
#include "core/store/at_store.h"

#include "http/base/ngx_at_loc_conf.h"
#include "http/base/ngx_at_main_conf.h"
#include "http/base/ngx_at_str.h"
#include "http/base/ngx_at_time.h"
#include "http/request/ngx_at_credential.h"
#include "http/store/ngx_at_session.h"
#include "http/store/ngx_at_store.h"
#include "http/token/ngx_at_body.h"
#include "http/token/ngx_at_endpoint.h"
#include "http/token/ngx_at_endpoint_request.h"
#include "http/token/ngx_at_grant.h"
#include "http/worker/ngx_at_job.h"


#define NGX_AT_REFRESH_LENGTH_MAX  1024


static void ngx_at_refresh_body(ngx_http_request_t *r);
static void ngx_at_refresh_granted(ngx_http_request_t *r);


ngx_int_t
ngx_at_refresh_handler(ngx_http_request_t *r)
{
    at_verdict_e                verdict;
    ngx_at_endpoint_request_t  *call;

    call = ngx_at_endpoint_request_create(r);
    if (call == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    verdict = ngx_at_request_check_headers(r, call->ctx, "application/json");

    return verdict == AT_OK
           ? ngx_at_endpoint_request_read_body(call,
                                               ngx_at_refresh_body)
           : ngx_at_endpoint_request_refuse(call, verdict);
}


/* --- the token ----------------------------------------------------------- */


static at_verdict_e
ngx_at_refresh_from_body(ngx_http_request_t *r, at_str_t *token)
{
    char         *buf;
    at_str_t      body, name = at_str("refreshToken");
    at_fields_e   rc;
    at_verdict_e  verdict;

    verdict = ngx_at_get_body(r, &body);

    if (verdict != AT_OK || body.len == 0) {
        return verdict;
    }

    buf = ngx_pnalloc(r->pool, body.len);
    if (buf == NULL) {
        return AT_FAILED;
    }

    rc = at_fields_from_json(token, &name, 1, body, buf);

    if (rc != AT_FIELDS_OK) {
        return rc == AT_FIELDS_INVALID ? AT_BAD_BODY : AT_FAILED;
    }

    /* there was one, and it is none */
    return token->len ? AT_OK : AT_UNKNOWN_REFRESH_TOKEN;
}


/* both may be there if they say the same */

static at_verdict_e
ngx_at_refresh_read_token(ngx_http_request_t *r,
    ngx_at_endpoint_request_t *call)
{
    at_str_t      token, other;
    ngx_str_t     cookie;
    ngx_uint_t    n;
    at_verdict_e  verdict;

    token = (at_str_t) { NULL, 0 };
    verdict = ngx_at_refresh_from_body(r, &token);

    if (verdict != AT_OK) {
        return verdict;
    }

    n = ngx_at_read_cookie(r, &call->issuer->refresh_cookie, &cookie);
    other = ngx_at_view(cookie);

    if (n > 1 || (n == 1 && token.len && !at_str_equal(token, other))) {
        return AT_SEVERAL_REFRESH_TOKENS;
    }

    call->refresh = token.len ? token : other;

    if (n == 0 && token.len == 0) {
        return AT_NO_REFRESH_TOKEN;
    }

    call->ctx->kind = NGX_AT_REFRESH;
    call->ctx->credential = ngx_at_from_view(call->refresh);

    return call->refresh.len && call->refresh.len
                                <= NGX_AT_REFRESH_LENGTH_MAX
           ? AT_OK : AT_UNKNOWN_REFRESH_TOKEN;
}


static at_verdict_e
ngx_at_refresh_verdict(at_session_e result)
{
    switch (result) {

    case AT_SESSION_OK:
        return AT_OK;

    case AT_SESSION_UNKNOWN:
        return AT_UNKNOWN_REFRESH_TOKEN;

    case AT_SESSION_EXPIRED:
        return AT_EXPIRED_REFRESH_TOKEN;

    case AT_SESSION_USED:
        return AT_ROTATED_REFRESH_TOKEN;

    case AT_SESSION_REUSED:
        return AT_REUSED_REFRESH_TOKEN;

    case AT_SESSION_REVOKED:
        return AT_REVOKED_SESSION;

    default:
        return AT_UNAVAILABLE;
    }
}


/* --- whose it is --------------------------------------------------------- */


/* what the user may do is what the record says now */

static at_verdict_e
ngx_at_refresh_user(const ngx_at_main_conf_t *atmcf,
    ngx_at_endpoint_request_t *call, const at_session_t *session,
    at_user_record_t *user)
{
    at_store_t    *store;
    at_verdict_e   verdict;
    unsigned char  mark[AT_SESSION_TAG_LEN];

    store = ngx_at_store_get(atmcf);

    verdict = store ? at_account_get_user(&call->ctx->identity_storage, user, store,
                                          session->user)
                    : AT_UNAVAILABLE;

    if (verdict == AT_OK) {
        verdict = at_account_check_user(user, &call->issuer->requirements,
                                        call->ctx->conf->only_user_issuer);
    }

    switch (verdict) {

    case AT_OK:
        break;

    case AT_UNKNOWN_USER:
    case AT_LOCKED_USER:
    case AT_USER_ISSUER_MISMATCH:
        return AT_CHANGED_USER;

    default:
        return verdict;
    }

    if (at_session_password_tag(call->grant.sessions, mark, user->password) != 0) {
        return AT_FAILED;
    }

    return at_crypto_equal(mark, session->mark, AT_SESSION_TAG_LEN)
           ? AT_OK : AT_CHANGED_USER;
}


static at_verdict_e
ngx_at_refresh_rotate(ngx_http_request_t *r, ngx_at_endpoint_request_t *call)
{
    char                 buf[AT_SESSION_BUF_SIZE];
    at_verdict_e         verdict;
    at_session_t         session;
    at_user_record_t     user;
    const ngx_at_main_conf_t  *atmcf;

    verdict = ngx_at_refresh_read_token(r, call);

    if (verdict == AT_OK && !call->ctx->conf->local_users) {
        verdict = AT_REFRESH_OFF;       /* the answer to an unknown token */
    }

    if (verdict != AT_OK) {
        return verdict;
    }

    atmcf = ngx_http_get_module_main_conf(r, ngx_http_auth_token_module);

    call->grant.issuer = call->issuer;
    call->grant.used = call->refresh;
    call->grant.sessions = ngx_at_sessions_get(atmcf);

    if (call->grant.sessions == NULL) {
        return AT_UNAVAILABLE;
    }

    verdict = ngx_at_refresh_verdict(
                  at_session_find(call->grant.sessions, &session, buf,
                                  call->refresh, ngx_at_now(),
                                  &call->grant.err));

    if (verdict == AT_UNAVAILABLE) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "auth_token: refresh failed: %s", call->grant.err.text);
    }

    if (verdict == AT_OK
        && !at_str_equal(session.issuer,
                         ngx_at_view(call->issuer->name)))
    {
        verdict = AT_REFRESH_TOKEN_ISSUER_MISMATCH;
    }

    if (verdict == AT_OK) {
        verdict = ngx_at_refresh_user(atmcf, call, &session, &user);
    }

    if (verdict != AT_OK) {
        return verdict;
    }

    if (ngx_at_grant_user(r, &call->grant, &user) != NGX_OK) {
        return AT_FAILED;
    }

    call->job.request = r;
    call->job.data = &call->grant;
    call->job.work = ngx_at_grant_sign_and_store;

    return ngx_at_job_post_write(&call->job) == NGX_OK ? AT_PENDING
                                                       : AT_FAILED;
}


static void
ngx_at_refresh_body(ngx_http_request_t *r)
{
    ngx_at_endpoint_request_run(r, ngx_at_refresh_rotate,
                                ngx_at_refresh_granted);
}


static ngx_int_t
ngx_at_refresh_answer(ngx_http_request_t *r, ngx_at_endpoint_request_t *call)
{
    ngx_str_t     body = ngx_string("{}");
    at_verdict_e  verdict;

    verdict = ngx_at_refresh_verdict(call->grant.result);

    if (verdict == AT_OK) {
        return ngx_at_set_cookies(r, call->issuer, &call->grant)
               == NGX_OK ? ngx_at_reply(r, NGX_HTTP_OK, &body,
                                        "no-store")
                         : NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (verdict == AT_REUSED_REFRESH_TOKEN) {
        ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                      "auth_token: a refresh token was used a second time: "
                      "all that came of its login are ended");

    } else if (verdict == AT_UNAVAILABLE) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "auth_token: no session was renewed: %s",
                      call->grant.err.text);
    }

    return ngx_at_endpoint_request_refuse(call, verdict);
}


static void
ngx_at_refresh_granted(ngx_http_request_t *r)
{
    ngx_at_endpoint_request_t  *call;

    call = ngx_at_find_ctx(r)->endpoint_request;

    if (!ngx_at_endpoint_request_is_busy(call)) {
        ngx_http_finalize_request(r, ngx_at_refresh_answer(r, call));
    }
}
