/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * LMDB allows one environment for a path in a process, opened after the last
 * fork.  So the master process and "nginx -t" only check the files, and the
 * environment of a process outlives its cycles.
 */

#include "http/store/ngx_at_store.h"

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "core/store/at_store_files.h"
#include "core/store/at_store_stats.h"

#include "http/base/ngx_at_directive.h"
#include "http/worker/ngx_at_worker.h"


/* milliseconds; a replacement is found after one, and opened after another */
#define NGX_AT_STORE_INTERVAL  500
#define NGX_AT_GROUPS_MAX      64


/* a check of pages in a thread; only the state is read while it is running */
static struct {
    enum {
        NGX_AT_CHECK_IDLE = 0,
        NGX_AT_CHECK_RUNNING,
        NGX_AT_CHECK_DONE
    }                  state;
    char               path[NGX_MAX_PATH];
    at_lmdb_verdict_t  verdict;
} ngx_at_store_check;


/* shared by the processes of this master: a hash of the last error, 0: none */
static uint64_t  *ngx_at_store_logged;


/* --- configuration ------------------------------------------------------- */


char *
ngx_at_set_store(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_at_main_conf_t *atmcf = conf;

    ngx_str_t  *value, path;

    if (atmcf->store_path.data) {
        return "is duplicate";
    }

    value = cf->args->elts;
    path = value[1];

    if (!ngx_at_conf_cut_prefix(&path, "lmdb:") || path.len == 0) {
        return ngx_at_conf_invalid_value(cf, &value[1], "use \"lmdb:PATH\"");
    }

    if (ngx_conf_full_name(cf->cycle, &path, 1) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    if (path.len >= NGX_MAX_PATH) {
        return "has a path that is too long";
    }

    atmcf->store_path = path;
    ngx_at_conf_note_position(cf, &atmcf->store_position);

    return NGX_CONF_OK;
}


/*
 * Sets the user and the groups of the worker processes.  NGX_DECLINED if these
 * are the defaults, because a "user" directive may follow the http block.
 */

static ngx_int_t
ngx_at_store_get_reader(ngx_conf_t *cf, at_store_worker_t *reader, gid_t *gids)
{
    int               n;
    char             *name;
    ngx_uint_t        configured;
    struct passwd    *pwd;
    ngx_core_conf_t  *ccf;

    ccf = (ngx_core_conf_t *) ngx_get_conf(cf->cycle->conf_ctx,
                                           ngx_core_module);

    reader->gids = gids;
    reader->n_gids = 1;
    reader->single_user = geteuid() != 0 || ccf->master == 0;

    if (reader->single_user) {
        reader->uid = geteuid();
        gids[0] = getegid();
        n = getgroups(NGX_AT_GROUPS_MAX - 1, gids + 1);
        reader->n_gids += n > 0 ? n : 0;
        return NGX_OK;
    }

    configured = ccf->user != (ngx_uid_t) NGX_CONF_UNSET_UINT;
    name = configured ? ccf->username : NGX_USER;
    pwd = getpwnam(name);

    if (pwd == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           "\"auth_token_store\": no such user \"%s\"", name);
        return NGX_ERROR;
    }

    reader->uid = pwd->pw_uid;
    gids[0] = configured ? ccf->group : pwd->pw_gid;

    n = NGX_AT_GROUPS_MAX - 1;

    if (getgrouplist(name, gids[0], gids + 1, &n) > 0) {
        reader->n_gids += n;
    }

    return configured ? NGX_OK : NGX_DECLINED;
}


/* Whether this process is the first one to log this state of the store. */

static ngx_uint_t
ngx_at_store_is_news(uint64_t hash)
{
    return ngx_at_store_logged == NULL
           || __atomic_exchange_n(ngx_at_store_logged, hash, __ATOMIC_RELAXED)
              != hash;
}


/* an error is logged once, not by each worker process, nor every second */

static void
ngx_at_log_store_error(ngx_at_worker_store_t *open, const at_error_t *err,
    ngx_log_t *log)
{
    uint64_t  hash;

    if (ngx_strcmp(open->error.text, err->text) == 0) {
        return;
    }

    open->error = *err;
    hash = ngx_murmur_hash2((u_char *) err->text, ngx_strlen(err->text));

    if (ngx_at_store_is_news(hash | (uint64_t) 1 << 32)) {
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "auth_token: store not available, requests that need it "
                      "are refused: %s", err->text);
    }
}


/*
 * nginx starts with a damaged store, because other requests do not need it.
 * Worker processes inherit the verdict and the error.
 */

