/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Key files.
 */

#include "http/keys/ngx_at_keys.h"

#include "core/base/at_crypto.h"

#include "http/base/ngx_at_str.h"
#include "http/worker/ngx_at_worker.h"


#define NGX_AT_KEY_FILE_SIZE  (1024 * 1024)
#define NGX_AT_KEYS_INTERVAL  500  /* milliseconds */

#define NGX_AT_TOO_MANY_KEYS                                                  \
    "\"auth_token_issuer %V\" has %uz keys without \"kid\" for one "          \
    "algorithm, only %d of them are tried"


/* a worker has its own copy */
struct ngx_at_key_file_s {
    const ngx_at_issuer_t  *issuer;
    ngx_uint_t              set;                /* index in issuer->sets */
    ngx_str_t               path;
    ngx_at_conf_position_t  position;

    /* of the last content, even if it was invalid */
    at_file_stamp_t         stamp;
    u_char                  digest[AT_SHA256_LEN];
    ngx_uint_t              settled;

    at_error_t              error;              /* last logged */

    /* reading the file again; the thread writes to the part above, too */
    ngx_thread_task_t       task;
    ngx_uint_t              busy;
    ngx_int_t               result;
    at_error_t              new_error;
    at_keyset_t            *new_set;
};

typedef struct {
    ngx_log_t  *log;
    ngx_str_t  *path;
} ngx_at_key_warning_t;


static void
ngx_at_log_key_warning(void *data, const char *text)
{
    ngx_at_key_warning_t *warning = data;

    ngx_log_error(NGX_LOG_WARN, warning->log, 0, "auth_token: \"%V\": %s",
                  warning->path, text);
}


/*
 * NGX_OK with *set; NGX_DONE: the content has not changed; NGX_ERROR with err.
 * A file that was written within the last second may change again without a
 * new time stamp: it is not settled yet and will be read again.
 */

static ngx_int_t
ngx_at_key_file_read(ngx_at_key_file_t *key_file, at_keyset_t **set,
    ngx_log_t *log, at_error_t *err)
{
    char                  *path;
    time_t                 age;
    at_str_t               text;
    at_file_t              file;
    ngx_int_t              rc;
    at_error_t             reason;
    unsigned char          digest[AT_SHA256_LEN];
    ngx_at_key_warning_t   warning = { log, &key_file->path };

    path = (char *) key_file->path.data;

    if (at_file_read(&file, path, NGX_AT_KEY_FILE_SIZE, err) != 0) {
        return NGX_ERROR;
    }

    age = ngx_time() - file.stamp.ctime.tv_sec;

    key_file->stamp = file.stamp;
    key_file->settled = age < -1 || age > 1;

    text = (at_str_t) { file.data, file.len };

    /* write access to this file allows forging tokens of administrators */

    if (file.mode & S_IWOTH) {
        rc = at_error(err, "\"%s\" is writable by all users; fix with: "
                      "chmod o-w %s", path, path);

    } else if (at_sha256(digest, text) != 0) {
        rc = at_error(err, "no memory");

    } else if (ngx_memcmp(digest, key_file->digest, AT_SHA256_LEN) == 0) {
        rc = NGX_DONE;

    } else {
        ngx_memcpy(key_file->digest, digest, AT_SHA256_LEN);

        *set = at_keyset_parse(text, key_file->issuer->requirements.algs,
                               ngx_at_log_key_warning, &warning, &reason);

        rc = *set ? NGX_OK
                  : at_error(err, "\"%s\": %s", path, reason.text);

        if (rc == NGX_OK && (*set)->certificates > 1) {
            ngx_log_error(NGX_LOG_INFO, log, 0,
                          "auth_token: \"%s\" has %ud certificates, the "
                          "first one is used", path, (*set)->certificates);
        }
    }

    at_file_free(&file);

    return rc;
}


/* --- configuration ------------------------------------------------------- */


