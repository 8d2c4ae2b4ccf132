/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The sessions of a worker: LMDB allows one environment of a path in a process,
 * opened after the last fork, so that what a process has opened outlives its
 * cycles.  What has expired is removed in the background, and the uses of API
 * tokens, which are counted in memory, are written there some seconds later.
 */

#include "ngx_http_auth_token_local.h"


#define NGX_HTTP_AUTH_TOKEN_SESSIONS_INTERVAL  2000     /* milliseconds */
#define NGX_HTTP_AUTH_TOKEN_CLEAN_EVERY        15       /* intervals */
#define NGX_HTTP_AUTH_TOKEN_CLEAN_MAX          500
#define NGX_HTTP_AUTH_TOKEN_USES               1024     /* a power of two */
#define NGX_HTTP_AUTH_TOKEN_USES_MAX           768


typedef struct {
    ngx_connection_t                  connection;   /* for ngx_event_ident() */
    ngx_event_t                       event;
    ngx_http_auth_token_main_conf_t  *atmcf;
} ngx_http_auth_token_sessions_watch_t;

typedef struct {
    at_use_t                          uses[NGX_HTTP_AUTH_TOKEN_USES];
    ngx_uint_t                        n;
} ngx_http_auth_token_uses_t;


/* the environment of this process */

static struct {
    char                              path[NGX_MAX_PATH];
    at_sessions_t                    *sessions;
    at_error_t                        complaint;
    time_t                            tried;
    time_t                            looked;
    ngx_uint_t                        replaced;
    ngx_uint_t                        ticks;

    ngx_http_auth_token_job_t         clean;
    ngx_http_auth_token_job_t         flush;
    int                               cleaned;
    ngx_uint_t                        lost;

    ngx_http_auth_token_uses_t       *counting;
    ngx_http_auth_token_uses_t       *writing;
} ngx_http_auth_token_live;


