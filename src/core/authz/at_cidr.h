/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Address ranges (RFC 4632, RFC 4291) and sets of them.
 */

#ifndef AT_CIDR_H
#define AT_CIDR_H

#include <stdint.h>

#include "core/base/at_str.h"


/*
 * An address in network order.  An IPv4-mapped IPv6 address (::ffff:a.b.c.d)
 * is kept as the IPv4 address that it is: a dual-stack socket shows IPv4
 * clients in that form.  No other embedding is undone.
 */
typedef struct {
    unsigned  len;              /* 4 or 16 */
    uint8_t   bytes[16];        /* those behind len are 0 */
} at_addr_t;

typedef struct {
    at_addr_t  addr;            /* host bits cleared */
    unsigned   bits;            /* 0..32 or 0..128 */
} at_cidr_t;

/* from the 4 or 16 bytes of a socket address */
void at_addr_set(at_addr_t *addr, const void *bytes, unsigned len);

/*
 * Parses "addr" or "addr/bits" of exactly these bytes: inet_pton()'s addresses
 * and a plain decimal without leading zeros, nothing else.  An address alone is
 * a range of one.  Host bits are cleared, as CIPP does.  Returns 0; 1 if there
 * were host bits to clear; -1 for anything else.
 */
int at_cidr_parse(at_cidr_t *cidr, at_str_t text);

int at_cidr_match(const at_cidr_t *cidr, const at_addr_t *addr);


/*
 * A set is built once and const after: sorted, without overlaps, a family
 * each, so that 0.0.0.0/0 holds no IPv6 address and ::/0 no IPv4 one.
 */
typedef struct at_cidr_set_s  at_cidr_set_t;

/* from n ranges, which are only read; NULL where memory failed */
at_cidr_set_t *at_cidr_set_create(const at_cidr_t *cidrs, size_t n);
void at_cidr_set_free(at_cidr_set_t *set);

/*
 * The same in memory of the caller's, aligned for pointers, of so many bytes as
 * there is to be room for n ranges: begun, n of them added, ended.
 */
size_t at_cidr_set_size(size_t n);
at_cidr_set_t *at_cidr_set_begin(void *memory, size_t n);
void at_cidr_set_add(at_cidr_set_t *set, const at_cidr_t *cidr);
void at_cidr_set_end(at_cidr_set_t *set);

int at_cidr_set_match(const at_cidr_set_t *set, const at_addr_t *addr);


#endif
