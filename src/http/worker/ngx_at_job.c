/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Jobs: a request is held while a thread works for it.  Two queues, in each one
 * at a time of a worker: signing and durable writes in nginx's thread pool,
 * hashes in a thread of their own, of low priority, so that a storm of logins
 * takes only the time that no other request wants.
 */

#include "http/worker/ngx_at_job.h"

#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/resource.h>

#include "core/base/at_crypto.h"

#include "http/base/ngx_at_main_conf.h"


#define NGX_AT_HASH_QUEUE_MAX   64  /* that wait */
#define NGX_AT_WRITE_QUEUE_MAX  1024

/* only to be seen: a worker does not end while there is a timer */
#define NGX_AT_JOB_TIME  60000


typedef struct {
    ngx_queue_t    queue;
    ngx_uint_t     n;
    ngx_at_job_t  *running;
} ngx_at_queue_t;


static void ngx_at_hash_run_next(void);
static void ngx_at_write_run_next(void);


static ngx_at_queue_t  ngx_at_write_queue;

/* the thread of this process; next is handed over under the lock */

static struct {
    ngx_at_queue_t     queue;

    pthread_t          thread;
    pthread_mutex_t    lock;
    pthread_cond_t     wake;
    ngx_at_job_t      *next;
    ngx_uint_t         quit;
    ngx_uint_t         started;

    int                fd;                      /* of an eventfd */
    ngx_connection_t  *connection;
} ngx_at_hash_worker = {
    .lock = PTHREAD_MUTEX_INITIALIZER,
    .wake = PTHREAD_COND_INITIALIZER,
    .fd = -1
};


/* --- requests that wait -------------------------------------------------- */


static void
ngx_at_job_timeout(ngx_event_t *ev)
{
    ngx_log_error(NGX_LOG_ALERT, ev->log, 0,
                  "auth_token: a thread works for more than a minute");
}


static void
ngx_at_job_release_request(ngx_at_job_t *job)
{
    job->busy = 0;

    if (job->request) {
        job->request->main->blocked--;
        job->request->read_event_handler = ngx_http_block_reading;
    }

    if (job->timer.timer_set) {
        ngx_del_timer(&job->timer);
    }
}


/* the client is gone: what runs is waited for, what waits is dropped */

static void
ngx_at_job_cleanup(void *data)
{
    ngx_at_job_t *job = data;

    if (job->waiting) {
        ngx_queue_remove(&job->queue);
        (*job->waiting)--;
        job->waiting = NULL;

        ngx_at_job_release_request(job);
    }
}


static ngx_int_t
ngx_at_job_hold_request(ngx_at_job_t *job)
{
    ngx_http_cleanup_t  *cln;
    ngx_http_request_t  *r;

    r = job->request;
    job->failed = 0;

    if (r) {
        cln = ngx_http_cleanup_add(r, 0);
        if (cln == NULL) {
            return NGX_ERROR;
        }

        cln->handler = ngx_at_job_cleanup;
        cln->data = job;

        r->main->blocked++;
        r->read_event_handler = ngx_http_test_reading;

        job->timer.handler = ngx_at_job_timeout;
        job->timer.data = job;
        job->timer.log = r->connection->log;

        ngx_add_timer(&job->timer, NGX_AT_JOB_TIME);
    }

    job->busy = 1;

    return NGX_OK;
}


static void
ngx_at_job_finish(ngx_at_job_t *job)
{
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = job->request;

    ngx_at_job_release_request(job);

    if (r == NULL) {
        job->done(job);
        return;
    }

    c = r->connection;
    ngx_http_set_log_request(c->log, r);

    r->write_event_handler(r);

    ngx_http_run_posted_requests(c);
}


/* --- queues -------------------------------------------------------------- */