static void
ngx_http_auth_token_sessions_open(ngx_http_auth_token_main_conf_t *atmcf)
{
    ngx_str_t              path;
    at_error_t             err;
    const at_state_key_t  *key;

    ngx_http_auth_token_live.tried = ngx_time();
    key = ngx_http_auth_token_state_key(atmcf);

    if (key == NULL) {
        (void) at_error(&err, "the state could not be opened at start");

    } else {
        path.data = (u_char *) ngx_http_auth_token_live.path;
        path.len = ngx_snprintf(path.data, NGX_MAX_PATH - 1,
                                "%V/data/sessions", &atmcf->state_path)
                   - path.data;
        path.data[path.len] = '\0';

        ngx_http_auth_token_live.sessions =
                 at_sessions_open(ngx_http_auth_token_live.path, key, &err);
    }

    if (ngx_http_auth_token_live.sessions) {
        ngx_http_auth_token_live.complaint.text[0] = '\0';
        return;
    }

    /* once for each state of things */

    if (ngx_strcmp(ngx_http_auth_token_live.complaint.text, err.text) != 0) {
        ngx_http_auth_token_live.complaint = err;
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
ngx_http_auth_token_sessions_look(void)
{
    if (ngx_http_auth_token_live.looked != ngx_time()) {
        ngx_http_auth_token_live.looked = ngx_time();
        ngx_http_auth_token_live.replaced |=
                !at_sessions_is_current(ngx_http_auth_token_live.sessions);
    }

    if (!ngx_http_auth_token_live.replaced
        || !ngx_http_auth_token_writes_rest())
    {
        return;
    }

    ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                  "auth_token: \"%s\" was removed or replaced: all sessions "
                  "are those that are there now",
                  ngx_http_auth_token_live.path);

    at_sessions_close(ngx_http_auth_token_live.sessions);

    ngx_http_auth_token_live.sessions = NULL;
    ngx_http_auth_token_live.replaced = 0;
    ngx_http_auth_token_live.tried = 0;
}


at_sessions_t *
ngx_http_auth_token_sessions(ngx_http_auth_token_main_conf_t *atmcf)
{
    if (ngx_http_auth_token_live.sessions) {
        ngx_http_auth_token_sessions_look();
    }

    if (ngx_http_auth_token_live.sessions == NULL
        && ngx_http_auth_token_live.tried != ngx_time())
    {
        ngx_http_auth_token_sessions_open(atmcf);
    }

    return ngx_http_auth_token_live.replaced
           ? NULL : ngx_http_auth_token_live.sessions;
}


/* --- cleaning ------------------------------------------------------------ */


static void
ngx_http_auth_token_clean_work(ngx_http_auth_token_job_t *job)
{
    int64_t *now = job->data;

    ngx_http_auth_token_live.cleaned =
        at_sessions_clean(ngx_http_auth_token_live.sessions, *now,
                          NGX_HTTP_AUTH_TOKEN_CLEAN_MAX);
}


/* one part after the other, so that no request waits for all of it */

static void
ngx_http_auth_token_clean_done(ngx_http_auth_token_job_t *job)
{
    if (!job->failed
        && ngx_http_auth_token_live.cleaned == NGX_HTTP_AUTH_TOKEN_CLEAN_MAX
        && !ngx_exiting)
    {
        (void) ngx_http_auth_token_write(job);
    }
}


static void
ngx_http_auth_token_clean(void)
{
    static int64_t  now;

    ngx_http_auth_token_job_t  *job;

    job = &ngx_http_auth_token_live.clean;

    if (job->busy) {
        return;
    }

    now = ngx_http_auth_token_now();

    job->data = &now;
    job->work = ngx_http_auth_token_clean_work;
    job->done = ngx_http_auth_token_clean_done;

    (void) ngx_http_auth_token_write(job);
}


/* --- uses of API tokens -------------------------------------------------- */


static at_use_t *
ngx_http_auth_token_find_use(ngx_http_auth_token_uses_t *uses,
    const unsigned char digest[AT_SHA256_LEN])
{
    uint32_t    start;
    at_use_t   *use;
    ngx_uint_t  i;

    ngx_memcpy(&start, digest, sizeof(start));

    for (i = start; /* void */; i++) {
        use = &uses->uses[i & (NGX_HTTP_AUTH_TOKEN_USES - 1)];

        if (use->count == 0
            || ngx_memcmp(use->digest, digest, AT_SHA256_LEN) == 0)
        {
            return use;
        }
    }
}


/* what there is no room for is lost: a count is no reason to wait */

void
ngx_http_auth_token_count_use(const ngx_http_auth_token_main_conf_t *atmcf,
    const ngx_http_auth_token_ctx_t *ctx)
{
    at_use_t                    *use;
    unsigned char                digest[AT_SHA256_LEN];
    ngx_http_auth_token_uses_t  *uses;

    uses = ngx_http_auth_token_live.counting;

    if (uses == NULL || ctx->kind != NGX_HTTP_AUTH_TOKEN_API
        || at_sha256(digest, ngx_http_auth_token_view(ctx->credential)) != 0)
    {
        return;
    }

    use = ngx_http_auth_token_find_use(uses, digest);

    if (use->count == 0) {

        if (uses->n == NGX_HTTP_AUTH_TOKEN_USES_MAX) {
            ngx_http_auth_token_live.lost++;
            return;
        }

        uses->n++;
        ngx_memcpy(use->digest, digest, AT_SHA256_LEN);
    }

    use->count++;
    use->last = ngx_http_auth_token_now();
}


/* closes the ranks: what is written is the first n */

static void
ngx_http_auth_token_pack_uses(ngx_http_auth_token_uses_t *uses)
{
    ngx_uint_t  i, n;

    n = 0;

    for (i = 0; i < NGX_HTTP_AUTH_TOKEN_USES; i++) {
        if (uses->uses[i].count) {
            uses->uses[n++] = uses->uses[i];
        }
    }
}


static void
ngx_http_auth_token_flush_work(ngx_http_auth_token_job_t *job)
{
    ngx_http_auth_token_uses_t *uses = job->data;

    ngx_http_auth_token_pack_uses(uses);

    job->failed = at_sessions_add_uses(ngx_http_auth_token_live.sessions,
                                       uses->uses, uses->n)
                  != 0;
}


static void
ngx_http_auth_token_flush_done(ngx_http_auth_token_job_t *job)
{
    if (job->failed) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "auth_token: uses of API tokens are not counted: %s",
                      at_sessions_error(ngx_http_auth_token_live.sessions));
    }

    ngx_memzero(job->data, sizeof(ngx_http_auth_token_uses_t));
}


