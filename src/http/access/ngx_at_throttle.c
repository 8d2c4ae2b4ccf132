/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "http/access/ngx_at_throttle.h"

#include "core/authz/at_record.h"
#include "core/base/at_crypto.h"
#include "core/session/at_state.h"

#include "http/access/ngx_at_access.h"


#define NGX_AT_THROTTLE_ZONE_SIZE   (1024 * 1024)

/* sets of entries: the oldest entry of a full set is replaced */
#define NGX_AT_THROTTLE_SETS        2048  /* a power of two */
#define NGX_AT_THROTTLE_WAYS        8

/* without an issuer */
#define NGX_AT_THROTTLE_FAILURES    10
#define NGX_AT_THROTTLE_INTERVAL    60  /* seconds */
#define NGX_AT_THROTTLE_ADDRESS     240  /* failures in a minute */

#define NGX_AT_THROTTLE_CLOCK_SKEW  5   /* seconds, between workers */


typedef struct {
    u_char                   digest[16];
    time_t                   first;     /* failure of the interval */
    uint32_t                 failures;  /* 0: unused */
} ngx_at_throttle_entry_t;

typedef struct {
    at_state_key_t           key;       /* random: sets cannot be predicted */
    ngx_at_throttle_entry_t  entries[NGX_AT_THROTTLE_SETS
                                     * NGX_AT_THROTTLE_WAYS];
} ngx_at_throttle_table_t;


static ngx_int_t
ngx_at_throttle_init_zone(ngx_shm_zone_t *zone, void *data)
{
    ngx_slab_pool_t          *shpool;
    ngx_at_throttle_table_t  *table;

    shpool = (ngx_slab_pool_t *) zone->shm.addr;

    if (data || zone->shm.exists) {
        zone->data = data ? data : shpool->data;
        return NGX_OK;
    }

    table = ngx_slab_calloc(shpool, sizeof(ngx_at_throttle_table_t));

    if (table == NULL || at_random(&table->key, sizeof(at_state_key_t)) != 0) {
        return NGX_ERROR;
    }

    shpool->data = table;
    zone->data = table;

    return NGX_OK;
}


ngx_int_t
ngx_at_throttle_add_zone(ngx_conf_t *cf, ngx_at_main_conf_t *atmcf)
{
    ngx_str_t  name = ngx_string("auth_token_throttle");

    atmcf->throttle = ngx_shared_memory_add(cf, &name,
                                            NGX_AT_THROTTLE_ZONE_SIZE,
                                            &ngx_http_auth_token_module);
    if (atmcf->throttle == NULL) {
        return NGX_ERROR;
    }

    atmcf->throttle->init = ngx_at_throttle_init_zone;

    return NGX_OK;
}


ngx_int_t
ngx_at_throttle_init(ngx_http_request_t *r, ngx_at_throttle_t *throttle,
    const ngx_at_issuer_t *issuer, u_char kind, at_str_t name)
{
    size_t                     len;
    u_char                    *p, text[1 + 8 + AT_NAME_MAX];
    at_addr_t                  addr;
    unsigned char              mac[AT_SHA256_LEN];
    ngx_at_throttle_table_t   *table;
    const ngx_at_main_conf_t  *atmcf;

    atmcf = ngx_http_get_module_main_conf(r, ngx_http_auth_token_module);

    throttle->zone = atmcf->throttle;
    throttle->max_failures = issuer ? issuer->max_failures
                                    : NGX_AT_THROTTLE_FAILURES;
    throttle->interval = issuer ? issuer->failures_interval
                                : NGX_AT_THROTTLE_INTERVAL;
    len = 0;

    /* an IPv6 client has a whole /64 of addresses to choose from */

    if (ngx_at_client_address(r, &addr)) {
        len = addr.len == 4 ? 4 : 8;
        ngx_memcpy(text + 1, addr.bytes, len);
    }

    /* the first byte encodes the kind and the length of the address */

    text[0] = kind + len;
    p = text + 1 + len;

    /* longer names do not exist: they share one counter */
    name.len = name.len > AT_NAME_MAX ? 0 : name.len;

    /* ids of clients are case-insensitive */

    if (kind == 'c') {
        ngx_strlow(p, (u_char *) name.data, name.len);

    } else if (name.len) {
        ngx_memcpy(p, name.data, name.len);
    }

    table = throttle->zone->data;

    if (at_state_mac(mac, &table->key, at_str("throttle"),
                     (at_str_t) { (char *) text, 1 + len + name.len })
        != 0)
    {
        return NGX_ERROR;
    }

    ngx_memcpy(throttle->digest, mac, sizeof(throttle->digest));

    return NGX_OK;
}


