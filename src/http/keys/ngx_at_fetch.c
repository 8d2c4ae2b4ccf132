/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Key sources in a worker process.
 */

#include "http/keys/ngx_at_fetch.h"

#include "core/fetch/at_fetch.h"

#include "http/base/ngx_at_str.h"
#include "http/base/ngx_at_time.h"
#include "http/keys/ngx_at_fetch_task.h"
#include "http/keys/ngx_at_keys.h"
#include "http/store/ngx_at_state.h"
#include "http/worker/ngx_at_worker.h"


#define NGX_AT_FETCH_INTERVAL   500  /* milliseconds */
#define NGX_AT_FETCH_NAME_LEN   16   /* hex digits of the digest */
#define NGX_AT_FETCH_PURPOSE    "keys "


/* --- keys in use --------------------------------------------------------- */


static time_t
ngx_at_fetch_age(const ngx_at_fetch_t *fetch)
{
    return (ngx_at_steady_now() - fetch->fetched) / 1000;
}


static void
ngx_at_fetch_log_warnings(ngx_at_fetch_t *fetch)
{
    at_str_t  text, line;

    text = (at_str_t) { fetch->warnings.data, fetch->warnings.len };

    while (text.len) {
        line = at_str_cut(&text, '\n');

        ngx_log_error(NGX_LOG_WARN, fetch->log, 0, "auth_token: \"%V\": %*s",
                      &fetch->source->url, line.len, line.data);
    }
}


/* reads the version before the file, which then has this one or a later one */

static void
ngx_at_fetch_prepare_load(ngx_at_fetch_t *fetch)
{
    fetch->version = fetch->source->slot->version;
    fetch->last = fetch->source->slot->fetched;
    fetch->last_steady = fetch->source->slot->fetched_steady;
    fetch->had_keys = fetch->fetched != 0;
    fetch->new_set = NULL;
}


static void
ngx_at_fetch_post_load(ngx_at_fetch_t *fetch)
{
    ngx_uint_t  version;

    version = fetch->version;
    ngx_at_fetch_prepare_load(fetch);

    /* the queue is full: the next check tries again */

    if (ngx_thread_task_post(fetch->atmcf->thread_pool, &fetch->load_task)
        != NGX_OK)
    {
        fetch->version = version;
        return;
    }

    fetch->busy = 1;
}


/* uses the keys that were loaded */

static void
ngx_at_fetch_use(ngx_at_fetch_t *fetch)
{
    const ngx_at_source_t  *source;

    source = fetch->source;

    if (fetch->loaded < 0) {
        ngx_log_error(NGX_LOG_ERR, fetch->log, 0,
                      "auth_token: stored keys not loaded: %s",
                      fetch->load_err.text);
    }

    /* the file was lost or damaged: create it again */

    if (fetch->loaded != 0 && fetch->version) {
        ngx_at_source_request_fetch(source, NULL);
    }

    /* the keys became stale meanwhile: they have to be parsed after all */

    if (fetch->loaded == 0 && fetch->new_set == NULL && !fetch->fetched) {
        ngx_at_fetch_post_load(fetch);
        return;
    }

    if (fetch->loaded == 0) {
        fetch->fetched = fetch->new_fetched;
    }

    if (fetch->new_set) {
        ngx_memcpy(fetch->digest, fetch->new_digest, NGX_AT_FETCH_DIGEST_LEN);
        ngx_at_keys_replace(source->issuer, source->set, fetch->new_set);

        ngx_log_error(NGX_LOG_NOTICE, fetch->log, 0,
                      "auth_token: keys replaced, issuer: \"%V\", keys: %uz, "
                      "url: \"%V\", age: %Ts, fetches: %ui, failures: %ui",
                      &source->issuer->name, fetch->new_set->n, &source->url,
                      ngx_at_fetch_age(fetch), source->slot->fetches,
                      source->slot->failures);

        ngx_at_fetch_log_warnings(fetch);
        fetch->new_set = NULL;
    }

    at_bytes_free(&fetch->warnings);
}


