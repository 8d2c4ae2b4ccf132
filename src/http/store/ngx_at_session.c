/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The sessions of a worker: LMDB allows one environment of a path in a process,
 * opened after the last fork, so that what a process has opened outlives its
 * cycles.  What has expired is removed in the background, and the uses of API
 * tokens, which are counted in memory, are written there some seconds later.
 */

#include "http/store/ngx_at_session.h"

#include "core/base/at_error.h"
#include "core/base/at_crypto.h"
#include "core/session/at_session.h"
#include "core/session/at_token_use.h"
#include "core/session/at_state.h"

#include "http/base/ngx_at_loc_conf.h"
#include "http/base/ngx_at_main_conf.h"
#include "http/base/ngx_at_str.h"
#include "http/base/ngx_at_time.h"
#include "http/store/ngx_at_state.h"
#include "http/store/ngx_at_uses.h"
#include "http/worker/ngx_at_job.h"


#define NGX_AT_SESSIONS_INTERVAL  2000  /* milliseconds */
#define NGX_AT_CLEAN_EVERY        15  /* intervals */
#define NGX_AT_CLEAN_MAX          500
#define NGX_AT_USE_TABLE_SIZE     1024  /* a power of two */
#define NGX_AT_USE_TABLE_MAX      768


typedef struct {
    ngx_connection_t     connection;                /* for ngx_event_ident() */
    ngx_event_t          event;
    const ngx_at_main_conf_t  *atmcf;
} ngx_at_sessions_watch_t;

typedef struct {
    at_token_use_t  uses[NGX_AT_USE_TABLE_SIZE];
    ngx_uint_t      n;
} ngx_at_use_table_t;


/* the environment of this process */

static struct {
    char                 path[NGX_MAX_PATH];
    at_session_db_t     *sessions;
    at_error_t           complaint;
    time_t               tried;
    time_t               looked;
    ngx_uint_t           replaced;
    ngx_uint_t           ticks;

    ngx_at_job_t         clean;
    ngx_at_job_t         flush;
    at_error_t           flush_error;       /* set by the job */
    int                  cleaned;
    ngx_uint_t           lost;

    ngx_at_use_table_t  *counting;
    ngx_at_use_table_t  *writing;
} ngx_at_session_env;


static void
ngx_at_sessions_open(const ngx_at_main_conf_t *atmcf)
{
    ngx_str_t              path;
    at_error_t             err;
    const at_state_key_t  *key;

    ngx_at_session_env.tried = ngx_time();
    key = ngx_at_state_key(atmcf);

    if (key == NULL) {
        (void) at_error(&err, "the state could not be opened at start");

    } else {
        path.data = (u_char *) ngx_at_session_env.path;
        path.len = ngx_snprintf(path.data, NGX_MAX_PATH - 1,
                                "%V/data/sessions", &atmcf->state_path)
                   - path.data;
        path.data[path.len] = '\0';

        ngx_at_session_env.sessions =
                 at_session_db_open(ngx_at_session_env.path, key, &err);
    }

    if (ngx_at_session_env.sessions) {
        ngx_at_session_env.complaint.text[0] = '\0';
        return;
    }

    /* once for each state of things */

    if (ngx_strcmp(ngx_at_session_env.complaint.text, err.text) != 0) {
        ngx_at_session_env.complaint = err;
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "auth_token: %s; there are no sessions", err.text);
    }
}


/*
 * Files that were removed or replaced are not those of the worker that starts
 * next: a logout here would be none there.  Once a second that is looked at, and
 * what is at work is waited for.
 */

static void
ngx_at_sessions_close_if_replaced(void)
{
    if (ngx_at_session_env.looked != ngx_time()) {
        ngx_at_session_env.looked = ngx_time();
        ngx_at_session_env.replaced |=
                !at_session_db_is_current(ngx_at_session_env.sessions);
    }

    if (!ngx_at_session_env.replaced || !ngx_at_write_queue_is_idle()) {
        return;
    }

    ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                  "auth_token: \"%s\" was removed or replaced: all sessions "
                  "are those that are there now",
                  ngx_at_session_env.path);

    at_session_db_close(ngx_at_session_env.sessions);

    ngx_at_session_env.sessions = NULL;
    ngx_at_session_env.replaced = 0;
    ngx_at_session_env.tried = 0;
}


