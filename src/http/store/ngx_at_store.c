/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The store of a worker.  LMDB allows one environment of a path in a process,
 * opened after the last fork: so the master and "nginx -t" look at the files
 * without opening them, and what a process has opened outlives its cycles.
 */

#include "http/store/ngx_at_store.h"

#include "core/base/at_error.h"
#include "core/store/at_store.h"

#include "http/base/ngx_at_directive.h"
#include "http/base/ngx_at_main_conf.h"
#include "http/request/ngx_at_ctx.h"
#include "http/worker/ngx_at_watch.h"


#define NGX_AT_STORE_INTERVAL  1000  /* milliseconds */
#define NGX_AT_GROUPS_MAX      64


/* the environment of this process, and the path that it was opened by */

static struct {
    char          path[NGX_MAX_PATH];
    at_store_t   *store;
    uint64_t      txnid;        /* LMDB's, as it was seen last */
    uint64_t      epoch;        /* goes up with any change of it */
    at_error_t    complaint;
} ngx_at_store_env;


/* --- configuration ------------------------------------------------------- */


char *
ngx_at_set_store(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_at_main_conf_t *atmcf = conf;

    ngx_str_t  *value, path;

    if (atmcf->store.data) {
        return "is duplicate";
    }

    value = cf->args->elts;
    path = value[1];

    if (!ngx_at_conf_cut_parameter(&path, "lmdb:") || path.len == 0) {
        return ngx_at_conf_invalid_value(cf, &value[1],
                                         "it takes \"lmdb:PATH\"");
    }

    if (ngx_at_full_path(cf, &path) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    if (path.len >= NGX_MAX_PATH) {
        return "has too long a path";
    }

    atmcf->store = path;
    ngx_at_conf_note_position(cf, &atmcf->store_where);

    return NGX_CONF_OK;
}


/*
 * As the worker processes will be: the master may not be root.  NGX_DECLINED
 * where that is the default, but "user" may stand behind the block.
 */

static ngx_int_t
ngx_at_store_get_reader(ngx_conf_t *cf, at_store_worker_t *reader, gid_t *gids)
{
    int               n;
    char             *name;
    ngx_uint_t        known;
    struct passwd    *pwd;
    ngx_core_conf_t  *ccf;

    ccf = (ngx_core_conf_t *) ngx_get_conf(cf->cycle->conf_ctx,
                                           ngx_core_module);

    reader->gids = gids;
    reader->n_gids = 1;
    reader->alone = geteuid() != 0 || ccf->master == 0;

    if (reader->alone) {
        reader->uid = geteuid();
        gids[0] = getegid();
        n = getgroups(NGX_AT_GROUPS_MAX - 1, gids + 1);
        reader->n_gids += n > 0 ? n : 0;
        return NGX_OK;
    }

    known = ccf->user != (ngx_uid_t) NGX_CONF_UNSET_UINT;
    name = known ? ccf->username : NGX_USER;
    pwd = getpwnam(name);

    if (pwd == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           "\"auth_token_store\": no user \"%s\"", name);
        return NGX_ERROR;
    }

    reader->uid = pwd->pw_uid;
    gids[0] = known ? ccf->group : pwd->pw_gid;

    n = NGX_AT_GROUPS_MAX - 1;

    if (getgrouplist(name, gids[0], gids + 1, &n) > 0) {
        reader->n_gids += n;
    }

    return known ? NGX_OK : NGX_DECLINED;
}


ngx_int_t
ngx_at_check_store(ngx_conf_t *cf, ngx_at_main_conf_t *atmcf)
{
    int                rc;
    ngx_int_t          known;
    ngx_uint_t         level;
    gid_t              gids[NGX_AT_GROUPS_MAX];
    at_error_t         err, other;
    at_store_worker_t  reader;

    if (atmcf->store.data == NULL) {
        return NGX_OK;
    }

    known = ngx_at_store_get_reader(cf, &reader, gids);

    if (known == NGX_ERROR) {
        return NGX_ERROR;
    }

    rc = at_store_inspect((char *) atmcf->store.data, &reader, &err);

    if (rc < 0 && known == NGX_DECLINED
        && at_store_inspect((char *) atmcf->store.data, NULL, &other) >= 0)
    {
        rc = 1;
    }

    level = rc < 0 ? NGX_LOG_EMERG : NGX_LOG_WARN;

    if (rc != 0) {
        ngx_log_error(level, cf->log, 0,
                      "\"auth_token_store\": %s in %V:%ui", err.text,
                      &atmcf->store_where.file, atmcf->store_where.line);
    }

    return rc < 0 ? NGX_ERROR : NGX_OK;
}