static void
ngx_at_verify_store(const char *path, ngx_log_t *log)
{
    void                   *shared;
    at_error_t              err;
    ngx_at_worker_store_t  *open;

    open = &ngx_at_worker.store;
    open->error.text[0] = '\0';

    if (ngx_at_store_logged == NULL) {
        shared = mmap(NULL, sizeof(uint64_t), PROT_READ|PROT_WRITE,
                      MAP_SHARED|MAP_ANONYMOUS, -1, 0);
        ngx_at_store_logged = shared == MAP_FAILED ? NULL : shared;
    }

    (void) ngx_at_store_is_news(0);

    at_lmdb_verify_path(&open->verdict, path);

    if (open->verdict.result == AT_LMDB_DAMAGED) {
        err = open->verdict.err;
        at_store_add_remedy(&err);
        ngx_at_log_store_error(open, &err, log);
    }
}


ngx_int_t
ngx_at_check_store(ngx_conf_t *cf, ngx_at_main_conf_t *atmcf)
{
    int                rc;
    char              *path;
    gid_t              gids[NGX_AT_GROUPS_MAX];
    at_error_t         err, ignored;
    ngx_int_t          reader_rc;
    ngx_uint_t         level;
    at_store_worker_t  reader;

    path = (char *) atmcf->store_path.data;

    if (path == NULL) {
        return NGX_OK;
    }

    reader_rc = ngx_at_store_get_reader(cf, &reader, gids);

    if (reader_rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    rc = at_store_inspect(path, &reader, &err);

    /* only a warning if the store is valid, but not for the default user */

    if (rc < 0 && reader_rc == NGX_DECLINED
        && at_store_inspect(path, NULL, &ignored) >= 0)
    {
        rc = 1;
    }

    if (rc >= 0 && ngx_process != NGX_PROCESS_SIGNALLER) {
        ngx_at_verify_store(path, cf->log);
    }

    level = rc < 0 ? NGX_LOG_EMERG : NGX_LOG_WARN;

    if (rc != 0) {
        ngx_log_error(level, cf->log, 0,
                      "\"auth_token_store\": %s in %V:%ui", err.text,
                      &atmcf->store_position.file, atmcf->store_position.line);
    }

    return rc < 0 ? NGX_ERROR : NGX_OK;
}


/* --- workers ------------------------------------------------------------- */


static void
ngx_at_open_store(ngx_at_worker_store_t *open, const ngx_str_t *path,
    ngx_log_t *log)
{
    size_t      map_size;
    at_error_t  err;

    open->handle = at_store_open((char *) path->data, AT_STORE_READ,
                                 &open->verdict, &err);

    /* the file that replaces another one may not be complete yet */

    if (open->handle && open->path[0] && !at_store_is_current(open->handle)) {
        (void) at_error(&err, "\"%s\" is incomplete", path->data);
        at_store_close(open->handle);
        open->handle = NULL;
    }

    if (open->handle) {
        open->epoch++;
        (void) ngx_cpystrn((u_char *) open->path, path->data, NGX_MAX_PATH);

        map_size = at_store_reduced_map(open->handle);

        if (map_size) {
            ngx_log_error(NGX_LOG_WARN, log, 0,
                          "auth_token: address space is limited, store mapped "
                          "with %uzM: \"%V\"", map_size >> 20, path);
        }

        if (open->error.text[0]) {
            open->error.text[0] = '\0';

            if (ngx_at_store_is_news(0)) {
                ngx_log_error(NGX_LOG_NOTICE, log, 0, "auth_token: store "
                              "available again: \"%V\"", path);
            }
        }

        return;
    }

    /* a file that is not open may be changed by others than LMDB */

    if (open->verdict.result == AT_LMDB_OK) {
        ngx_memzero(&open->verdict, sizeof(at_lmdb_verdict_t));
    }

    ngx_at_log_store_error(open, &err, log);
}


/* LMDB does not notice if its file is renamed, replaced, truncated, removed */

static void
ngx_at_reopen_store(const ngx_at_main_conf_t *atmcf, ngx_log_t *log)
{
    ngx_at_worker_store_t  *open;

    open = &ngx_at_worker.store;

    at_store_close(open->handle);
    open->handle = NULL;

    ngx_at_open_store(open, &atmcf->store_path, log);
}


static ngx_uint_t
ngx_at_store_is_current(const ngx_at_main_conf_t *atmcf)
{
    at_store_t  *store;

    store = ngx_at_store_get(atmcf);

    return store && at_store_is_current(store);
}


static void *
ngx_at_check_thread(void *data)
{
    sigset_t  set;

    (void) sigfillset(&set);
    (void) pthread_sigmask(SIG_BLOCK, &set, NULL);
    (void) setpriority(PRIO_PROCESS, 0, 19);

    at_lmdb_verify_path(&ngx_at_store_check.verdict, ngx_at_store_check.path);

    __atomic_store_n(&ngx_at_store_check.state, NGX_AT_CHECK_DONE,
                     __ATOMIC_RELEASE);

    return NULL;
}


/*
 * The check of a large store takes longer than requests can wait, so a thread
 * does it, while requests use the previous store.  It is not a thread of a
 * pool, which would exist all the time, and delay the exit of the process.
 *
 * NGX_AGAIN while the thread works, NGX_OK if the store is to be opened.
 */

static ngx_int_t
ngx_at_check_replacement(ngx_at_worker_store_t *open, const ngx_str_t *path)
{
    pthread_t   thread;
    at_error_t  ignored;

    switch (__atomic_load_n(&ngx_at_store_check.state, __ATOMIC_ACQUIRE)) {

    case NGX_AT_CHECK_RUNNING:
        return NGX_AGAIN;

    case NGX_AT_CHECK_DONE:
        ngx_at_store_check.state = NGX_AT_CHECK_IDLE;
        open->verdict = ngx_at_store_check.verdict;
        return NGX_OK;

    default:
        break;
    }

    if (open->handle == NULL
        && at_lmdb_is_verified(&open->verdict, (char *) path->data, &ignored))
    {
        return NGX_OK;
    }

    ngx_memzero(&open->verdict, sizeof(at_lmdb_verdict_t));
    (void) ngx_cpystrn((u_char *) ngx_at_store_check.path, path->data,
                       NGX_MAX_PATH);
    ngx_at_store_check.state = NGX_AT_CHECK_RUNNING;

    if (pthread_create(&thread, NULL, ngx_at_check_thread, NULL) != 0) {
        ngx_at_store_check.state = NGX_AT_CHECK_IDLE;
        return NGX_OK;
    }

    (void) pthread_detach(thread);

    return NGX_AGAIN;
}


static void
ngx_at_store_poll(const ngx_at_main_conf_t *atmcf, ngx_log_t *log)
{
    ngx_at_worker_store_t  *open;

    open = &ngx_at_worker.store;

    /* a thread reads: try again */

    if (open->handle && at_store_is_pinned(open->handle)) {
        return;
    }

    if (!ngx_at_store_is_current(atmcf)
        && ngx_at_check_replacement(open, &atmcf->store_path)
           == NGX_OK)
    {
        ngx_at_reopen_store(atmcf, log);
    }

    /* an old snapshot keeps its pages from being reused */

    if (open->handle) {
        at_store_release_snapshot(open->handle);
    }
}


ngx_int_t
ngx_at_store_watch(ngx_cycle_t *cycle, const ngx_at_main_conf_t *atmcf)
{
    if (atmcf->store_path.data == NULL) {
        return NGX_OK;
    }

    if (ngx_at_worker_replaces_killed()) {
        ngx_memzero(&ngx_at_worker.store.verdict, sizeof(at_lmdb_verdict_t));
    }

    if (!ngx_at_store_is_current(atmcf)) {
        ngx_at_reopen_store(atmcf, cycle->log);
    }

    /* also while exiting: a connection may stay open longer than a snapshot */

    return ngx_at_watch(cycle, NGX_AT_STORE_INTERVAL, 1, ngx_at_store_poll,
                        atmcf);
}


void
ngx_at_store_exit(void)
{
    at_store_close(ngx_at_worker.store.handle);
    ngx_at_worker.store.handle = NULL;
}


at_store_t *
ngx_at_store_get(const ngx_at_main_conf_t *atmcf)
{
    return atmcf->store_path.data
           && ngx_strcmp(ngx_at_worker.store.path, atmcf->store_path.data) == 0
           ? ngx_at_worker.store.handle : NULL;
}


/* the transaction number of a restored store may repeat an earlier one */

uint64_t
ngx_at_store_generation(const ngx_at_main_conf_t *atmcf)
{
    uint64_t                txnid;
    at_store_t             *store;
    ngx_at_worker_store_t  *open;

    store = ngx_at_store_get(atmcf);

    if (store == NULL) {
        return 0;
    }

    open = &ngx_at_worker.store;
    txnid = at_store_begin_epoch(store);

    if (txnid != open->txnid) {
        open->txnid = txnid;
        open->epoch++;
    }

    return open->epoch;
}


ngx_uint_t
ngx_at_store_snapshot_is_stale(const ngx_at_main_conf_t *atmcf)
{
    at_store_t  *store;

    store = ngx_at_store_get(atmcf);

    return store && at_store_saw_outdated(store);
}
