/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Gauges that no single request changes.  One worker counts sessions, and API
 * tokens that expire soon.  It has to visit all records for this, in threads,
 * and spends at most a twentieth of its time.
 */

#include "http/metrics/ngx_at_metrics_zone.h"

#include "core/session/at_session_db.h"
#include "core/store/at_store_stats.h"

#include "http/base/ngx_at_time.h"
#include "http/store/ngx_at_session.h"
#include "http/store/ngx_at_store.h"
#include "http/worker/ngx_at_worker.h"


#define NGX_AT_METRICS_INTERVAL   1000  /* milliseconds */
#define NGX_AT_METRICS_PAUSE      2000  /* between two visits, at least */
#define NGX_AT_METRICS_SHARE      20
#define NGX_AT_METRICS_EXPIRY     (7 * 24 * 3600 * (int64_t) 1000)

/* expiries also come closer without a change of the store */
#define NGX_AT_METRICS_MAX_AGE    60000


/* a visit of all records; times of ngx_at_steady_now() */
typedef struct {
    int64_t            now;             /* the time for expiries */
    int64_t            started;
    int64_t            next;            /* not before */
    int64_t            n;               /* result; -1: unknown */
} ngx_at_metrics_visit_t;

/* the thread only writes to n of its visit */
static struct {
    ngx_at_metrics_visit_t  tokens;
    at_store_t             *store;
    uint64_t                revision;
    ngx_thread_task_t       task;

    ngx_at_metrics_visit_t  sessions;
    ngx_at_job_t            job;
} ngx_at_metrics_visits;


static void
ngx_at_metrics_begin_visit(ngx_at_metrics_visit_t *visit)
{
    visit->now = ngx_at_now();
    visit->started = ngx_at_steady_now();
    visit->n = -1;
}


static void
ngx_at_metrics_end_visit(ngx_at_metrics_visit_t *visit)
{
    int64_t  now;

    now = ngx_at_steady_now();
    visit->next = now + ngx_max(NGX_AT_METRICS_PAUSE,
                                NGX_AT_METRICS_SHARE * (now - visit->started));
}


/* --- API tokens that expire soon ----------------------------------------- */


static void
ngx_at_metrics_visit_tokens(void *data, ngx_log_t *log)
{
    uint64_t                 n;
    ngx_at_metrics_visit_t  *visit;

    visit = &ngx_at_metrics_visits.tokens;

    if (at_store_count_expiring(ngx_at_metrics_visits.store, visit->now,
                                visit->now + NGX_AT_METRICS_EXPIRY, &n)
        == 0)
    {
        visit->n = n;
    }
}


static void
ngx_at_metrics_end_tokens(void)
{
    at_store_pin(ngx_at_metrics_visits.store, 0);
    ngx_at_metrics_visits.store = NULL;

    ngx_at_metrics_end_visit(&ngx_at_metrics_visits.tokens);

    if (ngx_at_metrics_zone) {
        ngx_at_metrics_zone->expiring = ngx_at_metrics_visits.tokens.n;
    }
}


static void
ngx_at_metrics_tokens_done(ngx_event_t *ev)
{
    ev->complete = 0;
    ngx_at_metrics_end_tokens();
}


static void
ngx_at_metrics_poll_tokens(const ngx_at_main_conf_t *atmcf)
{
    int64_t                  now;
    uint64_t                 revision;
    at_store_t              *store;
    ngx_thread_task_t       *task;
    ngx_at_metrics_visit_t  *visit;

    visit = &ngx_at_metrics_visits.tokens;
    store = ngx_at_store_get(atmcf);
    now = ngx_at_steady_now();

    if (store == NULL || ngx_at_metrics_visits.store || now < visit->next) {
        return;
    }

    revision = ngx_at_store_generation(atmcf);

    if (visit->n >= 0 && revision == ngx_at_metrics_visits.revision
        && now - visit->started < NGX_AT_METRICS_MAX_AGE)
    {
        return;
    }

    ngx_at_metrics_begin_visit(visit);
    ngx_at_metrics_visits.revision = revision;

    task = &ngx_at_metrics_visits.task;
    task->handler = ngx_at_metrics_visit_tokens;
    task->event.handler = ngx_at_metrics_tokens_done;

    ngx_at_metrics_visits.store = store;
    at_store_pin(store, 1);

    if (ngx_thread_task_post(atmcf->thread_pool, task) != NGX_OK) {
        ngx_at_metrics_end_tokens();
    }
}


