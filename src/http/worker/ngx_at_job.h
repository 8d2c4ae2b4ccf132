/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Work of a request, or of nobody, in a thread.
 */

#ifndef NGX_AT_JOB_H
#define NGX_AT_JOB_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


#if !(NGX_THREADS)
#error "auth_token needs nginx with threads (--with-threads)"
#endif


typedef struct ngx_at_job_s  ngx_at_job_t;

typedef void (*ngx_at_job_pt)(ngx_at_job_t *job);
typedef ngx_uint_t (*ngx_at_ready_pt)(ngx_at_job_t *job);

/*
 * Zeroed, and then filled by who posts it.  A request is held as long as its job
 * waits or runs, and goes on with its write event handler; where its client is
 * gone, a job that waits is dropped.
 */
struct ngx_at_job_s {
    ngx_http_request_t  *request;               /* or NULL */
    void                *data;
    ngx_at_ready_pt      ready;                /* of a hash: 0: not any more */
    ngx_at_job_pt        work;                  /* in the thread */
    ngx_at_job_pt        done;                  /* without a request */

    ngx_queue_t          queue;
    ngx_thread_task_t    task;
    ngx_event_t          timer;
    ngx_uint_t          *waiting;           /* of which queue, while it does */
    unsigned             busy:1;                /* waits or runs */
    unsigned             failed:1;              /* and never ran */
};

/* NGX_OK, NGX_BUSY for a full queue, NGX_ERROR */

/* in a thread of this worker alone, of low priority: hashes */
ngx_int_t ngx_at_job_post_hash(ngx_at_job_t *job);

/* the same, before any that waits: what signs for a password that was right */
ngx_int_t ngx_at_job_post_signature(ngx_at_job_t *job);

/* in nginx's thread pool, one at a time of a worker: what writes */
ngx_int_t ngx_at_job_post_write(ngx_at_job_t *job);

/* 1 while none of the latter waits or runs */
ngx_uint_t ngx_at_write_queue_is_idle(void);

void ngx_at_hash_init(ngx_cycle_t *cycle);
void ngx_at_hash_exit(void);


#endif
