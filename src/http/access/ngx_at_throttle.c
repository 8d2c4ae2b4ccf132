/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Failed passwords of a pair of name and address: a table of a fixed size in
 * shared memory, in which the pair that was quiet longest makes room.  A name
 * that nobody has is counted like any other; another address counts for itself,
 * so that nobody is locked out by others for ever.
 */

#include "http/access/ngx_at_throttle.h"

#include "core/authz/at_record.h"
#include "core/base/at_str.h"
#include "core/base/at_crypto.h"
#include "core/session/at_state.h"

#include "http/base/ngx_at_issuer.h"
#include "http/base/ngx_at_main_conf.h"


#define NGX_AT_ZONE_SIZE      (1024 * 1024)
#define NGX_AT_THROTTLE_WAYS  8
#define NGX_AT_THROTTLE_SETS  2048  /* a power of two */

/* what is not configured */
#define NGX_AT_THROTTLE_FAILURES  10
#define NGX_AT_THROTTLE_PERIOD    60

#define NGX_AT_THROTTLE_CLOCK_SKEW  5  /* seconds */


typedef struct {
    u_char          digest[16];
    time_t          first;          /* failure of the period */
    uint32_t        n;
} ngx_at_throttle_entry_t;

typedef struct {
    at_state_key_t           key;               /* of digests: nobody aims */
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
                                            NGX_AT_ZONE_SIZE,
                                            &ngx_http_auth_token_module);
    if (atmcf->throttle == NULL) {
        return NGX_ERROR;
    }

    atmcf->throttle->init = ngx_at_throttle_init_zone;

    return NGX_OK;
}


/* an IPv6 client has a network of addresses to choose from */

static size_t
ngx_at_throttle_address(ngx_http_request_t *r, u_char buf[16])
{
    struct sockaddr_in   *sin;
#if (NGX_HAVE_INET6)
    struct sockaddr_in6  *sin6;
#endif

    switch (r->connection->sockaddr->sa_family) {

    case AF_INET:
        sin = (struct sockaddr_in *) r->connection->sockaddr;
        ngx_memcpy(buf, &sin->sin_addr, 4);
        return 4;

#if (NGX_HAVE_INET6)
    case AF_INET6:
        sin6 = (struct sockaddr_in6 *) r->connection->sockaddr;

        if (IN6_IS_ADDR_V4MAPPED(&sin6->sin6_addr)) {
            ngx_memcpy(buf, &sin6->sin6_addr.s6_addr[12], 4);
            return 4;
        }

        ngx_memcpy(buf, &sin6->sin6_addr, 8);
        return 8;
#endif

    default:
        return 0;
    }
}


ngx_int_t
ngx_at_throttle_key_init(ngx_http_request_t *r,
    ngx_at_throttle_key_t *pair, u_char kind, at_str_t name)
{
    size_t                    n;
    u_char                    text[1 + 16 + AT_NAME_MAX];
    at_str_t                  view, purpose = at_str("throttle");
    unsigned char             mac[AT_SHA256_LEN];
    ngx_at_throttle_table_t  *table;
    const ngx_at_main_conf_t       *atmcf;

    atmcf = ngx_http_get_module_main_conf(r, ngx_http_auth_token_module);
    table = atmcf->throttle->data;

    text[0] = kind;
    n = 1 + ngx_at_throttle_address(r, text + 1);
    text[0] += n;           /* where the address ends and the name begins */

    /* what is longer is no name, and all such are one */
    name.len = name.len > AT_NAME_MAX ? 0 : name.len;

    /* a client is the same in any case: each spelling would have its own count */

    if (kind == 'c') {
        ngx_strlow(text + n, (u_char *) name.data, name.len);

    } else {
        ngx_memcpy(text + n, name.data, name.len);
    }

    view.data = (char *) text;
    view.len = n + name.len;

    if (at_state_mac(mac, &table->key, purpose, view) != 0) {
        return NGX_ERROR;
    }

    ngx_memcpy(pair->digest, mac, sizeof(pair->digest));
    pair->now = ngx_time();

    return NGX_OK;
}


/* in the locked table: the pair's own entry, or NULL with the one to replace */

