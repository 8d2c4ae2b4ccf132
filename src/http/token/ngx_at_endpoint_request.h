/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * A request to a token endpoint.
 */

#ifndef NGX_AT_ENDPOINT_REQUEST_H
#define NGX_AT_ENDPOINT_REQUEST_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "core/base/at_str.h"
#include "core/base/at_verdict.h"
#include "core/session/at_session.h"
#include "core/store/at_store_digest.h"

#include "http/access/ngx_at_password.h"
#include "http/base/ngx_at_issuer.h"
#include "http/request/ngx_at_ctx.h"
#include "http/token/ngx_at_grant.h"
#include "http/worker/ngx_at_job.h"


/* a call of the token API; ctx->endpoint_request points here */
typedef struct {
    ngx_http_request_t      *request;
    ngx_at_ctx_t            *ctx;
    const ngx_at_issuer_t   *issuer;
    ngx_at_password_check_t  check;
    ngx_at_grant_t           grant;
    ngx_at_job_t             job;
    at_str_t                 refresh;
    at_str_t                 access;
    at_str_t                 scope;
    at_session_e             ended;
    at_error_t               err;           /* of ended */
} ngx_at_endpoint_request_t;

/* the call of a location's handler; NULL where memory failed */
ngx_at_endpoint_request_t *ngx_at_endpoint_request_create(ngx_http_request_t *r);

/* ends the request with a refusal */
ngx_int_t ngx_at_endpoint_request_refuse(ngx_at_endpoint_request_t *call,
    at_verdict_e verdict);

/* 1 while a job of the call is busy, or where its client is gone: return, then */
ngx_uint_t ngx_at_endpoint_request_is_busy(ngx_at_endpoint_request_t *call);

/*
 * A step of a call goes on with next, when its job is done: AT_PENDING, or it
 * is refused by its verdict.  To resume is the same once no job waits or runs.
 */
typedef at_verdict_e (*ngx_at_endpoint_step_pt)(ngx_http_request_t *r,
    ngx_at_endpoint_request_t *call);

void ngx_at_endpoint_request_run(ngx_http_request_t *r,
    ngx_at_endpoint_step_pt step, ngx_http_event_handler_pt next);
void ngx_at_endpoint_request_resume(ngx_http_request_t *r,
    ngx_at_endpoint_step_pt step, ngx_http_event_handler_pt next);

/* the read body is the handler's; the value to return from a content handler */
ngx_int_t ngx_at_endpoint_request_read_body(ngx_at_endpoint_request_t *call,
    ngx_http_client_body_handler_pt handler);

/* a status, a JSON text, "Cache-Control: no-store" unless cache says else */
ngx_int_t ngx_at_reply(ngx_http_request_t *r, ngx_uint_t status,
    const ngx_str_t *json, const char *cache);

/* both cookies; grant NULL: they are cleared */
ngx_int_t ngx_at_set_cookies(ngx_http_request_t *r,
    const ngx_at_issuer_t *issuer,
    const ngx_at_grant_t *grant);


#endif
