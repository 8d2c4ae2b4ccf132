/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Figures of a store, for metrics.  The functions return 0, or -1 if the store
 * cannot be read; a later call may succeed.
 */

#ifndef AT_STORE_STATS_H
#define AT_STORE_STATS_H

#include <stdint.h>

#include "core/store/at_store.h"


typedef struct {
    uint64_t  revision;             /* number of the last transaction */
    int64_t   modified;             /* seconds since the epoch */
    uint64_t  records[AT_TABLES];
} at_store_stats_t;


/* Visits no record.  Call it between transactions. */
int at_store_get_stats(at_store_t *store, at_store_stats_t *stats);

/*
 * Counts the API tokens that expire after from and not after until.  It visits
 * all of them, so call it in a thread, while the store is pinned.  A pinned
 * store may be used by its own thread, but must not be closed.
 */
int at_store_count_expiring(at_store_t *store, int64_t from, int64_t until,
    uint64_t *n);
void at_store_pin(at_store_t *store, int pinned);
int at_store_is_pinned(const at_store_t *store);


#endif
