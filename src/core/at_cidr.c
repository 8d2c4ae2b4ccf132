/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>
#include <arpa/inet.h>

#include "at_cidr.h"


/* an address of either family as one number: high is 0 for IPv4 */
typedef struct {
    uint64_t       high;
    uint64_t       low;
} at_number_t;

typedef struct {
    at_number_t    first;
    at_number_t    last;
} at_range_t;

/* sorted, no two with an address in common */
typedef struct {
    size_t         n;
    at_range_t    *ranges;
} at_ranges_t;

struct at_cidr_set_s {
    at_ranges_t    ipv4;
    at_ranges_t    ipv6;
    at_range_t     ranges[];        /* of both: IPv4 from the first one on, IPv6
                                       from the last one back */
};


static int at_cidr_parse_addr(uint8_t bytes[16], at_str_t text);
static int at_cidr_parse_bits(unsigned *bits, at_str_t text, unsigned max);
static void at_cidr_unmap(at_cidr_t *cidr);
static int at_cidr_clear_host(at_cidr_t *cidr);

static void at_ranges_sort(at_ranges_t *ranges);
static at_range_t at_range(const at_cidr_t *cidr);
static void at_ranges_merge(at_ranges_t *ranges);
static int at_ranges_match(const at_ranges_t *ranges, at_number_t addr);
static int at_range_compare(const void *one, const void *two);
static at_number_t at_number(const at_addr_t *addr);
static int at_number_compare(at_number_t a, at_number_t b);
static inline unsigned at_number_is_less(at_number_t a, at_number_t b);
static uint64_t at_low_bits(unsigned n);


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


int
at_cidr_parse(at_cidr_t *cidr, at_str_t text)
{
    int          len;
    at_str_t     addr;
    const char  *slash;

    if (text.len == 0) {
        return -1;
    }

    slash = memchr(text.data, '/', text.len);

    addr.data = text.data;
    addr.len = slash ? (size_t) (slash - text.data) : text.len;

    memset(cidr, 0, sizeof(at_cidr_t));

    len = at_cidr_parse_addr(cidr->addr.bytes, addr);
    if (len == -1) {
        return -1;
    }

    cidr->addr.len = (unsigned) len;
    cidr->bits = cidr->addr.len * 8;

    if (slash) {
        text.len -= addr.len + 1;
        text.data = slash + 1;

        if (at_cidr_parse_bits(&cidr->bits, text, cidr->bits) != 0) {
            return -1;
        }
    }

    at_cidr_unmap(cidr);

    return at_cidr_clear_host(cidr);
}


/* returns how many bytes the address has, or -1 */
static int
at_cidr_parse_addr(uint8_t bytes[16], at_str_t text)
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


static int
at_cidr_parse_bits(unsigned *bits, at_str_t text, unsigned max)
{
    size_t    i;
    unsigned  n;

    if (text.len == 0 || text.len > 3 || (text.data[0] == '0' && text.len > 1)) {
        return -1;
    }

    n = 0;

    for (i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return -1;
        }

        n = n * 10 + (unsigned) (text.data[i] - '0');
    }

    if (n > max) {
        return -1;
    }

    *bits = n;

    return 0;
}


/* a range that is wider than the mapped addresses stays one of IPv6 */
static void
at_cidr_unmap(at_cidr_t *cidr)
{
    at_addr_t  addr;

    if (cidr->addr.len == 16 && cidr->bits >= 96) {
        at_addr_set(&addr, cidr->addr.bytes, 16);

        if (addr.len == 4) {
            cidr->addr = addr;
            cidr->bits -= 96;
        }
    }
}


