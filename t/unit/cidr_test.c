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

#include "core/authz/at_cidr.h"
#include "data.h"
#include "tap.h"


#define S(text)    at_str(text)

#if defined(__SANITIZE_ADDRESS__)
#define ADDRESSES  4000
#else
#define ADDRESSES  40000
#endif

#define RANGES     10000        /* half of them of each family */


/* parses a copy of exactly the size of text */
static int
parse(at_cidr_t *cidr, at_str_t text)
{
    char  *copy = exact_copy(text);
    int    rc = at_cidr_parse(cidr, (at_str_t) { copy, text.len });

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
    uint8_t   bytes[16];
    unsigned  len = strchr(text, ':') ? 16 : 4;

    if (inet_pton(len == 4 ? AF_INET : AF_INET6, text, bytes) != 1) {
        return -1;
    }

    at_addr_set(addr, bytes, len);

    return 0;
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
        ok(0, "at_cidr_match() and a set with %s only agree on %s", range,
           text);
    }

    return rc;
}


static void
test_match(void)
{
    size_t              i;
    const char *const  *text;

    static const struct {
        const char *range, *inside[9], *outside[9];
    } cases[] = {
        { "1.1.1.1", { "1.1.1.1", "::ffff:1.1.1.1" }, { "1.1.1.0", "1.1.1.2",
          "::ffff:1.1.1.2", "::1.1.1.1", "64:ff9b::1.1.1.1", "2002:101:101::",
          "::ffff:0:1.1.1.1", "::1:ffff:1.1.1.1" } },
        { "12.34.56.78/24", { "12.34.56.0", "12.34.56.255" }, { "12.34.55.255",
          "12.34.57.0" } },
        { "2001:db8::1", { "2001:db8::1" }, { "2001:db8::", "2001:db8::2" } },
        { "2001:db8::/32", { "2001:db8::",
          "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff" },
          { "2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db9::" } },
        { "::1", { "::1" }, { "::2", "0.0.0.1" } },
        { "2001:DB8::A", { "2001:db8::a" }, { NULL } },
        { "0.0.0.0/0", { "0.0.0.0", "255.255.255.255" }, { "::",
          "2001:db8::1" } },
        { "1.2.3.4/0", { "200.0.0.1" }, { NULL } },
        { "::/0", { "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
          { "1.2.3.4", "::ffff:1.2.3.4" } },
        { "1.2.3.4/32", { "1.2.3.4" }, { "1.2.3.5" } },
        { "1.2.3.4/31", { "1.2.3.5" }, { "1.2.3.6", "1.2.3.3" } },
        { "128.0.0.0/1", { "255.255.255.255" }, { "127.255.255.255" } },
        { "127.0.0.0/1", { "0.0.0.0" }, { NULL } },
        { "::1/128", { "::1" }, { "::" } },
        { "::2/127", { "::3" }, { "::4" } },
        { "8000::/1", { "ffff::" }, { "7fff::" } },
        { "2001:db8::/64", { "2001:db8::ffff:ffff:ffff:ffff" },
          { "2001:db8:0:1::" } },
        { "2001:db8::/65", { "2001:db8::7fff:ffff:ffff:ffff" },
          { "2001:db8::8000:0:0:0" } },
        { "2001:db8:0:2::/63", { "2001:db8:0:3:ffff::" },
          { "2001:db8:0:4::" } },
        { "255.255.255.255", { "255.255.255.255" }, { "255.255.255.254" } },
        { "0.0.0.0", { "0.0.0.0" }, { "0.0.0.1" } },
        { "::ffff:1.1.1.1", { "1.1.1.1", "::ffff:1.1.1.1" }, { "1.1.1.2" } },
        { "::ffff:101:101", { "1.1.1.1" }, { NULL } },
        { "::ffff:0:0/96", { "1.1.1.1" }, { "2001:db8::1" } },
        { "::ffff:1.1.1.0/120", { "1.1.1.255" }, { "1.1.2.0" } },
        { "::ffff:1.1.1.1/95", { NULL }, { "1.1.1.1" } },
        { "::ffff:0:0/95", { "::fffe:1.1.1.1" }, { NULL } },
        { "::/64", { NULL }, { "1.1.1.1" } },
        { "::1.1.1.1", { "::101:101" }, { "1.1.1.1" } },
        { "64:ff9b::1.1.1.1", { NULL }, { "1.1.1.1" } },
    };

    for (i = 0; i < N(cases); i++) {
        for (text = cases[i].inside; *text; text++) {
            is_int(match(cases[i].range, *text), 1, "%s contains %s",
                   cases[i].range, *text);
        }

        for (text = cases[i].outside; *text; text++) {
            is_int(match(cases[i].range, *text), 0,
                   "%s does not contain %s", cases[i].range, *text);
        }
    }
}


static void
test_refused(void)
{
    size_t     i;
    at_cidr_t  cidr;

    static const at_str_t  cases[] = {
        S("1.2.3.4/33"), S("::1/129"), S("1.2.3.4/-1"), S("1.2.3.4/+8"),
        S("1.2.3.4/"), S("::/"), S("/"), S("/8"), S("1.2.3.4/08"),
        S("1.2.3.4/8x"), S("1.2.3.4/00"), S("::/00"), S("::/064"),
        S("1.2.3.4/ 8"), S("1.2.3.4/8 "), S("1.2.3.4 /8"), S("1.2.3.4/8/8"),
        S("1.2.3.4//8"), S("1.2.3.4/0x8"), S("1.2.3.4/1e1"),
        S("1.2.3.4/4294967304"), S("1.2.3.4/256"), S("::/256"),
        S("1.2.3.4/999"), S("1.2.3.4/18446744073709551624"), S("1.2.3"),
        S("1.2"), S("1"), S("4294967295"), S("1..2.3"), S("1.2.3."),
        S(".1.2.3"), S("..."), S("1.2.3.4."), S("010.0.0.1"), S("1.2.3.04"),
        S("00.0.0.0"), S("0x7f.1"), S("0x7f.0.0.1"), S("1.2.3.4.5"),
        S("256.1.1.1"), S("1.2.3.256"), S("1.2.3.1000"), S("-1.2.3.4"),
        S("+1.2.3.4"), S("1.2.3.4/255.255.255.0"), S("1.2.3.4:80"),
        S("1.2.3.4-1.2.3.9"), S("1.2.3.4,5.6.7.8"), S("fe80::1%eth0"),
        S("fe80::1%eth0/10"), S("fe80::%1"), S(":::"), S(":"), S("1::2::3"),
        S("12345::"), S("00001::"), S("1:2:3:4:5:6:7"), S("1:2:3:4:5:6:7:8:9"),
        S("1:2:3:4:5:6:7:"), S(":1:2:3:4:5:6:7"), S("g::"), S("::ffff:1.2.3"),
        S("::ffff:1.2.3.4.5"), S("::ffff:01.2.3.4"), S("1.2.3.4::"),
        S("::1.2.3.4:1"), S("[::1]"), S("[::1]:80"), S("1.2.3.4 "),
        S(" 1.2.3.4"), S("1.2.3.4\n"), S("\t1.2.3.4"), S("::1\r"), S(""),
        S(" "), S("Any"), S("any"), S("*"), S("localhost"), S("unix:"),
        S("\xe0\xa7\xa7.2.3.4"), S("1.2.3.4\0"), S("1.2.3.4\0/8"),
        S("1.2.3.4/8\0"), S("1.2.3.4/\0"), S("\0" "1.2.3.4"), S("::1\0junk"),
        S("0000:0000:0000:0000:0000:ffff:255.255.255.2555"),
        S("0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000")
    };

    for (i = 0; i < N(cases); i++) {
        is_int(parse(&cidr, cases[i]), -1, "'%.*s' (%zu bytes) is refused",
               (int) cases[i].len, cases[i].data, cases[i].len);
    }

    is_int(parse(&cidr, (at_str_t) { NULL, 0 }), -1, "the empty view");
}


static void
test_format(void)
{
    size_t     i;
    at_cidr_t  cidr;
    char       text[AT_CIDR_TEXT_LEN];

    static const struct {
        const char *range, *text;
    } cases[] = {
        { "1.2.3.4", "1.2.3.4" }, { "1.2.3.4/32", "1.2.3.4" },
        { "12.34.56.78/24", "12.34.56.0/24" }, { "0.0.0.0/0", "0.0.0.0/0" },
        { "2001:DB8::1", "2001:db8::1" },
        { "2001:db8::1/32", "2001:db8::/32" }, { "::/0", "::/0" },
        { "::ffff:1.2.3.4/120", "1.2.3.0/24" },
        { "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/127",
          "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/127" },
    };

    for (i = 0; i < N(cases); i++) {
        (void) at_cidr_parse(&cidr, str(cases[i].range));
        is_int(at_cidr_format(text, &cidr), strlen(cases[i].text),
               "%s: the length of its text", cases[i].range);
        is_str(text, cases[i].text, "%s is written as %s", cases[i].range,
               cases[i].text);
    }
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
        { "1.2.3.4", 0, "1.2.3.4", 32 }, { "1.2.3.4/32", 0, "1.2.3.4", 32 },
        { "1.2.3.4/0", 1, "0.0.0.0", 0 }, { "0.0.0.0/0", 0, "0.0.0.0", 0 },
        { "255.255.255.255/1", 1, "128.0.0.0", 1 },
        { "255.255.255.255/9", 1, "255.128.0.0", 9 },
        { "::/0", 0, "::", 0 }, { "::1", 0, "::1", 128 },
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

        j = cidr.addr.len;

        while (j < 16 && cidr.addr.bytes[j] == 0) {
            j++;
        }

        is_int(j, 16, "%s: the unused bytes are 0", cases[i].text);
    }
}


