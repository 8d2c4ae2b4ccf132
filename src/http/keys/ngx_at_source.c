/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The slots of key sources in shared memory.
 */

#include "http/keys/ngx_at_source.h"

#include "http/base/ngx_at_str.h"
#include "http/base/ngx_at_time.h"


#define NGX_AT_SLOTS           (2 * NGX_AT_SOURCES_MAX)
#define NGX_AT_ZONE_SIZE       (256 * 1024)
#define NGX_AT_ZONE_LAYOUT     0x41544b32

#define NGX_AT_LEASE_TIME      15000  /* ms; longer than two downloads */
#define NGX_AT_RECENT_TIME     60000  /* ms */
#define NGX_AT_FRESH_TIME_MIN  60     /* seconds, even if max-age is less */
#define NGX_AT_BACKOFF_MAX     300
#define NGX_AT_BACKOFF_NO_KEYS_MAX  30


typedef struct {
    ngx_uint_t     layout;
    ngx_uint_t     cycle;                       /* number of configurations */
    ngx_at_slot_t  slots[NGX_AT_SLOTS];
} ngx_at_source_zone_t;


/* --- the zone ------------------------------------------------------------ */


static ngx_uint_t
ngx_at_source_has_slot(const ngx_at_source_t *source,
    const ngx_at_slot_t *slot)
{
    return ngx_memcmp(slot->digest, source->digest, AT_SHA256_LEN) == 0;
}


/*
 * Returns the slot that the source had before a reload, or the least recently
 * used one.  There are twice as many slots as sources, so that the sources of
 * the previous configuration, whose workers may still run, keep their slots.
 */