/* --- sessions ------------------------------------------------------------ */


static void
ngx_at_metrics_visit_sessions(ngx_at_job_t *job)
{
    at_error_t               ignored;
    ngx_at_metrics_visit_t  *visit;

    visit = &ngx_at_metrics_visits.sessions;
    visit->n = at_session_db_count_live(ngx_at_worker.sessions.handle,
                                        visit->now, &ignored);
}


static void
ngx_at_metrics_sessions_done(ngx_at_job_t *job)
{
    ngx_at_metrics_end_visit(&ngx_at_metrics_visits.sessions);

    /* without a master process, a reload may have removed the zone */

    if (ngx_at_metrics_zone) {
        ngx_at_metrics_zone->sessions = ngx_at_metrics_visits.sessions.n;
    }
}


static void
ngx_at_metrics_poll_sessions(const ngx_at_main_conf_t *atmcf)
{
    ngx_at_job_t            *job;
    ngx_at_metrics_visit_t  *visit;

    job = &ngx_at_metrics_visits.job;
    visit = &ngx_at_metrics_visits.sessions;

    if (job->busy || ngx_at_steady_now() < visit->next
        || ngx_at_sessions_get(atmcf) == NULL)
    {
        return;
    }

    ngx_at_metrics_begin_visit(visit);

    job->work = ngx_at_metrics_visit_sessions;
    job->done = ngx_at_metrics_sessions_done;

    (void) ngx_at_job_post(job, NGX_AT_JOB_WRITE);
}


/* --- gauges of this process ---------------------------------------------- */


void
ngx_at_metrics_publish(void)
{
    const at_cache_stats_t   *stats;
    ngx_at_metrics_gauges_t   gauges;

    ngx_memzero(&gauges, sizeof(ngx_at_metrics_gauges_t));

    if (ngx_at_worker.cache) {
        stats = at_cache_stats(ngx_at_worker.cache);
        gauges.cache_entries = stats->entries;
        gauges.cache_bytes = stats->bytes;
    }

    gauges.queued[0] = ngx_at_worker.hash_queue.n;
    gauges.queued[1] = ngx_at_worker.verify_queue.n;
    gauges.queued[2] = ngx_at_worker.write_queue.n;
    gauges.updated = ngx_at_steady_now();

    ngx_at_metrics_zone->gauges[ngx_process_slot] = gauges;
    ngx_at_metrics_add_cache();
}


static void
ngx_at_metrics_poll(const ngx_at_main_conf_t *atmcf, ngx_log_t *log)
{
    if (ngx_at_metrics_zone == NULL) {
        return;
    }

    ngx_at_metrics_publish();

    if (ngx_worker != 0 || ngx_exiting) {
        return;
    }

    if (atmcf->store_path.data) {
        ngx_at_metrics_poll_tokens(atmcf);
    }

    if (atmcf->write_pool) {
        ngx_at_metrics_poll_sessions(atmcf);
    }
}


ngx_int_t
ngx_at_metrics_watch(ngx_cycle_t *cycle, const ngx_at_main_conf_t *atmcf)
{
    if (ngx_at_metrics_zone == NULL) {
        return NGX_OK;
    }

    ngx_at_metrics_poll(atmcf, cycle->log);

    return ngx_at_watch(cycle, NGX_AT_METRICS_INTERVAL, 1, ngx_at_metrics_poll,
                        atmcf);
}


void
ngx_at_metrics_exit(void)
{
    if (ngx_at_metrics_zone) {
        ngx_at_metrics_add_cache();
        ngx_at_metrics_zone->gauges[ngx_process_slot].updated = 0;
    }
}
