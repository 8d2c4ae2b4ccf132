/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "http/token/ngx_at_endpoint_request.h"

#include "core/jose/at_jwt.h"

#include "http/access/ngx_at_access.h"
#include "http/base/ngx_at_loc_conf.h"
#include "http/base/ngx_at_str.h"
#include "http/keys/ngx_at_keys.h"
#include "http/request/ngx_at_credential.h"
#include "http/request/ngx_at_origin.h"
#include "http/request/ngx_at_refuse.h"
#include "http/store/ngx_at_session.h"
#include "http/token/ngx_at_reply.h"
#include "http/worker/ngx_at_worker.h"


/* --- JWK Set (RFC 7517 section 5) ---------------------------------------- */


static at_verdict_e
ngx_at_get_jwks(ngx_at_endpoint_request_t *er)
{
    er->response = er->issuer->jwks;
    er->cache_control = "public, max-age=300";

    return AT_OK;
}


const ngx_at_step_pt  ngx_at_jwks_steps[] = {
    ngx_at_check_get, ngx_at_get_jwks, NULL
};


/* --- authorization server metadata (RFC 8414) ---------------------------- */


static at_verdict_e
ngx_at_get_metadata(ngx_at_endpoint_request_t *er)
{
    er->response = er->ctx->conf->metadata;
    er->cache_control = "public, max-age=300";

    return AT_OK;
}


const ngx_at_step_pt  ngx_at_metadata_steps[] = {
    ngx_at_check_get, ngx_at_get_metadata, NULL
};


/* --- requests ------------------------------------------------------------ */


void
ngx_at_endpoint_resume(ngx_http_request_t *r)
{
    at_verdict_e                verdict;
    ngx_at_endpoint_request_t  *er;

    er = ngx_at_find_ctx(r)->endpoint_request;

    if (er->job.busy || er->password_check.job.busy) {
        return;
    }

    if (r->connection->error) {
        ngx_http_finalize_request(r, NGX_ERROR);
        return;
    }

    r->write_event_handler = ngx_at_endpoint_resume;

    while (*er->next_step) {
        verdict = (*er->next_step++)(er);

        if (verdict == AT_PENDING) {
            return;
        }

        if (verdict != AT_OK) {
            er->verdict = verdict;
            er->done = 1;
            ngx_http_finalize_request(r, er->oauth
                                         ? ngx_at_oauth_refuse(er, verdict)
                                         : ngx_at_refuse(r, er->ctx, verdict));
            return;
        }
    }

    er->verdict = AT_OK;
    er->done = 1;
    ngx_http_finalize_request(r, ngx_at_reply(r, NGX_HTTP_OK, &er->response,
                                              er->cache_control));
}


ngx_int_t
ngx_at_endpoint_handler(ngx_http_request_t *r)
{
    ngx_at_ctx_t               *ctx;
    ngx_pool_cleanup_t         *cln;
    const ngx_at_loc_conf_t    *atcf;
    ngx_at_endpoint_request_t  *er, *other;

    ctx = ngx_at_get_ctx(r);
    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_at_endpoint_request_t));

    if (ctx == NULL || cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    other = ctx->endpoint_request;

    if (other && other->request != r && !other->done) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "auth_token: token endpoint in a subrequest while "
                      "another token endpoint is active: \"%V\"", &r->uri);
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    atcf = ngx_http_get_module_loc_conf(r, ngx_http_auth_token_module);

    /* discard the identity that the access phase has authenticated */

    ngx_at_ctx_reset(ctx, atcf);

    er = cln->data;
    cln->handler = ngx_at_grant_free;
    ctx->endpoint_request = er;

    ngx_memzero(er, sizeof(ngx_at_endpoint_request_t));
    er->request = r;
    er->ctx = ctx;
    er->main_conf = ngx_http_get_module_main_conf(r,
                                                  ngx_http_auth_token_module);
    er->issuer = atcf->token_endpoint_issuer;
    er->next_step = atcf->token_endpoint->steps;
    er->oauth = er->next_step == ngx_at_oauth_steps;
    er->cache_control = "no-store";
    ngx_str_set(&er->response, "{}");

    r->main->count++;   /* until the request is finalized by a step */

    ngx_at_endpoint_resume(r);

    return NGX_DONE;
}


/* --- steps -------------------------------------------------------------- */


at_verdict_e
ngx_at_check_get(ngx_at_endpoint_request_t *er)
{
    if (er->request->method & (NGX_HTTP_GET|NGX_HTTP_HEAD)) {
        return AT_OK;
    }

    er->ctx->allowed_methods = "GET, HEAD";

    return AT_BAD_METHOD;
}


at_verdict_e
ngx_at_check_post(ngx_at_endpoint_request_t *er)
{
    if (er->request->method != NGX_HTTP_POST) {
        er->ctx->allowed_methods = "POST";
        return AT_BAD_METHOD;
    }

    return ngx_at_origin_allowed(er->request, er->ctx->conf)
           ? AT_OK : AT_ORIGIN_NOT_ALLOWED;
}


at_verdict_e
ngx_at_endpoint_verify_access_token(ngx_at_endpoint_request_t *er)
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


at_verdict_e
ngx_at_endpoint_get_sessions(ngx_at_endpoint_request_t *er)
{
    er->sessions = ngx_at_sessions_get(er->main_conf);

    return er->sessions ? AT_OK : AT_UNAVAILABLE;
}


at_verdict_e
ngx_at_endpoint_post(ngx_at_endpoint_request_t *er, ngx_at_job_pt work,
    ngx_at_job_kind_e kind)
{
    /* the database may have been reopened since the last event */

    if (kind == NGX_AT_JOB_WRITE
        && ngx_at_endpoint_get_sessions(er) != AT_OK)
    {
        return AT_UNAVAILABLE;
    }

    er->job.request = er->request;
    er->job.data = er;
    er->job.work = work;
    er->session_result = AT_SESSION_FAILED;
    (void) at_error(&er->err, "the thread task was not run");

    return ngx_at_ctx_post(er->ctx, &er->job, kind);
}