static void
ngx_at_fetch_load_done(ngx_event_t *ev)
{
    ngx_at_fetch_t *fetch = ev->data;

    ev->complete = 0;
    fetch->busy = 0;

    ngx_at_fetch_use(fetch);
}


/* --- fetches ------------------------------------------------------------- */


static void
ngx_at_fetch_done(ngx_event_t *ev)
{
    ngx_at_fetch_t *fetch = ev->data;

    ngx_uint_t              changed;
    const ngx_at_source_t  *source;

    source = fetch->source;
    fetch->busy = 0;
    ev->complete = 0;

    changed = ngx_at_source_release_lease(source, fetch->lease, fetch->result,
                                          fetch->started, fetch->max_age,
                                          fetch->err.text);

    if (fetch->result == NGX_AT_FETCH_FAILED && changed) {
        ngx_log_error(NGX_LOG_ERR, fetch->log, 0,
                      "auth_token: keys not fetched, %s, issuer: \"%V\", "
                      "fetches: %ui, failures: %ui: %s",
                      fetch->fetched ? "previous keys stay in use"
                                     : "no keys available",
                      &source->issuer->name, source->slot->fetches,
                      source->slot->failures, fetch->err.text);

        /* each unusable key, if none is usable */

        ngx_at_fetch_log_warnings(fetch);
    }

    if (fetch->result != NGX_AT_FETCH_OK) {
        at_bytes_free(&fetch->warnings);
        return;
    }

    if (changed) {
        ngx_log_error(NGX_LOG_NOTICE, fetch->log, 0,
                      "auth_token: keys fetched again, issuer: \"%V\", "
                      "url: \"%V\", fetches: %ui, failures: %ui",
                      &source->issuer->name, &source->url,
                      source->slot->fetches, source->slot->failures);
    }

    ngx_at_fetch_post_load(fetch);
}


static void
ngx_at_fetch_check(ngx_at_fetch_t *fetch)
{
    const ngx_at_source_t  *source;

    source = fetch->source;

    if (!fetch->busy && fetch->atmcf->state_key
        && source->slot->version != fetch->version)
    {
        ngx_at_fetch_post_load(fetch);
    }

    if (fetch->fetched && ngx_at_fetch_age(fetch) >= source->max_stale) {
        fetch->fetched = 0;
        ngx_at_keys_replace(source->issuer, source->set, NULL);
        ngx_at_source_request_fetch(source, NULL);

        ngx_log_error(NGX_LOG_ERR, fetch->log, 0,
                      "auth_token: keys older than \"max_stale\" removed, "
                      "issuer: \"%V\", url: \"%V\"",
                      &source->issuer->name, &source->url);
    }

    if (fetch->busy || fetch->atmcf->state_key == NULL
        || !ngx_at_source_acquire_lease(source, &fetch->lease))
    {
        return;
    }

    fetch->started = ngx_time();
    fetch->result = NGX_AT_FETCH_FAILED;
    fetch->max_age = -1;
    fetch->err.text[0] = '\0';
    at_bytes_free(&fetch->warnings);
    fetch->busy = 1;

    if (ngx_thread_task_post(fetch->atmcf->thread_pool, &fetch->fetch_task)
        != NGX_OK)
    {
        (void) at_error(&fetch->err, "the queue of the thread pool is full");
        ngx_at_fetch_done(&fetch->fetch_task.event);
    }
}


/* --- worker -------------------------------------------------------------- */


