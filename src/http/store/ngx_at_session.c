/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "http/store/ngx_at_session.h"

#include "core/base/at_crypto.h"
#include "core/session/at_token_use.h"

#include "http/base/ngx_at_str.h"
#include "http/base/ngx_at_time.h"
#include "http/worker/ngx_at_worker.h"


#define NGX_AT_SESSIONS_INTERVAL  2000  /* milliseconds */
#define NGX_AT_CLEAN_EVERY        15  /* intervals */
#define NGX_AT_CLEAN_MAX          500  /* records of one job */
#define NGX_AT_CLEAN_DELAY        3600000  /* ms; the clock may be wrong */

#define NGX_AT_NEARLY_FULL        80  /* percent of the map */

#define NGX_AT_USE_TABLE_SIZE  1024  /* a power of two */
#define NGX_AT_USE_TABLE_MAX   768


/* a hash table with linear probing; count 0: an empty slot */
struct ngx_at_use_table_s {
    at_token_use_t  uses[NGX_AT_USE_TABLE_SIZE];
    ngx_uint_t      n;
};


static void
ngx_at_sessions_set_path(u_char *path, const ngx_at_main_conf_t *atmcf)
{
    u_char  *p;

    p = ngx_snprintf(path, NGX_MAX_PATH - 1, "%V/data/sessions",
                     &atmcf->state_path);
    *p = '\0';
}


void
ngx_at_sessions_verify(const ngx_at_main_conf_t *atmcf)
{
    ngx_at_worker_sessions_t  *sessions;

    sessions = &ngx_at_worker.sessions;

    ngx_at_sessions_set_path((u_char *) sessions->path, atmcf);
    at_lmdb_verify_path(&sessions->verdict, sessions->path);
}


static void
ngx_at_sessions_open(ngx_at_worker_sessions_t *sessions,
    const ngx_at_main_conf_t *atmcf)
{
    size_t      map_size;
    at_error_t  err;

    sessions->tried = ngx_time();

    if (atmcf->state_key == NULL) {
        (void) at_error(&err, "the state directory was not opened at start");

    } else {
        ngx_at_sessions_set_path((u_char *) sessions->path, atmcf);
        sessions->handle = at_session_db_open(sessions->path,
                                              atmcf->state_key,
                                              &sessions->verdict, &err);
    }

    if (sessions->handle) {
        sessions->error.text[0] = '\0';
        map_size = at_session_db_reduced_map(sessions->handle);

        if (map_size) {
            ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                          "auth_token: address space is limited, session "
                          "database mapped with %uzM: \"%s\"",
                          map_size >> 20, sessions->path);
        }

        if (err.text[0]) {
            ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                          "auth_token: session database replaced by an empty "
                          "one, all users must log in again: %s", err.text);
        }

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

    if (!at_session_db_is_damaged(sessions->handle)) {
        ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                      "auth_token: session database was replaced, reopening: "
                      "\"%s\"", sessions->path);
    }

    at_session_db_close(sessions->handle);
    ngx_memzero(&sessions->verdict, sizeof(at_lmdb_verdict_t));

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


at_verdict_e
ngx_at_sessions_check_space(const ngx_at_main_conf_t *atmcf)
{
    ngx_at_worker_sessions_t  *sessions;

    sessions = &ngx_at_worker.sessions;

    if (ngx_at_sessions_get(atmcf) == NULL) {
        return AT_UNAVAILABLE;
    }

    if (at_session_db_usage(sessions->handle) < AT_SESSION_DB_FULL) {
        sessions->full = 0;
        return AT_OK;
    }

    if (!sessions->full) {
        sessions->full = 1;
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "auth_token: session database is full, no login and no "
                      "refresh until sessions expire: \"%s\"",
                      sessions->path);
    }

    return AT_UNAVAILABLE;
}


/* --- uses of API tokens -------------------------------------------------- */


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


/* the session database is open */

static void
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


/* --- periodic work ------------------------------------------------------- */


