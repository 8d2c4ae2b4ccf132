/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Address ranges: parsing, matching, published test data, 10,000 ranges.
 *
 * Requirements: address-match, address-edges, address-mapped, address-syntax,
 *   address-many-ranges, address-corpora.
 */

#include <arpa/inet.h>
#include <time.h>

#include "core/authz/at_cidr_set.h"
#include "data.h"
#include "tap.h"


#if defined(__SANITIZE_ADDRESS__)
#define ADDRESSES  100000
#else
#define ADDRESSES  1000000
#endif

#define RANGES     5000         /* of each family */


/* parses a copy of exactly the size of text */
static int
parse(at_cidr_t *cidr, at_str_t text)
{
    int    rc;
    char  *copy = malloc(text.len + !text.len);

    must(copy != NULL, "no memory");

    if (text.len) {
        memcpy(copy, text.data, text.len);
    }

    text.data = copy;
    rc = at_cidr_parse(cidr, text);
    free(copy);

    return rc;
}


static at_cidr_set_t *
set_of(const at_cidr_t *cidrs, size_t n)
{
    at_cidr_set_t  *set = malloc(at_cidr_set_size(n));

    must(set != NULL, "no memory");

    set->n = n;

    if (n) {
        memcpy(set->ranges, cidrs, n * sizeof(at_cidr_t));
    }

    at_cidr_set_sort(set);

    return set;
}


static int
address(at_addr_t *addr, const char *text)
{
    uint8_t  bytes[16];

    if (inet_pton(AF_INET, text, bytes) == 1) {
        at_addr_set(addr, bytes, 4);
        return 0;
    }

    if (inet_pton(AF_INET6, text, bytes) == 1) {
        at_addr_set(addr, bytes, 16);
        return 0;
    }

    return -1;
}


/* -1: the range or the address is invalid */
static int
match(const char *range, const char *text)
{
    int             rc;
    at_addr_t       addr;
    at_cidr_t       cidr;
    at_cidr_set_t  *set;

    if (parse(&cidr, str(range)) == -1 || address(&addr, text) != 0) {
        return -1;
    }

    set = set_of(&cidr, 1);

    rc = at_cidr_set_match(set, &addr);
    free(set);

    if (at_cidr_match(&cidr, &addr) != rc) {
        ok(0,
           "at_cidr_match() and a set with %s only agree on %s", range, text);
    }

    return rc;
}


