/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "http/metrics/ngx_at_metrics_zone.h"

#include "http/base/ngx_at_str.h"


#define NGX_AT_METRICS_PROBES   16
#define NGX_AT_METRICS_OTHERS   (NGX_AT_METRICS_ISSUERS - 1)

/* slots do not share lines of a processor cache */
#define NGX_AT_METRICS_LINE     128

/* descriptors of pages, and the rest of the last page */
#define NGX_AT_METRICS_RESERVE  (64 * 1024)


ngx_at_metrics_zone_t  *ngx_at_metrics_zone;

const int64_t  ngx_at_metrics_limits[] = {
    100, 300, 1000, 3000, 10000, 30000, 100000, 300000, 1000000, 3000000,
    10000000, 30000000, 100000000
};


/* --- configuration ------------------------------------------------------- */


/* sets the sizes, and returns the size of all parts */

static size_t
ngx_at_metrics_measure(ngx_at_metrics_zone_t *zone, ngx_uint_t max_clients)
{
    ngx_uint_t  size;

    size = 2;

    while (size < 2 * max_clients) {
        size *= 2;
    }

    zone->max_clients = max_clients;
    zone->client_mask = size - 1;
    zone->slot_size = ngx_align(sizeof(ngx_at_metrics_slot_t)
                                + (max_clients + 1) * 2 * sizeof(uint64_t),
                                NGX_AT_METRICS_LINE);

    return ngx_align(sizeof(ngx_at_metrics_zone_t), NGX_AT_METRICS_LINE)
           + NGX_AT_METRICS_SLOTS * zone->slot_size
           + max_clients * sizeof(ngx_at_metrics_name_t)
           + size * sizeof(uint16_t);
}


static ngx_at_metrics_zone_t *
ngx_at_metrics_create_zone(ngx_slab_pool_t *shpool, ngx_uint_t max_clients)
{
    size_t                  size;
    ngx_at_metrics_zone_t  *zone, sizes;

    ngx_memzero(&sizes, sizeof(ngx_at_metrics_zone_t));
    size = ngx_at_metrics_measure(&sizes, max_clients);

    zone = ngx_slab_calloc(shpool, size);
    if (zone == NULL) {
        return NULL;
    }

    *zone = sizes;
    zone->slots = (u_char *) zone + ngx_align(sizeof(ngx_at_metrics_zone_t),
                                              NGX_AT_METRICS_LINE);
    zone->clients = (ngx_at_metrics_name_t *)
                    (zone->slots + NGX_AT_METRICS_SLOTS * zone->slot_size);
    zone->client_table = (uint16_t *) (zone->clients + max_clients);
    zone->mutex = &shpool->mutex;
    zone->n_issuers = 1;
    zone->sessions = -1;
    zone->expiring = -1;

    return zone;
}


static void
ngx_at_metrics_set_name(ngx_at_metrics_name_t *name, u_char type,
    at_str_t text)
{
    name->type = type;
    name->len = ngx_min(text.len, NGX_AT_METRICS_NAME_LEN);
    ngx_memcpy(name->text, text.data, name->len);
}


static ngx_uint_t
ngx_at_metrics_name_is(const ngx_at_metrics_name_t *name, u_char type,
    at_str_t text)
{
    return name->type == type && name->len == text.len
           && ngx_memcmp(name->text, text.data, text.len) == 0;
}


/* an issuer keeps its index as long as the zone exists */

static ngx_uint_t
ngx_at_metrics_add_issuer(ngx_at_metrics_zone_t *zone, at_str_t text)
{
    ngx_uint_t  i;

    text.len = ngx_min(text.len, NGX_AT_METRICS_NAME_LEN);

    for (i = 1; i < zone->n_issuers; i++) {
        if (ngx_at_metrics_name_is(&zone->issuers[i], 'i', text)) {
            return i;
        }
    }

    if (i >= NGX_AT_METRICS_OTHERS) {
        ngx_at_metrics_set_name(&zone->issuers[NGX_AT_METRICS_OTHERS], 'i',
                                at_str("other"));
        return NGX_AT_METRICS_OTHERS;
    }

    ngx_at_metrics_set_name(&zone->issuers[i], 'i', text);
    zone->n_issuers = i + 1;

    return i;
}


static ngx_int_t
ngx_at_metrics_init_zone(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_uint_t              i;
    ngx_slab_pool_t        *shpool;
    ngx_at_issuer_t       **issuers;
    ngx_at_main_conf_t     *atmcf;
    ngx_at_metrics_zone_t  *zone;

    atmcf = shm_zone->data;
    shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;
    zone = data ? shpool->data : NULL;

    if (zone == NULL) {
        zone = ngx_at_metrics_create_zone(shpool, atmcf->metrics_clients);
        if (zone == NULL) {
            return NGX_ERROR;
        }

        shpool->data = zone;
    }

    issuers = atmcf->issuers.elts;

    for (i = 0; i < atmcf->issuers.nelts; i++) {
        issuers[i]->metrics_index =
            ngx_at_metrics_add_issuer(zone, ngx_at_view(issuers[i]->name));
    }

    return NGX_OK;
}


