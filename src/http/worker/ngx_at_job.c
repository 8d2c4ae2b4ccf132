/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "http/worker/ngx_at_job.h"

#include <sched.h>
#include <sys/resource.h>

#include "core/base/at_crypto.h"

#include "http/worker/ngx_at_worker.h"


#if !(NGX_THREADS)
#error "auth_token needs nginx with threads (--with-threads)"
#endif


#define NGX_AT_HASH_QUEUE_MAX    64
#define NGX_AT_OWNER_JOBS_MAX    32    /* of them */
#define NGX_AT_VERIFY_QUEUE_MAX  512   /* a quarter of a second */
#define NGX_AT_WRITE_QUEUE_MAX   1024

/* a refresh waits for the signatures of the others in its transaction */
#define NGX_AT_WRITE_GROUP_MAX  32

/* milliseconds; a worker does not exit while the timer is set */
#define NGX_AT_JOB_TIMEOUT  60000


extern ngx_module_t  ngx_thread_pool_module;

static void ngx_at_job_run_next(ngx_at_job_queue_t *q);


/* --- thread pools -------------------------------------------------------- */


char *
ngx_at_set_thread_pool(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_at_main_conf_t *atmcf = conf;

    ngx_str_t  *value;

    if (atmcf->thread_pool_name.data) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (value[1].len == 0) {
        return ngx_at_conf_invalid_value(cf, &value[1],
                                         "use the name of a thread pool");
    }

    atmcf->thread_pool_name = value[1];

    /* add it now, so that nginx reports an unknown pool with this line */

    return ngx_thread_pool_add(cf, &atmcf->thread_pool_name) ? NGX_CONF_OK
                                                             : NGX_CONF_ERROR;
}


/*
 * A pool of one thread.  nginx has no function for a pool with a given number
 * of threads: call the handler of its "thread_pool" directive.
 */

static ngx_thread_pool_t *
ngx_at_add_thread(ngx_conf_t *cf, char *pool)
{
    char           *rv;
    ngx_str_t       name = { ngx_strlen(pool), (u_char *) pool };
    ngx_str_t       args[] = { ngx_string("thread_pool"), name,
                               ngx_string("threads=1") };
    ngx_array_t    *saved, array;
    ngx_command_t  *cmd;

    ngx_memzero(&array, sizeof(ngx_array_t));
    array.elts = args;
    array.nelts = 3;

    cmd = ngx_thread_pool_module.commands;

    saved = cf->args;
    cf->args = &array;
    rv = cmd->set(cf, cmd, NULL);
    cf->args = saved;

    return rv == NGX_CONF_OK ? ngx_thread_pool_add(cf, &name) : NULL;
}


