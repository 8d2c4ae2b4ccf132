/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Requirements: import-atomic, address-syntax, address-match, address-mapped,
 *   address-edges.
 */

#include <stdint.h>

#include "core/authz/at_record.h"
#include "tap.h"


static at_list_t
list_of(at_bytes_t *bytes, const char *const *items, size_t n)
{
    size_t     i;
    at_list_t  list = { 0, 0, NULL };

    for (i = 0; i < n; i++) {
        at_list_add(bytes, &list, str(items[i]));
    }

    return list;
}


static at_list_t
ranges_of(at_bytes_t *bytes, const char *const *items, size_t n)
{
    size_t     i;
    at_cidr_t  cidr;
    at_list_t  list = { 0, 0, NULL };

    for (i = 0; i < n; i++) {
        must(at_cidr_parse(&cidr, str(items[i])) != -1, items[i]);
        at_list_add_range(bytes, &list, &cidr);
    }

    return list;
}


static const char *const  texts[] = { "read", "", "GET /api/x" };
static const char *const  ranges[] = { "192.0.2.1", "10.0.0.0/8", "::1/128",
                                       "2001:db8::/32", "0.0.0.0/0" };


/* kind: 0 for a token, 1 for a client, 2 for a user, 3 for a role */
static int
decode(size_t kind, at_str_t bytes)
{
    union {
        at_token_record_t   token;
        at_client_record_t  client;
        at_user_record_t    user;
        at_role_record_t    role;
    } r;

    return kind == 0 ? at_token_decode(&r.token, bytes)
           : kind == 1 ? at_client_decode(&r.client, bytes)
           : kind == 2 ? at_user_decode(&r.user, bytes)
           : at_role_decode(&r.role, bytes);
}


/* a decoder accepts the complete record of its kind only */
static void
refuses(const at_bytes_t *bytes, size_t kind, const char *name)
{
    char        *copy, *longer;
    size_t       len, i, wrong = 0;
    at_str_t     view;

    for (len = 0; len < bytes->len; len++) {
        copy = exact_copy((at_str_t) { bytes->data, len });
        view = (at_str_t) { copy, len };
        wrong += decode(kind, view) == 0;
        free(copy);
    }

    is_int(wrong, 0, "a truncated %s is rejected", name);

    copy = exact_copy((at_str_t) { bytes->data, bytes->len });
    view = (at_str_t) { copy, bytes->len };
    is_int(decode(kind, view), 0, "a complete %s is accepted", name);

    for (i = 0; i < 4; i++) {
        if (i != kind) {
            is_int(decode(i, view), -1,
                   "a %s is not accepted as another kind", name);
        }
    }

    free(copy);
    longer = calloc(1, bytes->len + 1);
    memcpy(longer, bytes->data, bytes->len);
    is_int(decode(kind, (at_str_t) { longer, bytes->len + 1 }), -1,
           "a %s with an extra byte is rejected", name);
    longer[0]++;
    is_int(decode(kind, (at_str_t) { longer, bytes->len }), -1,
           "a %s of another version is rejected", name);

    if (kind != 3) {
        longer[0]--;
        longer[2] = (char) 0x80;
        is_int(decode(kind, (at_str_t) { longer, bytes->len }), -1,
               "a %s with an unknown flag is rejected", name);
    }

    free(longer);
    is_int(decode(kind, (at_str_t) { NULL, 0 }), -1,
           "an empty %s is rejected", name);
}


