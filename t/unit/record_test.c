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


#define HEAD  3                 /* version, kind, flags */


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


static at_str_t
view(const at_bytes_t *bytes)
{
    return (at_str_t) { bytes->data, bytes->len };
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
    char    *copy, *longer;
    size_t   len, i, wrong = 0;

    for (len = 0; len <= bytes->len; len++) {
        copy = exact_copy((at_str_t) { bytes->data, len });
        wrong += decode(kind, (at_str_t) { copy, len })
                 != (len == bytes->len ? 0 : -1);
        free(copy);
    }

    is_int(wrong, 0, "a %s is accepted in its full length only", name);

    for (i = 0; i < 4; i++) {
        if (i != kind) {
            is_int(decode(i, view(bytes)), -1,
                   "a %s is not accepted as another kind", name);
        }
    }

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
    at_token_record_t  got, in = {
        .id = str("id"), .description = str(""), .user = str("bob"),
        .role = str("editor"), .scopes = list_of(&scopes, texts, N(texts)),
        .ranges = ranges_of(&addrs, ranges, N(ranges)), .expires = AT_NEVER,
        .created = 1700000000123, .enabled = 1
    };

    is_int(at_token_encode(&out, &in), 0, "a token is encoded");
    is_int(at_token_decode(&got, view(&out)), 0, "a token is decoded");
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
    rest = got.scopes;
    rest.n = 0;
    ok(!at_list_next(&rest, &text), "a list without items has no next one");
    is_int(got.ranges.n, N(ranges), "a token keeps its ranges");
    ok(got.id.data > out.data && got.id.data < out.data + out.len,
       "decoded texts are views of the record");

    refuses(&out, 0, "token");

    in.enabled = 0;
    in.expires = 0;
    at_bytes_free(&out);
    (void) at_token_encode(&out, &in);
    (void) at_token_decode(&got, view(&out));
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
    at_list_t           one_text = list_of(&list, texts, 1);
    at_user_record_t    got_user, user = {
        .username = str("bob"), .password = str("$y$hash"), .scopes = one_text,
        .admin = 1
    };
    at_role_record_t    got_role, role = {
        .name = str("ops"), .grant = one_text, .created = 5
    };
    at_client_record_t  got_client, client = {
        .id = str("ID"), .name = str("name"), .issuers = one_text,
        .role = str("readonly"), .ranges = ranges_of(&addrs, ranges, 2),
        .enabled = 1
    };

    is_int(at_client_encode(&out, &client), 0, "a client is encoded");
    is_int(at_client_decode(&got_client, view(&out)), 0,
           "a client is decoded");
    is_bytes(got_client.id, client.id, "a client keeps its id");
    is_bytes(got_client.role, client.role, "a client keeps its role");
    is_int(got_client.issuers.n, 1, "a client keeps its issuers");
    is_int(got_client.secrets.n, 0, "a client has no secrets");
    refuses(&out, 1, "client");

    at_bytes_free(&out);
    is_int(at_user_encode(&out, &user), 0, "a user is encoded");
    is_int(at_user_decode(&got_user, view(&out)), 0, "a user is decoded");
    is_bytes(got_user.username, user.username, "a user keeps the username");
    is_bytes(got_user.password, user.password, "a user keeps the hash");
    is_int(got_user.admin, 1, "an administrator is decoded");
    is_int(got_user.enabled, 0, "a disabled user is decoded");
    is_int(got_user.session_epoch, 0, "a user without a session epoch");
    refuses(&out, 2, "user");

    at_bytes_free(&out);
    user.session_epoch = 1700000000000;
    (void) at_user_encode(&out, &user);
    is_int(at_user_decode(&got_user, view(&out)), 0,
           "a user with a session epoch is decoded");
    ok(got_user.session_epoch == user.session_epoch,
       "a user keeps the session epoch");
    refuses(&out, 2, "user with a session epoch");

    at_bytes_free(&out);
    is_int(at_role_encode(&out, &role), 0, "a role is encoded");
    is_int(at_role_decode(&got_role, view(&out)), 0, "a role is decoded");
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
        n += at_token_decode(&got, view(record)) == 0;
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
    at_token_record_t   got, in = {
        .id = str("id"), .ranges = ranges_of(&addrs, ranges, N(ranges))
    };

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

    (void) at_token_decode(&got, view(&out));
    rest = got.ranges;

    for (n = 0; at_list_next_range(&rest, &cidr); n++) { /* void */ }

    is_int(n, N(ranges), "all ranges are iterated");

    at_bytes_free(&out);
    at_bytes_free(&addrs);
}


