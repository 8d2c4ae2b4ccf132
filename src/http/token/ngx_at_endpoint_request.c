/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "http/token/ngx_at_endpoint_request.h"

#include "http/base/ngx_at_loc_conf.h"
#include "http/request/ngx_at_refuse.h"
#include "http/store/ngx_at_session.h"
#include "http/token/ngx_at_reply.h"


/* runs steps: on a write event, after the body was read, after each job */

static void
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
            er->done = 1;
            ngx_http_finalize_request(r, er->refuse(er, verdict));
            return;
        }
    }

    er->done = 1;
    ngx_http_finalize_request(r, ngx_at_reply(r, NGX_HTTP_OK, &er->response,
                                              er->cache_control));
}


ngx_int_t
ngx_at_endpoint_handle(ngx_http_request_t *r, const ngx_at_step_pt *steps,
    ngx_at_endpoint_refuse_pt refuse)
{
    ngx_at_ctx_t               *ctx;
    const ngx_at_loc_conf_t    *atcf;
    ngx_at_endpoint_request_t  *er, *other;

    ctx = ngx_at_get_ctx(r);
    er = ngx_pcalloc(r->pool, sizeof(ngx_at_endpoint_request_t));

    if (ctx == NULL || er == NULL) {
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
    ctx->endpoint_request = er;

    er->request = r;
    er->ctx = ctx;
    er->main_conf = ngx_http_get_module_main_conf(r,
                                                  ngx_http_auth_token_module);
    er->issuer = atcf->token_endpoint_issuer;
    er->next_step = steps;
    er->refuse = refuse;
    er->cache_control = "no-store";
    ngx_str_set(&er->response, "{}");

    r->main->count++;   /* until the request is finalized by a step */

    ngx_at_endpoint_resume(r);

    return NGX_DONE;
}


ngx_int_t
ngx_at_endpoint_refuse(ngx_at_endpoint_request_t *er, at_verdict_e verdict)
{
    return ngx_at_refuse(er->request, er->ctx, verdict);
}


at_verdict_e
ngx_at_endpoint_read_body(ngx_at_endpoint_request_t *er)
{
    ngx_int_t            rc;
    ngx_http_request_t  *r;

    r = er->request;

    /* passwords must not be written to a file */

    r->request_body_in_single_buf = 1;
    r->request_body_in_file_only = 0;

    /* all remaining steps may run before this function returns */

    rc = ngx_http_read_client_request_body(r, ngx_at_endpoint_resume);

    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
        ngx_http_finalize_request(r, rc);

    } else {
        r->main->count--;   /* ngx_at_endpoint_handle() holds the request */
    }

    return AT_PENDING;
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

    switch (ngx_at_job_post(&er->job, kind)) {

    case NGX_OK:
        return AT_PENDING;

    case NGX_BUSY:
        return AT_UNAVAILABLE;

    default:
        return AT_FAILED;
    }
}
