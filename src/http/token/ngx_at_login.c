/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * "auth_token_login": exchanges a user name and a password for an access token
 * and a refresh token, both in cookies.
 */

#include "http/token/ngx_at_endpoint_request.h"

#include "core/base/at_crypto.h"
#include "core/session/at_session_token.h"

#include "http/store/ngx_at_session.h"
#include "http/token/ngx_at_body.h"
#include "http/token/ngx_at_reply.h"


static at_verdict_e
ngx_at_login_check_enabled(ngx_at_endpoint_request_t *er)
{
    return er->ctx->conf->local_users ? AT_OK : AT_LOGIN_DISABLED;
}


static at_verdict_e
ngx_at_login_check_password(ngx_at_endpoint_request_t *er)
{
    static const at_str_t  names[] = {
        at_str("username"), at_str("password")
    };

    at_str_t      values[2];
    at_verdict_e  verdict;

    verdict = ngx_at_sessions_check_space(er->main_conf);

    if (verdict == AT_OK) {
        verdict = ngx_at_parse_body(er, values, names, 2, at_fields_from_json);
    }

    if (verdict != AT_OK) {
        return verdict;
    }

    if (values[0].data == NULL) {
        return AT_BAD_BODY;
    }

    /* the password is cleansed after the check */

    er->password_check.issuer = er->issuer;
    er->password_check.only_issuer = er->ctx->conf->only_user_issuer;
    er->password_check.name = values[0];
    er->password_check.secret = values[1];

    return ngx_at_password_check_start(er->request, er->ctx,
                                       &er->password_check);
}


static at_verdict_e
ngx_at_login_sign(ngx_at_endpoint_request_t *er)
{
    at_verdict_e  verdict;

    verdict = ngx_at_password_check_finish(er->request, er->ctx,
                                           &er->password_check);
    if (verdict == AT_OK) {
        verdict = ngx_at_endpoint_get_sessions(er);
    }

    if (verdict == AT_OK && at_session_set_id(&er->grant.session) != 0) {
        verdict = AT_FAILED;
    }

    if (verdict == AT_OK) {
        verdict = ngx_at_grant_user(er, &er->password_check.user);
    }

    return verdict == AT_OK ? ngx_at_endpoint_post(er, ngx_at_grant_sign,
                                                   NGX_AT_JOB_SIGNATURE)
                            : verdict;
}


static at_verdict_e
ngx_at_login_create_session(ngx_at_endpoint_request_t *er)
{
    return ngx_at_endpoint_post(er, ngx_at_grant_store, NGX_AT_JOB_WRITE);
}


const ngx_at_step_pt  ngx_at_login_steps[] = {
    ngx_at_check_json_post,
    ngx_at_login_check_enabled,
    ngx_at_read_body,
    ngx_at_login_check_password,
    ngx_at_login_sign,
    ngx_at_grant_check_signature,
    ngx_at_login_create_session,
    ngx_at_grant_check_session,
    ngx_at_set_cookies,
    NULL
};