ngx_int_t
ngx_at_throttle_init_address(ngx_http_request_t *r,
    ngx_at_throttle_t *throttle, const ngx_at_issuer_t *issuer)
{
    at_addr_t  addr;

    if (ngx_at_throttle_init(r, throttle, issuer, 'a', (at_str_t) { NULL, 0 })
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    throttle->interval = 60;
    throttle->max_failures = issuer ? issuer->address_failures
                                    : NGX_AT_THROTTLE_ADDRESS;

    /* a client of a unix socket has none */

    if (!ngx_at_client_address(r, &addr)) {
        throttle->max_failures = NGX_MAX_UINT32_VALUE;
    }

    return NGX_OK;
}


/* locks the zone; returns the entry, or NULL and *oldest to be replaced */

static ngx_at_throttle_entry_t *
ngx_at_throttle_lock(const ngx_at_throttle_t *throttle,
    ngx_at_throttle_entry_t **oldest)
{
    uint32_t                  set;
    ngx_uint_t                i;
    ngx_slab_pool_t          *shpool;
    ngx_at_throttle_table_t  *table;
    ngx_at_throttle_entry_t  *entry;

    shpool = (ngx_slab_pool_t *) throttle->zone->shm.addr;
    ngx_shmtx_lock(&shpool->mutex);

    table = throttle->zone->data;
    ngx_memcpy(&set, throttle->digest, sizeof(set));

    entry = &table->entries[(set & (NGX_AT_THROTTLE_SETS - 1))
                            * NGX_AT_THROTTLE_WAYS];
    *oldest = entry;

    for (i = 0; i < NGX_AT_THROTTLE_WAYS; i++, entry++) {

        if (entry->failures
            && ngx_memcmp(entry->digest, throttle->digest,
                          sizeof(throttle->digest))
               == 0)
        {
            /*
             * An interval also ends when the clock is set back: it could last
             * for years otherwise.  The cached time of another worker may be
             * a little ahead.
             */

            if (entry->first > ngx_time() + NGX_AT_THROTTLE_CLOCK_SKEW
                || entry->first + throttle->interval <= ngx_time())
            {
                entry->failures = 0;
            }

            return entry;
        }

        if (entry->failures == 0
            || ((*oldest)->failures && entry->first < (*oldest)->first))
        {
            *oldest = entry;
        }
    }

    return NULL;
}


static void
ngx_at_throttle_unlock(const ngx_at_throttle_t *throttle)
{
    ngx_shmtx_unlock(&((ngx_slab_pool_t *) throttle->zone->shm.addr)->mutex);
}


ngx_uint_t
ngx_at_is_throttled(ngx_at_throttle_t *throttle)
{
    ngx_uint_t                throttled;
    ngx_at_throttle_entry_t  *entry, *oldest;

    entry = ngx_at_throttle_lock(throttle, &oldest);

    throttled = entry && entry->failures >= throttle->max_failures;

    if (throttled) {
        throttle->until = entry->first + throttle->interval;
    }

    ngx_at_throttle_unlock(throttle);

    return throttled;
}


void
ngx_at_throttle_record_failure(const ngx_at_throttle_t *throttle)
{
    ngx_at_throttle_entry_t  *entry, *oldest;

    entry = ngx_at_throttle_lock(throttle, &oldest);

    if (entry == NULL) {
        entry = oldest;
        ngx_memcpy(entry->digest, throttle->digest, sizeof(throttle->digest));
        entry->failures = 0;
    }

    if (entry->failures++ == 0) {
        entry->first = ngx_time();
    }

    ngx_at_throttle_unlock(throttle);
}


void
ngx_at_throttle_clear_failures(const ngx_at_throttle_t *throttle)
{
    ngx_at_throttle_entry_t  *entry, *oldest;

    entry = ngx_at_throttle_lock(throttle, &oldest);

    if (entry) {
        entry->failures = 0;
    }

    ngx_at_throttle_unlock(throttle);
}


void
ngx_at_throttle_undo_failure(const ngx_at_throttle_t *throttle)
{
    ngx_at_throttle_entry_t  *entry, *oldest;

    entry = ngx_at_throttle_lock(throttle, &oldest);

    if (entry && entry->failures) {
        entry->failures--;
    }

    ngx_at_throttle_unlock(throttle);
}