at_session_db_t *
ngx_at_sessions_get(const ngx_at_main_conf_t *atmcf)
{
    if (ngx_at_session_env.sessions) {
        ngx_at_sessions_close_if_replaced();
    }

    if (ngx_at_session_env.sessions == NULL
        && ngx_at_session_env.tried != ngx_time())
    {
        ngx_at_sessions_open(atmcf);
    }

    return ngx_at_session_env.replaced
           ? NULL : ngx_at_session_env.sessions;
}


/* --- cleaning ------------------------------------------------------------ */


static void
ngx_at_sessions_clean_work(ngx_at_job_t *job)
{
    int64_t *now = job->data;

    at_error_t  err;

    ngx_at_session_env.cleaned =
        at_session_db_clean(ngx_at_session_env.sessions, *now,
                            NGX_AT_CLEAN_MAX, &err);
}


/* one part after the other, so that no request waits for all of it */

static void
ngx_at_sessions_clean_done(ngx_at_job_t *job)
{
    if (!job->failed && ngx_at_session_env.cleaned > 0 && !ngx_exiting) {
        (void) ngx_at_job_post_write(job);
    }
}


static void
ngx_at_sessions_clean(void)
{
    static int64_t  now;

    ngx_at_job_t   *job;

    job = &ngx_at_session_env.clean;

    if (job->busy) {
        return;
    }

    now = ngx_at_now();

    job->data = &now;
    job->work = ngx_at_sessions_clean_work;
    job->done = ngx_at_sessions_clean_done;

    (void) ngx_at_job_post_write(job);
}


/* --- uses of API tokens -------------------------------------------------- */


static at_token_use_t *
ngx_at_find_use(ngx_at_use_table_t *uses,
    const unsigned char digest[AT_SHA256_LEN])
{
    uint32_t         start;
    at_token_use_t  *use;
    ngx_uint_t       i;

    ngx_memcpy(&start, digest, sizeof(start));

    for (i = start; /* void */; i++) {
        use = &uses->uses[i & (NGX_AT_USE_TABLE_SIZE - 1)];

        if (use->count == 0
            || ngx_memcmp(use->digest, digest, AT_SHA256_LEN) == 0)
        {
            return use;
        }
    }
}


/* what there is no room for is lost: a count is no reason to wait */

void
ngx_at_count_use(at_str_t api_token)
{
    at_token_use_t      *use;
    unsigned char        digest[AT_SHA256_LEN];
    ngx_at_use_table_t  *uses;

    uses = ngx_at_session_env.counting;

    if (uses == NULL || at_sha256(digest, api_token) != 0) {
        return;
    }

    use = ngx_at_find_use(uses, digest);

    if (use->count == 0) {

        if (uses->n == NGX_AT_USE_TABLE_MAX) {
            ngx_at_session_env.lost++;
            return;
        }

        uses->n++;
        ngx_memcpy(use->digest, digest, AT_SHA256_LEN);
    }

    use->count++;
    use->last = ngx_at_now();
}


/* closes the ranks: what is written is the first n */

static void
ngx_at_pack_uses(ngx_at_use_table_t *uses)
{
    ngx_uint_t  i, n;

    n = 0;

    for (i = 0; i < NGX_AT_USE_TABLE_SIZE; i++) {
        if (uses->uses[i].count) {
            uses->uses[n++] = uses->uses[i];
        }
    }
}


static void
ngx_at_uses_flush_work(ngx_at_job_t *job)
{
    ngx_at_use_table_t *uses = job->data;

    ngx_at_pack_uses(uses);

    job->failed = at_token_use_add(ngx_at_session_env.sessions, uses->uses,
                                   uses->n, &ngx_at_session_env.flush_error)
                  != 0;
}


