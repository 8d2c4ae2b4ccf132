/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * "auth_token_login": a name and a password for two cookies.
 *
 *     body -> password -> tokens -> answer
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

#include "http/access/ngx_at_password.h"
#include "http/base/ngx_at_main_conf.h"
#include "http/store/ngx_at_session.h"
#include "http/token/ngx_at_body.h"
#include "http/token/ngx_at_endpoint.h"
#include "http/token/ngx_at_endpoint_request.h"
#include "http/token/ngx_at_grant.h"
#include "http/worker/ngx_at_job.h"


static void ngx_at_login_body(ngx_http_request_t *r);
static void ngx_at_login_checked(ngx_http_request_t *r);
static void ngx_at_login_granted(ngx_http_request_t *r);


static const at_str_t  ngx_at_login_names[] = {
    at_str("username"), at_str("password")
};


ngx_int_t
ngx_at_login_handler(ngx_http_request_t *r)
{
    at_verdict_e                verdict;
    ngx_at_endpoint_request_t  *call;

    call = ngx_at_endpoint_request_create(r);
    if (call == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    verdict = ngx_at_request_check_headers(r, call->ctx, "application/json");

    if (verdict == AT_OK && !call->ctx->conf->local_users) {
        verdict = AT_LOCAL_OFF;
    }

    return verdict == AT_OK
           ? ngx_at_endpoint_request_read_body(call, ngx_at_login_body)
           : ngx_at_endpoint_request_refuse(call, verdict);
}


/* the password is copied once, to where it is overwritten after its use */

static at_verdict_e
ngx_at_login_read(ngx_http_request_t *r, ngx_at_endpoint_request_t *call)
{
    char          *buf;
    at_str_t       body, values[2];
    at_fields_e    rc;
    at_verdict_e   verdict;

    verdict = ngx_at_get_body(r, &body);

    if (verdict != AT_OK) {
        return verdict;
    }

    buf = ngx_pnalloc(r->pool, body.len + 1);
    if (buf == NULL) {
        return AT_FAILED;
    }

    rc = at_fields_from_json(values, ngx_at_login_names, 2, body, buf);
    at_crypto_cleanse((void *) (uintptr_t) body.data, body.len);

    if (rc != AT_FIELDS_OK) {
        return rc == AT_FIELDS_INVALID ? AT_BAD_BODY : AT_FAILED;
    }

    call->check.issuer = call->issuer;
    call->check.only_issuer = call->ctx->conf->only_user_issuer;
    call->check.name = values[0];
    call->check.secret = values[1];

    return ngx_at_password_check_start(r, call->ctx, &call->check);
}


static void
ngx_at_login_body(ngx_http_request_t *r)
{
    ngx_at_endpoint_request_run(r, ngx_at_login_read, ngx_at_login_checked);
}


static at_verdict_e
ngx_at_login_grant(ngx_http_request_t *r, ngx_at_endpoint_request_t *call)
{
    at_verdict_e         verdict;
    at_user_record_t     user;
    const ngx_at_main_conf_t  *atmcf;

    verdict = ngx_at_password_check_finish_user(r, call->ctx, &call->check,
                                                &call->ctx->identity_storage, &user);
    if (verdict != AT_OK) {
        return verdict;
    }

    atmcf = ngx_http_get_module_main_conf(r, ngx_http_auth_token_module);

    call->grant.issuer = call->issuer;
    call->grant.sessions = ngx_at_sessions_get(atmcf);

    if (call->grant.sessions == NULL) {
        return AT_UNAVAILABLE;
    }

    if (ngx_at_grant_user(r, &call->grant, &user) != NGX_OK) {
        return AT_FAILED;
    }

    call->job.request = r;
    call->job.data = &call->grant;
    call->job.work = ngx_at_grant_sign;

    return ngx_at_job_post_signature(&call->job) == NGX_OK ? AT_PENDING
                                                           : AT_FAILED;
}


/* sessions may have been opened anew meanwhile: the pointer is fetched again */

static at_verdict_e
ngx_at_login_store(ngx_http_request_t *r, ngx_at_endpoint_request_t *call)
{
    const ngx_at_main_conf_t  *atmcf;

    if (!call->grant.is_signed) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "auth_token: no token was signed: %s",
                      call->grant.err.text);
        return AT_UNAVAILABLE;
    }

    atmcf = ngx_http_get_module_main_conf(r, ngx_http_auth_token_module);
    call->grant.sessions = ngx_at_sessions_get(atmcf);

    if (call->grant.sessions == NULL) {
        return AT_UNAVAILABLE;
    }

    call->job.work = ngx_at_grant_store;

    return ngx_at_job_post_write(&call->job) == NGX_OK ? AT_PENDING
                                                       : AT_FAILED;
}


static void
ngx_at_login_signed(ngx_http_request_t *r)
{
    ngx_at_endpoint_request_resume(r, ngx_at_login_store,
                                   ngx_at_login_granted);
}


static void
ngx_at_login_checked(ngx_http_request_t *r)
{
    ngx_at_endpoint_request_resume(r, ngx_at_login_grant, ngx_at_login_signed);
}


static void
ngx_at_login_granted(ngx_http_request_t *r)
{
    ngx_int_t                   rc;
    ngx_str_t                   body = ngx_string("{}");
    ngx_at_endpoint_request_t  *call;

    call = ngx_at_find_ctx(r)->endpoint_request;

    if (ngx_at_endpoint_request_is_busy(call)) {
        return;
    }

    if (call->grant.result != AT_SESSION_OK) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "auth_token: no session was begun: %s",
                      call->grant.err.text);
        rc = ngx_at_endpoint_request_refuse(call, AT_UNAVAILABLE);

    } else if (ngx_at_set_cookies(r, call->issuer, &call->grant) != NGX_OK) {
        rc = NGX_HTTP_INTERNAL_SERVER_ERROR;

    } else {
        rc = ngx_at_reply(r, NGX_HTTP_OK, &body, "no-store");
    }

    ngx_http_finalize_request(r, rc);
}