static void
test_token(void)
{
    at_str_t           text;
    at_list_t          rest;
    at_bytes_t         out = { 0 }, scopes = { 0 }, addrs = { 0 };
    at_token_record_t  in, got;

    memset(&in, 0, sizeof(in));
    in.id = str("id");
    in.description = str("");
    in.user = str("bob");
    in.role = str("editor");
    in.scopes = list_of(&scopes, texts, N(texts));
    in.ranges = ranges_of(&addrs, ranges, N(ranges));
    in.expires = AT_NEVER;
    in.created = 1700000000123;
    in.enabled = 1;

    is_int(at_token_encode(&out, &in), 0, "a token is encoded");
    is_int(at_token_decode(&got, (at_str_t) { out.data, out.len }), 0,
           "a token is decoded");
    is_bytes(got.id, in.id, "a token keeps its id");
    is_bytes(got.description, in.description, "a token keeps its description");
    is_bytes(got.user, in.user, "a token keeps its user");
    is_bytes(got.role, in.role, "a token keeps its role");
    ok(got.expires == AT_NEVER, "a token keeps its expiry");
    is_int(got.created, in.created, "a token keeps its time of creation");
    is_int(got.enabled, 1, "a token keeps that it is enabled");
    is_int(got.scopes.n, 3, "a token keeps its scopes");
    ok(at_list_has(got.scopes, str("GET /api/x")), "the last scope is found");
    ok(at_list_has(got.scopes, str("")), "an empty scope is found");
    ok(!at_list_has(got.scopes, str("rea")),
       "a prefix of a scope is not found");

    rest = got.scopes;
    ok(at_list_next(&rest, &text) && at_list_next(&rest, &text)
       && at_list_next(&rest, &text), "three scopes are iterated");
    ok(!at_list_next(&rest, &text), "the iteration ends");
    is_int(got.ranges.n, N(ranges), "a token keeps its ranges");
    ok(got.id.data > out.data && got.id.data < out.data + out.len,
       "decoded texts are views of the record");

    refuses(&out, 0, "token");

    in.enabled = 0;
    in.expires = 0;
    at_bytes_free(&out);
    (void) at_token_encode(&out, &in);
    (void) at_token_decode(&got, (at_str_t) { out.data, out.len });
    is_int(got.enabled, 0, "a disabled token is decoded");
    is_int(got.expires, 0, "an expiry of 0 is decoded");

    at_bytes_free(&out);
    at_bytes_free(&scopes);
    at_bytes_free(&addrs);
}


static void
test_others(void)
{
    at_bytes_t          out = { 0 }, list = { 0 }, addrs = { 0 };
    at_user_record_t    user, got_user;
    at_role_record_t    role, got_role;
    at_client_record_t  client, got_client;

    memset(&client, 0, sizeof(client));
    client.id = str("ID");
    client.name = str("name");
    client.issuers = list_of(&list, texts, 1);
    client.role = str("readonly");
    client.ranges = ranges_of(&addrs, ranges, 2);
    client.enabled = 1;
    is_int(at_client_encode(&out, &client), 0, "a client is encoded");
    is_int(at_client_decode(&got_client, (at_str_t) { out.data, out.len }), 0,
           "a client is decoded");
    is_bytes(got_client.id, client.id, "a client keeps its id");
    is_bytes(got_client.role, client.role, "a client keeps its role");
    is_int(got_client.issuers.n, 1, "a client keeps its issuers");
    is_int(got_client.secrets.n, 0, "a client has no secrets");
    refuses(&out, 1, "client");

    at_bytes_free(&out);
    memset(&user, 0, sizeof(user));
    user.username = str("bob");
    user.password = str("$y$hash");
    user.scopes = client.issuers;
    user.admin = 1;
    is_int(at_user_encode(&out, &user), 0, "a user is encoded");
    is_int(at_user_decode(&got_user, (at_str_t) { out.data, out.len }), 0,
           "a user is decoded");
    is_bytes(got_user.username, user.username, "a user keeps the username");
    is_bytes(got_user.password, user.password, "a user keeps the hash");
    is_int(got_user.admin, 1, "an administrator is decoded");
    is_int(got_user.enabled, 0, "a disabled user is decoded");
    refuses(&out, 2, "user");

    at_bytes_free(&out);
    memset(&role, 0, sizeof(role));
    role.name = str("ops");
    role.grant = client.issuers;
    role.created = 5;
    is_int(at_role_encode(&out, &role), 0, "a role is encoded");
    is_int(at_role_decode(&got_role, (at_str_t) { out.data, out.len }), 0,
           "a role is decoded");
    is_bytes(got_role.name, role.name, "a role keeps its name");
    ok(at_list_has(got_role.grant, str("read")), "a role keeps its grants");
    is_int(got_role.created, 5, "a role keeps its time of creation");
    refuses(&out, 3, "role");

    at_bytes_free(&out);
    at_bytes_free(&list);
    at_bytes_free(&addrs);
}


