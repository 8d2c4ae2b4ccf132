/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "http/store/ngx_at_uses.h"

#include "core/base/at_crypto.h"
#include "core/base/at_error.h"
#include "core/session/at_token_use.h"

#include "http/base/ngx_at_time.h"
#include "http/worker/ngx_at_job.h"
#include "http/worker/ngx_at_worker.h"


#define NGX_AT_USE_TABLE_SIZE  1024  /* a power of two */
#define NGX_AT_USE_TABLE_MAX   768


/* a hash table with linear probing; count 0: an empty slot */
struct ngx_at_use_table_s {
    at_token_use_t  uses[NGX_AT_USE_TABLE_SIZE];
    ngx_uint_t      n;
};


ngx_int_t
ngx_at_uses_init(ngx_log_t *log)
{
    ngx_at_worker_uses_t *uses = &ngx_at_worker.uses;

    uses->counting = ngx_calloc(sizeof(ngx_at_use_table_t), log);
    uses->storing = ngx_calloc(sizeof(ngx_at_use_table_t), log);

    return uses->counting && uses->storing ? NGX_OK : NGX_ERROR;
}


void
ngx_at_count_use(at_str_t api_token)
{
    uint32_t             i;
    unsigned char        digest[AT_SHA256_LEN];
    at_token_use_t      *use;
    ngx_at_use_table_t  *table;

    table = ngx_at_worker.uses.counting;

    if (table == NULL || at_sha256(digest, api_token) != 0) {
        return;
    }

    ngx_memcpy(&i, digest, sizeof(i));

    for ( ;; i++) {
        use = &table->uses[i & (NGX_AT_USE_TABLE_SIZE - 1)];

        if (use->count == 0
            || ngx_memcmp(use->digest, digest, AT_SHA256_LEN) == 0)
        {
            break;
        }
    }

    if (use->count == 0) {

        if (table->n == NGX_AT_USE_TABLE_MAX) {
            ngx_at_worker.uses.lost++;
            return;
        }

        table->n++;
        ngx_memcpy(use->digest, digest, AT_SHA256_LEN);
    }

    use->count++;
    use->last = ngx_at_now();
}


static void
ngx_at_uses_swap(ngx_at_worker_uses_t *uses)
{
    ngx_at_use_table_t  *table;

    table = uses->counting;
    uses->counting = uses->storing;
    uses->storing = table;
}


static void
ngx_at_uses_work(ngx_at_job_t *job)
{
    ngx_at_worker_uses_t *uses = job->data;

    ngx_uint_t       i, n;
    at_token_use_t  *use;

    use = uses->storing->uses;
    n = 0;

    for (i = 0; i < NGX_AT_USE_TABLE_SIZE; i++) {
        if (use[i].count) {
            use[n++] = use[i];
        }
    }

    job->failed = at_token_use_add(ngx_at_worker.sessions.handle, use, n,
                                   &uses->err)
                  != 0;
}


static void
ngx_at_uses_done(ngx_at_job_t *job)
{
    ngx_at_worker_uses_t *uses = job->data;

    if (job->failed) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "auth_token: uses of API tokens not stored: %s",
                      uses->err.text);
    }

    ngx_memzero(uses->storing, sizeof(ngx_at_use_table_t));
}


void
ngx_at_uses_store(void)
{
    ngx_at_worker_uses_t *uses = &ngx_at_worker.uses;

    if (uses->job.busy || uses->counting->n == 0) {
        return;
    }

    if (uses->lost) {
        ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                      "auth_token: %ui uses of API tokens not counted: "
                      "too many tokens within seconds", uses->lost);
        uses->lost = 0;
    }

    uses->job.data = uses;
    uses->job.work = ngx_at_uses_work;
    uses->job.done = ngx_at_uses_done;

    (void) at_error(&uses->err, "the thread task was not run");

    ngx_at_uses_swap(uses);

    if (ngx_at_job_post(&uses->job, NGX_AT_JOB_WRITE) != NGX_OK) {
        ngx_at_uses_swap(uses);
    }
}


void
ngx_at_uses_exit(void)
{
    ngx_at_worker_uses_t *uses = &ngx_at_worker.uses;

    if (uses->counting && uses->counting->n && ngx_at_worker.sessions.handle) {
        ngx_at_uses_swap(uses);
        uses->job.data = uses;
        ngx_at_uses_work(&uses->job);
        ngx_at_uses_done(&uses->job);
    }

    ngx_free(uses->counting);
    ngx_free(uses->storing);
    uses->counting = NULL;
    uses->storing = NULL;
}
