/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Key files.  They are read with the configuration, by the master; each worker
 * then looks twice a second whether one has changed, parses the new content
 * aside and swaps it in whole.  What cannot be read or parsed changes nothing:
 * the last good keys stay.  No request ever waits for a file.
 */

#include "http/keys/ngx_at_keys.h"

#include "core/base/at_error.h"
#include "core/base/at_file.h"
#include "core/base/at_str.h"
#include "core/jose/at_jwk.h"
#include "core/base/at_crypto.h"

#include "http/base/ngx_at_directive.h"
#include "http/base/ngx_at_issuer.h"
#include "http/base/ngx_at_main_conf.h"
#include "http/base/ngx_at_str.h"
#include "http/worker/ngx_at_watch.h"
#include "http/worker/ngx_at_worker.h"


#define NGX_AT_KEY_FILE_SIZE  (1024 * 1024)
#define NGX_AT_KEYS_INTERVAL  500  /* milliseconds */


struct ngx_at_key_file_s {
    ngx_str_t               path;
    ngx_at_conf_position_t  where;

    /* what was seen last, good or not */
    at_file_stamp_t         stamp;
    u_char                  digest[AT_SHA256_LEN];
    ngx_uint_t              settled;

    char                    complaint[sizeof(at_error_t)];
};

/* where a warning of the parser goes */
typedef struct {
    ngx_log_t                       *log;
    ngx_str_t                       *path;
} ngx_at_warning_t;


static void
ngx_at_log_key_warning(void *data, const char *text)
{
    ngx_at_warning_t *warning = data;

    ngx_log_error(NGX_LOG_WARN, warning->log, 0, "auth_token: \"%V\": %s",
                  warning->path, text);
}


/*
 * A file that was written within the last second may be written once more
 * without a new time stamp: it is read again until that has passed.
 */

static ngx_uint_t
ngx_at_is_settled(const at_file_stamp_t *stamp)
{
    time_t  age;

    age = ngx_time() - stamp->ctime.tv_sec;

    return age < -1 || age > 1;
}


/* NGX_OK with *set, NGX_DONE if the content is the one seen last, NGX_ERROR */

