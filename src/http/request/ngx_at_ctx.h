/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The context of a request: its credential, its identity and the decision.
 */

#ifndef NGX_AT_CTX_H
#define NGX_AT_CTX_H

#include "core/authz/at_cache.h"
#include "core/authz/at_endpoint_list.h"
#include "core/authz/at_identity.h"
#include "core/base/at_verdict.h"
#include "core/json/at_json.h"

#include "http/base/ngx_at_loc_conf.h"
#include "http/worker/ngx_at_job.h"


typedef enum {
    NGX_AT_UNDECIDED = 0,       /* also while a password is being checked */
    NGX_AT_GRANTED,
    NGX_AT_REFUSED,             /* nginx has the status, nothing is sent yet */
    NGX_AT_OVERRULED,           /* refused, then granted by another module
                                   under "satisfy any" */
    NGX_AT_BODY_PENDING,        /* the header of the refusal is sent: the
                                   next body is replaced by ctx->body */
    NGX_AT_BODY_SENT
} ngx_at_phase_e;


/*
 * Lives as long as the pool of the request.  r->ctx points to it only from a
 * refusal until a grant or an internal redirect, where nginx clears r->ctx.
 * While it does, a response with the status of the refusal is nginx's error
 * page, which the filters replace; afterwards it is a page of "error_page",
 * which they keep.
 */
typedef struct {
    const ngx_at_loc_conf_t  *conf;             /* of the present location */
    ngx_at_phase_e            phase;
    at_verdict_e              authenticated;    /* verdict on the credential */
    at_verdict_e              verdict;          /* unless undecided */

    ngx_uint_t                kind;             /* NGX_AT_BEARER ..., or 0 */
    ngx_str_t                 credential;
    const at_identity_t      *identity;         /* never NULL; in the cache, or
                                                   identity_storage */
    at_identity_t             identity_storage;
    at_cache_epoch_t          epoch;            /* when it was authenticated */
    int64_t                   verify_start;     /* nanoseconds; 0: unknown */
    int64_t                   verify_time;      /* nanoseconds; 0: unknown */
    const at_endpoint_t      *endpoint;         /* in the list, or NULL */

    void                     *password_check;   /* of Basic, while it runs */
    void                     *signature;        /* of a JWT, in a thread */
    void                     *endpoint_request; /* to a token endpoint */

    ngx_uint_t                status;           /* of the refusal */
    ngx_uint_t                returned_status;  /* of the phase handler */
    ngx_str_t                 body;
    const char               *allowed_methods;  /* for a 405 */
    time_t                    retry_at;         /* for a 429 */

    unsigned                  anonymous:1;      /* no credential was read */
    unsigned                  stale_snapshot:1; /* the store was read before
                                                   epoch.store was visible */
    unsigned                  logged:1;         /* once for each request */
} ngx_at_ctx_t;


/* NULL: the request has no context yet */
ngx_at_ctx_t *ngx_at_find_ctx(ngx_http_request_t *r);

/* creates it at the first call; NULL: no memory */
ngx_at_ctx_t *ngx_at_get_ctx(ngx_http_request_t *r);

/* starts over for a location: undecided, without credential and identity */
void ngx_at_ctx_reset(ngx_at_ctx_t *ctx, const ngx_at_loc_conf_t *atcf);

/* AT_PENDING; AT_BUSY if too many jobs of the kind wait, AT_FAILED */
at_verdict_e ngx_at_ctx_post(ngx_at_ctx_t *ctx, ngx_at_job_t *job,
    ngx_at_job_kind_e kind);

/* the claims of a verified JWT, which ctx owns; NULL: no JWT, no memory */
const at_json_value_t *ngx_at_claims(ngx_at_ctx_t *ctx);


static ngx_inline ngx_uint_t
ngx_at_identity_is_cached(const ngx_at_ctx_t *ctx)
{
    return ctx->identity != &ctx->identity_storage;
}


#endif
