/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * A set of address ranges for a binary search.
 */

#ifndef AT_CIDR_SET_H
#define AT_CIDR_SET_H

#include "core/authz/at_cidr.h"


/*
 * The caller allocates at_cidr_set_size(n) bytes, aligned for pointers, stores
 * n and the ranges in any order, and calls at_cidr_set_sort() once.
 */
typedef struct {
    size_t     n;
    at_cidr_t  ranges[];
} at_cidr_set_t;


static inline size_t
at_cidr_set_size(size_t n)
{
    return sizeof(at_cidr_set_t) + n * sizeof(at_cidr_t);
}

/* Sorts the ranges and removes each range that lies within another. */
void at_cidr_set_sort(at_cidr_set_t *set);

/* An empty set matches no address. */
int at_cidr_set_match(const at_cidr_set_t *set, const at_addr_t *addr);


#endif