static void
test_match(void)
{
    size_t  i;

    static const struct { const char *range, *address; int match; } cases[] = {
        { "1.1.1.1", "1.1.1.1", 1 },
        { "1.1.1.1", "1.1.1.0", 0 },
        { "1.1.1.1", "1.1.1.2", 0 },
        { "12.34.56.78/24", "12.34.56.0", 1 },
        { "12.34.56.78/24", "12.34.56.255", 1 },
        { "12.34.56.78/24", "12.34.55.255", 0 },
        { "12.34.56.78/24", "12.34.57.0", 0 },
        { "2001:db8::1", "2001:db8::1", 1 },
        { "2001:db8::1", "2001:db8::", 0 },
        { "2001:db8::1", "2001:db8::2", 0 },
        { "2001:db8::/32", "2001:db8::", 1 },
        { "2001:db8::/32", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", 1 },
        { "2001:db8::/32", "2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", 0 },
        { "2001:db8::/32", "2001:db9::", 0 },
        { "::1", "::1", 1 },
        { "::1", "::2", 0 },
        { "::1", "0.0.0.1", 0 },
        { "2001:DB8::A", "2001:db8::a", 1 },

        { "0.0.0.0/0", "0.0.0.0", 1 },
        { "0.0.0.0/0", "255.255.255.255", 1 },
        { "0.0.0.0/0", "::", 0 },
        { "0.0.0.0/0", "2001:db8::1", 0 },
        { "1.2.3.4/0", "200.0.0.1", 1 },
        { "::/0", "::", 1 },
        { "::/0", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 1 },
        { "::/0", "1.2.3.4", 0 },
        { "::/0", "::ffff:1.2.3.4", 0 },
        { "1.2.3.4/32", "1.2.3.4", 1 },
        { "1.2.3.4/32", "1.2.3.5", 0 },
        { "1.2.3.4/31", "1.2.3.5", 1 },
        { "1.2.3.4/31", "1.2.3.6", 0 },
        { "1.2.3.4/31", "1.2.3.3", 0 },
        { "128.0.0.0/1", "255.255.255.255", 1 },
        { "128.0.0.0/1", "127.255.255.255", 0 },
        { "127.0.0.0/1", "0.0.0.0", 1 },
        { "::1/128", "::1", 1 },
        { "::1/128", "::", 0 },
        { "::2/127", "::3", 1 },
        { "::2/127", "::4", 0 },
        { "8000::/1", "ffff::", 1 },
        { "8000::/1", "7fff::", 0 },
        { "2001:db8::/64", "2001:db8::ffff:ffff:ffff:ffff", 1 },
        { "2001:db8::/64", "2001:db8:0:1::", 0 },
        { "2001:db8::/65", "2001:db8::7fff:ffff:ffff:ffff", 1 },
        { "2001:db8::/65", "2001:db8::8000:0:0:0", 0 },
        { "2001:db8:0:2::/63", "2001:db8:0:3:ffff::", 1 },
        { "2001:db8:0:2::/63", "2001:db8:0:4::", 0 },
        { "255.255.255.255", "255.255.255.255", 1 },
        { "255.255.255.255", "255.255.255.254", 0 },
        { "0.0.0.0", "0.0.0.0", 1 },
        { "0.0.0.0", "0.0.0.1", 0 },

        { "1.1.1.1", "::ffff:1.1.1.1", 1 },
        { "1.1.1.1", "::ffff:1.1.1.2", 0 },
        { "::ffff:1.1.1.1", "1.1.1.1", 1 },
        { "::ffff:1.1.1.1", "1.1.1.2", 0 },
        { "::ffff:1.1.1.1", "::ffff:1.1.1.1", 1 },
        { "::ffff:101:101", "1.1.1.1", 1 },
        { "::ffff:0:0/96", "1.1.1.1", 1 },
        { "::ffff:0:0/96", "2001:db8::1", 0 },
        { "::ffff:1.1.1.0/120", "1.1.1.255", 1 },
        { "::ffff:1.1.1.0/120", "1.1.2.0", 0 },
        { "::ffff:1.1.1.1/95", "1.1.1.1", 0 },
        { "::ffff:0:0/95", "::fffe:1.1.1.1", 1 },
        { "::/64", "1.1.1.1", 0 },
        { "1.1.1.1", "::1.1.1.1", 0 },
        { "::1.1.1.1", "1.1.1.1", 0 },
        { "::1.1.1.1", "::101:101", 1 },
        { "1.1.1.1", "64:ff9b::1.1.1.1", 0 },
        { "64:ff9b::1.1.1.1", "1.1.1.1", 0 },
        { "1.1.1.1", "2002:101:101::", 0 },
        { "1.1.1.1", "::ffff:0:1.1.1.1", 0 },
        { "1.1.1.1", "::1:ffff:1.1.1.1", 0 },
    };

    for (i = 0; i < N(cases); i++) {
        is_int(match(cases[i].range, cases[i].address), cases[i].match,
               "%s %s %s", cases[i].range,
               cases[i].match ? "contains" : "does not contain",
               cases[i].address);
    }
}


static void
test_refused(void)
{
    size_t     i;
    at_cidr_t  cidr;

    static const at_str_t  cases[] = {
        at_str("1.2.3.4/33"), at_str("::1/129"), at_str("1.2.3.4/-1"),
        at_str("1.2.3.4/+8"), at_str("1.2.3.4/"), at_str("::/"), at_str("/"),
        at_str("/8"), at_str("1.2.3.4/08"), at_str("1.2.3.4/8x"),
        at_str("1.2.3.4/00"), at_str("::/00"), at_str("::/064"),
        at_str("1.2.3.4/ 8"), at_str("1.2.3.4/8 "), at_str("1.2.3.4 /8"),
        at_str("1.2.3.4/8/8"), at_str("1.2.3.4//8"), at_str("1.2.3.4/0x8"),
        at_str("1.2.3.4/1e1"), at_str("1.2.3.4/4294967304"),
        at_str("1.2.3.4/256"), at_str("::/256"), at_str("1.2.3.4/999"),
        at_str("1.2.3.4/18446744073709551624"),
        at_str("1.2.3"), at_str("1.2"), at_str("1"), at_str("4294967295"),
        at_str("1..2.3"), at_str("1.2.3."), at_str(".1.2.3"), at_str("..."),
        at_str("1.2.3.4."), at_str("010.0.0.1"), at_str("1.2.3.04"),
        at_str("00.0.0.0"), at_str("0x7f.1"), at_str("0x7f.0.0.1"),
        at_str("1.2.3.4.5"), at_str("256.1.1.1"), at_str("1.2.3.256"),
        at_str("1.2.3.1000"), at_str("-1.2.3.4"), at_str("+1.2.3.4"),
        at_str("1.2.3.4/255.255.255.0"), at_str("1.2.3.4:80"),
        at_str("1.2.3.4-1.2.3.9"), at_str("1.2.3.4,5.6.7.8"),
        at_str("fe80::1%eth0"), at_str("fe80::1%eth0/10"), at_str("fe80::%1"),
        at_str(":::"), at_str(":"), at_str("1::2::3"), at_str("12345::"),
        at_str("00001::"), at_str("1:2:3:4:5:6:7"), at_str("1:2:3:4:5:6:7:8:9"),
        at_str("1:2:3:4:5:6:7:"), at_str(":1:2:3:4:5:6:7"), at_str("g::"),
        at_str("::ffff:1.2.3"), at_str("::ffff:1.2.3.4.5"),
        at_str("::ffff:01.2.3.4"), at_str("1.2.3.4::"), at_str("::1.2.3.4:1"),
        at_str("[::1]"), at_str("[::1]:80"), at_str("1.2.3.4 "),
        at_str(" 1.2.3.4"), at_str("1.2.3.4\n"), at_str("\t1.2.3.4"),
        at_str("::1\r"), at_str(""), at_str(" "), at_str("Any"), at_str("any"),
        at_str("*"), at_str("localhost"), at_str("unix:"),
        at_str("\xe0\xa7\xa7.2.3.4"),
        at_str("1.2.3.4\0"), at_str("1.2.3.4\0/8"), at_str("1.2.3.4/8\0"),
        at_str("1.2.3.4/\0"), at_str("\0" "1.2.3.4"), at_str("::1\0junk"),
        at_str("0000:0000:0000:0000:0000:ffff:255.255.255.2555"),
        at_str("0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000"),
    };

    for (i = 0; i < N(cases); i++) {
        is_int(parse(&cidr, cases[i]), -1, "'%.*s' (%zu bytes) is refused",
               (int) cases[i].len, cases[i].data, cases[i].len);
    }

    is_int(parse(&cidr, (at_str_t) { NULL, 0 }), -1, "the empty view");
}


static void
test_parsed(void)
{
    size_t     i, j;
    at_cidr_t  cidr;
    char       text[INET6_ADDRSTRLEN];

    static const struct {
        const char *text; int rc; const char *addr; unsigned bits;
    } cases[] = {
        { "12.34.56.78/24", 1, "12.34.56.0", 24 },
        { "12.34.56.0/24", 0, "12.34.56.0", 24 },
        { "1.2.3.4", 0, "1.2.3.4", 32 },
        { "1.2.3.4/32", 0, "1.2.3.4", 32 },
        { "1.2.3.4/0", 1, "0.0.0.0", 0 },
        { "0.0.0.0/0", 0, "0.0.0.0", 0 },
        { "255.255.255.255/1", 1, "128.0.0.0", 1 },
        { "255.255.255.255/9", 1, "255.128.0.0", 9 },
        { "::/0", 0, "::", 0 },
        { "::1", 0, "::1", 128 },
        { "::1/127", 1, "::", 127 },
        { "2001:db8::1/32", 1, "2001:db8::", 32 },
        { "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/65", 1,
          "ffff:ffff:ffff:ffff:8000::", 65 },
        { "::ffff:1.2.3.4", 0, "1.2.3.4", 32 },
        { "::ffff:1.2.3.4/120", 1, "1.2.3.0", 24 },
        { "::ffff:0:0/96", 0, "0.0.0.0", 0 },
        { "::ffff:1.2.3.4/96", 1, "0.0.0.0", 0 },
        { "::ffff:1.2.3.4/95", 1, "::fffe:0:0", 95 },
        { "::ffff:1.2.3.4/0", 1, "::", 0 },
        { "0000:0000:0000:0000:0000:ffff:255.255.255.255", 0,
          "255.255.255.255", 32 },
    };

    for (i = 0; i < N(cases); i++) {
        memset(&cidr, 0xff, sizeof(cidr));

        is_int(parse(&cidr, str(cases[i].text)), cases[i].rc,
               "%s: host bits are %s", cases[i].text,
               cases[i].rc ? "set" : "clear");

        (void) inet_ntop(cidr.addr.len == 4 ? AF_INET : AF_INET6,
                         cidr.addr.bytes, text, sizeof(text));
        is_str(text, cases[i].addr, "%s: the first address is %s",
               cases[i].text, cases[i].addr);
        is_int(cidr.bits, cases[i].bits,
               "%s: the prefix has %u bits", cases[i].text, cases[i].bits);

        for (j = cidr.addr.len; j < 16 && cidr.addr.bytes[j] == 0; j++) { /* void */ }
        is_int(j, 16, "%s: the unused bytes are 0", cases[i].text);
    }
}


/* whether the range ends exactly at its first and last address */
static int
edges_are_right(const at_cidr_t *cidr)
{
    int             hold;
    unsigned        i, n;
    at_addr_t       last, before, after;
    at_cidr_set_t  *set;

    n = cidr->addr.len;
    last = cidr->addr;

    for (i = cidr->bits; i < n * 8; i++) {
        last.bytes[i / 8] |= (uint8_t) (0x80 >> i % 8);
    }

    before = cidr->addr;
    after = last;

    for (i = n; i-- > 0 && before.bytes[i]-- == 0; ) { /* void */ }
    for (i = n; i-- > 0 && ++after.bytes[i] == 0; ) { /* void */ }

    set = set_of(cidr, 1);

    hold = at_cidr_set_match(set,
                             &cidr->addr) && at_cidr_match(cidr, &cidr->addr)
           && at_cidr_set_match(set, &last) && at_cidr_match(cidr, &last)
           && !at_cidr_set_match(set, &before) && !at_cidr_match(cidr, &before)
           && !at_cidr_set_match(set, &after) && !at_cidr_match(cidr, &after);

    free(set);

    return hold;
}


static void
test_every_prefix(const char *addr, unsigned max)
{
    char       text[64];
    unsigned   bits, wrong = 0;
    at_cidr_t  cidr;

    for (bits = 1; bits <= max; bits++) {
        (void) snprintf(text, sizeof(text), "%s/%u", addr, bits);
        wrong += parse(&cidr, str(text)) == -1 || !edges_are_right(&cidr);
    }

    is_int(wrong, 0, "%s/1 to /%u contain their first and last address and no "
           "neighbour", addr, max);
}


static void
test_sets(void)
{
    size_t          i;
    at_addr_t       addr;
    at_cidr_t       cidrs[8];
    at_cidr_set_t  *set;

    static const char  *ranges[] = {
        "10.1.2.0/24", "::/0", "10.0.0.0/8", "10.1.2.3", "10.0.0.0/8",
        "9.255.255.255", "11.0.0.0", "10.1.0.0/16"
    };

    static const struct { const char *address; int match; } cases[] = {
        { "9.255.255.254", 0 }, { "9.255.255.255", 1 }, { "10.0.0.0", 1 },
        { "10.1.2.3", 1 }, { "10.1.2.4", 1 }, { "10.200.0.0", 1 },
        { "10.255.255.255", 1 }, { "11.0.0.0", 1 }, { "11.0.0.1", 0 },
        { "0.0.0.0", 0 }, { "255.255.255.255", 0 }, { "::", 1 }, { "::1", 1 },
        { "::10.1.2.3", 1 }, { "::ffff:10.1.2.3", 1 }, { "::ffff:12.0.0.0", 0 },
    };

    for (i = 0; i < N(ranges); i++) {
        (void) parse(&cidrs[i], str(ranges[i]));
    }

    set = set_of(cidrs, N(ranges));

    for (i = 0; i < N(cases); i++) {
        (void) address(&addr, cases[i].address);
        is_int(at_cidr_set_match(set, &addr), cases[i].match,
               "nested ranges %s %s",
               cases[i].match ? "contain" : "do not contain",
               cases[i].address);
    }

    free(set);

    set = set_of(NULL, 0);
    ok(!at_cidr_set_match(set, &addr), "an empty set contains no address");
    free(set);
}


/*
 * strings that are valid in a published list and invalid here, or the reverse
 */
static int
is_difference(const char *text)
{
    size_t  i;

    static const char  *names[] = {
        "2001:db8::%1",             /* a range has no zone */
        "0:1:2:3:4:5:6:7/001",      /* a prefix length has no leading zeros */
        "127.0.0.1/02",
        "1.2.3.4",                  /* an invalid IPv6 address is valid IPv4 */
        "192.168.1.0/24",           /* not an IPv4 address, but a range */
        "fe80::/64",
        "::ffff:192.168.0.1",
        "127.0.0.1",
    };

    for (i = 0; i < N(names); i++) {
        if (strcmp(names[i], text) == 0) {
            return 1;
        }
    }

    return 0;
}


static unsigned  differences;


static void
test_published_string(const char *kind, const json_t *text, int valid)
{
    int          accepted, differs;
    at_cidr_t    cidr;
    const char  *name = json_string_value(text);

    accepted = parse(&cidr,
                     (at_str_t) { name, json_string_length(text) }) != -1;
    differs = accepted != valid;

    differences += differs;

    ok(!differs || is_difference(name), "%s '%s' is %s", kind, name,
       valid ? "valid" : "invalid");
}


static void
test_ip_address(const char *name, int valid)
{
    char     path[256];
    size_t   i;
    json_t  *list, *entry;

    (void) snprintf(path, sizeof(path), "t/data/ip-address/%s.json", name);

    list = data_json(path);

    json_array_foreach(list, i, entry) {
        test_published_string(name, json_object_get(entry, "address"), valid);
    }

    json_decref(list);
}


static void
test_json_schema(const char *name)
{
    char     path[256];
    size_t   i, j;
    json_t  *list, *group, *test, *data;

    (void) snprintf(path,
                    sizeof(path), "t/data/json-schema-formats/%s.json", name);

    list = data_json(path);

    json_array_foreach(list, i, group) {
        json_array_foreach(json_object_get(group, "tests"), j, test) {
            data = json_object_get(test, "data");

            if (json_is_string(data)) {
                test_published_string(name, data,
                                      json_is_true(json_object_get(test,
                                                                   "valid")));
            }
        }
    }

    json_decref(list);
}


static void
test_published(void)
{
    differences = 0;

    test_ip_address("valid-ipv4-addresses", 1);
    test_ip_address("invalid-ipv4-addresses", 0);
    test_ip_address("valid-ipv6-addresses", 1);
    test_ip_address("invalid-ipv6-addresses", 0);
    test_ip_address("intermapper-valid-ipv6-addresses", 1);
    test_ip_address("intermapper-invalid-ipv6-addresses", 0);
    test_json_schema("ipv4");
    test_json_schema("ipv6");

    if (tap.run) {
        is_int(differences, 9, "9 strings differ from the published lists");
    }
}


/*
 * Differences from the test of CIPP in PowerShell; -1: the range is invalid.
 */
static const struct cipp_difference {
    const char  *address;
    const char  *range;
    int          expected;
} cipp_differences[] = {
    /* in CIPP, /0 does not contain addresses whose first bit is set */
    { "128.0.0.1", "0.0.0.0/0", 1 },
    { "203.0.113.9", "0.0.0.0/0", 1 },
    { "fe80::1", "::/0", 1 },
    { "fc00::1", "::/0", 1 },

    /* CIPP accepts malformed prefix lengths */
    { "1.2.3.4", "1.2.3.4/-1", -1 },
    { "1.2.3.4", "1.2.3.4/", -1 },
    { "1.2.3.4", "1.2.3.4/24/8", -1 },
    { "1.2.3.4", "1.2.3.4/024", -1 },
    { "1.2.3.4", "1.2.3.4/ 24", -1 },
    { "1.2.3.4", "1.2.3.4/+24", -1 },

    /* IPv4-mapped addresses are IPv4 addresses here */
    { "::ffff:1.2.3.4", "1.2.3.4", 1 },
    { "::ffff:1.2.3.4", "1.2.3.0/24", 1 },
    { "1.2.3.4", "::ffff:1.2.3.4", 1 },
    { "1.2.3.4", "::ffff:0:0/96", 1 },

    /* CIPP accepts octal, hexadecimal, short and bracketed addresses */
    { "fe80::1%eth0", "fe80::/10", -1 },
    { "8.0.0.1", "010.0.0.1", -1 },
    { "1.0.0.2", "1.2", -1 },
    { "0x7f.0.0.1", "127.0.0.1", -1 },
    { "127.1", "127.0.0.1", -1 },
    { "127.0.0.1", "127.1/8", -1 },
    { "[2001:db8::1]", "2001:db8::1", -1 },
    { "[2001:db8::1]:443", "2001:db8::1", -1 },
};


static void
test_cipp_row(char *line, unsigned *seen)
{
    int     got, theirs, expected;
    size_t  i;
    char   *addr, *range, *verdict, *save;

    save = line;

    (void) strsep(&save, "\t");
    addr = strsep(&save, "\t");
    range = strsep(&save, "\t");
    verdict = strsep(&save, "\t");

    if (verdict == NULL) {
        ok(0, "a row has four columns");
        return;
    }

    theirs = strncmp(verdict, "TRUE", 4) == 0;
    expected = theirs;

    for (i = 0; i < N(cipp_differences); i++) {
        if (strcmp(cipp_differences[i].address, addr) == 0
            && strcmp(cipp_differences[i].range, range) == 0)
        {
            expected = cipp_differences[i].expected;
            (*seen)++;
        }
    }

    got = match(range, addr);

    /* an invalid range contains nothing */
    if (got == -1 && expected == 0) {
        got = 0;
    }

    is_int(got, expected, "CIPP: '%s' in '%s' is %s there", addr, range,
           verdict);
}


static void
test_cipp(void)
{
    char       *line, *next;
    unsigned    seen = 0;
    at_file_t   file = data_read("t/data/cipp-ranges/ranges.tsv");

    next = file.data;

    while ((line = strsep(&next, "\n")) != NULL) {
        if (strncmp(line, "range\t", 6) == 0) {
            test_cipp_row(line, &seen);
        }
    }

    is_int(seen, N(cipp_differences),
           "every listed difference is in the data of CIPP");
    at_file_free(&file);
}


/* --- 10,000 ranges compared with a linear search ------------------------- */

static uint32_t  net4[RANGES], mask4[RANGES];
static uint64_t  net6[RANGES][2], mask6[RANGES][2];


static uint64_t
random64(void)
{
    static uint64_t  state = 0x9e3779b97f4a7c15;

    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;

    return state;
}


static uint64_t
mask64(unsigned bits)
{
    return bits == 0 ? 0 : bits >= 64 ? UINT64_MAX : UINT64_MAX << (64 - bits);
}


static void
put64(uint8_t *bytes, uint64_t value, unsigned n)
{
    unsigned  i;

    for (i = 0; i < n; i++) {
        bytes[i] = (uint8_t) (value >> 8 * (n - 1 - i));
    }
}


static void
random_cidr(at_cidr_t *cidr4, at_cidr_t *cidr6, unsigned i)
{
    unsigned  bits;

    memset(cidr4, 0, sizeof(at_cidr_t));
    memset(cidr6, 0, sizeof(at_cidr_t));

    bits = 12 + (unsigned) (random64() % 21);
    mask4[i] = (uint32_t) (mask64(bits) >> 32);
    net4[i] = (uint32_t) random64() & mask4[i];

    cidr4->addr.len = 4;
    cidr4->bits = bits;
    put64(cidr4->addr.bytes, net4[i], 4);

    /* few different upper halves, so that ranges are nested */
    bits = 16 + (unsigned) (random64() % 113);
    mask6[i][0] = mask64(bits);
    mask6[i][1] = mask64(bits > 64 ? bits - 64 : 0);
    net6[i][0] = (0x2001000000000000 | (random64() &
                                        0x00ff00ff000000ff)) & mask6[i][0];
    net6[i][1] = random64() & mask6[i][1];

    cidr6->addr.len = 16;
    cidr6->bits = bits;
    put64(cidr6->addr.bytes, net6[i][0], 8);
    put64(cidr6->addr.bytes + 8, net6[i][1], 8);
}


static int
linear_match4(uint32_t addr)
{
    int       hit = 0;
    unsigned  i;

    for (i = 0; i < RANGES; i++) {
        hit |= (addr & mask4[i]) == net4[i];
    }

    return hit;
}


static int
linear_match6(uint64_t high, uint64_t low)
{
    unsigned  i;

    for (i = 0; i < RANGES; i++) {
        if ((high & mask6[i][0]) == net6[i][0]
            && (low & mask6[i][1]) == net6[i][1])
        {
            return 1;
        }
    }

    return 0;
}


/* half of the addresses are the first or last of a range, or next to it */
static int
try_ipv4(const at_cidr_set_t *set)
{
    uint8_t    bytes[4];
    at_addr_t  addr;
    uint64_t   r = random64();
    uint32_t   value = (uint32_t) (r >> 32);

    if (r & 1) {
        value = net4[value % RANGES];
        value |= (r & 2) ? ~mask4[(uint32_t) (r >> 32) % RANGES] : 0;
        value += (uint32_t) (r >> 2 & 3) - 1;
    }

    put64(bytes, value, 4);
    at_addr_set(&addr, bytes, 4);

    return at_cidr_set_match(set, &addr) != linear_match4(value);
}


static int
try_ipv6(const at_cidr_set_t *set)
{
    unsigned   i;
    uint64_t   r, high, low;
    uint8_t    bytes[16];
    at_addr_t  addr;

    r = random64();
    i = (unsigned) (r >> 32) % RANGES;

    high = net6[i][0] | ((r & 2) ? ~mask6[i][0] : 0);
    low = net6[i][1] | ((r & 2) ? ~mask6[i][1] : 0);

    if (r & 4) {
        low++;
        high += (low == 0);

    } else if (r & 8) {
        high -= (low == 0);
        low--;
    }

    if (r & 1) {
        high = 0x2001000000000000 | (random64() & 0x00ff00ff000000ff);
        low = random64();
    }

    put64(bytes, high, 8);
    put64(bytes + 8, low, 8);
    at_addr_set(&addr, bytes, 16);

    return at_cidr_set_match(set, &addr) != linear_match6(high, low);
}


static void
test_many(void)
{
    unsigned            i, wrong4, wrong6;
    at_cidr_set_t      *set;
    static at_cidr_t    cidrs[2 * RANGES];

    for (i = 0; i < RANGES; i++) {
        random_cidr(&cidrs[2 * i], &cidrs[2 * i + 1], i);
    }

    set = set_of(cidrs, 2 * RANGES);
    wrong4 = 0;
    wrong6 = 0;

    for (i = 0; i < ADDRESSES / 2; i++) {
        wrong4 += (unsigned) try_ipv4(set);
        wrong6 += (unsigned) try_ipv6(set);
    }

    is_int(wrong4, 0, "%d IPv4 addresses match like in a linear search",
           ADDRESSES / 2);
    is_int(wrong6, 0, "%d IPv6 addresses match like in a linear search",
           ADDRESSES / 2);

    free(set);
}


static void
test_time(void)
{
    unsigned          i, hits;
    double            ns;
    at_addr_t         addr;
    at_cidr_set_t    *set;
    struct timespec   from, to;
    static at_cidr_t  cidrs[2 * RANGES];

    for (i = 0; i < RANGES; i++) {
        random_cidr(&cidrs[2 * i], &cidrs[2 * i + 1], i);
    }

    set = set_of(cidrs, 2 * RANGES);
    hits = 0;

    (void) clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);

    for (i = 0; i < 1000000; i++) {
        uint64_t  r = random64();

        at_addr_set(&addr, &r, 4);
        hits += (unsigned) at_cidr_set_match(set, &addr);
    }

    (void) clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);

    ns = ((double) (to.tv_sec - from.tv_sec) * 1e9
          + (double) (to.tv_nsec - from.tv_nsec)) / 1e6;

    printf("# %.0f ns per lookup, %u matches\n", ns, hits);
    ok(ns < 1000, "I8 a lookup takes less than 1,000 ns");

    free(set);
}


int
main(void)
{
    RUN(test_match, test_refused, test_parsed);
    test_every_prefix("170.85.170.85", 32);
    test_every_prefix("aaaa:5555:aaaa:5555:aaaa:5555:aaaa:5555", 128);
    RUN(test_sets, test_published, test_cipp, test_many, test_time);

    return tap_done();
}
