/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The shared memory zone of the metrics, for the files of this folder only.
 *
 * Counters are in slots.  A worker adds to the slot of its process number, and
 * a scrape adds up all slots.  A slot outlives its process: nothing is lost
 * when a worker exits, is killed or is replaced.  Additions are atomic, as
 * there may be more processes than slots.  Gauges belong to a process: those
 * that are not updated any more are ignored.
 */

#ifndef NGX_AT_METRICS_ZONE_H
#define NGX_AT_METRICS_ZONE_H

#include "core/base/at_str.h"

#include "http/metrics/ngx_at_metrics.h"


#define NGX_AT_METRICS_SLOTS      64
#define NGX_AT_METRICS_SERIES     1024  /* a power of two */
#define NGX_AT_METRICS_ISSUERS    64    /* 0: none; the last one: others */
#define NGX_AT_METRICS_NAME_LEN   254
#define NGX_AT_METRICS_KINDS      4     /* of credentials that are verified */
#define NGX_AT_METRICS_BUCKETS    14    /* the last one has no limit */
#define NGX_AT_METRICS_QUEUES     3     /* passwords, signatures, sessions */
#define NGX_AT_METRICS_ENDPOINTS  8


/* the labels of requests that are counted together */
typedef union {
    struct {
        uint8_t             used;           /* 1 */
        uint8_t             endpoint;       /* 0: decision about access */
        uint8_t             kind;           /* of the credential, or 0 */
        uint8_t             verdict;
        uint16_t            status;         /* 0: granted */
        uint16_t            issuer;
    } labels;
    uint64_t                key;            /* 0: unused */
} ngx_at_series_t;

typedef struct {
    u_char                  type;           /* 'i'ssuer, 'c'lient, 't'oken */
    u_char                  len;
    u_char                  text[NGX_AT_METRICS_NAME_LEN];
} ngx_at_metrics_name_t;

typedef struct {
    uint64_t                series[NGX_AT_METRICS_SERIES + 1];
    uint64_t                times[NGX_AT_METRICS_KINDS]
                                 [NGX_AT_METRICS_BUCKETS];
    uint64_t                time_sums[NGX_AT_METRICS_KINDS]; /* nanoseconds */
    uint64_t                cache_hits;
    uint64_t                cache_misses;
    uint64_t                cache_evictions;
    uint64_t                clients[][2];   /* refused, granted */
} ngx_at_metrics_slot_t;

typedef struct {
    int64_t                 updated;        /* ngx_at_steady_now(), or 0 */
    uint64_t                cache_entries;
    uint64_t                cache_bytes;
    uint64_t                queued[NGX_AT_METRICS_QUEUES];
} ngx_at_metrics_gauges_t;

typedef struct {
    ngx_at_series_t         series[NGX_AT_METRICS_SERIES];
    ngx_at_metrics_name_t   issuers[NGX_AT_METRICS_ISSUERS];
    ngx_uint_t              n_issuers;
    ngx_at_metrics_gauges_t gauges[NGX_MAX_PROCESSES];
    int64_t                 sessions;       /* -1: unknown */
    int64_t                 expiring;       /* API tokens; -1: unknown */

    ngx_at_metrics_name_t  *clients;
    uint64_t                max_clients;
    uint64_t                n_clients;
    uint16_t               *client_table;   /* index in clients + 1, or 0 */
    ngx_uint_t              client_mask;
    u_char                 *slots;
    size_t                  slot_size;
    ngx_shmtx_t            *mutex;          /* for changes of clients */
} ngx_at_metrics_zone_t;


/* NULL: no location has metrics */
extern ngx_at_metrics_zone_t  *ngx_at_metrics_zone;

/* upper limits of buckets, in nanoseconds */
extern const int64_t  ngx_at_metrics_limits[NGX_AT_METRICS_BUCKETS - 1];
ngx_at_metrics_slot_t *ngx_at_metrics_slot(ngx_uint_t i);

/* indexes of counters; NGX_AT_METRICS_SERIES, max_clients: no room */
ngx_uint_t ngx_at_metrics_find_series(ngx_at_series_t series);
ngx_uint_t ngx_at_metrics_find_client(u_char type, at_str_t id);
/* the directives of token endpoints; 0: none */
extern const ngx_str_t  ngx_at_metrics_endpoints[NGX_AT_METRICS_ENDPOINTS];

/* write the gauges of this process; add its use of the cache */
void ngx_at_metrics_publish(void);
void ngx_at_metrics_add_cache(void);


static ngx_inline uint64_t
ngx_at_metrics_load(const uint64_t *counter)
{
    return __atomic_load_n(counter, __ATOMIC_RELAXED);
}


static ngx_inline void
ngx_at_metrics_add(uint64_t *counter, uint64_t n)
{
    (void) __atomic_fetch_add(counter, n, __ATOMIC_RELAXED);
}


#endif