static at_bytes_t
encoded(const at_token_record_t *in)
{
    at_bytes_t  out = { 0 };

    (void) at_token_encode(&out, in);

    return out;
}


/* numbers have one encoding and 64 bits */
static void
test_numbers(void)
{
    size_t             i;
    at_bytes_t         out, other;
    at_token_record_t  in, got;

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
        in = (at_token_record_t) { .created = times[i],
                                   .expires = times[N(times) - 1 - i] };
        out = encoded(&in);
        ok(at_token_decode(&got, view(&out)) == 0
           && got.created == in.created && got.expires == in.expires,
           "the time %lld is kept", (long long) times[i]);
        at_bytes_free(&out);
    }

    in = (at_token_record_t) { .created = 1, .expires = AT_NEVER };
    out = encoded(&in);

    for (i = 0; i < N(rows); i++) {
        other = (at_bytes_t) { 0 };
        at_bytes_append(&other, out.data, HEAD);
        at_bytes_append(&other, rows[i].bytes, rows[i].len);
        at_bytes_append(&other, out.data + HEAD + 1, out.len - HEAD - 1);
        is_int(at_token_decode(&got, view(&other)), rows[i].rc,
               "encoding %zu of a number", i);
        at_bytes_free(&other);
    }

    out.data[2] |= 4;
    out.data[HEAD] = 0;
    is_int(at_token_decode(&got, view(&out)), -1,
           "an expiry beyond the record is rejected");
    at_bytes_free(&out);

    in.expires = AT_NEVER - 1;
    out = encoded(&in);
    out.data[HEAD] = (char) 0xff;
    is_int(at_token_decode(&got, view(&out)), -1,
           "a number that means never is rejected");
    at_bytes_free(&out);
}


static void
test_match(void)
{
    size_t      i;
    at_cidr_t   cidr;
    at_list_t   list;
    at_bytes_t  addrs = { 0 };

    /* the list: n ranges, from the first one on */
    static const struct {
        size_t first, n; const char *addr; int matches;
    } cases[] = {
        { 0, 0, "192.0.2.1", 1 }, { 0, 0, "::1", 1 },

        { 0, 4, "192.0.2.1", 1 }, { 0, 4, "192.0.2.2", 0 },
        { 0, 4, "10.255.255.255", 1 }, { 0, 4, "11.0.0.0", 0 },
        { 0, 4, "9.255.255.255", 0 }, { 0, 4, "::ffff:10.1.2.3", 1 },
        { 0, 4, "2001:db8:ffff::", 1 }, { 0, 4, "2001:db9::", 0 },
        { 0, 4, "::2", 0 },

        { 4, 1, "255.255.255.255", 1 }, { 4, 1, "::1", 0 },
    };

    for (i = 0; i < N(cases); i++) {
        list = ranges_of(&addrs, ranges + cases[i].first, cases[i].n);
        (void) at_cidr_parse(&cidr, str(cases[i].addr));
        is_int(at_list_match_addr(list, &cidr.addr), cases[i].matches,
               "%s %s a list of %zu ranges", cases[i].addr,
               cases[i].matches ? "matches" : "does not match", cases[i].n);
        at_bytes_free(&addrs);
    }

    at_bytes_free(&addrs);
}


int
main(void)
{
    RUN(test_token, test_others, test_damage, test_numbers, test_match);

    return tap_done();
}