static at_addr_t
last_addr(const at_cidr_t *cidr)
{
    unsigned   i;
    at_addr_t  addr = cidr->addr;

    for (i = cidr->bits; i < addr.len * 8u; i++) {
        addr.bytes[i / 8] |= (uint8_t) (0x80 >> i % 8);
    }

    return addr;
}


/* the address before (step -1) or after it (step 1) */
static at_addr_t
neighbour(at_addr_t addr, int step)
{
    unsigned  i = addr.len;

    do {
        addr.bytes[--i] += (uint8_t) step;
    } while (i > 0 && addr.bytes[i] == (step == 1 ? 0 : 0xff));

    return addr;
}


/* whether the range ends exactly at its first and last address */
static int
edges_are_right(const at_cidr_t *cidr)
{
    int             right = 1;
    unsigned        i;
    at_cidr_set_t  *set = set_of(cidr, 1);
    at_addr_t       last = last_addr(cidr);

    const at_addr_t  addrs[] = {
        cidr->addr, last, neighbour(cidr->addr, -1), neighbour(last, 1)
    };

    for (i = 0; i < N(addrs); i++) {
        right &= at_cidr_set_match(set, &addrs[i]) == (i < 2)
                 && at_cidr_match(cidr, &addrs[i]) == (i < 2);
    }

    free(set);

    return right;
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
        { "::10.1.2.3", 1 }, { "::ffff:10.1.2.3", 1 },
        { "::ffff:12.0.0.0", 0 },
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
is_difference(at_str_t text)
{
    static const at_str_t  names[] = {
        S("2001:db8::%1"),          /* a range has no zone */
        S("0:1:2:3:4:5:6:7/001"),   /* a prefix length has no leading zeros */
        S("127.0.0.1/02"),
        S("1.2.3.4"),               /* an invalid IPv6 address is valid IPv4 */
        S("192.168.1.0/24"),        /* not an IPv4 address, but a range */
        S("fe80::/64"),
        S("::ffff:192.168.0.1"),
        S("127.0.0.1"),
    };

    return at_str_is_one_of(text, names, N(names));
}


/* returns whether the result differs from the published one */
static unsigned
test_published_string(const char *path, const json_t *string, int valid)
{
    int        differs;
    at_str_t   text = { json_string_value(string),
                        json_string_length(string) };
    at_cidr_t  cidr;

    differs = (parse(&cidr, text) != -1) != valid;
    ok(!differs || is_difference(text), "%s: '%s' is %s", path, text.data,
       valid ? "valid" : "invalid");

    return (unsigned) differs;
}


static void
test_published(void)
{
    size_t    i, j, k;
    json_t   *list, *entry, *test, *data;
    unsigned  differences = 0;

    static const struct { const char *path; int valid; } addresses[] = {
        { "t/data/ip-address/valid-ipv4-addresses.json", 1 },
        { "t/data/ip-address/invalid-ipv4-addresses.json", 0 },
        { "t/data/ip-address/valid-ipv6-addresses.json", 1 },
        { "t/data/ip-address/invalid-ipv6-addresses.json", 0 },
        { "t/data/ip-address/intermapper-valid-ipv6-addresses.json", 1 },
        { "t/data/ip-address/intermapper-invalid-ipv6-addresses.json", 0 },
    };

    static const char  *schemas[] = {
        "t/data/json-schema-formats/ipv4.json",
        "t/data/json-schema-formats/ipv6.json"
    };

    for (i = 0; i < N(addresses); i++) {
        list = data_json(addresses[i].path);

        json_array_foreach(list, j, entry) {
            differences += test_published_string(addresses[i].path,
                               json_object_get(entry, "address"),
                               addresses[i].valid);
        }

        json_decref(list);
    }

    for (i = 0; i < N(schemas); i++) {
        list = data_json(schemas[i]);

        json_array_foreach(list, j, entry) {
            json_array_foreach(json_object_get(entry, "tests"), k, test) {
                data = json_object_get(test, "data");

                if (json_is_string(data)) {
                    differences += test_published_string(schemas[i], data,
                        json_is_true(json_object_get(test, "valid")));
                }
            }
        }

        json_decref(list);
    }

    is_int(differences, 9, "9 strings differ from the published lists");
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
    { "128.0.0.1", "0.0.0.0/0", 1 }, { "203.0.113.9", "0.0.0.0/0", 1 },
    { "fe80::1", "::/0", 1 }, { "fc00::1", "::/0", 1 },

    /* CIPP accepts malformed prefix lengths */
    { "1.2.3.4", "1.2.3.4/-1", -1 }, { "1.2.3.4", "1.2.3.4/", -1 },
    { "1.2.3.4", "1.2.3.4/24/8", -1 }, { "1.2.3.4", "1.2.3.4/024", -1 },
    { "1.2.3.4", "1.2.3.4/ 24", -1 }, { "1.2.3.4", "1.2.3.4/+24", -1 },

    /* IPv4-mapped addresses are IPv4 addresses here */
    { "::ffff:1.2.3.4", "1.2.3.4", 1 }, { "::ffff:1.2.3.4", "1.2.3.0/24", 1 },
    { "1.2.3.4", "::ffff:1.2.3.4", 1 }, { "1.2.3.4", "::ffff:0:0/96", 1 },

    /* CIPP accepts octal, hexadecimal, short and bracketed addresses */
    { "fe80::1%eth0", "fe80::/10", -1 }, { "8.0.0.1", "010.0.0.1", -1 },
    { "1.0.0.2", "1.2", -1 }, { "0x7f.0.0.1", "127.0.0.1", -1 },
    { "127.1", "127.0.0.1", -1 }, { "127.0.0.1", "127.1/8", -1 },
    { "[2001:db8::1]", "2001:db8::1", -1 },
    { "[2001:db8::1]:443", "2001:db8::1", -1 },
};


static void
test_cipp_row(char *line, unsigned *seen)
{
    int     got, expected;
    size_t  i;
    char   *addr, *range, *verdict;

    (void) strsep(&line, "\t");
    addr = strsep(&line, "\t");
    range = strsep(&line, "\t");
    verdict = strsep(&line, "\t");

    if (verdict == NULL) {
        ok(0, "a row has four columns");
        return;
    }

    expected = strncmp(verdict, "TRUE", 4) == 0;

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

static uint64_t
random64(void)
{
    static uint64_t  state = 0x9e3779b97f4a7c15;

    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;

    return state;
}


/* IPv6 ranges have few different upper halves, so that they are nested */
static at_cidr_t
random_cidr(unsigned len)
{
    unsigned   i;
    uint64_t   r[2] = { random64(), random64() };
    at_cidr_t  cidr = { .bits = 0 };

    static const uint8_t  upper[] = { 0x20, 0x01, 0, 0, 0, 0, 0 };

    cidr.addr.len = len;
    cidr.bits = (unsigned) (len == 4 ? 12 + random64() % 21
                                     : 16 + random64() % 113);
    memcpy(cidr.addr.bytes, r, len);

    if (len == 16) {
        memcpy(cidr.addr.bytes, upper, sizeof(upper));
        cidr.addr.bytes[3] = (uint8_t) (r[0] >> 40);
    }

    for (i = cidr.bits; i < len * 8; i++) {
        cidr.addr.bytes[i / 8] &= (uint8_t) ~(0x80 >> i % 8);
    }

    return cidr;
}


/* any address, or the first or last one of the range, or a neighbour of it */
static at_addr_t
random_addr(const at_cidr_t *cidr)
{
    uint64_t   r = random64() >> 32;
    at_cidr_t  any = random_cidr(cidr->addr.len);
    at_addr_t  addr = r & 2 ? last_addr(cidr) : cidr->addr;

    return r & 1 ? last_addr(&any)
           : r & 4 ? neighbour(addr, 1) : r & 8 ? neighbour(addr, -1) : addr;
}


static int
linear_match(const at_cidr_t *cidrs, size_t n, const at_addr_t *addr)
{
    size_t  i;

    for (i = 0; i < n; i++) {
        if (at_cidr_match(&cidrs[i], addr)) {
            return 1;
        }
    }

    return 0;
}


static void
test_many(void)
{
    unsigned          i, hits = 0, wrong = 0;
    double            start, ns;
    at_addr_t         addr;
    at_cidr_set_t    *set;
    static at_cidr_t  cidrs[RANGES];

    for (i = 0; i < RANGES; i++) {
        cidrs[i] = random_cidr(i % 2 ? 4 : 16);
    }

    set = set_of(cidrs, RANGES);

    for (i = 0; i < ADDRESSES; i++) {
        addr = random_addr(&cidrs[i % RANGES]);
        wrong += at_cidr_set_match(set, &addr)
                 != linear_match(cidrs, RANGES, &addr);
    }

    is_int(wrong, 0, "%d addresses match like in a linear search", ADDRESSES);

    start = cpu_time();

    for (i = 0; i < 1000000; i++) {
        uint64_t  r = random64();

        at_addr_set(&addr, &r, 4);
        hits += (unsigned) at_cidr_set_match(set, &addr);
    }

    ns = cpu_time() - start;
    printf("# %.0f ns per lookup, %u matches\n", ns, hits);
    ok(ns < 1000, "a lookup takes less than 1,000 ns");

    free(set);
}


int
main(void)
{
    RUN(test_match, test_refused, test_parsed, test_format);
    test_every_prefix("170.85.170.85", 32);
    test_every_prefix("aaaa:5555:aaaa:5555:aaaa:5555:aaaa:5555", 128);
    RUN(test_sets, test_published, test_cipp, test_many);

    return tap_done();
}