static ngx_int_t
ngx_at_read_keys(ngx_at_key_file_t *key_file,
    unsigned algs, at_keyset_t **set, ngx_log_t *log, at_error_t *err)
{
    at_str_t          text;
    at_file_t         file;
    at_error_t        reason;
    unsigned char     digest[AT_SHA256_LEN];
    ngx_at_warning_t  warning = { log, &key_file->path };

    if (at_file_read(&file, (char *) key_file->path.data,
                     NGX_AT_KEY_FILE_SIZE, err)
        != 0)
    {
        return NGX_ERROR;
    }

    key_file->stamp = file.stamp;
    key_file->settled = ngx_at_is_settled(&file.stamp);

    /* who writes it makes administrators: of the store the same is asked */
    if (file.mode & S_IWOTH) {
        at_file_free(&file);
        return at_error(err, "\"%s\" can be written by everybody; mend it "
                        "with: chmod o-w %s", key_file->path.data,
                        key_file->path.data);
    }

    text.data = file.data;
    text.len = file.len;

    if (at_sha256(digest, text) != 0) {
        at_file_free(&file);
        return at_error(err, "no memory");
    }

    if (ngx_memcmp(digest, key_file->digest, AT_SHA256_LEN) == 0) {
        at_file_free(&file);
        return NGX_DONE;
    }

    ngx_memcpy(key_file->digest, digest, AT_SHA256_LEN);

    *set = at_keyset_parse(text, algs, ngx_at_log_key_warning,
                           &warning, &reason);
    at_file_free(&file);

    if (*set == NULL) {
        (void) at_error(err, "\"%s\" %s", key_file->path.data, reason.text);
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* --- configuration ------------------------------------------------------- */


char *
ngx_at_key_file_add(ngx_conf_t *cf, ngx_at_issuer_t *issuer, ngx_str_t *path)
{
    ngx_uint_t          i;
    ngx_at_key_file_t  *key_file;

    if (path->len == 0) {
        return ngx_at_conf_invalid_value(cf, path, "it is empty");
    }

    if (ngx_at_full_path(cf, path) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    if (issuer->key_files.elts == NULL
        && ngx_array_init(&issuer->key_files, cf->pool, 2,
                          sizeof(ngx_at_key_file_t))
           != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    key_file = issuer->key_files.elts;

    for (i = 0; i < issuer->key_files.nelts; i++) {
        if (ngx_strcmp(key_file[i].path.data, path->data) == 0) {
            return ngx_at_conf_invalid_value(cf, path,
                                             "it stands there twice");
        }
    }

    key_file = ngx_array_push(&issuer->key_files);
    if (key_file == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(key_file, sizeof(ngx_at_key_file_t));

    key_file->path = *path;
    ngx_at_conf_note_position(cf, &key_file->where);

    return NGX_CONF_OK;
}


static void
ngx_at_free_keys(void *data)
{
    ngx_at_issuer_t *issuer = data;

    ngx_uint_t  i;

    for (i = 0; i < issuer->nsets; i++) {
        at_keyset_free(issuer->sets[i]);
        issuer->sets[i] = NULL;
    }
}


/* what is signed here is trusted here */

static char *
ngx_at_trust_signing_keys(ngx_conf_t *cf, ngx_at_issuer_t *issuer)
{
    at_error_t        err;
    at_keyset_t      *set;
    ngx_str_t         name = ngx_string("signing_key");
    ngx_at_warning_t  warning = { cf->log, &name };

    if (issuer->jwks.len == 0) {
        return NGX_CONF_OK;
    }

    set = at_keyset_parse(ngx_at_view(issuer->jwks),
                          issuer->requirements.algs, ngx_at_log_key_warning,
                          &warning, &err);
    if (set == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"signing_key\" of \"auth_token_issuer %V\" %s "
                      "in %V:%ui",
                      &issuer->name, err.text, &issuer->signing_key_position.file,
                      issuer->signing_key_position.line);
        return NGX_CONF_ERROR;
    }

    issuer->sets[issuer->nsets - 1] = set;

    return NGX_CONF_OK;
}


/* at the end of the block, when its algorithms are known */

char *
ngx_at_keys_load(ngx_conf_t *cf, ngx_at_issuer_t *issuer)
{
    at_error_t           err;
    ngx_uint_t           i;
    ngx_pool_cleanup_t  *cln;
    ngx_at_key_file_t   *key_file;

    issuer->nsets = issuer->key_files.nelts + issuer->sources.nelts
                    + (issuer->jwks.len != 0);

    issuer->sets = ngx_pcalloc(cf->pool, issuer->nsets
                                         * sizeof(at_keyset_t *));
    if (issuer->sets == NULL) {
        return NGX_CONF_ERROR;
    }

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NGX_CONF_ERROR;
    }

    cln->handler = ngx_at_free_keys;
    cln->data = issuer;

    key_file = issuer->key_files.elts;

    for (i = 0; i < issuer->key_files.nelts; i++) {

        if (ngx_at_read_keys(&key_file[i], issuer->requirements.algs,
                             &issuer->sets[i], cf->log, &err)
            != NGX_OK)
        {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "\"key_file\" of \"auth_token_issuer %V\": %s "
                          "in %V:%ui",
                          &issuer->name, err.text, &key_file[i].where.file,
                          key_file[i].where.line);
            return NGX_CONF_ERROR;
        }
    }

    return ngx_at_trust_signing_keys(cf, issuer);
}


/* --- workers ------------------------------------------------------------- */


/* once for each state of things, not twice a second */

static void
ngx_at_log_key_error(ngx_at_key_file_t *key_file,
    ngx_log_t *log, const at_error_t *err)
{
    if (ngx_strcmp(key_file->complaint, err->text) == 0) {
        return;
    }

    ngx_memcpy(key_file->complaint, err->text, sizeof(key_file->complaint));

    ngx_log_error(NGX_LOG_ERR, log, 0,
                  "auth_token: %s; the last good keys stay in use", err->text);
}


static void
ngx_at_check_key_file(const ngx_at_main_conf_t *atmcf,
    ngx_at_issuer_t *issuer, ngx_uint_t i, ngx_log_t *log)
{
    ngx_int_t           rc;
    at_error_t          err;
    at_keyset_t        *set;
    at_file_stamp_t     stamp;
    ngx_at_key_file_t  *key_file;

    key_file = (ngx_at_key_file_t *) issuer->key_files.elts + i;

    if (at_file_stamp_read(&stamp, (char *) key_file->path.data) == 0
        && at_file_stamp_equal(&stamp, &key_file->stamp)
        && key_file->settled)
    {
        return;
    }

    rc = ngx_at_read_keys(key_file, issuer->requirements.algs, &set, log, &err);

    if (rc == NGX_ERROR) {
        ngx_at_log_key_error(key_file, log, &err);
        return;
    }

    key_file->complaint[0] = '\0';

    if (rc == NGX_DONE) {
        return;
    }

    at_keyset_free(issuer->sets[i]);
    issuer->sets[i] = set;
    ngx_at_worker()->keys_generation++;

    ngx_log_error(NGX_LOG_NOTICE, log, 0,
                  "auth_token: issuer \"%V\" has %uz new keys from \"%V\"",
                  &issuer->name, set->n, &key_file->path);
}


typedef void (*ngx_at_key_file_pt)(
    const ngx_at_main_conf_t *atmcf,
    ngx_at_issuer_t *issuer, ngx_uint_t i, ngx_log_t *log);


static void
ngx_at_each_key_file(const ngx_at_main_conf_t *atmcf,
    ngx_at_key_file_pt handler, ngx_log_t *log)
{
    ngx_uint_t         i, k;
    ngx_at_issuer_t  **issuers;

    issuers = atmcf->issuers.elts;

    for (i = 0; i < atmcf->issuers.nelts; i++) {
        for (k = 0; k < issuers[i]->key_files.nelts; k++) {
            handler(atmcf, issuers[i], k, log);
        }
    }
}


static void
ngx_at_check_key_files(const ngx_at_main_conf_t *atmcf, ngx_log_t *log)
{
    ngx_at_each_key_file(atmcf, ngx_at_check_key_file, log);
}


/* the master read it as root: what a worker may not read it cannot watch */

static void
ngx_at_warn_unreadable(const ngx_at_main_conf_t *atmcf,
    ngx_at_issuer_t *issuer, ngx_uint_t i, ngx_log_t *log)
{
    at_file_t           file;
    at_error_t          err;
    ngx_at_key_file_t  *key_file;

    key_file = (ngx_at_key_file_t *) issuer->key_files.elts + i;

    if (at_file_read(&file, (char *) key_file->path.data,
                     NGX_AT_KEY_FILE_SIZE, &err)
        == 0)
    {
        at_file_free(&file);
        return;
    }

    ngx_memcpy(key_file->complaint, err.text, sizeof(key_file->complaint));

    ngx_log_error(NGX_LOG_WARN, log, 0,
                  "auth_token: worker processes cannot read what changes "
                  "later: %s", err.text);
}


ngx_int_t
ngx_at_keys_watch(ngx_cycle_t *cycle, const ngx_at_main_conf_t *atmcf)
{
    if (atmcf->issuers.nelts == 0) {
        return NGX_OK;
    }

    if (ngx_worker == 0) {
        ngx_at_each_key_file(atmcf, ngx_at_warn_unreadable, cycle->log);
    }

    return ngx_at_watch(cycle, NGX_AT_KEYS_INTERVAL,
                        0, ngx_at_check_key_files,
                        atmcf);
}