static void
ngx_http_auth_token_flush(void)
{
    ngx_http_auth_token_job_t   *job;
    ngx_http_auth_token_uses_t  *uses;

    job = &ngx_http_auth_token_live.flush;
    uses = ngx_http_auth_token_live.counting;

    if (job->busy || uses == NULL || uses->n == 0) {
        return;
    }

    if (ngx_http_auth_token_live.lost) {
        ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                      "auth_token: %ui uses of API tokens were not counted: "
                      "too many tokens at once",
                      ngx_http_auth_token_live.lost);
        ngx_http_auth_token_live.lost = 0;
    }

    job->data = uses;
    job->work = ngx_http_auth_token_flush_work;
    job->done = ngx_http_auth_token_flush_done;

    if (ngx_http_auth_token_write(job) == NGX_OK) {
        ngx_http_auth_token_live.counting = ngx_http_auth_token_live.writing;
        ngx_http_auth_token_live.writing = uses;
    }
}


/* --- a worker ------------------------------------------------------------ */


static void
ngx_http_auth_token_sessions_handler(ngx_event_t *ev)
{
    ngx_http_auth_token_sessions_watch_t  *watch;

    if (ngx_exiting || ngx_terminate) {
        return;
    }

    watch = ((ngx_connection_t *) ev->data)->data;

    if (ngx_http_auth_token_sessions(watch->atmcf)) {

        ngx_http_auth_token_flush();

        if (ngx_http_auth_token_live.ticks++ % NGX_HTTP_AUTH_TOKEN_CLEAN_EVERY
            == 0)
        {
            ngx_http_auth_token_clean();
        }
    }

    ngx_add_timer(ev, NGX_HTTP_AUTH_TOKEN_SESSIONS_INTERVAL);
}


ngx_int_t
ngx_http_auth_token_sessions_watch(ngx_cycle_t *cycle,
    ngx_http_auth_token_main_conf_t *atmcf)
{
    ngx_http_auth_token_sessions_watch_t  *watch;

    watch = ngx_pcalloc(cycle->pool,
                        sizeof(ngx_http_auth_token_sessions_watch_t));

    if (ngx_http_auth_token_live.counting == NULL) {
        ngx_http_auth_token_live.counting =
            ngx_calloc(sizeof(ngx_http_auth_token_uses_t), cycle->log);
        ngx_http_auth_token_live.writing =
            ngx_calloc(sizeof(ngx_http_auth_token_uses_t), cycle->log);
    }

    if (watch == NULL || ngx_http_auth_token_live.counting == NULL
        || ngx_http_auth_token_live.writing == NULL)
    {
        return NGX_ERROR;
    }

    watch->atmcf = atmcf;
    watch->connection.fd = (ngx_socket_t) -1;
    watch->connection.data = watch;

    watch->event.handler = ngx_http_auth_token_sessions_handler;
    watch->event.data = &watch->connection;
    watch->event.log = cycle->log;
    watch->event.cancelable = 1;

    (void) ngx_http_auth_token_sessions(atmcf);

    ngx_add_timer(&watch->event, NGX_HTTP_AUTH_TOKEN_SESSIONS_INTERVAL);

    return NGX_OK;
}


/* the threads of the pool have ended by now */

void
ngx_http_auth_token_sessions_exit(void)
{
    ngx_http_auth_token_uses_t  *uses;

    uses = ngx_http_auth_token_live.counting;

    if (uses && uses->n && ngx_http_auth_token_live.sessions) {
        ngx_http_auth_token_pack_uses(uses);
        (void) at_sessions_add_uses(ngx_http_auth_token_live.sessions,
                                    uses->uses, uses->n);
    }

    at_sessions_close(ngx_http_auth_token_live.sessions);
    ngx_http_auth_token_live.sessions = NULL;

    ngx_free(ngx_http_auth_token_live.counting);
    ngx_free(ngx_http_auth_token_live.writing);
    ngx_http_auth_token_live.counting = NULL;
    ngx_http_auth_token_live.writing = NULL;
}
