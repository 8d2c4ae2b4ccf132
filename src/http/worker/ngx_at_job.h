/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Jobs: work that is done in a thread while a request waits, and the thread
 * pools of nginx that run them.
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

/*
 * A signature runs in the thread of hashes, before waiting hashes: RSA at
 * normal priority would delay other requests.  The number of signatures is
 * limited by the number of hashes, which precede them.
 */
typedef enum {
    NGX_AT_JOB_HASH,            /* of a password: a thread of low priority */
    NGX_AT_JOB_SIGNATURE,
    NGX_AT_JOB_VERIFY,          /* a slow signature: in the thread of keys */
    NGX_AT_JOB_WRITE            /* to the session database */
} ngx_at_job_kind_e;

#define NGX_AT_OWNER_LEN  16

/*
 * A worker process has one thread for a queue.  It runs one job at a time, or
 * all waiting writes: they share one transaction and one sync.  Jobs run in
 * rounds, each of which has one job of an owner (fair queuing).
 */
typedef struct {
    ngx_thread_pool_t   *pool;
    ngx_queue_t          jobs;                  /* not running yet */
    ngx_uint_t           n;
    ngx_queue_t          running;
    ngx_uint_t           max_running;
    ngx_uint_t           round;                 /* of the last started job */
    ngx_thread_task_t    task;
} ngx_at_job_queue_t;

/*
 * Zeroed and filled by the caller, who keeps it until the job is done.  While
 * the job waits or runs the request is blocked; then its write event handler
 * is called.  If the client closes the connection, a waiting job is removed.
 */
struct ngx_at_job_s {
    ngx_http_request_t  *request;               /* or NULL */
    void                *data;
    const u_char        *owner;         /* NGX_AT_OWNER_LEN bytes, or NULL:
                                           who shares the thread fairly */
    ngx_at_job_check_pt  is_needed;     /* or NULL; called before a waiting
                                           job starts, 0: it is not run */
    ngx_at_job_pt        prepare;       /* or NULL; called in the thread,
                                           before the transaction */
    ngx_at_job_pt        work;          /* called in the thread; a write is
                                           repeated if the group fails */
    ngx_at_job_pt        done;                  /* without a request */

    ngx_queue_t          link;
    ngx_at_job_queue_t  *queue;
    ngx_uint_t           round;
    ngx_event_t          timer;
    unsigned             waiting:1;             /* in the queue */
    unsigned             busy:1;                /* waits or runs */
    unsigned             failed:1;              /* could not be run */
};

char *ngx_at_set_thread_pool(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/*
 * Once the http block was read: sets atmcf->thread_pool if a directive needs
 * it, and the pools of the queues, of one thread each.
 */
ngx_int_t ngx_at_resolve_thread_pools(ngx_conf_t *cf,
    ngx_at_main_conf_t *atmcf);

void ngx_at_job_init(const ngx_at_main_conf_t *atmcf);

/* NGX_OK, NGX_BUSY if too many jobs of its kind or owner wait, NGX_ERROR */
ngx_int_t ngx_at_job_post(ngx_at_job_t *job, ngx_at_job_kind_e kind);

/* 1 if no write waits or runs */
ngx_uint_t ngx_at_write_queue_is_idle(void);


#endif
