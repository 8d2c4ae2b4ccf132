/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>

#include "core/authz/at_cidr_set.h"


/* IPv4 before IPv6, then by value */
static inline int
at_addr_compare(const at_addr_t *a, const at_addr_t *b)
{
    if (a->len != b->len) {
        return a->len < b->len ? -1 : 1;
    }

    return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}


/* by the first address; of ranges with the same one, the widest is first */
static int
at_cidr_compare(const void *one, const void *two)
{
    int               order;
    const at_cidr_t  *a, *b;

    a = one;
    b = two;
    order = at_addr_compare(&a->addr, &b->addr);

    return order ? order : (int) a->bits - (int) b->bits;
}


/*
 * Two CIDR ranges are disjoint, or one contains the other and is sorted before
 * it.
 */
void
at_cidr_set_sort(at_cidr_set_t *set)
{
    size_t      i, n;
    at_cidr_t  *ranges;

    if (set->n == 0) {
        return;
    }

    ranges = set->ranges;
    qsort(ranges, set->n, sizeof(at_cidr_t), at_cidr_compare);

    n = 1;

    for (i = 1; i < set->n; i++) {
        if (!at_cidr_match(&ranges[n - 1], &ranges[i].addr)) {
            ranges[n++] = ranges[i];
        }
    }

    set->n = n;
}


/* Only the last range that begins at or before addr can contain it. */
int
at_cidr_set_match(const at_cidr_set_t *set, const at_addr_t *addr)
{
    size_t  low, high, middle;

    low = 0;
    high = set->n;

    while (low < high) {
        middle = low + (high - low) / 2;

        if (at_addr_compare(&set->ranges[middle].addr, addr) <= 0) {
            low = middle + 1;

        } else {
            high = middle;
        }
    }

    return low > 0 && at_cidr_match(&set->ranges[low - 1], addr);
}
