/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/authz/at_cidr.h"


static const uint8_t  at_mapped_prefix[12] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff
};


void
at_addr_set(at_addr_t *addr, const void *bytes, unsigned len)
{
    const uint8_t  *p;

    p = bytes;

    if (len == 16 && memcmp(p, at_mapped_prefix, 12) == 0) {
        p += 12;
        len = 4;
    }

    memset(addr, 0, sizeof(at_addr_t));
    memcpy(addr->bytes, p, len);
    addr->len = len;
}


/* returns the length of the address in bytes, or -1 */
static int
at_addr_parse(uint8_t bytes[16], at_str_t text)
{
    char  buf[INET6_ADDRSTRLEN];

    if (text.len >= sizeof(buf) || memchr(text.data, '\0', text.len)) {
        return -1;
    }

    memcpy(buf, text.data, text.len);
    buf[text.len] = '\0';

    if (inet_pton(AF_INET, buf, bytes) == 1) {
        return 4;
    }

    return inet_pton(AF_INET6, buf, bytes) == 1 ? 16 : -1;
}


/* returns the prefix length, or -1 */
static int
at_prefix_parse(at_str_t text, int max)
{
    int     n;
    size_t  i;

    if (text.len == 0 || text.len > 3
        || (text.data[0] == '0' && text.len > 1))
    {
        return -1;
    }

    n = 0;

    for (i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return -1;
        }

        n = n * 10 + (text.data[i] - '0');
    }

    return n <= max ? n : -1;
}


/* returns 1 if a host bit was set, else 0 */
static int
at_cidr_clear_host(at_cidr_t *cidr)
{
    int       cleared;
    uint8_t   host;
    unsigned  i;

    cleared = 0;
    host = 0xff >> cidr->bits % 8;

    for (i = cidr->bits / 8; i < cidr->addr.len; i++, host = 0xff) {

        if (cidr->addr.bytes[i] & host) {
            cidr->addr.bytes[i] &= (uint8_t) ~host;
            cleared = 1;
        }
    }

    return cleared;
}


int
at_cidr_parse(at_cidr_t *cidr, at_str_t text)
{
    int          len, bits;
    uint8_t      bytes[16];
    at_str_t     addr;
    const char  *slash;

    if (text.len == 0) {
        return -1;
    }

    slash = memchr(text.data, '/', text.len);

    addr.data = text.data;
    addr.len = slash ? (size_t) (slash - text.data) : text.len;

    len = at_addr_parse(bytes, addr);
    if (len == -1) {
        return -1;
    }

    bits = len * 8;

    if (slash) {
        text.len -= addr.len + 1;
        text.data = slash + 1;

        bits = at_prefix_parse(text, bits);
        if (bits == -1) {
            return -1;
        }
    }

    at_addr_set(&cidr->addr, bytes, (unsigned) len);
    cidr->bits = (unsigned) bits;

    if (len == 16 && cidr->addr.len == 4) {

        if (bits >= 96) {
            cidr->bits -= 96;

        } else {
            /* the range is wider than the IPv4-mapped addresses */
            cidr->addr.len = 16;
            memcpy(cidr->addr.bytes, bytes, 16);
        }
    }

    return at_cidr_clear_host(cidr);
}


size_t
at_cidr_format(char buf[AT_CIDR_TEXT_LEN], const at_cidr_t *cidr)
{
    int     family;
    size_t  len;

    family = cidr->addr.len == 4 ? AF_INET : AF_INET6;
    (void) inet_ntop(family, cidr->addr.bytes, buf, AT_CIDR_TEXT_LEN);
    len = strlen(buf);

    if (cidr->bits != 8 * cidr->addr.len) {
        len += (size_t) snprintf(buf + len, AT_CIDR_TEXT_LEN - len, "/%u",
                                 cidr->bits);
    }

    return len;
}


int
at_cidr_match(const at_cidr_t *cidr, const at_addr_t *addr)
{
    unsigned  whole, rest, mask;

    whole = cidr->bits / 8;
    rest = cidr->bits % 8;

    if (cidr->addr.len != addr->len
        || memcmp(cidr->addr.bytes, addr->bytes, whole) != 0)
    {
        return 0;
    }

    mask = (0xff00u >> rest) & 0xff;

    return rest == 0
           || (cidr->addr.bytes[whole] & mask) == (addr->bytes[whole] & mask);
}


/* --- sets of ranges ------------------------------------------------------ */


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
