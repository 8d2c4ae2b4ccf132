/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "http/access/ngx_at_access.h"

#include "http/worker/ngx_at_job.h"


typedef struct {
    ngx_at_job_t   job;
    at_deferred_t  deferred;
} ngx_at_signature_t;


/* in the thread */

static void
ngx_at_signature_work(ngx_at_job_t *job)
{
    ngx_at_signature_t *signature = job->data;

    at_deferred_run(&signature->deferred);
}


static void
ngx_at_signature_cleanup(void *data)
{
    ngx_at_signature_t *signature = data;

    at_deferred_free(&signature->deferred);
}


at_verdict_e
ngx_at_signature_start(ngx_http_request_t *r, ngx_at_ctx_t *ctx,
    at_deferred_t *deferred)
{
    ngx_pool_cleanup_t  *cln;
    ngx_at_signature_t  *signature;

    signature = ctx->signature;

    if (signature == NULL) {
        cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_at_signature_t));
        if (cln == NULL) {
            at_deferred_free(deferred);
            return AT_FAILED;
        }

        signature = cln->data;
        ngx_memzero(&signature->job, sizeof(ngx_at_job_t));
        signature->deferred = *deferred;
        cln->handler = ngx_at_signature_cleanup;
        ctx->signature = signature;
    }

    signature->job.request = r;
    signature->job.data = signature;
    signature->job.work = ngx_at_signature_work;

    return ngx_at_ctx_post(ctx, &signature->job, NGX_AT_JOB_VERIFY);
}


at_verdict_e
ngx_at_signature_finish(ngx_at_ctx_t *ctx, at_deferred_t **deferred)
{
    ngx_at_signature_t  *signature;

    signature = ctx->signature;

    if (signature == NULL || signature->job.failed) {
        return AT_FAILED;
    }

    *deferred = &signature->deferred;

    return signature->job.busy ? AT_PENDING : AT_OK;
}