/* --- workers ------------------------------------------------------------- */


static void
ngx_at_close_store(void)
{
    at_store_close(ngx_at_store_env.store);
    ngx_at_store_env.store = NULL;
}


static void
ngx_at_open_store(ngx_str_t *path, ngx_log_t *log)
{
    at_error_t  err;

    ngx_at_store_env.store = at_store_open((char *) path->data,
                                           AT_STORE_READ, &err);

    /* what took the place of another is looked at twice */

    if (ngx_at_store_env.store
        && ngx_at_store_env.path[0]
        && !at_store_is_current(ngx_at_store_env.store))
    {
        (void) at_error(&err, "\"%s\" is not whole yet", path->data);
        ngx_at_close_store();
    }

    if (ngx_at_store_env.store) {
        ngx_at_store_env.epoch++;

        (void) ngx_cpystrn((u_char *) ngx_at_store_env.path,
                           path->data, NGX_MAX_PATH);

        if (ngx_at_store_env.complaint.text[0]) {
            ngx_at_store_env.complaint.text[0] = '\0';
            ngx_log_error(NGX_LOG_NOTICE, log, 0,
                          "auth_token: the store \"%V\" is open again", path);
        }

        return;
    }

    /* once for each state of things, not every second */

    if (ngx_strcmp(ngx_at_store_env.complaint.text, err.text) != 0) {
        ngx_at_store_env.complaint = err;
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "auth_token: %s; requests that need the store are "
                      "refused", err.text);
    }
}


/* a store that was renamed, restored, cut or removed is not noticed by LMDB */

static void
ngx_at_reopen_store(ngx_str_t *path, ngx_log_t *log)
{
    if (ngx_at_store_env.store
        && (ngx_strcmp(ngx_at_store_env.path, path->data) != 0
            || !at_store_is_current(ngx_at_store_env.store)))
    {
        ngx_at_close_store();
    }

    if (ngx_at_store_env.store == NULL) {
        ngx_at_open_store(path, log);
    }
}


static void
ngx_at_store_poll(void *data, ngx_log_t *log)
{
    ngx_at_reopen_store(data, log);

    /* nobody may ask for a while */

    if (ngx_at_store_env.store) {
        at_store_release_snapshot(ngx_at_store_env.store);
    }
}


ngx_int_t
ngx_at_store_watch(ngx_cycle_t *cycle, ngx_at_main_conf_t *atmcf)
{
    if (atmcf->store.data == NULL) {
        return NGX_OK;
    }

    ngx_at_reopen_store(&atmcf->store, cycle->log);

    /* a snapshot must not stay as long as the last connection does */

    return ngx_at_watch(cycle, NGX_AT_STORE_INTERVAL,
                        1, ngx_at_store_poll,
                        &atmcf->store);
}


void
ngx_at_store_exit(ngx_cycle_t *cycle)
{
    ngx_at_close_store();
}


at_store_t *
ngx_at_store_get(const ngx_at_main_conf_t *atmcf)
{
    return atmcf->store.data
           && ngx_strcmp(ngx_at_store_env.path, atmcf->store.data)
              == 0
           ? ngx_at_store_env.store : NULL;
}


/* the number of a restored store goes back, and may come to the same again */

uint64_t
ngx_at_store_generation(const ngx_at_main_conf_t *atmcf)
{
    uint64_t     txnid;
    at_store_t  *store;

    store = ngx_at_store_get(atmcf);

    if (store == NULL) {
        return 0;
    }

    txnid = at_store_begin_epoch(store);

    if (txnid != ngx_at_store_env.txnid) {
        ngx_at_store_env.txnid = txnid;
        ngx_at_store_env.epoch++;
    }

    return ngx_at_store_env.epoch;
}


void
ngx_at_store_check_snapshot(const ngx_at_main_conf_t *atmcf, ngx_at_ctx_t *ctx)
{
    at_store_t  *store;

    store = ngx_at_store_get(atmcf);
    ctx->behind = store && at_store_saw_newer(store);
}