static ngx_int_t
ngx_at_queue_push(ngx_at_queue_t *q, ngx_at_job_t *job, ngx_uint_t max)
{
    if (q->queue.next == NULL) {
        ngx_queue_init(&q->queue);
    }

    if (q->n >= max) {
        return NGX_BUSY;
    }

    if (ngx_at_job_hold_request(job) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_queue_insert_tail(&q->queue, &job->queue);
    job->waiting = &q->n;
    q->n++;

    return NGX_OK;
}


/* the job to run now, or NULL */

static ngx_at_job_t *
ngx_at_queue_pop(ngx_at_queue_t *q)
{
    ngx_queue_t   *head;
    ngx_at_job_t  *job;

    if (q->running || ngx_queue_empty(&q->queue)) {
        return NULL;
    }

    head = ngx_queue_head(&q->queue);
    ngx_queue_remove(head);

    job = ngx_queue_data(head, ngx_at_job_t, queue);
    job->waiting = NULL;
    q->n--;
    q->running = job;

    return job;
}


/* --- nginx's thread pool ------------------------------------------------- */


static void
ngx_at_write_handler(void *data, ngx_log_t *log)
{
    ngx_at_job_t *job = data;

    job->work(job);

    at_crypto_thread_cleanup();
}


static void
ngx_at_write_done(ngx_event_t *ev)
{
    ngx_at_job_t *job = ev->data;

    ngx_at_write_queue.running = NULL;
    ngx_at_write_run_next();

    ngx_at_job_finish(job);
}


static ngx_int_t
ngx_at_write_post(ngx_at_job_t *job)
{
    ngx_thread_pool_t   *pool;
    const ngx_at_main_conf_t  *atmcf;

    atmcf = ngx_http_cycle_get_module_main_conf(ngx_cycle,
                                                ngx_http_auth_token_module);
    pool = atmcf->thread_pool;

    job->task.ctx = job;
    job->task.handler = ngx_at_write_handler;
    job->task.event.handler = ngx_at_write_done;
    job->task.event.data = job;

    if (pool && ngx_thread_task_post(pool, &job->task) == NGX_OK) {
        return NGX_OK;
    }

    ngx_at_write_queue.running = NULL;
    job->failed = 1;

    return NGX_ERROR;
}


static void
ngx_at_write_run_next(void)
{
    ngx_at_job_t  *job;

    while ((job = ngx_at_queue_pop(&ngx_at_write_queue)) != NULL) {
        if (ngx_at_write_post(job) == NGX_OK) {
            return;
        }

        ngx_at_job_finish(job);
    }
}


ngx_int_t
ngx_at_job_post_write(ngx_at_job_t *job)
{
    ngx_int_t  rc;

    rc = ngx_at_queue_push(&ngx_at_write_queue, job, NGX_AT_WRITE_QUEUE_MAX);

    if (rc != NGX_OK || ngx_at_write_queue.running) {
        return rc;
    }

    /* nothing runs: it is the only one */

    job = ngx_at_queue_pop(&ngx_at_write_queue);

    if (ngx_at_write_post(job) != NGX_OK) {
        ngx_at_job_release_request(job);
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_uint_t
ngx_at_write_queue_is_idle(void)
{
    return ngx_at_write_queue.running == NULL
           && ngx_at_write_queue.n == 0;
}


/* --- the thread of hashes ------------------------------------------------ */


/* it never gets out of the way of a worker otherwise; a worker could not go back */

static void
ngx_at_hash_worker_lower_priority(void)
{
    struct sched_param  param;

    ngx_memzero(&param, sizeof(param));

    if (sched_setscheduler(0, SCHED_IDLE, &param) != 0) {
        (void) setpriority(PRIO_PROCESS, 0, 19);
    }
}


static ngx_at_job_t *
ngx_at_hash_wait(void)
{
    ngx_at_job_t  *job;

    (void) pthread_mutex_lock(&ngx_at_hash_worker.lock);

    while (ngx_at_hash_worker.next == NULL && !ngx_at_hash_worker.quit) {
        (void) pthread_cond_wait(&ngx_at_hash_worker.wake,
                                 &ngx_at_hash_worker.lock);
    }

    job = ngx_at_hash_worker.quit ? NULL
                                  : ngx_at_hash_worker.next;
    ngx_at_hash_worker.next = NULL;

    (void) pthread_mutex_unlock(&ngx_at_hash_worker.lock);

    return job;
}


static void *
ngx_at_hash_cycle(void *data)
{
    uint64_t       one = 1;
    ngx_at_job_t  *job;

    ngx_at_hash_worker_lower_priority();

    while ((job = ngx_at_hash_wait()) != NULL) {
        job->work(job);
        (void) !write(ngx_at_hash_worker.fd, &one, sizeof(one));
    }

    return NULL;
}


static void
ngx_at_hash_worker_event_handler(ngx_event_t *ev)
{
    uint64_t       n;
    ngx_at_job_t  *job;

    if (read(ngx_at_hash_worker.fd, &n, sizeof(n)) != sizeof(n)) {
        n = 0;
    }

    ev->ready = 0;

    if (ngx_handle_read_event(ev, 0) != NGX_OK) {
        ngx_log_error(NGX_LOG_ALERT, ev->log, 0,
                      "auth_token: the end of a hash will not be noticed");
    }

    job = n ? ngx_at_hash_worker.queue.running : NULL;

    if (job) {
        ngx_at_hash_worker.queue.running = NULL;
        ngx_at_hash_run_next();
        ngx_at_job_finish(job);
    }
}


static ngx_int_t
ngx_at_hash_worker_open_eventfd(void)
{
    ngx_connection_t  *c;

    if (ngx_at_hash_worker.fd == -1) {
        ngx_at_hash_worker.fd = eventfd(0, EFD_NONBLOCK|EFD_CLOEXEC);
    }

    if (ngx_at_hash_worker.fd == -1) {
        return NGX_ERROR;
    }

    c = ngx_get_connection(ngx_at_hash_worker.fd, ngx_cycle->log);
    if (c == NULL) {
        return NGX_ERROR;
    }

    c->log = ngx_cycle->log;
    c->read->log = ngx_cycle->log;
    c->read->handler = ngx_at_hash_worker_event_handler;

    if (ngx_handle_read_event(c->read, 0) != NGX_OK) {
        ngx_free_connection(c);
        return NGX_ERROR;
    }

    ngx_at_hash_worker.connection = c;

    return NGX_OK;
}


/* signals are the event loop's */

static ngx_int_t
ngx_at_hash_start(void)
{
    int       err;
    sigset_t  all, old;

    if (ngx_at_hash_worker.connection == NULL
        && ngx_at_hash_worker_open_eventfd() != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_at_hash_worker.started) {
        return NGX_OK;
    }

    sigfillset(&all);
    (void) pthread_sigmask(SIG_BLOCK, &all, &old);

    err = pthread_create(&ngx_at_hash_worker.thread, NULL,
                         ngx_at_hash_cycle, NULL);

    (void) pthread_sigmask(SIG_SETMASK, &old, NULL);

    if (err) {
        ngx_log_error(NGX_LOG_ALERT, ngx_cycle->log, err,
                      "auth_token: pthread_create() failed");
        return NGX_ERROR;
    }

    ngx_at_hash_worker.started = 1;

    return NGX_OK;
}


static void
ngx_at_hash_worker_assign(ngx_at_job_t *job)
{
    (void) pthread_mutex_lock(&ngx_at_hash_worker.lock);
    ngx_at_hash_worker.next = job;
    (void) pthread_cond_signal(&ngx_at_hash_worker.wake);
    (void) pthread_mutex_unlock(&ngx_at_hash_worker.lock);
}


/* what is not worth its time any more ends here */

static void
ngx_at_hash_run_next(void)
{
    ngx_at_job_t  *job;

    while ((job = ngx_at_queue_pop(&ngx_at_hash_worker.queue)) != NULL) {
        if (job->ready == NULL || job->ready(job)) {
            break;
        }

        ngx_at_hash_worker.queue.running = NULL;
        ngx_at_job_finish(job);
    }

    if (job) {
        ngx_at_hash_worker_assign(job);
    }
}


ngx_int_t
ngx_at_job_post_hash(ngx_at_job_t *job)
{
    ngx_int_t  rc;

    if (ngx_at_hash_start() != NGX_OK) {
        return NGX_ERROR;
    }

    rc = ngx_at_queue_push(&ngx_at_hash_worker.queue, job,
                           NGX_AT_HASH_QUEUE_MAX);

    if (rc != NGX_OK || ngx_at_hash_worker.queue.running) {
        return rc;
    }

    /*
     * It is not asked again whether it is worth it: in another worker that may
     * have changed just now, and then the request would end while its handler
     * is at work, here.
     */

    ngx_at_hash_worker_assign(ngx_at_queue_pop(&ngx_at_hash_worker.queue));

    return NGX_OK;
}


/*
 * RSA at the priority of the event loop would be felt by other requests.  Who
 * comes here has waited for a hash already: there is room for it.
 */

ngx_int_t
ngx_at_job_post_signature(ngx_at_job_t *job)
{
    ngx_at_queue_t  *q;

    q = &ngx_at_hash_worker.queue;

    if (ngx_at_hash_start() != NGX_OK
        || ngx_at_job_hold_request(job) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (q->queue.next == NULL) {
        ngx_queue_init(&q->queue);
    }

    ngx_queue_insert_head(&q->queue, &job->queue);
    job->waiting = &q->n;
    q->n++;

    if (q->running == NULL) {
        ngx_at_hash_worker_assign(ngx_at_queue_pop(q));
    }

    return NGX_OK;
}


/* a cycle has connections of its own, where one process is all there is */

void
ngx_at_hash_init(ngx_cycle_t *cycle)
{
    ngx_at_hash_worker.connection = NULL;

    if (ngx_at_hash_worker.started) {
        (void) ngx_at_hash_worker_open_eventfd();
    }
}


/* the hash that runs is waited for: what it reads is about to go */

void
ngx_at_hash_exit(void)
{
    if (ngx_at_hash_worker.started) {
        (void) pthread_mutex_lock(&ngx_at_hash_worker.lock);
        ngx_at_hash_worker.quit = 1;
        (void) pthread_cond_signal(&ngx_at_hash_worker.wake);
        (void) pthread_mutex_unlock(&ngx_at_hash_worker.lock);

        (void) pthread_join(ngx_at_hash_worker.thread, NULL);
        ngx_at_hash_worker.started = 0;
    }

    if (ngx_at_hash_worker.connection) {
        ngx_close_connection(ngx_at_hash_worker.connection);
        ngx_at_hash_worker.connection = NULL;
    }
}
