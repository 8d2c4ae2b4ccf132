/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "http/store/ngx_at_session.h"

#include "core/session/at_state.h"

#include "http/base/ngx_at_time.h"
#include "http/store/ngx_at_state.h"
#include "http/store/ngx_at_uses.h"
#include "http/worker/ngx_at_job.h"
#include "http/worker/ngx_at_worker.h"


#define NGX_AT_SESSIONS_INTERVAL  2000  /* milliseconds */
#define NGX_AT_CLEAN_EVERY        15  /* intervals */
#define NGX_AT_CLEAN_MAX          500  /* records of one job */


static void
ngx_at_sessions_open(ngx_at_worker_sessions_t *sessions,
    const ngx_at_main_conf_t *atmcf)
{
    u_char      *p;
    at_error_t   err;

    sessions->tried = ngx_time();

    if (atmcf->state_key == NULL) {
        (void) at_error(&err, "the state directory was not opened at start");

    } else {
        p = ngx_snprintf((u_char *) sessions->path, NGX_MAX_PATH - 1,
                         "%V/data/sessions", &atmcf->state_path);
        *p = '\0';

        sessions->handle = at_session_db_open(sessions->path,
                                              atmcf->state_key, &err);
    }

    if (sessions->handle) {
        sessions->error.text[0] = '\0';
        return;
    }

    /* log an error once, not every second */

    if (ngx_strcmp(sessions->error.text, err.text) != 0) {
        sessions->error = err;
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "auth_token: session database not available: %s",
                      err.text);
    }
}


/*
 * Other workers may have opened the new files: a logout that is written to the
 * old ones would be lost.
 */

static void
ngx_at_sessions_close_if_replaced(ngx_at_worker_sessions_t *sessions)
{
    if (sessions->checked != ngx_time()) {
        sessions->checked = ngx_time();
        sessions->replaced |= !at_session_db_is_current(sessions->handle);
    }

    if (!sessions->replaced || !ngx_at_write_queue_is_idle()) {
        return;
    }

    ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                  "auth_token: session database was replaced, reopening: "
                  "\"%s\"", sessions->path);

    at_session_db_close(sessions->handle);

    sessions->handle = NULL;
    sessions->replaced = 0;
    sessions->tried = 0;
}


at_session_db_t *
ngx_at_sessions_get(const ngx_at_main_conf_t *atmcf)
{
    ngx_at_worker_sessions_t  *sessions;

    sessions = &ngx_at_worker.sessions;

    if (sessions->handle) {
        ngx_at_sessions_close_if_replaced(sessions);
    }

    if (sessions->handle == NULL && sessions->tried != ngx_time()) {
        ngx_at_sessions_open(sessions, atmcf);
    }

    return sessions->replaced ? NULL : sessions->handle;
}


/* --- periodic work ------------------------------------------------------- */


static void
ngx_at_sessions_clean_work(ngx_at_job_t *job)
{
    ngx_at_worker_sessions_t *sessions = job->data;

    sessions->cleaned = at_session_db_clean(sessions->handle,
                                            sessions->clean_time,
                                            NGX_AT_CLEAN_MAX,
                                            &sessions->clean_error);
}


/* small jobs remove expired sessions, so that a login does not wait long */

static void
ngx_at_sessions_clean_done(ngx_at_job_t *job)
{
    ngx_at_worker_sessions_t *sessions = job->data;

    if (job->failed) {
        return;
    }

    if (sessions->cleaned < 0 && !sessions->clean_failed) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "auth_token: expired sessions not removed: %s",
                      sessions->clean_error.text);
    }

    sessions->clean_failed = sessions->cleaned < 0;

    if (sessions->cleaned > 0 && !ngx_exiting) {
        (void) ngx_at_job_post(job, NGX_AT_JOB_WRITE);
    }
}


static void
ngx_at_sessions_poll(const ngx_at_main_conf_t *atmcf, ngx_log_t *log)
{
    ngx_at_job_t              *job;
    ngx_at_worker_sessions_t  *sessions;

    sessions = &ngx_at_worker.sessions;
    job = &sessions->clean_job;

    if (ngx_at_sessions_get(atmcf) == NULL) {
        return;
    }

    ngx_at_uses_store();

    if (sessions->polls++ % NGX_AT_CLEAN_EVERY != 0 || job->busy) {
        return;
    }

    sessions->clean_time = ngx_at_now();

    job->data = sessions;
    job->work = ngx_at_sessions_clean_work;
    job->done = ngx_at_sessions_clean_done;

    (void) ngx_at_job_post(job, NGX_AT_JOB_WRITE);
}


ngx_int_t
ngx_at_sessions_watch(ngx_cycle_t *cycle, const ngx_at_main_conf_t *atmcf)
{
    if (ngx_at_uses_init(cycle->log) != NGX_OK) {
        return NGX_ERROR;
    }

    (void) ngx_at_sessions_get(atmcf);

    return ngx_at_watch(cycle, NGX_AT_SESSIONS_INTERVAL, 0,
                        ngx_at_sessions_poll, atmcf);
}


/* nginx has already ended the threads of its pools */

void
ngx_at_sessions_exit(void)
{
    ngx_at_uses_exit();

    at_session_db_close(ngx_at_worker.sessions.handle);
    ngx_at_worker.sessions.handle = NULL;
}