ngx_int_t
ngx_at_resolve_thread_pools(ngx_conf_t *cf, ngx_at_main_conf_t *atmcf)
{
    if (atmcf->needs_thread_pool) {
        atmcf->thread_pool = ngx_thread_pool_add(cf,
                                 atmcf->thread_pool_name.data
                                 ? &atmcf->thread_pool_name : NULL);
        if (atmcf->thread_pool == NULL) {
            return NGX_ERROR;
        }
    }

    if (atmcf->store_path.data && atmcf->state_position.line) {
        atmcf->write_pool = ngx_at_add_thread(cf, "auth_token_write");
        if (atmcf->write_pool == NULL) {
            return NGX_ERROR;
        }
    }

    if (atmcf->needs_throttle) {
        atmcf->hash_pool = ngx_at_add_thread(cf, "auth_token_hash");
        if (atmcf->hash_pool == NULL) {
            return NGX_ERROR;
        }
    }

    if (atmcf->issuers.nelts) {
        atmcf->key_pool = ngx_at_add_thread(cf, "auth_token_keys");
        if (atmcf->key_pool == NULL) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static void
ngx_at_job_queue_init(ngx_at_job_queue_t *q, ngx_thread_pool_t *pool,
    ngx_uint_t max_running)
{
    q->pool = pool;
    q->max_running = max_running;
    q->round = 1;
    ngx_queue_init(&q->jobs);
    ngx_queue_init(&q->running);
}


void
ngx_at_job_init(const ngx_at_main_conf_t *atmcf)
{
    ngx_at_job_queue_init(&ngx_at_worker.hash_queue, atmcf->hash_pool, 1);
    ngx_at_job_queue_init(&ngx_at_worker.verify_queue, atmcf->key_pool, 1);
    ngx_at_job_queue_init(&ngx_at_worker.write_queue, atmcf->write_pool,
                          NGX_AT_WRITE_GROUP_MAX);
}


/* --- the request of a job ------------------------------------------------ */


static void
ngx_at_job_timeout(ngx_event_t *ev)
{
    ngx_log_error(NGX_LOG_ALERT, ev->log, 0,
                  "auth_token: thread task still running after %ds",
                  NGX_AT_JOB_TIMEOUT / 1000);
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


static void
ngx_at_job_dequeue(ngx_at_job_t *job)
{
    ngx_queue_remove(&job->link);
    job->queue->n--;
    job->waiting = 0;
}


/* when the request ends: waits for a running job, removes a waiting job */

static void
ngx_at_job_cleanup(void *data)
{
    ngx_at_job_t *job = data;

    if (job->waiting) {
        ngx_at_job_dequeue(job);
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

        ngx_add_timer(&job->timer, NGX_AT_JOB_TIMEOUT);
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


/*
 * SCHED_IDLE: must not compete with the event loop; irreversible without
 * privileges.
 */

static void
ngx_at_job_lower_priority(void)
{
    static __thread ngx_uint_t  lowered;

    struct sched_param  param;

    if (lowered) {
        return;
    }

    lowered = 1;
    ngx_memzero(&param, sizeof(param));

    if (sched_setscheduler(0, SCHED_IDLE, &param) != 0) {
        (void) setpriority(PRIO_PROCESS, 0, 19);
    }
}


static void
ngx_at_job_run_all(ngx_at_job_queue_t *q)
{
    ngx_queue_t   *link;
    ngx_at_job_t  *job;

    for (link = ngx_queue_head(&q->running);
         link != ngx_queue_sentinel(&q->running);
         link = ngx_queue_next(link))
    {
        job = ngx_queue_data(link, ngx_at_job_t, link);
        job->work(job);
    }
}


static void
ngx_at_job_thread_handler(void *data, ngx_log_t *log)
{
    ngx_at_job_queue_t *q = data;

    ngx_uint_t        n;
    at_error_t        err;
    ngx_queue_t      *link;
    ngx_at_job_t     *job;
    at_session_db_t  *sessions;

    if (q == &ngx_at_worker.hash_queue) {
        ngx_at_job_lower_priority();
    }

    n = 0;

    for (link = ngx_queue_head(&q->running);
         link != ngx_queue_sentinel(&q->running);
         link = ngx_queue_next(link))
    {
        job = ngx_queue_data(link, ngx_at_job_t, link);
        n++;

        if (job->prepare) {
            job->prepare(job);
        }
    }

    /* the handle changes at any time, but not while writes run */
    sessions = n > 1 ? ngx_at_worker.sessions.handle : NULL;

    if (n == 1 || at_session_db_begin_group(sessions, &err) != 0) {
        ngx_at_job_run_all(q);

    } else {
        ngx_at_job_run_all(q);

        if (at_session_db_end_group(sessions, &err) != 0) {
            ngx_at_job_run_all(q);
        }
    }

    at_crypto_thread_cleanup();
}


static void
ngx_at_job_finish_all(ngx_queue_t *jobs)
{
    ngx_queue_t   *link;

    while (!ngx_queue_empty(jobs)) {
        link = ngx_queue_head(jobs);
        ngx_queue_remove(link);
        ngx_at_job_finish(ngx_queue_data(link, ngx_at_job_t, link));
    }
}


static void
ngx_at_job_event_handler(ngx_event_t *ev)
{
    ngx_at_job_queue_t *q = ev->data;

    ngx_queue_t  done;

    ngx_queue_init(&done);
    ngx_queue_add(&done, &q->running);
    ngx_queue_init(&q->running);

    ngx_at_job_run_next(q);
    ngx_at_job_finish_all(&done);
}


/* starts the first waiting jobs, none of which is running */

static ngx_int_t
ngx_at_job_start(ngx_at_job_queue_t *q)
{
    ngx_uint_t    n;
    ngx_at_job_t  *job;

    for (n = 0; n < q->max_running && !ngx_queue_empty(&q->jobs); n++) {
        job = ngx_queue_data(ngx_queue_head(&q->jobs), ngx_at_job_t, link);
        ngx_at_job_dequeue(job);
        ngx_queue_insert_tail(&q->running, &job->link);
        q->round = ngx_max(q->round, job->round);
    }

    q->task.ctx = q;
    q->task.handler = ngx_at_job_thread_handler;
    q->task.event.handler = ngx_at_job_event_handler;
    q->task.event.data = q;

    return ngx_thread_task_post(q->pool, &q->task);
}


/* jobs that cannot be started fail */

static void
ngx_at_job_abandon(ngx_at_job_queue_t *q, ngx_queue_t *jobs)
{
    ngx_queue_t   *link;
    ngx_at_job_t  *job;

    ngx_queue_init(jobs);
    ngx_queue_add(jobs, &q->running);
    ngx_queue_init(&q->running);

    for (link = ngx_queue_head(jobs);
         link != ngx_queue_sentinel(jobs);
         link = ngx_queue_next(link))
    {
        job = ngx_queue_data(link, ngx_at_job_t, link);
        job->failed = 1;
    }
}


static void
ngx_at_job_run_next(ngx_at_job_queue_t *q)
{
    ngx_queue_t    failed;
    ngx_at_job_t  *job;

    while (ngx_queue_empty(&q->running) && !ngx_queue_empty(&q->jobs)) {

        job = ngx_queue_data(ngx_queue_head(&q->jobs), ngx_at_job_t, link);

        if (job->is_needed && !job->is_needed(job)) {
            ngx_at_job_dequeue(job);
            ngx_at_job_finish(job);

        } else if (ngx_at_job_start(q) != NGX_OK) {
            ngx_at_job_abandon(q, &failed);
            ngx_at_job_finish_all(&failed);
        }
    }
}


/* the jobs of the owner that wait; sets the round of its next one */

static ngx_uint_t
ngx_at_job_count_owner(ngx_at_job_queue_t *q, ngx_at_job_t *job)
{
    ngx_uint_t     n;
    ngx_queue_t   *link;
    ngx_at_job_t  *other;

    n = 0;
    job->round = q->round;

    if (job->owner == NULL) {
        return 0;
    }

    for (link = ngx_queue_head(&q->jobs);
         link != ngx_queue_sentinel(&q->jobs);
         link = ngx_queue_next(link))
    {
        other = ngx_queue_data(link, ngx_at_job_t, link);

        if (other->owner
            && ngx_memcmp(other->owner, job->owner, NGX_AT_OWNER_LEN) == 0)
        {
            n++;
            job->round = ngx_max(job->round, other->round + 1);
        }
    }

    return n;
}


/* after the jobs of the same round */

static void
ngx_at_job_enqueue(ngx_at_job_queue_t *q, ngx_at_job_t *job)
{
    ngx_queue_t   *link;
    ngx_at_job_t  *other;

    link = ngx_queue_last(&q->jobs);

    while (link != ngx_queue_sentinel(&q->jobs)) {
        other = ngx_queue_data(link, ngx_at_job_t, link);

        if (other->round <= job->round) {
            break;
        }

        link = ngx_queue_prev(link);
    }

    ngx_queue_insert_after(link, &job->link);

    job->queue = q;
    job->waiting = 1;
    q->n++;
}


/*
 * The only job of a queue starts without a call of is_needed(): the caller has
 * just checked, and the request must not be resumed inside its own handler.
 * If other jobs wait although none runs, ngx_at_job_run_next() is active and
 * starts the next one.
 */

ngx_int_t
ngx_at_job_post(ngx_at_job_t *job, ngx_at_job_kind_e kind)
{
    ngx_queue_t          failed;
    ngx_at_job_queue_t  *q;

    q = kind == NGX_AT_JOB_WRITE ? &ngx_at_worker.write_queue
        : kind == NGX_AT_JOB_VERIFY ? &ngx_at_worker.verify_queue
        : &ngx_at_worker.hash_queue;

    if ((kind == NGX_AT_JOB_WRITE && q->n >= NGX_AT_WRITE_QUEUE_MAX)
        || (kind == NGX_AT_JOB_VERIFY && q->n >= NGX_AT_VERIFY_QUEUE_MAX)
        || (kind == NGX_AT_JOB_HASH && q->n >= NGX_AT_HASH_QUEUE_MAX)
        || ngx_at_job_count_owner(q, job) >= NGX_AT_OWNER_JOBS_MAX)
    {
        return NGX_BUSY;
    }

    if (q->pool == NULL || ngx_at_job_hold_request(job) != NGX_OK) {
        return NGX_ERROR;
    }

    if (kind == NGX_AT_JOB_SIGNATURE) {
        job->round = 0;
    }

    ngx_at_job_enqueue(q, job);

    if (ngx_queue_empty(&q->running) && q->n == 1
        && ngx_at_job_start(q) != NGX_OK)
    {
        ngx_at_job_abandon(q, &failed);
        ngx_at_job_release_request(job);
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_uint_t
ngx_at_write_queue_is_idle(void)
{
    return ngx_queue_empty(&ngx_at_worker.write_queue.running)
           && ngx_at_worker.write_queue.n == 0;
}
