/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <endian.h>
#include <stdlib.h>
#include <arpa/inet.h>

#include "core/base/at_align.h"
#include "core/authz/at_cidr.h"


/* an address of either family as one number: the 32 bits of IPv4 are the upper ones */
typedef struct {
    uint64_t       high;
    uint64_t       low;
} at_number_t;

typedef struct {
    at_number_t    first;
    at_number_t    last;
} at_range_t;

/*
 * Sorted, no two with an address in common.  A search that halves them would go
 * from line to line of memory: so that there is an index to many, the upper
 * halves of their first addresses.  Its lowest level has all of them, in nodes of
 * one line each; each other level has the first one of each node below, up to one
 * that is a single node.  A node that is not full ends in the highest number.
 */
typedef struct {
    size_t         n;
    at_range_t    *ranges;
    unsigned       depth;           /* levels of the index, 0: there is none */
    uint64_t      *index;           /* the highest level first */
} at_ranges_t;

#define AT_NODE_BITS  3
#define AT_NODE       (1 << AT_NODE_BITS)
#define AT_NODE_SIZE  (AT_NODE * sizeof(uint64_t))

struct at_cidr_set_s {
    at_ranges_t    ipv4;
    at_ranges_t    ipv6;
    at_range_t     ranges[];        /* of both: IPv4 from the first one on, IPv6
                                       from the last one back; then the indexes */
};


static int at_cidr_parse_addr(uint8_t bytes[16], at_str_t text);
static int at_cidr_parse_bits(unsigned *bits, at_str_t text, unsigned max);
static void at_cidr_unmap(at_cidr_t *cidr);
static int at_cidr_clear_host(at_cidr_t *cidr);

static unsigned at_index_depth(size_t n);
static size_t at_index_length(size_t n, unsigned level);
static uint64_t *at_ranges_build_index(at_ranges_t *ranges, uint64_t *index);
static int at_ranges_match(const at_ranges_t *ranges, at_number_t addr);
static const at_range_t *at_ranges_find(const at_ranges_t *ranges,
    at_number_t addr);
static size_t at_node_search(const uint64_t node[AT_NODE], uint64_t number);
static const at_range_t *at_ranges_bisect(const at_range_t *range, size_t n,
    at_number_t addr);
static void at_ranges_sort(at_ranges_t *ranges);
static void at_ranges_merge(at_ranges_t *ranges);
static at_range_t at_range_from_cidr(const at_cidr_t *cidr);
static int at_range_compare(const void *one, const void *two);
static at_number_t at_number_from_addr(const at_addr_t *addr);
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


/* two families may need a node more in each level than one of as many ranges */
size_t
at_cidr_set_size(size_t n)
{
    size_t    size;
    unsigned  level, depth;

    size = sizeof(at_cidr_set_t) + n * sizeof(at_range_t);
    depth = at_index_depth(n);

    for (level = 0; level < depth; level++) {
        size += at_index_length(n, level) * sizeof(uint64_t) + AT_NODE_SIZE;
    }

    /* and the first one begins where a line does */

    return depth ? size + AT_NODE_SIZE : size;
}


at_cidr_set_t *
at_cidr_set_begin(void *memory, size_t n)
{
    at_cidr_set_t  *set;

    set = memory;
    set->ipv4 = (at_ranges_t) { 0, set->ranges, 0, NULL };
    set->ipv6 = (at_ranges_t) { 0, set->ranges + n, 0, NULL };

    return set;
}


void
at_cidr_set_add(at_cidr_set_t *set, const at_cidr_t *cidr)
{
    if (cidr->addr.len == 4) {
        set->ipv4.ranges[set->ipv4.n++] = at_range_from_cidr(cidr);

    } else {
        *--set->ipv6.ranges = at_range_from_cidr(cidr);
        set->ipv6.n++;
    }
}


void
at_cidr_set_end(at_cidr_set_t *set)
{
    uint64_t  *index;

    index = at_align(set->ipv6.ranges + set->ipv6.n, AT_NODE_SIZE);

    at_ranges_sort(&set->ipv4);
    at_ranges_sort(&set->ipv6);

    index = at_ranges_build_index(&set->ipv4, index);
    (void) at_ranges_build_index(&set->ipv6, index);
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
                           at_number_from_addr(addr));
}


