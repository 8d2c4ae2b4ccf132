/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * IP addresses, and address ranges in CIDR notation (RFC 4632, RFC 4291).
 */

#ifndef AT_CIDR_H
#define AT_CIDR_H

#include <stdint.h>

#include "core/base/at_str.h"


/*
 * An address in network byte order.  An IPv4-mapped IPv6 address
 * (::ffff:a.b.c.d) is stored as IPv4, because a dual-stack socket reports IPv4
 * clients in that form.  Other embeddings (6to4, NAT64) stay IPv6 addresses.
 */
typedef struct {
    unsigned  len;              /* 4 or 16 */
    uint8_t   bytes[16];        /* the bytes after len are 0 */
} at_addr_t;

typedef struct {
    at_addr_t  addr;            /* host bits are cleared */
    unsigned   bits;            /* prefix length: 0..32 or 0..128 */
} at_cidr_t;

/* Sets addr from the 4 or 16 bytes of a socket address. */
void at_addr_set(at_addr_t *addr, const void *bytes, unsigned len);

/*
 * Parses "address" or "address/bits": an address that inet_pton() accepts and
 * a decimal prefix length without leading zeros.  An address without a prefix
 * length is a range of one address.  Returns 0; 1 if host bits were set, which
 * are cleared; -1 if text is not a range.
 */
int at_cidr_parse(at_cidr_t *cidr, at_str_t text);

#define AT_CIDR_TEXT_LEN  50

/*
 * Writes a terminated text: an address without a prefix length for a range of
 * one address.  Returns its length.
 */
size_t at_cidr_format(char buf[AT_CIDR_TEXT_LEN], const at_cidr_t *cidr);

/* An IPv4 range contains no IPv6 address, and the reverse. */
int at_cidr_match(const at_cidr_t *cidr, const at_addr_t *addr);


/*
 * A set of ranges, for a binary search.  The caller allocates
 * at_cidr_set_size(n) bytes, aligned for pointers, stores n and the ranges in
 * any order, and calls at_cidr_set_sort() once.
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
