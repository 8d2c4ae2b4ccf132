/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Sources of keys: their directives, and their slots in the shared zone.
 */

#include "http/keys/ngx_at_source.h"

#include "core/base/at_error.h"
#include "core/base/at_file.h"
#include "core/base/at_str.h"
#include "core/fetch/at_discovery.h"
#include "core/fetch/at_url.h"
#include "core/base/at_crypto.h"

#include "http/base/ngx_at_directive.h"
#include "http/base/ngx_at_issuer.h"
#include "http/base/ngx_at_main_conf.h"
#include "http/base/ngx_at_str.h"
#include "http/store/ngx_at_state.h"
#include "http/worker/ngx_at_thread.h"


#define NGX_AT_SOURCES_MAX  64  /* of a configuration */
#define NGX_AT_SLOTS        (2 * NGX_AT_SOURCES_MAX)
#define NGX_AT_ZONE_SIZE    (256 * 1024)
#define NGX_AT_ZONE_LAYOUT  0x41544b31

#define NGX_AT_CA_SIZE  (4 * 1024 * 1024)

#define NGX_AT_FRESH_TIME_MIN  60  /* what Cache-Control may say */
#define NGX_AT_BACKOFF_MAX     300
#define NGX_AT_BACKOFF_NO_KEYS_MAX 30     /* while there are no keys */
#define NGX_AT_RECENT_HEADER_TIME  60000


typedef struct {
    ngx_uint_t     layout;
    ngx_uint_t     cycle;                       /* counts configurations */
    ngx_at_slot_t  slots[NGX_AT_SLOTS];
} ngx_at_source_zone_t;


static ngx_int_t ngx_at_source_init_zone(ngx_shm_zone_t *shm_zone, void *data);


/* --- directives ---------------------------------------------------------- */