/* returns 1 if there was a bit to clear, or 0 */
static int
at_cidr_clear_host(at_cidr_t *cidr)
{
    int       cleared;
    uint8_t   host;
    unsigned  i, bits;

    cleared = 0;
    bits = cidr->bits;

    for (i = 0; i < cidr->addr.len; i++) {
        host = (bits < 8) ? 0xff >> bits : 0;
        bits = (bits < 8) ? 0 : bits - 8;

        if (cidr->addr.bytes[i] & host) {
            cidr->addr.bytes[i] &= (uint8_t) ~host;
            cleared = 1;
        }
    }

    return cleared;
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


size_t
at_cidr_set_size(size_t n)
{
    return sizeof(at_cidr_set_t) + n * sizeof(at_range_t);
}


at_cidr_set_t *
at_cidr_set_begin(void *memory, size_t n)
{
    at_cidr_set_t  *set;

    set = memory;
    set->ipv4 = (at_ranges_t) { 0, set->ranges };
    set->ipv6 = (at_ranges_t) { 0, set->ranges + n };

    return set;
}


void
at_cidr_set_add(at_cidr_set_t *set, const at_cidr_t *cidr)
{
    if (cidr->addr.len == 4) {
        set->ipv4.ranges[set->ipv4.n++] = at_range(cidr);

    } else {
        *--set->ipv6.ranges = at_range(cidr);
        set->ipv6.n++;
    }
}


void
at_cidr_set_end(at_cidr_set_t *set)
{
    at_ranges_sort(&set->ipv4);
    at_ranges_sort(&set->ipv6);
}


at_cidr_set_t *
at_cidr_set_create(const at_cidr_t *cidrs, size_t n)
{
    void           *memory;
    size_t          i;
    at_cidr_set_t  *set;

    memory = malloc(at_cidr_set_size(n));

    if (memory == NULL) {
        return NULL;
    }

    set = at_cidr_set_begin(memory, n);

    for (i = 0; i < n; i++) {
        at_cidr_set_add(set, &cidrs[i]);
    }

    at_cidr_set_end(set);

    return set;
}


void
at_cidr_set_free(at_cidr_set_t *set)
{
    free(set);
}


int
at_cidr_set_match(const at_cidr_set_t *set, const at_addr_t *addr)
{
    return at_ranges_match(addr->len == 4 ? &set->ipv4 : &set->ipv6,
                           at_number(addr));
}


static void
at_ranges_sort(at_ranges_t *ranges)
{
    if (ranges->n) {
        qsort(ranges->ranges, ranges->n, sizeof(at_range_t), at_range_compare);
        at_ranges_merge(ranges);
    }
}


static at_range_t
at_range(const at_cidr_t *cidr)
{
    unsigned    host;
    at_range_t  range;

    host = cidr->addr.len * 8 - cidr->bits;

    range.first = at_number(&cidr->addr);
    range.last.low = range.first.low | at_low_bits(host);
    range.last.high = range.first.high | at_low_bits(host > 64 ? host - 64 : 0);

    return range;
}


/*
 * Two blocks of addresses are apart or one holds the other, and the one that
 * holds stands first: so that merging is to drop what is held.
 */
static void
at_ranges_merge(at_ranges_t *ranges)
{
    size_t       i, n;
    at_range_t  *r;

    r = ranges->ranges;
    n = 1;

    for (i = 1; i < ranges->n; i++) {
        if (at_number_compare(r[i].first, r[n - 1].last) > 0) {
            r[n++] = r[i];
        }
    }

    ranges->n = n;
}


/*
 * The last range that does not begin behind addr is the only one that may hold
 * it.  Where addresses are any, no processor foresees where they are: so the
 * search has no branch but its end.
 */
static int
at_ranges_match(const at_ranges_t *ranges, at_number_t addr)
{
    size_t             n, half, above;
    const at_range_t  *range;

    range = ranges->ranges;
    n = ranges->n;

    if (n == 0) {
        return 0;
    }

    while (n > 1) {
        half = n / 2;
        above = !at_number_is_less(addr, range[half].first);

        range += half & -above;
        n -= half;
    }

    return !at_number_is_less(addr, range->first)
           && !at_number_is_less(range->last, addr);
}


/* by the first address; of those with the same, the wider one first */
static int
at_range_compare(const void *one, const void *two)
{
    int                order;
    const at_range_t  *a, *b;

    a = one;
    b = two;

    order = at_number_compare(a->first, b->first);

    return order ? order : at_number_compare(b->last, a->last);
}


static at_number_t
at_number(const at_addr_t *addr)
{
    unsigned     i;
    at_number_t  number;

    number.high = 0;
    number.low = 0;

    for (i = 0; i < addr->len; i++) {
        number.high = number.high << 8 | number.low >> 56;
        number.low = number.low << 8 | addr->bytes[i];
    }

    return number;
}


static int
at_number_compare(at_number_t a, at_number_t b)
{
    return (int) at_number_is_less(b, a) - (int) at_number_is_less(a, b);
}


/* & and |, which do not branch */
static inline unsigned
at_number_is_less(at_number_t a, at_number_t b)
{
    return (a.high < b.high) | ((a.high == b.high) & (a.low < b.low));
}


/* the n lowest bits set, all 64 of them for more */
static uint64_t
at_low_bits(unsigned n)
{
    return n < 64 ? ((uint64_t) 1 << n) - 1 : UINT64_MAX;
}