/* nginx keeps a zone over a reload if its size has not changed */

ngx_int_t
ngx_at_metrics_add_zone(ngx_conf_t *cf, ngx_at_main_conf_t *atmcf)
{
    size_t                 size;
    ngx_str_t              name = ngx_string("auth_token_metrics");
    ngx_at_metrics_zone_t  sizes;

    size = ngx_at_metrics_measure(&sizes, atmcf->metrics_clients)
           + NGX_AT_METRICS_RESERVE;

    atmcf->metrics = ngx_shared_memory_add(cf, &name, size,
                                           &ngx_http_auth_token_module);
    if (atmcf->metrics == NULL) {
        return NGX_ERROR;
    }

    atmcf->metrics->init = ngx_at_metrics_init_zone;
    atmcf->metrics->data = atmcf;

    return NGX_OK;
}


void
ngx_at_metrics_use_zone(const ngx_at_main_conf_t *atmcf)
{
    ngx_slab_pool_t  *shpool;

    ngx_at_metrics_zone = NULL;

    if (atmcf->metrics) {
        shpool = (ngx_slab_pool_t *) atmcf->metrics->shm.addr;
        ngx_at_metrics_zone = shpool->data;
    }
}


/* --- counters ------------------------------------------------------------ */


ngx_at_metrics_slot_t *
ngx_at_metrics_slot(ngx_uint_t i)
{
    return (ngx_at_metrics_slot_t *)
           (ngx_at_metrics_zone->slots + (i % NGX_AT_METRICS_SLOTS)
                                         * ngx_at_metrics_zone->slot_size);
}


ngx_uint_t
ngx_at_metrics_find_series(ngx_at_series_t series)
{
    uint64_t    key, *cell;
    ngx_uint_t  i, n;

    /* only the highest bits of the product depend on all labels */

    i = (series.key * 0x9e3779b97f4a7c15) >> 54;

    for (n = 0; n < NGX_AT_METRICS_PROBES; n++, i++) {
        i &= NGX_AT_METRICS_SERIES - 1;
        cell = &ngx_at_metrics_zone->series[i].key;
        key = ngx_at_metrics_load(cell);

        /* if another process has taken the cell, key becomes its content */

        if (key == series.key
            || (key == 0
                && (__atomic_compare_exchange_n(cell, &key, series.key, 0,
                                                __ATOMIC_RELAXED,
                                                __ATOMIC_RELAXED)
                    || key == series.key)))
        {
            return i;
        }
    }

    return NGX_AT_METRICS_SERIES;
}


/* index + 1, or 0 with the cell where the client belongs */

static ngx_uint_t
ngx_at_metrics_lookup_client(u_char type, at_str_t id, uint16_t **cell)
{
    ngx_uint_t              i, n;
    ngx_at_metrics_zone_t  *zone;

    zone = ngx_at_metrics_zone;
    i = ngx_murmur_hash2((u_char *) id.data, id.len) + type;

    for ( ;; i++) {
        *cell = &zone->client_table[i & zone->client_mask];
        n = __atomic_load_n(*cell, __ATOMIC_ACQUIRE);

        if (n == 0 || ngx_at_metrics_name_is(&zone->clients[n - 1], type, id))
        {
            return n;
        }
    }
}


ngx_uint_t
ngx_at_metrics_find_client(u_char type, at_str_t id)
{
    uint16_t               *cell;
    ngx_uint_t              n;
    ngx_at_metrics_zone_t  *zone;

    zone = ngx_at_metrics_zone;
    id.len = ngx_min(id.len, NGX_AT_METRICS_NAME_LEN);
    n = ngx_at_metrics_lookup_client(type, id, &cell);

    if (n) {
        return n - 1;
    }

    if (ngx_at_metrics_load(&zone->n_clients) == zone->max_clients) {
        return zone->max_clients;
    }

    /* the first request of a client */

    ngx_shmtx_lock(zone->mutex);

    n = ngx_at_metrics_lookup_client(type, id, &cell);

    if (n == 0 && zone->n_clients < zone->max_clients) {
        n = zone->n_clients + 1;
        ngx_at_metrics_set_name(&zone->clients[n - 1], type, id);
        __atomic_store_n(&zone->n_clients, n, __ATOMIC_RELEASE);
        __atomic_store_n(cell, n, __ATOMIC_RELEASE);
    }

    ngx_shmtx_unlock(zone->mutex);

    return n ? n - 1 : zone->max_clients;
}
