/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * "auth_token_logout": revokes the session of the access token or of the
 * refresh token.  By default the path of the refresh cookie does not include
 * this endpoint, so a browser sends its access token, also an expired one.
 */

#include "http/token/ngx_at_endpoint_request.h"

#include "http/base/ngx_at_str.h"
#include "http/base/ngx_at_time.h"
#include "http/request/ngx_at_credential.h"
#include "http/request/ngx_at_refusal_log.h"
#include "http/token/ngx_at_body.h"
#include "http/token/ngx_at_reply.h"


/* in the body or in the cookie; a body without it is ignored */

static at_verdict_e
ngx_at_logout_read_refresh_token(ngx_at_endpoint_request_t *er)
{
    at_str_t      name = at_str("refreshToken");
    ngx_str_t     cookie;
    at_verdict_e  verdict;

    verdict = ngx_at_parse_body(er, &er->refresh_token, &name, 1,
                                at_fields_from_json);
    if (verdict == AT_BAD_BODY) {
        er->refresh_token = (at_str_t) { NULL, 0 };

    } else if (verdict != AT_OK) {
        return verdict;
    }

    if (ngx_at_read_cookie(er->request, &er->issuer->refresh_cookie, &cookie)
        != 1)
    {
        return AT_OK;
    }

    if (er->refresh_token.len
        && !at_str_equal(er->refresh_token, ngx_at_view(cookie)))
    {
        return AT_SEVERAL_REFRESH_TOKENS;
    }

    er->refresh_token = ngx_at_view(cookie);

    return AT_OK;
}


/*
 * One valid token is enough.  The job checks the refresh token, and whether an
 * expired access token is one of the two latest of its session.
 */

static at_verdict_e
ngx_at_logout_read_tokens(ngx_at_endpoint_request_t *er)
{
    at_verdict_e  verdict;

    verdict = ngx_at_endpoint_get_sessions(er);

    if (verdict == AT_OK) {
        verdict = ngx_at_logout_read_refresh_token(er);
    }

    if (verdict != AT_OK) {
        return verdict;
    }

    verdict = ngx_at_endpoint_verify_access_token(er);

    if (verdict == AT_OK || verdict == AT_EXPIRED || verdict == AT_TOO_OLD) {
        er->access_token = ngx_at_view(er->ctx->credential);
        er->access_expired = verdict != AT_OK;
        return AT_OK;
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


/* tokens without an active session are not worth a write */

static at_verdict_e
ngx_at_logout_revoke_session(ngx_at_endpoint_request_t *er)
{
    er->grant.now = ngx_at_now();
    er->session_result = at_session_is_active(er->sessions, er->refresh_token,
                                              er->access_token, er->grant.now,
                                              &er->err);

    return er->session_result == AT_SESSION_OK
           ? ngx_at_endpoint_post(er, ngx_at_logout_work, NGX_AT_JOB_WRITE)
           : AT_OK;
}


/*
 * A session that is unknown or was revoked before is a success as well, unless
 * only an expired access token was sent.
 */

static at_verdict_e
ngx_at_logout_check_result(ngx_at_endpoint_request_t *er)
{
    u_char     buf[NGX_AT_ESCAPED_NAME_LEN], line[NGX_AT_LOG_TEXT_LEN];
    ngx_str_t  user, text;

    if (er->session_result == AT_SESSION_FAILED) {
        ngx_log_error(NGX_LOG_ERR, er->request->connection->log, 0,
                      "auth_token: session not revoked: %s", er->err.text);
        return AT_UNAVAILABLE;
    }

    if (er->session_result == AT_SESSION_UNKNOWN) {
        user = ngx_at_escape_name(buf, er->ctx->identity_storage.user);
        text.data = line;
        text.len = ngx_snprintf(line, sizeof(line), "logout ended no session, "
                                "user: \"%V\"", &user)
                   - line;
        ngx_at_log_client_error(er->request, er->ctx, &text);

        if (er->access_expired && er->refresh_token.len == 0) {
            return AT_EXPIRED;
        }
    }

    ngx_str_set(&er->response, "{\"success\":true}");

    return AT_OK;
}


const ngx_at_step_pt  ngx_at_logout_steps[] = {
    ngx_at_check_post,
    ngx_at_read_body,
    ngx_at_logout_read_tokens,
    ngx_at_logout_revoke_session,
    ngx_at_logout_check_result,
    ngx_at_set_cookies,
    NULL
};