static ngx_int_t
ngx_at_fetch_init(ngx_at_fetch_t *fetch, ngx_cycle_t *cycle,
    const ngx_at_main_conf_t *atmcf, const ngx_at_source_t *source)
{
    char     name[sizeof("keys-") + NGX_AT_FETCH_NAME_LEN];
    u_char  *p;

    p = ngx_cpymem(name, "keys-", sizeof("keys-") - 1);
    p = ngx_hex_dump(p, (u_char *) source->digest, NGX_AT_FETCH_NAME_LEN / 2);
    *p = '\0';

    ngx_memzero(fetch, sizeof(ngx_at_fetch_t));

    fetch->file = ngx_at_state_file(cycle->pool, atmcf, name);

    p = ngx_pnalloc(cycle->pool,
                    sizeof(NGX_AT_FETCH_PURPOSE) - 1 + AT_SHA256_LEN);

    if (fetch->file.data == NULL || p == NULL) {
        return NGX_ERROR;
    }

    fetch->purpose.data = (char *) p;
    p = ngx_cpymem(p, NGX_AT_FETCH_PURPOSE, sizeof(NGX_AT_FETCH_PURPOSE) - 1);
    p = ngx_cpymem(p, source->digest, AT_SHA256_LEN);
    fetch->purpose.len = (char *) p - fetch->purpose.data;

    fetch->atmcf = atmcf;
    fetch->source = source;
    fetch->log = cycle->log;

    fetch->fetch_task.ctx = fetch;
    fetch->fetch_task.handler = ngx_at_fetch_handler;
    fetch->fetch_task.event.handler = ngx_at_fetch_done;
    fetch->fetch_task.event.data = fetch;

    fetch->load_task.ctx = fetch;
    fetch->load_task.handler = ngx_at_fetch_load_handler;
    fetch->load_task.event.handler = ngx_at_fetch_load_done;
    fetch->load_task.event.data = fetch;

    return NGX_OK;
}


static void
ngx_at_fetch_poll(const ngx_at_main_conf_t *atmcf, ngx_log_t *log)
{
    ngx_uint_t       i;
    ngx_at_fetch_t  *fetch;

    fetch = ngx_at_worker.fetches.elts;

    for (i = 0; i < ngx_at_worker.fetches.nelts; i++) {
        ngx_at_fetch_check(&fetch[i]);
    }
}


