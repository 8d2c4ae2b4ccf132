/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <arpa/inet.h>

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