char *
ngx_at_issuer_set_key_file(ngx_conf_t *cf, ngx_at_issuer_t *issuer,
    ngx_str_t *value, void *field)
{
    ngx_str_t          *path;
    ngx_uint_t          i;
    ngx_at_key_file_t  *key_file;

    path = &value[1];

    if (path->len == 0) {
        return ngx_at_conf_invalid_value(cf, path, "use the path of a file");
    }

    if (ngx_conf_full_name(cf->cycle, path, 1) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    key_file = issuer->key_files.elts;

    for (i = 0; i < issuer->key_files.nelts; i++) {
        if (ngx_at_str_equal(&key_file[i].path, path)) {
            return ngx_at_conf_duplicate_value(cf, path);
        }
    }

    key_file = ngx_at_conf_push(cf, &issuer->key_files,
                                sizeof(ngx_at_key_file_t));
    if (key_file == NULL) {
        return NGX_CONF_ERROR;
    }

    key_file->issuer = issuer;
    key_file->set = i;
    key_file->path = *path;
    ngx_at_conf_note_position(cf, &key_file->position);

    return NGX_CONF_OK;
}


static void
ngx_at_keys_free(void *data)
{
    ngx_at_issuer_t *issuer = data;

    ngx_uint_t  i;

    for (i = 0; i < issuer->nsets; i++) {
        at_keyset_free(issuer->sets[i]);
        issuer->sets[i] = NULL;
    }
}


/* keys without "kid" for one algorithm, if too many of them; else 0 */

static size_t
ngx_at_keys_excess(const ngx_at_issuer_t *issuer, at_keyset_t *const *sets)
{
    size_t               n;
    at_trusted_issuer_t  trusted;

    ngx_memzero(&trusted, sizeof(at_trusted_issuer_t));

    trusted.sets = sets;
    trusted.n_sets = issuer->nsets;
    n = at_issuer_keys_without_kid(&trusted);

    return n > AT_JWT_KEYS_MAX ? n : 0;
}


static ngx_int_t
ngx_at_keys_load_files(ngx_conf_t *cf, ngx_at_issuer_t *issuer)
{
    size_t              n;
    at_error_t          err;
    ngx_uint_t          i;
    ngx_at_key_file_t  *key_file;

    key_file = issuer->key_files.elts;

    for (i = 0; i < issuer->key_files.nelts; i++) {
        if (ngx_at_key_file_read(&key_file[i], &issuer->sets[i], cf->log, &err)
            != NGX_OK)
        {
            return ngx_at_conf_error_at(cf, &key_file[i].position,
                       "\"key_file\" of \"auth_token_issuer %V\": %s",
                       &issuer->name, err.text);
        }
    }

    n = ngx_at_keys_excess(issuer, issuer->sets);

    if (n) {
        ngx_at_conf_warn_at(cf, &key_file[i - 1].position,
                            NGX_AT_TOO_MANY_KEYS, &issuer->name, n,
                            AT_JWT_KEYS_MAX);
    }

    return NGX_OK;
}


/* an issuer accepts the tokens that it signs */

static ngx_int_t
ngx_at_keys_load_signing(ngx_conf_t *cf, ngx_at_issuer_t *issuer)
{
    ngx_str_t              name = ngx_string("signing_key");
    at_error_t             err;
    at_keyset_t           *set;
    ngx_at_key_warning_t   warning = { cf->log, &name };

    if (issuer->jwks.len == 0) {
        return NGX_OK;
    }

    set = at_keyset_parse(ngx_at_view(issuer->jwks), issuer->requirements.algs,
                          ngx_at_log_key_warning, &warning, &err);
    if (set == NULL) {
        return ngx_at_conf_error_at(cf, &issuer->signing_key_position,
                   "\"signing_key\" of \"auth_token_issuer %V\": %s",
                   &issuer->name, err.text);
    }

    issuer->sets[issuer->nsets - 1] = set;

    return NGX_OK;
}


char *
ngx_at_keys_load(ngx_conf_t *cf, ngx_at_main_conf_t *atmcf,
    ngx_at_issuer_t *issuer)
{
    ngx_pool_cleanup_t  *cln;

    issuer->nsets = issuer->key_files.nelts + issuer->sources.nelts
                    + (issuer->jwks.len != 0);
    issuer->first_set = atmcf->nsets;
    atmcf->nsets += issuer->nsets;

    issuer->sets = ngx_pcalloc(cf->pool,
                               issuer->nsets * sizeof(at_keyset_t *));
    cln = ngx_pool_cleanup_add(cf->pool, 0);

    if (issuer->sets == NULL || cln == NULL) {
        return NGX_CONF_ERROR;
    }

    cln->handler = ngx_at_keys_free;
    cln->data = issuer;

    return ngx_at_keys_load_files(cf, issuer) == NGX_OK
           && ngx_at_keys_load_signing(cf, issuer) == NGX_OK
           ? NGX_CONF_OK : NGX_CONF_ERROR;
}


/* --- workers ------------------------------------------------------------- */


void
ngx_at_keys_replace(const ngx_at_issuer_t *issuer, ngx_uint_t i,
    at_keyset_t *set)
{
    size_t         n;
    at_keyset_t  **current;

    current = &ngx_at_worker.key_sets[issuer->first_set + i];

    /* the configuration keeps the sets that were read with it */

    if (*current != issuer->sets[i]) {
        at_keyset_free(*current);
    }

    *current = set;
    ngx_at_worker.keys_generation++;

    n = set ? ngx_at_keys_excess(issuer, ngx_at_worker.key_sets
                                         + issuer->first_set)
            : 0;

    if (n) {
        ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0, "auth_token: "
                      NGX_AT_TOO_MANY_KEYS, &issuer->name, n,
                      AT_JWT_KEYS_MAX);
    }
}