static ngx_int_t
ngx_at_source_parse_time(ngx_conf_t *cf, ngx_str_t *argument,
    ngx_str_t *value, time_t *time)
{
    *time = ngx_parse_time(value, 1);

    if (*time == (time_t) NGX_ERROR || *time == 0 || *time > 366 * 86400) {
        (void) ngx_at_conf_invalid_value(cf, argument,
                   "it takes a time from 1s to 366d, as \"30m\"");
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* mistakes that else would show at night, when keys are fetched */

static ngx_int_t
ngx_at_source_check_ca_file(ngx_conf_t *cf, ngx_str_t *argument,
    ngx_str_t *path)
{
    at_file_t   file;
    ngx_uint_t  found;
    at_error_t  err;

    if (path->len == 0 || ngx_at_full_path(cf, path) != NGX_OK) {
        (void) ngx_at_conf_invalid_value(cf, argument, "it takes a path");
        return NGX_ERROR;
    }

    if (at_file_read(&file, (char *) path->data, NGX_AT_CA_SIZE, &err) != 0) {
        (void) ngx_at_conf_invalid_value(cf, argument, err.text);
        return NGX_ERROR;
    }

    found = ngx_strstr(file.data, "-----BEGIN CERTIFICATE-----") != NULL;
    at_file_free(&file);

    if (!found) {
        (void) ngx_at_conf_invalid_value(cf, argument,
                                         "there is no PEM certificate in it");
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_at_source_check_proxy(ngx_conf_t *cf, ngx_str_t *argument,
    ngx_str_t *value)
{
    if (!at_url_is_valid_proxy(ngx_at_view(*value))) {
        (void) ngx_at_conf_invalid_value(cf, argument,
                                         "it takes \"http[s]://host[:port]\"");
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_at_source_parse_parameter(ngx_conf_t *cf,
    ngx_at_source_t *source, ngx_str_t *argument)
{
    ngx_str_t  value;

    value = *argument;

    if (source->refresh == 0
        && ngx_at_conf_cut_parameter(&value, "refresh="))
    {
        return ngx_at_source_parse_time(cf, argument, &value,
                                        &source->refresh);
    }

    if (source->max_stale == 0
        && ngx_at_conf_cut_parameter(&value, "max_stale="))
    {
        return ngx_at_source_parse_time(cf, argument, &value,
                                        &source->max_stale);
    }

    if (source->pause == 0 && ngx_at_conf_cut_parameter(&value, "pause=")) {
        return ngx_at_source_parse_time(cf, argument, &value, &source->pause);
    }

    if (source->ca_file.data == NULL
        && ngx_at_conf_cut_parameter(&value, "ca_file="))
    {
        source->ca_file = value;
        return ngx_at_source_check_ca_file(cf, argument, &source->ca_file);
    }

    if (source->proxy.data == NULL
        && ngx_at_conf_cut_parameter(&value, "proxy="))
    {
        source->proxy = value;
        return ngx_at_source_check_proxy(cf, argument, &value);
    }

    (void) ngx_at_conf_invalid_value(cf, argument,
               "it takes \"refresh=TIME\", \"max_stale=TIME\", "
               "\"pause=TIME\", \"ca_file=PATH\" and \"proxy=URL\", once each");
    return NGX_ERROR;
}


static char *
ngx_at_source_parse_parameters(ngx_conf_t *cf, ngx_at_source_t *source)
{
    ngx_str_t   *value;
    ngx_uint_t   i;

    value = cf->args->elts;

    for (i = 2; i < cf->args->nelts; i++) {
        if (ngx_at_source_parse_parameter(cf, source, &value[i]) != NGX_OK) {
            return NGX_CONF_ERROR;
        }
    }

    source->refresh = source->refresh ? source->refresh : 3600;
    source->max_stale = source->max_stale ? source->max_stale
                        : ngx_max(2 * source->refresh, 86400);
    source->pause = source->pause ? source->pause
                    : ngx_min(source->refresh, 10);

    if (source->max_stale < source->refresh) {
        return "has a \"max_stale\" that is shorter than its \"refresh\"";
    }

    if (source->pause > source->refresh) {
        return "has a \"pause\" that is longer than its \"refresh\"";
    }

    return NGX_CONF_OK;
}


static ngx_at_source_t *
ngx_at_source_create(ngx_conf_t *cf, ngx_at_issuer_t *issuer)
{
    ngx_at_source_t  *source, **p;

    if (issuer->sources.elts == NULL
        && ngx_array_init(&issuer->sources, cf->pool, 2,
                          sizeof(ngx_at_source_t *))
           != NGX_OK)
    {
        return NULL;
    }

    source = ngx_pcalloc(cf->pool, sizeof(ngx_at_source_t));
    p = ngx_array_push(&issuer->sources);

    if (source == NULL || p == NULL) {
        return NULL;
    }

    *p = source;
    source->issuer = issuer;
    ngx_at_conf_note_position(cf, &source->where);

    return source;
}


/* what sources have in common: state, threads, the zone */

static char *
ngx_at_source_require_resources(ngx_conf_t *cf, ngx_at_source_t *source)
{
    ngx_str_t            name = ngx_string("auth_token_keys");
    ngx_at_main_conf_t  *atmcf;

    atmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_auth_token_module);

    if (++atmcf->nsources > NGX_AT_SOURCES_MAX) {
        return "stands there too often: 64 sources of keys are the most";
    }

    source->zone = ngx_shared_memory_add(cf, &name,
                                         NGX_AT_ZONE_SIZE,
                                         &ngx_http_auth_token_module);
    if (source->zone == NULL) {
        return NGX_CONF_ERROR;
    }

    source->zone->init = ngx_at_source_init_zone;
    source->zone->data = atmcf;

    ngx_at_require_state(cf, atmcf);
    atmcf->needs_thread_pool = 1;

    return NGX_CONF_OK;
}


char *
ngx_at_issuer_set_jwks_uri(ngx_conf_t *cf,
    ngx_at_issuer_t *issuer, size_t offset)
{
    char             *rc;
    ngx_str_t        *value;
    ngx_uint_t        i;
    ngx_at_source_t  *source, **sources;

    value = cf->args->elts;

    if (!at_url_is_valid(ngx_at_view(value[1]))) {
        return ngx_at_conf_invalid_value(cf, &value[1],
                   "it takes an https URL, or an http one of a loopback "
                   "address, without a user and a fragment");
    }

    sources = issuer->sources.elts;

    for (i = 0; i < issuer->sources.nelts; i++) {
        if (sources[i]->url.len == value[1].len
            && ngx_strncmp(sources[i]->url.data, value[1].data, value[1].len)
               == 0)
        {
            return ngx_at_conf_invalid_value(cf, &value[1],
                                             "it stands there twice");
        }
    }

    source = ngx_at_source_create(cf, issuer);
    if (source == NULL) {
        return NGX_CONF_ERROR;
    }

    source->url = value[1];
    rc = ngx_at_source_parse_parameters(cf, source);

    return rc == NGX_CONF_OK ? ngx_at_source_require_resources(cf, source)
                             : rc;
}


char *
ngx_at_issuer_set_discovery(ngx_conf_t *cf,
    ngx_at_issuer_t *issuer, size_t offset)
{
    char             *rc;
    ngx_str_t        *value;
    ngx_at_source_t  *source;

    value = cf->args->elts;

    if (ngx_at_str_is(&value[1], "off") && cf->args->nelts == 2) {
        return NGX_CONF_OK;
    }

    if (!ngx_at_str_is(&value[1], "on")) {
        return ngx_at_conf_invalid_value(cf, &value[1],
                   "it takes \"on\", with parameters, or \"off\"");
    }

    source = ngx_at_source_create(cf, issuer);
    if (source == NULL) {
        return NGX_CONF_ERROR;
    }

    source->discovery = 1;
    rc = ngx_at_source_parse_parameters(cf, source);

    return rc == NGX_CONF_OK ? ngx_at_source_require_resources(cf, source)
                             : rc;
}


/* what makes it another source: another name, document, or trust */

static ngx_int_t
ngx_at_source_compute_digest(ngx_conf_t *cf, ngx_at_source_t *source)
{
    at_str_t  text;
    u_char   *p, *last;
    size_t    len;

    len = source->issuer->name.len + source->url.len + source->ca_file.len
          + sizeof("\n\ndiscovery\n");

    p = ngx_pnalloc(cf->temp_pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    last = ngx_snprintf(p, len, "%V\n%V\n%s\n%V", &source->issuer->name,
                        &source->url, source->discovery ? "discovery" : "",
                        &source->ca_file);

    text.data = (char *) p;
    text.len = last - p;

    return at_sha256(source->digest, text) == 0 ? NGX_OK : NGX_ERROR;
}


/* at the end of the block, when its issuer is known */

char *
ngx_at_sources_resolve(ngx_conf_t *cf, ngx_at_issuer_t *issuer)
{
    char              *url;
    ngx_uint_t         i;
    at_error_t         err;
    ngx_at_source_t  **sources;

    sources = issuer->sources.elts;

    for (i = 0; i < issuer->sources.nelts; i++) {
        sources[i]->set = issuer->key_files.nelts + i;

        if (sources[i]->discovery) {
            sources[i]->url = ngx_at_from_view(issuer->requirements.issuers[0]);
            url = at_discovery_url(issuer->requirements.issuers[0], &err);

            if (url == NULL) {
                ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                              "\"discovery\" of \"auth_token_issuer %V\" with "
                              "\"%V\": %s in %V:%ui",
                              &issuer->name, &sources[i]->url, err.text,
                              &sources[i]->where.file, sources[i]->where.line);
                return NGX_CONF_ERROR;
            }

            free(url);
        }

        if (ngx_at_source_compute_digest(cf, sources[i]) != NGX_OK) {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


/* --- slots --------------------------------------------------------------- */


static void
ngx_at_source_lock(ngx_at_source_t *source)
{
    ngx_slab_pool_t  *shpool;

    shpool = (ngx_slab_pool_t *) source->zone->shm.addr;

    ngx_shmtx_lock(&shpool->mutex);
}


static void
ngx_at_source_unlock(ngx_at_source_t *source)
{
    ngx_slab_pool_t  *shpool;

    shpool = (ngx_slab_pool_t *) source->zone->shm.addr;

    ngx_shmtx_unlock(&shpool->mutex);
}


static ngx_uint_t
ngx_at_source_matches_slot(const ngx_at_source_t *source,
    const ngx_at_slot_t *slot)
{
    return ngx_memcmp(slot->digest, source->digest, AT_SHA256_LEN) == 0;
}


/*
 * Its own slot of before the reload, or that which has been unused longest: the
 * workers of the configuration before are never among them.
 */

static ngx_at_slot_t *
ngx_at_zone_find_slot(ngx_at_source_zone_t *zone,
    const ngx_at_source_t *source)
{
    ngx_uint_t      i;
    ngx_at_slot_t  *slot, *oldest;

    oldest = &zone->slots[0];

    for (i = 0; i < NGX_AT_SLOTS; i++) {
        slot = &zone->slots[i];

        if (slot->used && ngx_at_source_matches_slot(source, slot)) {
            return slot;
        }

        if (slot->used < oldest->used) {
            oldest = slot;
        }
    }

    ngx_memzero(oldest, sizeof(ngx_at_slot_t));
    ngx_memcpy(oldest->digest, source->digest, AT_SHA256_LEN);
    oldest->due = ngx_current_msec;

    return oldest;
}


static ngx_int_t
ngx_at_source_init_zone(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_uint_t             i, k;
    ngx_slab_pool_t       *shpool;
    ngx_at_source_zone_t  *zone;
    ngx_at_issuer_t      **issuers;
    ngx_at_source_t      **sources;
    const ngx_at_main_conf_t    *atmcf;

    atmcf = shm_zone->data;
    shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;
    zone = data ? shpool->data : NULL;

    if (zone == NULL || zone->layout != NGX_AT_ZONE_LAYOUT) {
        zone = ngx_slab_calloc(shpool, sizeof(ngx_at_source_zone_t));
        if (zone == NULL) {
            return NGX_ERROR;
        }

        zone->layout = NGX_AT_ZONE_LAYOUT;
        shpool->data = zone;
    }

    issuers = atmcf->issuers.elts;

    ngx_shmtx_lock(&shpool->mutex);

    zone->cycle++;

    for (i = 0; i < atmcf->issuers.nelts; i++) {
        sources = issuers[i]->sources.elts;

        for (k = 0; k < issuers[i]->sources.nelts; k++) {
            sources[k]->slot = ngx_at_zone_find_slot(zone, sources[k]);
            sources[k]->slot->used = zone->cycle;
        }
    }

    ngx_shmtx_unlock(&shpool->mutex);

    return NGX_OK;
}


static ngx_uint_t
ngx_at_slot_is_due(const ngx_at_source_t *source,
    const ngx_at_slot_t *slot, ngx_msec_t now)
{
    if (slot->holder && (ngx_msec_int_t) (slot->lease_end - now) > 0) {
        return 0;
    }

    if ((ngx_msec_int_t) (now - slot->due) >= 0) {
        return 1;
    }

    return slot->wanted
           && now - slot->started >= (ngx_msec_t) source->pause * 1000;
}


ngx_uint_t
ngx_at_source_acquire_lease(ngx_at_source_t *source, ngx_uint_t *lease)
{
    ngx_msec_t      now;
    ngx_uint_t      due;
    ngx_at_slot_t  *slot;

    slot = source->slot;
    now = ngx_current_msec;

    ngx_at_source_lock(source);

    due = ngx_at_source_matches_slot(source, slot)
          && ngx_at_slot_is_due(source, slot, now);

    if (due) {
        slot->holder = 1;
        slot->lease_end = now + NGX_AT_LEASE_TIME;
        slot->started = now;
        slot->wanted = 0;
        slot->fetches++;
        *lease = ++slot->lease;
    }

    ngx_at_source_unlock(source);

    return due;
}


/*
 * How long good keys are fresh (RFC 9111), as far as the operator lets it be:
 * the next ones must be there before these are too old.
 */

static time_t
ngx_at_source_fresh_time(const ngx_at_source_t *source, int64_t max_age)
{
    time_t  least, most;

    most = ngx_min(source->refresh, ngx_max(source->max_stale / 2, 1));
    least = ngx_min(most, NGX_AT_FRESH_TIME_MIN);

    return max_age < 0 || max_age > most ? most
           : ngx_max((time_t) max_age, least);
}


/* after each failure twice as long */

static time_t
ngx_at_source_backoff(const ngx_at_source_t *source, const ngx_at_slot_t *slot)
{
    time_t      wait, most;
    ngx_uint_t  i;

    most = ngx_time() - slot->fetched < source->max_stale
           ? NGX_AT_BACKOFF_MAX
           : NGX_AT_BACKOFF_NO_KEYS_MAX;
    most = ngx_min(most, source->refresh);
    most = ngx_max(most, source->pause);
    wait = source->pause;

    for (i = 1; i < slot->row && wait < most; i++) {
        wait *= 2;
    }

    return ngx_min(wait, most);
}


/* the same words again are no news */

static ngx_uint_t
ngx_at_slot_note_error(ngx_at_slot_t *slot, const u_char *complaint)
{
    ngx_uint_t  news;

    news = ngx_memcmp(slot->complaint, complaint, AT_SHA256_LEN) != 0;
    ngx_memcpy(slot->complaint, complaint, AT_SHA256_LEN);

    return news;
}


static ngx_uint_t
ngx_at_slot_finish_fetch(ngx_at_source_t *source,
    ngx_at_fetch_e result, time_t fetched, int64_t max_age,
    const u_char *complaint)
{
    ngx_at_slot_t  *slot;

    slot = source->slot;
    slot->holder = 0;
    slot->due = ngx_current_msec;

    switch (result) {

    case NGX_AT_FETCH_OK:
        slot->version++;
        slot->fetched = fetched;
        slot->row = 0;
        slot->due += 1000 * (ngx_msec_t)
                     ngx_at_source_fresh_time(source, max_age);
        return ngx_at_slot_note_error(slot, complaint);

    case NGX_AT_FETCH_FAILED:
        slot->failures++;
        slot->row++;
        slot->due += 1000 * (ngx_msec_t)
                     ngx_at_source_backoff(source, slot);
        return ngx_at_slot_note_error(slot, complaint);

    default:
        /* another worker begins at once */
        return 0;
    }
}


ngx_uint_t
ngx_at_source_release_lease(ngx_at_source_t *source,
    ngx_uint_t lease, ngx_at_fetch_e result, time_t fetched,
    int64_t max_age, const char *text)
{
    u_char          complaint[AT_SHA256_LEN];
    at_str_t        view;
    ngx_uint_t      news;
    ngx_at_slot_t  *slot;

    slot = source->slot;
    news = 0;

    view.data = text;
    view.len = ngx_strlen(text);

    /* nothing to complain of are zeros */

    if (view.len == 0 || at_sha256(complaint, view) != 0) {
        ngx_memzero(complaint, AT_SHA256_LEN);
    }

    ngx_at_source_lock(source);

    if (ngx_at_source_matches_slot(source, slot)
        && slot->holder && slot->lease == lease)
    {
        news = ngx_at_slot_finish_fetch(source, result, fetched, max_age,
                                        complaint);
    }

    ngx_at_source_unlock(source);

    return news;
}


/* 1 if this header asks for the first time in a while */

static ngx_uint_t
ngx_at_slot_admit_header(ngx_at_slot_t *slot, const u_char *header)
{
    ngx_msec_t  now;
    ngx_uint_t  i, oldest;

    now = ngx_current_msec;
    oldest = 0;

    for (i = 0; i < NGX_AT_RECENT_HEADERS; i++) {

        if (slot->asked[i].time
            && now - slot->asked[i].time < NGX_AT_RECENT_HEADER_TIME
            && ngx_memcmp(slot->asked[i].header, header, AT_SHA256_LEN) == 0)
        {
            return 0;
        }

        if (slot->asked[i].time < slot->asked[oldest].time) {
            oldest = i;
        }
    }

    slot->asked[oldest].time = now;
    ngx_memcpy(slot->asked[oldest].header, header, AT_SHA256_LEN);

    return 1;
}


void
ngx_at_source_request_fetch(ngx_at_source_t *source, const ngx_str_t *header)
{
    u_char          digest[AT_SHA256_LEN];
    ngx_at_slot_t  *slot;

    slot = source->slot;

    /* a flood ends here */

    if (slot->wanted
        || (header && at_sha256(digest, ngx_at_view(*header)) != 0))
    {
        return;
    }

    ngx_at_source_lock(source);

    if (ngx_at_source_matches_slot(source, slot)
        && !slot->wanted
        && (header == NULL || ngx_at_slot_admit_header(slot, digest)))
    {
        slot->wanted = 1;
    }

    ngx_at_source_unlock(source);
}