static void
ngx_at_sessions_clean_work(ngx_at_job_t *job)
{
    ngx_at_worker_sessions_t *sessions = job->data;

    sessions->cleaned = at_session_db_clean(sessions->handle,
                                            sessions->clean_time,
                                            sessions->clean_expired,
                                            NGX_AT_CLEAN_MAX,
                                            &sessions->clean_error);

    if (sessions->usage >= NGX_AT_NEARLY_FULL && !sessions->nearly_full) {
        sessions->largest =
            at_session_db_largest_user(sessions->handle,
                                       sessions->largest_user,
                                       sizeof(sessions->largest_user),
                                       &sessions->clean_error);
    }
}


static void
ngx_at_sessions_log_usage(ngx_at_worker_sessions_t *sessions)
{
    u_char     buf[NGX_AT_ESCAPED_NAME_LEN];
    at_str_t   name;
    ngx_str_t  user;

    if (sessions->usage < NGX_AT_NEARLY_FULL) {
        sessions->nearly_full = 0;
        return;
    }

    if (sessions->nearly_full || sessions->largest < 1) {
        return;
    }

    sessions->nearly_full = 1;

    name.data = sessions->largest_user;
    name.len = ngx_strlen(name.data);
    user = ngx_at_escape_name(buf, name);

    ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                  "auth_token: session database is %d%% full, most sessions: "
                  "%L, user: \"%V\", path: \"%s\"",
                  sessions->usage, sessions->largest, &user, sessions->path);
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
    ngx_at_sessions_log_usage(sessions);

    if (sessions->cleaned > 0 && !ngx_exiting) {
        (void) ngx_at_job_post(job, NGX_AT_JOB_WRITE);
    }
}


static void
ngx_at_sessions_poll(const ngx_at_main_conf_t *atmcf, ngx_log_t *log)
{
    ngx_uint_t                 trusted;
    ngx_at_job_t              *job;
    ngx_at_worker_sessions_t  *sessions;

    sessions = &ngx_at_worker.sessions;
    job = &sessions->clean_job;

    if (ngx_at_sessions_get(atmcf) == NULL) {
        return;
    }

    ngx_at_uses_store();
    trusted = ngx_at_clock_is_trusted();

    if (job->busy) {
        return;
    }

    sessions->usage = at_session_db_usage(sessions->handle);

    if (sessions->polls++ % NGX_AT_CLEAN_EVERY != 0
        && (sessions->nearly_full || sessions->usage < NGX_AT_NEARLY_FULL))
    {
        return;
    }

    sessions->largest = 0;
    sessions->clean_time = ngx_at_now();
    sessions->clean_expired = trusted
                              ? sessions->clean_time - NGX_AT_CLEAN_DELAY : 0;

    job->data = sessions;
    job->work = ngx_at_sessions_clean_work;
    job->done = ngx_at_sessions_clean_done;

    (void) ngx_at_job_post(job, NGX_AT_JOB_WRITE);
}


ngx_int_t
ngx_at_sessions_watch(ngx_cycle_t *cycle, const ngx_at_main_conf_t *atmcf)
{
    ngx_at_worker_uses_t *uses = &ngx_at_worker.uses;

    uses->counting = ngx_calloc(sizeof(ngx_at_use_table_t), cycle->log);
    uses->storing = ngx_calloc(sizeof(ngx_at_use_table_t), cycle->log);

    if (uses->counting == NULL || uses->storing == NULL) {
        return NGX_ERROR;
    }

    if (ngx_at_worker_replaces_killed()) {
        ngx_memzero(&ngx_at_worker.sessions.verdict,
                    sizeof(at_lmdb_verdict_t));
    }

    (void) ngx_at_sessions_get(atmcf);

    return ngx_at_watch(cycle, NGX_AT_SESSIONS_INTERVAL, 0,
                        ngx_at_sessions_poll, atmcf);
}


/* nginx has already ended the threads of its pools */

void
ngx_at_sessions_exit(void)
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

    at_session_db_close(ngx_at_worker.sessions.handle);
    ngx_at_worker.sessions.handle = NULL;
}