at_trusted_issuer_t *
ngx_at_trusted_issuers(ngx_http_request_t *r,
    const ngx_at_issuer_t *const *issuers, ngx_uint_t n)
{
    ngx_uint_t                 i;
    at_trusted_issuer_t       *trusted;
    const ngx_at_main_conf_t  *atmcf;

    trusted = ngx_palloc(r->pool, n * sizeof(at_trusted_issuer_t));
    if (trusted == NULL) {
        return NULL;
    }

    atmcf = ngx_http_get_module_main_conf(r, ngx_http_auth_token_module);

    for (i = 0; i < n; i++) {
        trusted[i].issuer = &issuers[i]->requirements;
        trusted[i].n_sets = issuers[i]->nsets;

        /* without a master process, a reload does not initialize a worker */

        trusted[i].sets = ngx_at_worker.keys_conf == atmcf
                          ? ngx_at_worker.key_sets + issuers[i]->first_set
                          : issuers[i]->sets;
    }

    return trusted;
}


/* the sets in use live as long as the configuration */

static void
ngx_at_keys_release(void *data)
{
    const ngx_at_main_conf_t *atmcf = data;

    ngx_uint_t          i, k;
    ngx_at_issuer_t   **issuers;
    ngx_at_key_file_t  *key_file;

    issuers = atmcf->issuers.elts;

    for (i = 0; i < atmcf->issuers.nelts; i++) {
        for (k = 0; k < issuers[i]->nsets; k++) {
            ngx_at_keys_replace(issuers[i], k, NULL);
        }
    }

    ngx_at_worker.keys_conf = NULL;

    /* of a thread that has ended after the event loop */

    key_file = ngx_at_worker.key_files.elts;

    for (i = 0; i < ngx_at_worker.key_files.nelts; i++) {
        at_keyset_free(key_file[i].new_set);
    }
}


/* in a thread: a file of 1 MiB takes 20 ms */

static void
ngx_at_key_file_handler(void *data, ngx_log_t *log)
{
    ngx_at_key_file_t *key_file = data;

    key_file->result = ngx_at_key_file_read(key_file, &key_file->new_set, log,
                                            &key_file->new_error);
    at_crypto_thread_cleanup();
}


static void
ngx_at_key_file_done(ngx_event_t *ev)
{
    ngx_at_key_file_t *key_file = ev->data;

    ngx_log_t  *log;

    log = ngx_cycle->log;
    ev->complete = 0;
    key_file->busy = 0;

    if (key_file->result == NGX_ERROR) {

        /* log an error once, not twice a second */

        if (ngx_strcmp(key_file->error.text, key_file->new_error.text) != 0) {
            key_file->error = key_file->new_error;
            ngx_log_error(NGX_LOG_ERR, log, 0,
                          "auth_token: key file not loaded, previous keys "
                          "stay in use: %s", key_file->error.text);
        }

        return;
    }

    key_file->error.text[0] = '\0';

    if (key_file->result == NGX_OK) {
        ngx_log_error(NGX_LOG_NOTICE, log, 0,
                      "auth_token: keys replaced, issuer: \"%V\", keys: %uz, "
                      "file: \"%V\"", &key_file->issuer->name,
                      key_file->new_set->n, &key_file->path);

        ngx_at_keys_replace(key_file->issuer, key_file->set,
                            key_file->new_set);
        key_file->new_set = NULL;
    }
}


