/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Whether a name and a secret belong together.
 */

#ifndef NGX_AT_PASSWORD_H
#define NGX_AT_PASSWORD_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "core/authz/at_identity.h"
#include "core/authz/at_record.h"
#include "core/base/at_str.h"
#include "core/base/at_verdict.h"

#include "http/access/ngx_at_throttle.h"
#include "http/base/ngx_at_issuer.h"
#include "http/request/ngx_at_ctx.h"
#include "http/worker/ngx_at_job.h"


typedef struct {
    ngx_at_job_t            job;
    ngx_at_throttle_key_t   pair;
    const ngx_at_issuer_t  *issuer;                 /* NULL: nobody's */
    ngx_uint_t              only_issuer;
    at_str_t                name;            /* both are the caller's, which */
    at_str_t                secret;             /* is overwritten at the end */
    unsigned                client:1;           /* not a user */

    /* inside */
    at_str_t                hashes[AT_CLIENT_SECRETS_MAX];
    ngx_uint_t              n;
    unsigned                known:1;
    unsigned                right:1;
    unsigned                judged:1;
    unsigned                throttled:1;
} ngx_at_password_check_t;

/*
 * AT_PENDING while the request is held, or why there is no need to.  Whether the
 * name exists makes no difference to what is done, nor to what it takes.
 */
at_verdict_e ngx_at_password_check_start(ngx_http_request_t *r,
    ngx_at_ctx_t *ctx, ngx_at_password_check_t *check);

/*
 * Once the request goes on.  identity must be nobody before, and is who it was
 * on AT_OK, with the record of this moment.
 */
at_verdict_e ngx_at_password_check_finish_user(ngx_http_request_t *r,
    ngx_at_ctx_t *ctx, ngx_at_password_check_t *check,
    at_identity_t *identity, at_user_record_t *user);
at_verdict_e ngx_at_password_check_finish_client(ngx_http_request_t *r,
    ngx_at_ctx_t *ctx, ngx_at_password_check_t *check,
    at_identity_t *identity, at_client_record_t *client);


#endif