/* how many values of a byte the decoder accepts */
static size_t
taken(const at_bytes_t *record, char *byte)
{
    size_t              n;
    unsigned            i;
    at_token_record_t   got;
    char                was = *byte;

    for (i = 0, n = 0; i < 256; i++) {
        *byte = (char) i;
        n += at_token_decode(&got, (at_str_t) { record->data, record->len })
             == 0;
    }

    *byte = was;

    return n;
}


/* wrong counts, lengths, families and prefixes */
static void
test_damage(void)
{
    char               *byte;
    size_t              n;
    at_list_t           rest;
    at_cidr_t           cidr;
    at_bytes_t          out = { 0 }, addrs = { 0 };
    at_token_record_t   in, got;

    memset(&in, 0, sizeof(in));
    in.id = str("id");
    in.ranges = ranges_of(&addrs, ranges, N(ranges));
    (void) at_token_encode(&out, &in);

    /*
     * the ranges are the last field: count, length, then for each a length, a
     * family, a prefix, and 4, 1, 16, 4 and 0 bytes
     */
    n = N(ranges) * 3 + 25;
    byte = out.data + out.len - n - 2;
    is_int(byte[0], N(ranges), "the number of ranges");
    is_int(byte[1], n, "the length of the ranges");
    is_int(taken(&out, &byte[0]), 1, "another number of ranges is rejected");
    is_int(taken(&out, &byte[1]), 1,
           "another length of the ranges is rejected");

    byte += 2;
    is_int(byte[0], 6, "the length of the first range");
    is_int(taken(&out, &byte[0]), 1, "another length of a range is rejected");
    is_int(byte[1], 4, "the family of the first range");
    is_int(taken(&out, &byte[1]), 2, "two families are accepted");
    is_int(byte[2], 32, "the prefix of the first range");
    is_int(taken(&out, &byte[2]), 1, "a prefix with host bits is rejected");
    byte[6] = 0;
    is_int(taken(&out, &byte[2]), 8,
           "prefixes within the given bytes are accepted");

    (void) at_token_decode(&got, (at_str_t) { out.data, out.len });
    rest = got.ranges;

    for (n = 0; at_list_next_range(&rest, &cidr); n++) { /* void */ }

    is_int(n, N(ranges), "all ranges are iterated");

    at_bytes_free(&out);
    at_bytes_free(&addrs);
}