static ngx_at_slot_t *
ngx_at_zone_get_slot(ngx_at_source_zone_t *zone, const ngx_at_source_t *source)
{
    ngx_uint_t      i;
    ngx_at_slot_t  *slot, *oldest;

    oldest = &zone->slots[0];

    for (i = 0; i < NGX_AT_SLOTS; i++) {
        slot = &zone->slots[i];

        if (slot->cycle && ngx_at_source_has_slot(source, slot)) {
            return slot;
        }

        if (slot->cycle < oldest->cycle) {
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
    ngx_uint_t             i;
    ngx_slab_pool_t       *shpool;
    ngx_at_source_t      **sources;
    ngx_at_main_conf_t    *atmcf;
    ngx_at_source_zone_t  *zone;

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

    sources = atmcf->sources.elts;

    ngx_shmtx_lock(&shpool->mutex);

    zone->cycle++;

    for (i = 0; i < atmcf->sources.nelts; i++) {
        sources[i]->slot = ngx_at_zone_get_slot(zone, sources[i]);
        sources[i]->slot->cycle = zone->cycle;
        sources[i]->mutex = &shpool->mutex;
    }

    ngx_shmtx_unlock(&shpool->mutex);

    return NGX_OK;
}


char *
ngx_at_source_add_zone(ngx_conf_t *cf, ngx_at_main_conf_t *atmcf)
{
    ngx_str_t        name = ngx_string("auth_token_keys");
    ngx_shm_zone_t  *zone;

    zone = ngx_shared_memory_add(cf, &name, NGX_AT_ZONE_SIZE,
                                 &ngx_http_auth_token_module);
    if (zone == NULL) {
        return NGX_CONF_ERROR;
    }

    zone->init = ngx_at_source_init_zone;
    zone->data = atmcf;

    return NGX_CONF_OK;
}


/* the locked slot; NULL, unlocked, if it belongs to another source by now */

static ngx_at_slot_t *
ngx_at_source_lock(const ngx_at_source_t *source)
{
    ngx_shmtx_lock(source->mutex);

    if (ngx_at_source_has_slot(source, source->slot)) {
        return source->slot;
    }

    ngx_shmtx_unlock(source->mutex);

    return NULL;
}


/* --- leases -------------------------------------------------------------- */


ngx_uint_t
ngx_at_source_acquire_lease(const ngx_at_source_t *source, ngx_uint_t *lease)
{
    ngx_msec_t      now;
    ngx_uint_t      fetch;
    ngx_at_slot_t  *slot;

    slot = ngx_at_source_lock(source);
    if (slot == NULL) {
        return 0;
    }

    now = ngx_current_msec;

    if (slot->leased && (ngx_msec_int_t) (slot->lease_end - now) > 0) {
        fetch = 0;

    } else {
        fetch = (ngx_msec_int_t) (now - slot->due) >= 0
                || (slot->requested
                    && now - slot->started
                       >= (ngx_msec_t) source->pause * 1000);
    }

    if (fetch) {
        slot->leased = 1;
        slot->lease_end = now + NGX_AT_LEASE_TIME;
        slot->started = now;
        slot->requested = 0;
        slot->fetches++;
        *lease = ++slot->lease;
    }

    ngx_shmtx_unlock(source->mutex);

    return fetch;
}


/*
 * The lifetime of keys (RFC 9111) within the limits of the operator: the next
 * keys must be fetched before the current ones are stale.
 */

static time_t
ngx_at_source_fresh_time(const ngx_at_source_t *source, int64_t max_age)
{
    time_t  min, max;

    max = ngx_min(source->refresh, ngx_max(source->max_stale / 2, 1));
    min = ngx_min(max, NGX_AT_FRESH_TIME_MIN);

    return max_age < 0 || max_age > max ? max : ngx_max((time_t) max_age, min);
}


/* the delay before the next attempt; it doubles with each failure */

static time_t
ngx_at_source_backoff(const ngx_at_source_t *source, const ngx_at_slot_t *slot)
{
    time_t      wait, max;
    ngx_uint_t  i;

    max = slot->fetched && (ngx_at_steady_now() - slot->fetched_steady) / 1000
                           < source->max_stale
          ? NGX_AT_BACKOFF_MAX : NGX_AT_BACKOFF_NO_KEYS_MAX;
    max = ngx_min(max, source->refresh);
    max = ngx_max(max, source->pause);
    wait = source->pause;

    for (i = 1; i < slot->failures_in_row && wait < max; i++) {
        wait *= 2;
    }

    return ngx_min(wait, max);
}


ngx_uint_t
ngx_at_source_release_lease(const ngx_at_source_t *source, ngx_uint_t lease,
    ngx_at_fetch_result_e result, time_t fetched, int64_t max_age,
    const char *error)
{
    u_char          digest[AT_SHA256_LEN];
    at_str_t        text;
    ngx_uint_t      changed;
    ngx_at_slot_t  *slot;

    text.data = error;
    text.len = ngx_strlen(error);

    if (text.len == 0 || at_sha256(digest, text) != 0) {
        ngx_memzero(digest, AT_SHA256_LEN);
    }

    slot = ngx_at_source_lock(source);
    if (slot == NULL) {
        return 0;
    }

    changed = 0;

    if (slot->leased && slot->lease == lease) {
        slot->leased = 0;
        slot->due = ngx_current_msec;

        if (result == NGX_AT_FETCH_OK) {
            slot->version++;
            slot->fetched = fetched;
            slot->fetched_steady = ngx_at_steady_now();
            slot->failures_in_row = 0;
            slot->due += 1000 * (ngx_msec_t)
                         ngx_at_source_fresh_time(source, max_age);

        } else if (result == NGX_AT_FETCH_FAILED) {
            slot->failures++;
            slot->failures_in_row++;
            slot->due += 1000 * (ngx_msec_t)
                         ngx_at_source_backoff(source, slot);
        }

        if (result != NGX_AT_FETCH_STOPPED) {
            changed = ngx_memcmp(slot->error, digest, AT_SHA256_LEN) != 0;
            ngx_memcpy(slot->error, digest, AT_SHA256_LEN);
        }
    }

    ngx_shmtx_unlock(source->mutex);

    return changed;
}


/* --- requested fetches --------------------------------------------------- */


/* 1 if no token with this header has requested a fetch recently */

static ngx_uint_t
ngx_at_slot_admit_header(ngx_at_slot_t *slot, const u_char *header)
{
    ngx_msec_t  now;
    ngx_uint_t  i, oldest;

    now = ngx_current_msec;
    oldest = 0;

    for (i = 0; i < NGX_AT_RECENT_HEADERS; i++) {

        if (slot->recent[i].time
            && now - slot->recent[i].time < NGX_AT_RECENT_TIME
            && ngx_memcmp(slot->recent[i].header, header, AT_SHA256_LEN) == 0)
        {
            return 0;
        }

        if (slot->recent[i].time < slot->recent[oldest].time) {
            oldest = i;
        }
    }

    slot->recent[oldest].time = now;
    ngx_memcpy(slot->recent[oldest].header, header, AT_SHA256_LEN);

    return 1;
}


void
ngx_at_source_request_fetch(const ngx_at_source_t *source,
    const ngx_str_t *header)
{
    u_char          digest[AT_SHA256_LEN];
    ngx_at_slot_t  *slot;

    /* without a lock: a flood of such tokens must be cheap */

    if (source->slot->requested
        || (header && at_sha256(digest, ngx_at_view(*header)) != 0))
    {
        return;
    }

    slot = ngx_at_source_lock(source);
    if (slot == NULL) {
        return;
    }

    if (!slot->requested
        && (header == NULL || ngx_at_slot_admit_header(slot, digest)))
    {
        slot->requested = 1;
    }

    ngx_shmtx_unlock(source->mutex);
}