static void
ngx_at_key_file_check(ngx_at_key_file_t *key_file, ngx_thread_pool_t *pool)
{
    at_file_stamp_t  stamp;

    if (key_file->busy
        || (at_file_stamp_read(&stamp, (char *) key_file->path.data) == 0
            && at_file_stamp_equal(&stamp, &key_file->stamp)
            && key_file->settled))
    {
        return;
    }

    key_file->task.ctx = key_file;
    key_file->task.handler = ngx_at_key_file_handler;
    key_file->task.event.handler = ngx_at_key_file_done;
    key_file->task.event.data = key_file;

    key_file->busy = ngx_thread_task_post(pool, &key_file->task) == NGX_OK;
}


static void
ngx_at_keys_poll(const ngx_at_main_conf_t *atmcf, ngx_log_t *log)
{
    ngx_uint_t          i;
    ngx_at_key_file_t  *key_file;

    key_file = ngx_at_worker.key_files.elts;

    for (i = 0; i < ngx_at_worker.key_files.nelts; i++) {
        ngx_at_key_file_check(&key_file[i], atmcf->key_pool);
    }
}


/* the master process may have read the file as root */

static void
ngx_at_key_file_check_access(ngx_at_key_file_t *key_file, ngx_log_t *log)
{
    at_file_t  file;

    if (at_file_read(&file, (char *) key_file->path.data, NGX_AT_KEY_FILE_SIZE,
                     &key_file->error)
        == 0)
    {
        at_file_free(&file);
        key_file->error.text[0] = '\0';

    } else if (ngx_worker == 0) {
        ngx_log_error(NGX_LOG_WARN, log, 0,
                      "auth_token: worker processes cannot read a key file, "
                      "changes will be ignored: %s", key_file->error.text);
    }
}


ngx_int_t
ngx_at_keys_watch(ngx_cycle_t *cycle, const ngx_at_main_conf_t *atmcf)
{
    ngx_uint_t           i, k;
    at_keyset_t        **key_sets;
    ngx_at_issuer_t    **issuers;
    ngx_at_key_file_t   *key_file;
    ngx_pool_cleanup_t  *cln;

    issuers = atmcf->issuers.elts;
    key_sets = ngx_palloc(cycle->pool, atmcf->nsets * sizeof(at_keyset_t *));
    cln = ngx_pool_cleanup_add(cycle->pool, 0);

    if (key_sets == NULL || cln == NULL
        || ngx_array_init(&ngx_at_worker.key_files, cycle->pool, 4,
                          sizeof(ngx_at_key_file_t))
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    for (i = 0; i < atmcf->issuers.nelts; i++) {
        ngx_memcpy(&key_sets[issuers[i]->first_set], issuers[i]->sets,
                   issuers[i]->nsets * sizeof(at_keyset_t *));
    }

    ngx_at_worker.key_sets = key_sets;
    ngx_at_worker.keys_conf = atmcf;
    cln->handler = ngx_at_keys_release;
    cln->data = (void *) atmcf;

    for (i = 0; i < atmcf->issuers.nelts; i++) {
        for (k = 0; k < issuers[i]->key_files.nelts; k++) {

            key_file = ngx_array_push(&ngx_at_worker.key_files);
            if (key_file == NULL) {
                return NGX_ERROR;
            }

            *key_file = ((ngx_at_key_file_t *) issuers[i]->key_files.elts)[k];

            ngx_at_key_file_check_access(key_file, cycle->log);
        }
    }

    return ngx_at_worker.key_files.nelts
           ? ngx_at_watch(cycle, NGX_AT_KEYS_INTERVAL, 0, ngx_at_keys_poll,
                          atmcf)
           : NGX_OK;
}
