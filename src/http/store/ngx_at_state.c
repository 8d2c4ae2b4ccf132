/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The master process reads the state key before it forks, so that no other
 * program of the workers' user can read it.
 */

#include "http/store/ngx_at_state.h"

#include "core/base/at_crypto.h"
#include "core/session/at_state_lock.h"

#include "http/base/ngx_at_conf_record.h"
#include "http/base/ngx_at_directive.h"


#define NGX_AT_STATE_PATH  "/var/lib/nginx/auth_token"


/* --- configuration ------------------------------------------------------- */


char *
ngx_at_set_state_path(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_at_main_conf_t *atmcf = conf;

    ngx_str_t  *value, path;

    if (atmcf->state_path.data) {
        return "is duplicate";
    }

    value = cf->args->elts;
    path = value[1];

    if (path.len == 0) {
        return ngx_at_conf_invalid_value(cf, &value[1],
                                         "use the path of a directory");
    }

    if (ngx_conf_full_name(cf->cycle, &path, 1) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    atmcf->state_path = path;

    return NGX_CONF_OK;
}


void
ngx_at_require_state(ngx_conf_t *cf, ngx_at_main_conf_t *atmcf)
{
    if (atmcf->state_position.line == 0) {
        ngx_at_conf_note_position(cf, &atmcf->state_position);
    }
}


/* the user of the workers; -1: the user of this process, or not known yet */

static uid_t
ngx_at_worker_uid(const ngx_core_conf_t *ccf)
{
    return geteuid() == 0 && ccf->master != 0
           && ccf->user != (ngx_uid_t) NGX_CONF_UNSET_UINT
           ? ccf->user : (uid_t) -1;
}


ngx_int_t
ngx_at_check_state(ngx_conf_t *cf, ngx_at_main_conf_t *atmcf)
{
    at_error_t        err;
    ngx_core_conf_t  *ccf;

    if (atmcf->state_path.data == NULL) {
        ngx_str_set(&atmcf->state_path, NGX_AT_STATE_PATH);
    }

    /* "auth-token explain" does not write to the directory */

    if (atmcf->state_position.line == 0 || ngx_at_conf_records) {
        return NGX_OK;
    }

    ccf = (ngx_core_conf_t *) ngx_get_conf(cf->cycle->conf_ctx,
                                           ngx_core_module);

    if (at_state_inspect((char *) atmcf->state_path.data,
                         ngx_at_worker_uid(ccf), &err)
        != 0)
    {
        return ngx_at_conf_error_at(cf, &atmcf->state_position,
                   "\"auth_token_state_path\": %s, required by \"%V\"",
                   err.text, &atmcf->state_position.directive);
    }

    return NGX_OK;
}


/* --- start --------------------------------------------------------------- */


static void
ngx_at_state_key_cleanse(void *data)
{
    at_crypto_cleanse(data, sizeof(at_state_key_t));
}


/* the lock of this server; the descriptor is -1 without one */

static int   ngx_at_state_lock_fd = -1;
static char  ngx_at_state_lock_path[NGX_MAX_PATH];


/*
 * A new binary, started by a running nginx, inherits the descriptor and with
 * it the lock.  If a reload changes the path, the old lock is released.
 */

static ngx_int_t
ngx_at_lock_state(const char *path, at_error_t *err)
{
    int              fd;
    at_state_lock_e  result;

    if (ngx_at_state_lock_fd != -1
        && ngx_strcmp(ngx_at_state_lock_path, path) == 0)
    {
        return NGX_OK;
    }

    result = at_state_lock(&fd, path, err);

    if (result == AT_STATE_LOCK_FAILED) {
        return NGX_ERROR;
    }

    if (result == AT_STATE_IN_USE && !ngx_inherited) {
        (void) close(fd);
        return NGX_ERROR;
    }

    if (ngx_at_state_lock_fd != -1) {
        (void) close(ngx_at_state_lock_fd);
    }

    ngx_at_state_lock_fd = fd;
    (void) ngx_cpystrn((u_char *) ngx_at_state_lock_path, (u_char *) path,
                       NGX_MAX_PATH);

    return NGX_OK;
}


void
ngx_at_state_init_process(void)
{
    if (ngx_at_state_lock_fd == -1) {
        return;
    }

    /* the process id of the master process is known once it is a daemon */

    if (ngx_process == NGX_PROCESS_SINGLE) {
        at_state_lock_sign(ngx_at_state_lock_fd, ngx_pid);
        return;
    }

    at_state_lock_sign(ngx_at_state_lock_fd, ngx_parent);

    (void) close(ngx_at_state_lock_fd);
    ngx_at_state_lock_fd = -1;
}


/*
 * An error of init_module makes nginx exit, at a reload as well.  So a reload
 * with a full disk succeeds without a key, and the features that need the key
 * fail closed.
 */

ngx_int_t
ngx_at_open_state(ngx_cycle_t *cycle, ngx_at_main_conf_t *atmcf)
{
    gid_t                gid;
    uid_t                uid;
    at_error_t           err;
    at_state_key_t      *key;
    ngx_core_conf_t     *ccf;
    ngx_pool_cleanup_t  *cln;

    if (atmcf->state_position.line == 0) {
        return NGX_OK;
    }

    key = ngx_pcalloc(cycle->pool, sizeof(at_state_key_t));
    cln = ngx_pool_cleanup_add(cycle->pool, 0);

    if (key == NULL || cln == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_at_state_key_cleanse;
    cln->data = key;

    ccf = (ngx_core_conf_t *) ngx_get_conf(cycle->conf_ctx, ngx_core_module);

    uid = ngx_at_worker_uid(ccf);
    gid = uid == (uid_t) -1 ? (gid_t) -1 : ccf->group;

    if (at_state_open(key, (char *) atmcf->state_path.data, uid, gid, &err)
        == 0
        && ngx_at_lock_state((char *) atmcf->state_path.data, &err) == NGX_OK)
    {
        atmcf->state_key = key;
        return NGX_OK;
    }

    ngx_log_error(NGX_LOG_EMERG, cycle->log, 0,
                  "\"auth_token_state_path\": %s, required by \"%V\" "
                  "in %V:%ui",
                  err.text, &atmcf->state_position.directive,
                  &atmcf->state_position.file, atmcf->state_position.line);

    return ngx_is_init_cycle(cycle->old_cycle) ? NGX_ERROR : NGX_OK;
}


ngx_str_t
ngx_at_state_file(ngx_pool_t *pool,
    const ngx_at_main_conf_t *atmcf, const char *name)
{
    u_char     *p;
    ngx_str_t   file;

    file.len = atmcf->state_path.len + sizeof("/data/") - 1
               + ngx_strlen(name);
    file.data = ngx_pnalloc(pool, file.len + 1);

    if (file.data) {
        p = ngx_sprintf(file.data, "%V/data/%s", &atmcf->state_path, name);
        *p = '\0';
    }

    return file;
}