static ngx_at_throttle_entry_t *
ngx_at_throttle_find(ngx_at_throttle_table_t *table,
    const ngx_at_throttle_key_t *pair,
    ngx_at_throttle_entry_t **oldest)
{
    uint32_t                  set;
    ngx_uint_t                i;
    ngx_at_throttle_entry_t  *entry;

    ngx_memcpy(&set, pair->digest, sizeof(set));

    entry = &table->entries[(set & (NGX_AT_THROTTLE_SETS - 1))
                            * NGX_AT_THROTTLE_WAYS];
    *oldest = entry;

    for (i = 0; i < NGX_AT_THROTTLE_WAYS; i++, entry++) {

        if (entry->n
            && ngx_memcmp(entry->digest, pair->digest, sizeof(pair->digest))
               == 0)
        {
            return entry;
        }

        if (entry->n == 0
            || ((*oldest)->n && entry->first < (*oldest)->first))
        {
            *oldest = entry;
        }
    }

    return NULL;
}


static time_t
ngx_at_throttle_period(const ngx_at_issuer_t *issuer)
{
    return issuer ? issuer->failures_interval : NGX_AT_THROTTLE_PERIOD;
}


/*
 * A clock that was set back ends a period, too: it would not end otherwise.  That
 * of another worker may be a little ahead, which is nothing.
 */

static ngx_uint_t
ngx_at_throttle_entry_is_active(
    const ngx_at_throttle_entry_t *entry, time_t period)
{
    return entry->n && entry->first <= ngx_time() + NGX_AT_THROTTLE_CLOCK_SKEW
           && entry->first + period > ngx_time();
}


static ngx_slab_pool_t *
ngx_at_throttle_lock(const ngx_at_main_conf_t *atmcf)
{
    ngx_slab_pool_t  *shpool;

    shpool = (ngx_slab_pool_t *) atmcf->throttle->shm.addr;
    ngx_shmtx_lock(&shpool->mutex);

    return shpool;
}


ngx_uint_t
ngx_at_is_throttled(const ngx_at_main_conf_t *atmcf,
    const ngx_at_issuer_t *issuer,
    ngx_at_throttle_key_t *pair)
{
    time_t                    period;
    uint32_t                  max;
    ngx_uint_t                throttled;
    ngx_slab_pool_t          *shpool;
    ngx_at_throttle_entry_t  *entry, *oldest;

    max = issuer ? issuer->max_failures : NGX_AT_THROTTLE_FAILURES;
    period = ngx_at_throttle_period(issuer);
    throttled = 0;

    shpool = ngx_at_throttle_lock(atmcf);

    entry = ngx_at_throttle_find(atmcf->throttle->data, pair, &oldest);
    if (entry) {
        pair->until = entry->first + period;
        throttled = entry->n >= max
                    && ngx_at_throttle_entry_is_active(entry, period);
    }

    ngx_shmtx_unlock(&shpool->mutex);

    return throttled;
}


void
ngx_at_throttle_record_failure(
    const ngx_at_main_conf_t *atmcf,
    const ngx_at_issuer_t *issuer,
    ngx_at_throttle_key_t *pair)
{
    ngx_slab_pool_t          *shpool;
    ngx_at_throttle_entry_t  *entry, *oldest;

    shpool = ngx_at_throttle_lock(atmcf);

    entry = ngx_at_throttle_find(atmcf->throttle->data, pair, &oldest);

    if (entry == NULL) {
        entry = oldest;
        ngx_memcpy(entry->digest, pair->digest, sizeof(pair->digest));
        entry->n = 0;
    }

    if (!ngx_at_throttle_entry_is_active(entry,
                                         ngx_at_throttle_period(issuer)))
    {
        entry->first = ngx_time();
        entry->n = 0;
    }

    entry->n++;

    ngx_shmtx_unlock(&shpool->mutex);
}


void
ngx_at_throttle_clear_failures(
    const ngx_at_main_conf_t *atmcf,
    ngx_at_throttle_key_t *pair)
{
    ngx_slab_pool_t          *shpool;
    ngx_at_throttle_entry_t  *entry, *oldest;

    shpool = ngx_at_throttle_lock(atmcf);

    entry = ngx_at_throttle_find(atmcf->throttle->data, pair, &oldest);
    if (entry) {
        entry->n = 0;
    }

    ngx_shmtx_unlock(&shpool->mutex);
}
