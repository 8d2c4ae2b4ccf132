/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Checks the password of a user or the secret of a client.  A thread hashes
 * it, unless the name and address are throttled.  An unknown name takes the
 * same steps and the same time as an existing one.
 */

#ifndef NGX_AT_PASSWORD_H
#define NGX_AT_PASSWORD_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "core/authz/at_record.h"
#include "core/base/at_str.h"
#include "core/base/at_verdict.h"

#include "http/access/ngx_at_throttle.h"
#include "http/base/ngx_at_main_conf.h"
#include "http/request/ngx_at_ctx.h"
#include "http/worker/ngx_at_job.h"


typedef struct {
    /* set by the caller */
    const ngx_at_issuer_t  *issuer;         /* NULL: none is configured */
    ngx_uint_t              only_issuer;
    at_str_t                name;           /* in memory of the caller */
    at_str_t                secret;         /* in memory of the caller;
                                               the check cleanses it */
    unsigned                is_client:1;    /* else a user */

    /* set on AT_OK: the present record of the name */
    at_user_record_t        user;
    at_client_record_t      client;

    /* private */
    ngx_at_job_t            job;
    ngx_at_throttle_t       throttle;       /* name and address */
    ngx_at_throttle_t       address;
    at_str_t                hashes[AT_CLIENT_SECRETS_MAX];
    ngx_uint_t              n;
    unsigned                known:1;        /* the name exists */
    unsigned                compared:1;     /* else hashing failed */
    unsigned                matches:1;
    unsigned                throttled:1;    /* while the job was queued */
} ngx_at_password_check_t;

/* AT_PENDING: the request waits for the job; else no check is needed */
at_verdict_e ngx_at_password_check_start(ngx_http_request_t *r,
    ngx_at_ctx_t *ctx, ngx_at_password_check_t *check);

/* the verdict once the job is done; AT_OK: ctx->identity_storage is set */
at_verdict_e ngx_at_password_check_finish(ngx_http_request_t *r,
    ngx_at_ctx_t *ctx, ngx_at_password_check_t *check);


#endif
