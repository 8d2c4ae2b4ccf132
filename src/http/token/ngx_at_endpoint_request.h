/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * A request to a token endpoint: the content handler of these locations.
 */

#ifndef NGX_AT_ENDPOINT_REQUEST_H
#define NGX_AT_ENDPOINT_REQUEST_H

#include "core/base/at_error.h"
#include "core/session/at_session.h"

#include "http/access/ngx_at_password.h"
#include "http/request/ngx_at_ctx.h"
#include "http/token/ngx_at_grant.h"
#include "http/worker/ngx_at_job.h"


typedef struct ngx_at_endpoint_request_s  ngx_at_endpoint_request_t;

/*
 * An endpoint is a table of steps, which ends with NULL.  They run in order;
 * after the last one the response is sent.  A step returns:
 *
 *     AT_OK       the next step follows
 *     AT_PENDING  the next step follows once the body was read or the posted
 *                 job is done
 *     another     the request is refused for this reason
 */
typedef at_verdict_e (*ngx_at_step_pt)(ngx_at_endpoint_request_t *er);

extern const ngx_at_step_pt  ngx_at_login_steps[];
extern const ngx_at_step_pt  ngx_at_refresh_steps[];
extern const ngx_at_step_pt  ngx_at_logout_steps[];
extern const ngx_at_step_pt  ngx_at_oauth_steps[];
extern const ngx_at_step_pt  ngx_at_jwks_steps[];
extern const ngx_at_step_pt  ngx_at_session_info_steps[];
extern const ngx_at_step_pt  ngx_at_metadata_steps[];

/* a kind of endpoint: the location's configuration points to it */
struct ngx_at_token_endpoint_s {
    ngx_str_t              directive;
    const ngx_at_step_pt  *steps;
    ngx_uint_t             needs;               /* checked by the directive */
};

/* ctx->endpoint_request points here; created zeroed in the request's pool */
struct ngx_at_endpoint_request_s {
    ngx_http_request_t         *request;
    ngx_at_ctx_t               *ctx;
    const ngx_at_main_conf_t   *main_conf;
    const ngx_at_issuer_t      *issuer;
    const ngx_at_step_pt       *next_step;
    unsigned                    oauth:1;            /* errors of RFC 6749 */
    unsigned                    done:1;             /* no step follows */
    at_verdict_e                verdict;            /* once it is done */

    ngx_at_password_check_t     password_check;
    at_str_t                    refresh_token;      /* that the client sent */
    at_str_t                    access_token;       /* that the client sent */
    at_str_t                    scope;
    unsigned                    access_expired:1;
    unsigned                    unsupported_grant_type:1;

    ngx_at_job_t                job;                /* its data: this struct */
    at_session_db_t            *sessions;
    ngx_at_grant_t              grant;
    at_session_e                session_result;     /* set by the job */
    at_error_t                  err;                /* set by the job */

    ngx_str_t                   response;           /* JSON */
    const char                 *cache_control;      /* "no-store" by default */
};

/*
 * A request and its subrequests share one context, so only one of them may
 * have an unfinished endpoint request.
 */
ngx_int_t ngx_at_endpoint_handler(ngx_http_request_t *r);

/* runs steps: on a write event, after the body was read, after each job */
void ngx_at_endpoint_resume(ngx_http_request_t *r);

/* an error of RFC 6749; returns a value for ngx_http_finalize_request() */
ngx_int_t ngx_at_oauth_refuse(ngx_at_endpoint_request_t *er,
    at_verdict_e verdict);

/* steps: the method is GET or HEAD; it is POST, and the origin is allowed */
at_verdict_e ngx_at_check_get(ngx_at_endpoint_request_t *er);
at_verdict_e ngx_at_check_post(ngx_at_endpoint_request_t *er);

/*
 * Verifies the access token, in the Authorization header or else in the
 * cookie, and sets credential and identity_storage of er->ctx.  AT_EXPIRED and
 * AT_TOO_OLD: everything but the time is right.
 */
at_verdict_e ngx_at_endpoint_verify_access_token(
    ngx_at_endpoint_request_t *er);

/* sets er->sessions, valid until the event ends: AT_OK, AT_UNAVAILABLE */
at_verdict_e ngx_at_endpoint_get_sessions(ngx_at_endpoint_request_t *er);

/* ends a step: AT_PENDING, or why the job was not posted */
at_verdict_e ngx_at_endpoint_post(ngx_at_endpoint_request_t *er,
    ngx_at_job_pt work, ngx_at_job_kind_e kind);


#endif