/* a single node would tell less than the ranges themselves */
static unsigned
at_index_depth(size_t n)
{
    unsigned  depth;

    if (n <= AT_NODE) {
        return 0;
    }

    for (depth = 1; (n - 1) >> (depth * AT_NODE_BITS) != 0; depth++) {
        /* void */
    }

    return depth;
}


/* in numbers, whole nodes; the n-th range is in the n / AT_NODE^level-th one */
static size_t
at_index_length(size_t n, unsigned level)
{
    size_t  last;

    last = (n - 1) >> (level * AT_NODE_BITS);

    return (last / AT_NODE + 1) * AT_NODE;
}


/* returns its end */
static uint64_t *
at_ranges_build_index(at_ranges_t *ranges, uint64_t *index)
{
    size_t    i, k, length;
    unsigned  level;

    ranges->depth = at_index_depth(ranges->n);
    ranges->index = index;

    for (level = ranges->depth; level-- > 0; /* void */) {
        length = at_index_length(ranges->n, level);

        for (i = 0; i < length; i++) {
            k = i << (level * AT_NODE_BITS);
            *index++ = k < ranges->n ? ranges->ranges[k].first.high
                                     : UINT64_MAX;
        }
    }

    return index;
}


/* the last range that does not begin behind addr is the only one that may hold it */
static int
at_ranges_match(const at_ranges_t *ranges, at_number_t addr)
{
    const at_range_t  *range;

    if (ranges->n == 0) {
        return 0;
    }

    range = at_ranges_find(ranges, addr);

    return !at_number_is_less(addr, range->first)
           && !at_number_is_less(range->last, addr);
}


/*
 * That range, or the first one where all of them begin behind addr.  Of ranges
 * whose upper halves are the same the index gives the last one: it may be one of
 * those behind.
 */
static const at_range_t *
at_ranges_find(const at_ranges_t *ranges, at_number_t addr)
{
    size_t           i, last;
    unsigned         level;
    const uint64_t  *index;

    if (ranges->depth == 0) {
        return at_ranges_bisect(ranges->ranges, ranges->n, addr);
    }

    index = ranges->index;
    i = 0;

    for (level = ranges->depth; level-- > 0; /* void */) {

        i = i * AT_NODE + at_node_search(index + i * AT_NODE, addr.high);

        /* what fills up a node is not above the highest address */

        last = (ranges->n - 1) >> (level * AT_NODE_BITS);
        i = i < last ? i : last;

        index += at_index_length(ranges->n, level);
    }

    return at_number_is_less(addr, ranges->ranges[i].first)
           ? at_ranges_bisect(ranges->ranges, i, addr) : &ranges->ranges[i];
}


/* the last one that is not above number, or the first: all are compared at once */
static size_t
at_node_search(const uint64_t node[AT_NODE], uint64_t number)
{
    return (size_t) (node[1] <= number) + (node[2] <= number)
           + (node[3] <= number) + (node[4] <= number) + (node[5] <= number)
           + (node[6] <= number) + (node[7] <= number);
}


/*
 * The same of n ranges.  Where addresses are any, no processor foresees where
 * they are: so the search has no branch but its end.
 */
static const at_range_t *
at_ranges_bisect(const at_range_t *range, size_t n, at_number_t addr)
{
    size_t  half, above;

    while (n > 1) {
        half = n / 2;
        above = !at_number_is_less(addr, range[half].first);

        range += half & -above;
        n -= half;
    }

    return range;
}


static void
at_ranges_sort(at_ranges_t *ranges)
{
    if (ranges->n) {
        qsort(ranges->ranges, ranges->n, sizeof(at_range_t), at_range_compare);
        at_ranges_merge(ranges);
    }
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


static at_range_t
at_range_from_cidr(const at_cidr_t *cidr)
{
    unsigned    host;
    at_range_t  range;

    host = 128 - cidr->bits;

    range.first = at_number_from_addr(&cidr->addr);
    range.last.low = range.first.low | at_low_bits(host);
    range.last.high = range.first.high | at_low_bits(host > 64 ? host - 64 : 0);

    return range;
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
at_number_from_addr(const at_addr_t *addr)
{
    at_number_t  number;

    memcpy(&number.high, addr->bytes, 8);
    memcpy(&number.low, addr->bytes + 8, 8);

    number.high = be64toh(number.high);
    number.low = be64toh(number.low);

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