/* numbers have one encoding and 64 bits */
static void
test_numbers(void)
{
    size_t              i, head;
    at_bytes_t          out;
    at_token_record_t   in, got;

    static const int64_t  times[] = {
        0, 1, 127, 128, 16383, 16384, 1700000000000, INT64_MAX - 1, INT64_MAX,
        -1, INT64_MIN
    };

    static const struct {
        const char  *bytes;     /* replaces a time of 1 */
        size_t       len;
        int          rc;
    }  rows[] = {
        { "\x00", 1, 0 }, { "\x7f", 1, 0 }, { "\x80\x01", 2, 0 },
        { "\x81\x00", 2, -1 }, { "\x80\x80\x00", 3, -1 },
        { "\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 9, 0 },
        { "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10, 0 },
        { "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10, -1 },
        { "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x81\x00", 11, -1 },
        { "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 11, -1 }
    };

    for (i = 0; i < N(times); i++) {
        memset(&in, 0, sizeof(in));
        memset(&out, 0, sizeof(out));
        in.created = times[i];
        in.expires = times[N(times) - 1 - i];
        (void) at_token_encode(&out, &in);
        ok(at_token_decode(&got, (at_str_t) { out.data, out.len }) == 0
           && got.created == in.created && got.expires == in.expires,
           "the time %lld is kept", (long long) times[i]);
        at_bytes_free(&out);
    }

    memset(&in, 0, sizeof(in));
    in.created = 1;
    in.expires = AT_NEVER;
    head = 3;                   /* version, kind, flags */

    memset(&out, 0, sizeof(out));
    (void) at_token_encode(&out, &in);
    out.data[2] |= 4;
    out.data[3] = 0;
    is_int(at_token_decode(&got, (at_str_t) { out.data, out.len }), -1,
           "an expiry beyond the record is rejected");
    at_bytes_free(&out);

    memset(&out, 0, sizeof(out));
    in.expires = AT_NEVER - 1;
    (void) at_token_encode(&out, &in);
    out.data[head] = (char) 0xff;
    is_int(at_token_decode(&got, (at_str_t) { out.data, out.len }), -1,
           "a number that means never is rejected");
    at_bytes_free(&out);
    in.expires = AT_NEVER;

    for (i = 0; i < N(rows); i++) {
        at_bytes_t  other = { 0 };

        memset(&out, 0, sizeof(out));
        (void) at_token_encode(&out, &in);
        (void) at_bytes_reserve(&other, out.len + rows[i].len);
        memcpy(other.data, out.data, head);
        memcpy(other.data + head, rows[i].bytes, rows[i].len);
        other.len = out.len - 1 + rows[i].len;
        memcpy(other.data + head + rows[i].len, out.data + head + 1,
               out.len - head - 1);
        is_int(at_token_decode(&got, (at_str_t) { other.data, other.len }),
               rows[i].rc, "encoding %u of a number", (unsigned) i);
        at_bytes_free(&out);
        at_bytes_free(&other);
    }
}


static int
matches(at_list_t list, const char *text)
{
    at_cidr_t  cidr;

    (void) at_cidr_parse(&cidr, str(text));

    return at_list_match_addr(list, &cidr.addr);
}


static void
test_match(void)
{
    at_list_t   list, none = { 0, 0, NULL };
    at_bytes_t  addrs = { 0 };

    ok(matches(none, "192.0.2.1"), "an empty list matches any IPv4 address");
    ok(matches(none, "::1"), "an empty list matches any IPv6 address");

    list = ranges_of(&addrs, ranges, 4);
    ok(matches(list, "192.0.2.1"), "an address matches itself");
    ok(!matches(list, "192.0.2.2"), "another address does not match");
    ok(matches(list, "10.255.255.255"), "the last address of a range matches");
    ok(!matches(list, "11.0.0.0"), "an address above a range does not match");
    ok(!matches(list, "9.255.255.255"),
       "an address below a range does not match");
    ok(matches(list, "::ffff:10.1.2.3"), "an IPv4-mapped address matches");
    ok(matches(list, "2001:db8:ffff::"), "an IPv6 range matches");
    ok(!matches(list, "2001:db9::"),
       "an address above an IPv6 range does not match");
    ok(!matches(list, "::2"), "another IPv6 address does not match");
    at_bytes_free(&addrs);

    list = ranges_of(&addrs, &ranges[4], 1);
    ok(matches(list, "255.255.255.255"), "0.0.0.0/0 matches IPv4");
    ok(!matches(list, "::1"), "0.0.0.0/0 does not match IPv6");
    at_bytes_free(&addrs);
    at_bytes_free(&addrs);
}


int
main(void)
{
    RUN(test_token, test_others, test_damage, test_numbers, test_match);

    return tap_done();
}