static void
ngx_at_uses_flush_done(ngx_at_job_t *job)
{
    if (job->failed) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "auth_token: uses of API tokens are not counted: %s",
                      ngx_at_session_env.flush_error.text);
    }

    ngx_memzero(job->data, sizeof(ngx_at_use_table_t));
}


static void
ngx_at_uses_flush(void)
{
    ngx_at_job_t        *job;
    ngx_at_use_table_t  *uses;

    job = &ngx_at_session_env.flush;
    uses = ngx_at_session_env.counting;

    if (job->busy || uses == NULL || uses->n == 0) {
        return;
    }

    if (ngx_at_session_env.lost) {
        ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                      "auth_token: %ui uses of API tokens were not counted: "
                      "too many tokens at once",
                      ngx_at_session_env.lost);
        ngx_at_session_env.lost = 0;
    }

    job->data = uses;
    job->work = ngx_at_uses_flush_work;
    job->done = ngx_at_uses_flush_done;

    (void) at_error(&ngx_at_session_env.flush_error,
                    "the thread task was not run");

    if (ngx_at_job_post_write(job) == NGX_OK) {
        ngx_at_session_env.counting = ngx_at_session_env.writing;
        ngx_at_session_env.writing = uses;
    }
}


/* --- a worker ------------------------------------------------------------ */


static void
ngx_at_sessions_handler(ngx_event_t *ev)
{
    ngx_at_sessions_watch_t  *watch;

    if (ngx_exiting || ngx_terminate) {
        return;
    }

    watch = ((ngx_connection_t *) ev->data)->data;

    if (ngx_at_sessions_get(watch->atmcf)) {

        ngx_at_uses_flush();

        if (ngx_at_session_env.ticks++ % NGX_AT_CLEAN_EVERY == 0) {
            ngx_at_sessions_clean();
        }
    }

    ngx_add_timer(ev, NGX_AT_SESSIONS_INTERVAL);
}


ngx_int_t
ngx_at_sessions_watch(ngx_cycle_t *cycle, const ngx_at_main_conf_t *atmcf)
{
    ngx_at_sessions_watch_t  *watch;

    watch = ngx_pcalloc(cycle->pool, sizeof(ngx_at_sessions_watch_t));

    if (ngx_at_session_env.counting == NULL) {
        ngx_at_session_env.counting =
            ngx_calloc(sizeof(ngx_at_use_table_t), cycle->log);
        ngx_at_session_env.writing =
            ngx_calloc(sizeof(ngx_at_use_table_t), cycle->log);
    }

    if (watch == NULL || ngx_at_session_env.counting == NULL
        || ngx_at_session_env.writing == NULL)
    {
        return NGX_ERROR;
    }

    watch->atmcf = atmcf;
    watch->connection.fd = (ngx_socket_t) -1;
    watch->connection.data = watch;

    watch->event.handler = ngx_at_sessions_handler;
    watch->event.data = &watch->connection;
    watch->event.log = cycle->log;
    watch->event.cancelable = 1;

    (void) ngx_at_sessions_get(atmcf);

    ngx_add_timer(&watch->event, NGX_AT_SESSIONS_INTERVAL);

    return NGX_OK;
}


/* the threads of the pool have ended by now */

void
ngx_at_sessions_exit(void)
{
    at_error_t           err;
    ngx_at_use_table_t  *uses;

    uses = ngx_at_session_env.counting;

    if (uses && uses->n && ngx_at_session_env.sessions) {
        ngx_at_pack_uses(uses);
        (void) at_token_use_add(ngx_at_session_env.sessions,
                                uses->uses, uses->n, &err);
    }

    at_session_db_close(ngx_at_session_env.sessions);
    ngx_at_session_env.sessions = NULL;

    ngx_free(ngx_at_session_env.counting);
    ngx_free(ngx_at_session_env.writing);
    ngx_at_session_env.counting = NULL;
    ngx_at_session_env.writing = NULL;
}
