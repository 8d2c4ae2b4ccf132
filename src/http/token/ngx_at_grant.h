/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * A user's tokens, made in a job.
 */

#ifndef NGX_AT_GRANT_H
#define NGX_AT_GRANT_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "core/authz/at_record.h"
#include "core/base/at_error.h"
#include "core/base/at_str.h"
#include "core/session/at_session.h"

#include "http/base/ngx_at_issuer.h"
#include "http/worker/ngx_at_job.h"


typedef struct {
    const ngx_at_issuer_t  *issuer;
    at_session_db_t        *sessions;
    at_session_t            session;
    at_str_t                used;               /* refresh token, or empty */
    size_t                  max_length;
    char                   *claims;
    char                   *access;
    u_char                 *refresh;
    int64_t                 now;                /* milliseconds */
    at_session_e            result;
    at_error_t              err;
    unsigned                is_signed:1;
} ngx_at_grant_t;

/* NGX_OK, with a cleanup in the request's pool; NGX_ERROR */
ngx_int_t ngx_at_grant_user(ngx_http_request_t *r,
    ngx_at_grant_t *grant, const at_user_record_t *user);
ngx_int_t ngx_at_grant_client(ngx_http_request_t *r,
    ngx_at_grant_t *grant, at_str_t client, at_str_t audience);

/* the work of a job, whose data is the grant: its two halves, and both */
void ngx_at_grant_sign(ngx_at_job_t *job);
void ngx_at_grant_store(ngx_at_job_t *job);
void ngx_at_grant_sign_and_store(ngx_at_job_t *job);


#endif
