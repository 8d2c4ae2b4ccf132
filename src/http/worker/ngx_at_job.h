/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Jobs: work that is done in a thread while a request waits.
 */

#ifndef NGX_AT_JOB_H
#define NGX_AT_JOB_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "http/base/ngx_at_main_conf.h"


typedef struct ngx_at_job_s  ngx_at_job_t;

typedef void (*ngx_at_job_pt)(ngx_at_job_t *job);
typedef ngx_uint_t (*ngx_at_job_check_pt)(ngx_at_job_t *job);

/* at most one job of a queue runs at a time in a worker process */
typedef struct {
    ngx_thread_pool_t   *pool;
    ngx_queue_t          jobs;                  /* not running yet */
    ngx_uint_t           n;
    ngx_at_job_t        *running;
} ngx_at_job_queue_t;

/*
 * Zeroed and filled by the caller, who keeps it until the job is done.  While
 * the job waits or runs the request is blocked; then its write event handler
 * is called.  If the client closes the connection, a waiting job is removed.
 */
struct ngx_at_job_s {
    ngx_http_request_t  *request;               /* or NULL */
    void                *data;
    ngx_at_job_check_pt  is_needed;     /* or NULL; called before a waiting
                                           job starts, 0: it is not run */
    ngx_at_job_pt        work;                  /* called in the thread */
    ngx_at_job_pt        done;                  /* without a request */

    ngx_queue_t          link;
    ngx_at_job_queue_t  *queue;                 /* while it waits, or NULL */
    ngx_thread_task_t    task;
    ngx_event_t          timer;
    unsigned             busy:1;                /* waits or runs */
    unsigned             failed:1;              /* could not be run */
};

void ngx_at_job_init(const ngx_at_main_conf_t *atmcf);

/* NGX_OK, NGX_BUSY if too many jobs wait, NGX_ERROR */

/* password hashes: in a thread of low priority */
ngx_int_t ngx_at_job_post_hash(ngx_at_job_t *job);

/* signatures for checked passwords: in that thread, before waiting hashes */
ngx_int_t ngx_at_job_post_signature(ngx_at_job_t *job);

/* writes to the session database: in the pool of "auth_token_thread_pool" */
ngx_int_t ngx_at_job_post_write(ngx_at_job_t *job);

/* 1 if no write waits or runs */
ngx_uint_t ngx_at_write_queue_is_idle(void);


#endif