ngx_int_t
ngx_at_fetch_load_stored(ngx_cycle_t *cycle, const ngx_at_main_conf_t *atmcf)
{
    ngx_uint_t         i;
    ngx_at_fetch_t    *fetch;
    ngx_at_source_t  **sources;

    if (atmcf->sources.nelts == 0) {
        return NGX_OK;
    }

    sources = atmcf->sources.elts;

    if (at_fetch_init() != 0
        || ngx_array_init(&ngx_at_worker.fetches, cycle->pool,
                          atmcf->sources.nelts, sizeof(ngx_at_fetch_t))
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    for (i = 0; i < atmcf->sources.nelts; i++) {
        fetch = ngx_array_push(&ngx_at_worker.fetches);

        if (ngx_at_fetch_init(fetch, cycle, atmcf, sources[i]) != NGX_OK) {
            return NGX_ERROR;
        }

        /* keys that an earlier worker has stored; no request waits yet */

        if (atmcf->state_key) {
            ngx_at_fetch_prepare_load(fetch);
            ngx_at_fetch_load(fetch);
            ngx_at_fetch_use(fetch);
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_at_fetch_watch(ngx_cycle_t *cycle, const ngx_at_main_conf_t *atmcf)
{
    if (atmcf->sources.nelts == 0) {
        return NGX_OK;
    }

    if (ngx_at_fetch_load_stored(cycle, atmcf) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_at_fetch_poll(atmcf, cycle->log);

    return ngx_at_watch(cycle, NGX_AT_FETCH_INTERVAL, 0, ngx_at_fetch_poll,
                        atmcf);
}


/* threads have ended: release leases, so that other workers need not wait */

void
ngx_at_fetch_exit(void)
{
    ngx_uint_t       i;
    ngx_at_fetch_t  *fetch;

    fetch = ngx_at_worker.fetches.elts;

    for (i = 0; i < ngx_at_worker.fetches.nelts; i++) {
        if (fetch[i].busy) {
            (void) ngx_at_source_release_lease(fetch[i].source, fetch[i].lease,
                                               NGX_AT_FETCH_STOPPED, 0, -1,
                                               "");
        }

        at_keyset_free(fetch[i].new_set);
        at_bytes_free(&fetch[i].warnings);
    }
}


/* --- requests ------------------------------------------------------------ */


/* seconds since the keys in use were fetched; -1: no keys */

static time_t
ngx_at_source_age(const ngx_at_source_t *source)
{
    ngx_at_fetch_t  *fetch;

    fetch = ngx_at_worker.fetches.elts;

    return source->index < ngx_at_worker.fetches.nelts
           && fetch[source->index].fetched
           ? ngx_at_fetch_age(&fetch[source->index]) : -1;
}


void
ngx_at_fetch_missing_keys(const ngx_at_loc_conf_t *atcf,
    const at_trusted_issuer_t *trusted, const ngx_str_t *token)
{
    u_char                 *p;
    ngx_str_t               header;
    ngx_uint_t              i, k;
    const ngx_array_t      *sources;
    const ngx_at_source_t  *source;

    p = ngx_strlchr(token->data, token->data + token->len, '.');

    header.data = token->data;
    header.len = p ? (size_t) (p - token->data) : token->len;

    for (i = 0; i < atcf->ntrusted; i++) {
        sources = &atcf->trusted[i]->sources;

        if (!trusted[i].lacks_key) {
            continue;
        }

        for (k = 0; k < sources->nelts; k++) {
            source = ((ngx_at_source_t **) sources->elts)[k];

            /* without keys, the next fetch is due soon anyway */

            if (ngx_at_source_age(source) >= 0) {
                ngx_at_source_request_fetch(source, &header);
            }
        }
    }
}


void
ngx_at_fetch_get_stats(ngx_http_request_t *r, const ngx_at_issuer_t *issuer,
    ngx_at_key_stats_t *stats)
{
    ngx_int_t             next;
    ngx_uint_t            i;
    ngx_at_source_t     **sources;
    at_trusted_issuer_t  *trusted;

    trusted = ngx_at_trusted_issuers(r, &issuer, 1);

    stats->keys = 0;
    stats->age = -1;
    stats->fetches = issuer->sources.nelts ? 0 : -1;
    stats->failures = stats->fetches;
    stats->next = -1;

    for (i = 0; trusted && i < trusted->n_sets; i++) {
        stats->keys += trusted->sets[i] ? trusted->sets[i]->n : 0;
    }

    sources = issuer->sources.elts;

    for (i = 0; i < issuer->sources.nelts; i++) {
        stats->fetches += sources[i]->slot->fetches;
        stats->failures += sources[i]->slot->failures;
        stats->age = ngx_max(stats->age, ngx_at_source_age(sources[i]));

        next = (ngx_msec_int_t) (sources[i]->slot->due - ngx_current_msec)
               / 1000;
        next = ngx_max(next, 0);
        stats->next = i ? ngx_min(stats->next, next) : next;
    }
}


ngx_int_t
ngx_at_fetch_status(ngx_http_request_t *r, const ngx_at_loc_conf_t *atcf,
    ngx_str_t *status)
{
    u_char                 *p;
    size_t                  len;
    ngx_uint_t              i;
    ngx_at_key_stats_t      stats;
    const ngx_at_issuer_t  *issuer;

    len = 1;

    for (i = 0; i < atcf->ntrusted; i++) {
        len += atcf->trusted[i]->name.len
               + sizeof(" :keys=,age=,fetches=,failures=")
               + 4 * NGX_INT_T_LEN;
    }

    p = ngx_pnalloc(r->pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    status->data = p;

    for (i = 0; i < atcf->ntrusted; i++) {
        issuer = atcf->trusted[i];
        ngx_at_fetch_get_stats(r, issuer, &stats);

        p = ngx_sprintf(p, "%s%V:keys=%i", i ? " " : "", &issuer->name,
                        stats.keys);

        if (issuer->sources.nelts) {
            p = ngx_sprintf(p, ",age=%i,fetches=%i,failures=%i", stats.age,
                            stats.fetches, stats.failures);
        }
    }

    status->len = p - status->data;

    return NGX_OK;
}
