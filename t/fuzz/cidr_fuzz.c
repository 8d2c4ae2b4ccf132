/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Input: an address in the first line, then a range in each line.  A set must
 * match like a bitwise comparison with every range.
 */

#include <arpa/inet.h>

#include "core/authz/at_cidr.h"
#include "fuzz.h"


#define FUZZ_RANGES  64


/* a valid range is valid for inet_pton(), with a plain decimal prefix length */
static void
fuzz_check_text(at_str_t text, const at_cidr_t *cidr)
{
    char            addr[64];
    char           *slash;
    unsigned        bits = 0;
    unsigned char   bytes[16];
    char            plain[16];

    fuzz_assert(text.len < sizeof(addr)
                && memchr(text.data, 0, text.len) == NULL);

    memcpy(addr, text.data, text.len);
    addr[text.len] = '\0';
    slash = strchr(addr, '/');

    if (slash) {
        *slash++ = '\0';
        fuzz_assert(sscanf(slash, "%u", &bits) == 1);
        (void) snprintf(plain, sizeof(plain), "%u", bits);
        fuzz_assert(strcmp(plain, slash) == 0);
    }

    if (inet_pton(AF_INET, addr, bytes) == 1) {
        fuzz_assert(cidr->addr.len == 4 && cidr->bits == (slash ? bits : 32));
        return;
    }

    fuzz_assert(inet_pton(AF_INET6, addr, bytes) == 1);
    bits = slash ? bits : 128;
    fuzz_assert(cidr->bits + (cidr->addr.len == 4 ? 96 : 0) == bits);
}


static int
fuzz_bit(const uint8_t *bytes, unsigned i)
{
    return bytes[i / 8] >> (7 - i % 8) & 1;
}


static int
fuzz_match(const at_cidr_t *cidr, const at_addr_t *addr)
{
    unsigned  i;

    if (cidr->addr.len != addr->len) {
        return 0;
    }

    for (i = 0; i < cidr->bits; i++) {
        if (fuzz_bit(cidr->addr.bytes, i) != fuzz_bit(addr->bytes, i)) {
            return 0;
        }
    }

    return 1;
}


static void
fuzz_check_host(const at_cidr_t *cidr)
{
    unsigned  i;

    fuzz_assert(cidr->addr.len == 4 || cidr->addr.len == 16);
    fuzz_assert(cidr->bits <= cidr->addr.len * 8);

    for (i = cidr->bits; i < cidr->addr.len * 8; i++) {
        fuzz_assert(fuzz_bit(cidr->addr.bytes, i) == 0);
    }
}


/* the text of a range is parsed as the same range */
static void
fuzz_check_format(const at_cidr_t *cidr)
{
    char       text[AT_CIDR_TEXT_LEN];
    size_t     len = at_cidr_format(text, cidr);
    at_cidr_t  again;

    fuzz_assert(len < sizeof(text) && text[len] == '\0');
    fuzz_assert(at_cidr_parse(&again, (at_str_t) { text, len }) == 0);
    fuzz_assert(again.bits == cidr->bits && again.addr.len == cidr->addr.len);
    fuzz_assert(memcmp(again.addr.bytes, cidr->addr.bytes, again.addr.len)
                == 0);
}


static size_t
fuzz_ranges(at_cidr_t *cidrs, const uint8_t *data, size_t size)
{
    size_t    n = 0;
    at_str_t  line;

    while (size && n < FUZZ_RANGES) {
        line = fuzz_line(&data, &size);

        if (at_cidr_parse(&cidrs[n], line) >= 0) {
            fuzz_check_text(line, &cidrs[n]);
            fuzz_check_host(&cidrs[n]);
            fuzz_check_format(&cidrs[n]);
            n++;
        }
    }

    return n;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int             expected;
    size_t          i, n;
    at_cidr_t       one, cidrs[FUZZ_RANGES];
    at_cidr_set_t  *set;
    at_str_t        line = fuzz_line(&data, &size);

    n = fuzz_ranges(cidrs, data, size);
    set = fuzz_alloc(at_cidr_set_size(n));
    set->n = n;
    memcpy(set->ranges, cidrs, n * sizeof(at_cidr_t));
    at_cidr_set_sort(set);

    if (at_cidr_parse(&one, line) >= 0) {
        expected = 0;

        for (i = 0; i < n; i++) {
            fuzz_assert(at_cidr_match(&cidrs[i], &one.addr)
                        == fuzz_match(&cidrs[i], &one.addr));
            expected |= fuzz_match(&cidrs[i], &one.addr);
        }

        fuzz_assert(at_cidr_set_match(set, &one.addr) == expected);
    }

    return fuzz_end();
}
