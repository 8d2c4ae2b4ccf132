/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copies of identities in one block of memory.  The original is overwritten
 * before the copy is checked.
 *
 * Requirements: cache-policy.
 */

#include <stdint.h>
#include <stdlib.h>

#include "core/authz/at_identity.h"
#include "tap.h"


#define NAMES     2000
#define ROOM      (256 * 1024)


/* an identity and the memory that it refers to */
typedef struct {
    char           memory[ROOM];
    size_t         used;
    at_str_t       items[4 * NAMES];
    size_t         n_items;
    at_identity_t  identity;
} original_t;


static const at_issuer_t  an_issuer;
static at_identity_t     *copy;         /* of the latest original */


/* an empty one; it is freed with its copy when the next one is made */
static original_t *
original(void)
{
    static original_t  *last;

    free(last);
    free(copy);
    copy = NULL;
    last = calloc(1, sizeof(original_t));
    must(last != NULL, "no memory");

    return last;
}


static at_str_t
keep(original_t *o, at_str_t text)
{
    char  *p = o->memory + o->used;

    must(o->used + text.len <= ROOM, "no room");

    if (text.len) {
        memcpy(p, text.data, text.len);
    }

    o->used += text.len;

    return (at_str_t) { p, text.len };
}


static at_str_t
keep_number(original_t *o, const char *name, size_t i)
{
    char  text[64];

    (void) snprintf(text, sizeof(text), "%s-%zu", name, i);

    return keep(o, str(text));
}


/* n names in no order, each of them several times */
static at_str_t *
keep_names(original_t *o, const char *name, size_t n, size_t times)
{
    size_t     i;
    at_str_t  *items;

    items = o->items + o->n_items;
    o->n_items += n;

    for (i = 0; i < n; i++) {
        items[i] = keep_number(o, name, i * 7919 % (n + 1) / times);
    }

    return items;
}


/* copies the original and overwrites it; ends the test run on error */
static void
make_copy(original_t *o)
{
    size_t   size = at_identity_size(&o->identity);
    void    *memory = malloc(size);

    must(memory != NULL, "no memory");

    memset(memory, 0x5a, size);
    copy = at_identity_copy(memory, size, &o->identity);
    must(copy != NULL, "no copy");

    memset(o, 0xa5, sizeof(original_t));
}


/* the number of words in the memory that are addresses in the original */
static size_t
strays(const void *memory, size_t size, const original_t *o)
{
    size_t      i, n = 0;
    uintptr_t   word;

    for (i = 0; i + sizeof(word) <= size; i += sizeof(word)) {
        memcpy(&word, (const char *) memory + i, sizeof(word));
        n += word >= (uintptr_t) o && word < (uintptr_t) (o + 1);
    }

    return n;
}


/* --- names --------------------------------------------------------------- */

static void
test_names(void)
{
    original_t  *o = original();

    o->identity.issuer = &an_issuer;
    o->identity.user = keep(o, at_str("alice"));
    o->identity.client = keep(o, at_str("client-1"));
    o->identity.role = keep(o, at_str("editor"));
    o->identity.subject = keep(o, at_str("the subject"));
    o->identity.expires = 1700000000123;
    o->identity.needs_role = 1;
    o->identity.rights.from = AT_RIGHTS_SCOPES_AND_ROLE;
    o->identity.rights.admin = 1;
    o->identity.rights.owned = 1;
    o->identity.rights.owner_admin = 1;
    o->identity.rights.role = at_role_builtin(at_str("editor"));
    o->identity.claims = (at_claims_t *) o;
    o->identity.copies[0] = o;
    o->identity.n_copies = 1;

    make_copy(o);

    ok(copy->issuer == &an_issuer, "the issuer is not copied");
    is_bytes(copy->user, at_str("alice"), "the user is copied");
    is_bytes(copy->client, at_str("client-1"), "the client is copied");
    is_bytes(copy->role, at_str("editor"), "the role name is copied");
    is_bytes(copy->subject, at_str("the subject"), "the subject is copied");
    is_int(copy->expires, 1700000000123, "the expiry is copied");
    is_int(copy->needs_role, 1, "needs_role is copied");
    is_int(copy->rights.from, AT_RIGHTS_SCOPES_AND_ROLE,
           "the mode of rights is copied");
    is_int(copy->rights.admin, 1, "admin is copied");
    is_int(copy->rights.owned, 1, "owned is copied");
    is_int(copy->rights.owner_admin, 1, "owner_admin is copied");
    ok(copy->rights.role == at_role_builtin(at_str("editor")),
       "a built-in role is not copied");
    ok(copy->claims == NULL, "claims are not copied");
    is_int(copy->n_copies, 0, "a copy owns no records");
}


static void
test_subject(void)
{
    size_t       i;
    original_t  *o;

    static const struct {
        const char  *name;
        int          of;        /* 0: no other, 1: the user, 2: the client */
        const char  *subject;
    } cases[] = {
        { "another text", 0, "itself" }, { "the user", 1, "alice" },
        { "the client", 2, "client-1" },
        { "the beginning of the user", 1, "ali" },
        { "the beginning of the client", 2, "client" }, { "empty", 0, "" },
    };

    for (i = 0; i < N(cases); i++) {
        o = original();
        o->identity.user = keep(o, at_str("alice"));
        o->identity.client = keep(o, at_str("client-1"));
        o->identity.subject = cases[i].of == 1 ? o->identity.user
                              : cases[i].of == 2 ? o->identity.client
                              : keep(o, at_str("itself"));
        o->identity.subject.len = strlen(cases[i].subject);

        make_copy(o);

        is_bytes(copy->subject, str(cases[i].subject),
                 "the subject is %s: it is copied", cases[i].name);
        is_bytes(copy->user, at_str("alice"),
                 "the subject is %s: the user is copied", cases[i].name);
        is_bytes(copy->client, at_str("client-1"),
                 "the subject is %s: the client is copied", cases[i].name);
    }
}


static void
test_zero(void)
{
    at_addr_t    addr;
    original_t  *o = original();

    is_int(at_identity_size(&o->identity), sizeof(at_identity_t),
           "an identity of zeroes takes only its struct");
    make_copy(o);
    at_addr_set(&addr, "\x0a\x00\x00\x01", 4);

    ok(!at_identity_has_ranges(copy)
       && at_identity_allows_address(copy, &addr),
       "a copy without ranges allows any address");
    ok(copy->rights.role == NULL && !at_rights_satisfy(&copy->rights,
                                       at_str("read"), AT_SCOPE_ANY),
       "a copy without rights has no role and grants nothing");
}


/* --- scopes -------------------------------------------------------------- */

static unsigned
wrong_scopes(const at_scopes_t *scopes, const char *name, size_t n,
    size_t times)
{
    char      text[64];
    size_t    i, number;
    unsigned  wrong = scopes->n != n;

    for (i = 0; i < n && i < scopes->n; i++) {
        number = i * 7919 % (n + 1) / times;

        (void) snprintf(text, sizeof(text), "%s-%zu", name, number);
        wrong += !at_str_equal(scopes->items[i], str(text));
        wrong += !at_scopes_have(scopes, str(text));

        (void) snprintf(text, sizeof(text), "%s-%zu", name,
                        number + 2 * NAMES);
        wrong += at_scopes_have(scopes, str(text));

        (void) snprintf(text, sizeof(text), "%s-%zux", name, number);
        wrong += at_scopes_have(scopes, str(text));

        (void) snprintf(text, sizeof(text), "X%s-%zu", name + 1, number);
        wrong += at_scopes_have(scopes, str(text));
    }

    wrong += at_scopes_have(scopes, at_str(""));
    wrong += at_scopes_have(scopes, (at_str_t) { NULL, 0 });

    return wrong;
}


static unsigned
wrong_copies(size_t n, size_t times)
{
    original_t   *o = original();
    at_rights_t  *rights = &o->identity.rights;

    rights->scopes.n = n;
    rights->scopes.items = keep_names(o, "scope", n, times);
    rights->owner_scopes.n = NAMES - n;
    rights->owner_scopes.items = keep_names(o, "owner", NAMES - n, times);
    make_copy(o);
    rights = &copy->rights;

    return wrong_scopes(&rights->scopes, "scope", n, times)
           + wrong_scopes(&rights->owner_scopes, "owner", NAMES - n, times);
}


static void
test_scopes(void)
{
    size_t    n;
    unsigned  wrong = 0;

    for (n = 0; n <= NAMES; n += n < 40 ? 1 : 97) {
        wrong += wrong_copies(n, 1);
    }

    wrong += wrong_copies(NAMES, 1);
    is_int(wrong, 0, "0 to 2,000 scopes keep their order and are found");

    wrong = 0;

    for (n = 0; n <= NAMES; n += n < 40 ? 1 : 197) {
        wrong += wrong_copies(n, 2) + wrong_copies(n, NAMES);
    }

    is_int(wrong, 0, "duplicate scopes keep their order and are found");
}


static void
test_unusual_scopes(void)
{
    size_t       i;
    original_t  *o = original();

    static const at_str_t  texts[] = {
        at_str(""), at_str("a"), at_str("A"), at_str("a\0b"), at_str("a\0"),
        at_str("\xff"), at_str("\x7f"), at_str("aa"), at_str("a b"),
        at_str("b"), at_str("")
    };

    o->identity.rights.scopes.items = o->items;
    o->identity.rights.scopes.n = N(texts);

    for (i = 0; i < N(texts); i++) {
        o->items[i] = keep(o, texts[i]);
    }

    make_copy(o);

    for (i = 0; i < N(texts); i++) {
        is_bytes(copy->rights.scopes.items[i], texts[i],
                 "scope %zu of unusual bytes is copied", i);
        ok(at_scopes_have(&copy->rights.scopes, texts[i]),
           "scope %zu of unusual bytes is found", i);
    }

    ok(!at_scopes_have(&copy->rights.scopes, at_str("B")),
       "another scope is not found");
    ok(!at_scopes_have(&copy->rights.scopes, at_str("a\0c")),
       "a scope that differs after a NUL byte is not found");
}


/* --- a role of the store ------------------------------------------------- */

static void
test_role(void)
{
    original_t  *o = original();
    at_role_t   *role = &o->identity.role_storage;

    role->n_grant = 40;
    role->grant = keep_names(o, "grant", 40, 1);
    role->n_deny = 30;
    role->deny = keep_names(o, "deny", 30, 1);
    role->n_blocked = 2;
    role->blocked = keep_names(o, "blocked", 2, 1);
    o->identity.role = keep(o, at_str("custom"));
    o->identity.rights.role = role;
    o->identity.rights.from = AT_RIGHTS_ROLE;

    make_copy(o);
    role = &copy->role_storage;

    ok(copy->rights.role == role, "rights refer to the role of the copy");
    is_int(role->n_grant, 40, "grants are copied");
    is_int(role->n_deny, 30, "denies are copied");
    is_int(role->n_blocked, 2, "blocked endpoints are copied");
    is_bytes(role->grant[0], at_str("grant-0"),
             "the first grant is unchanged");
    is_bytes(role->deny[0], at_str("deny-0"), "the first deny is unchanged");
    ok(at_role_grants(role, at_str("grant-39")), "a copied grant allows");
    ok(!at_role_grants(role, at_str("grant-99")),
       "other scopes are not allowed");
    ok(at_role_denies(role, at_str("deny-0")), "a copied deny denies");
    ok(!at_role_denies(role, at_str("grant-0")),
       "other scopes are not denied");
    ok(at_role_blocks(role, at_str("GET /api/blocked-0")),
       "a copied endpoint is blocked");
}


/* --- ranges -------------------------------------------------------------- */

static void
add_range(at_bytes_t *bytes, original_t *o, const char *text)
{
    at_cidr_t  cidr;

    must(at_cidr_parse(&cidr, str(text)) >= 0, text);
    at_list_add_range(bytes, &o->identity.ranges, &cidr);
}


static at_addr_t
any_addr(unsigned *state)
{
    uint8_t    bytes[16] = { 0x20, 0x01, 0x0d, 0xb8 };
    at_addr_t  addr;

    bytes[5] = (uint8_t) (numbers(state) % 8);
    bytes[15] = (uint8_t) numbers(state);

    if (numbers(state) % 2) {
        at_addr_set(&addr, bytes, 16);

    } else {
        bytes[0] = 10;
        bytes[1] = (uint8_t) (numbers(state) % 4);
        at_addr_set(&addr, bytes, 4);
    }

    return addr;
}


/* whether n random ranges contain the same addresses after copying */
static unsigned
wrong_ranges(unsigned n, unsigned *state)
{
    char         text[64];
    size_t       i;
    uint8_t      before[200];
    unsigned     wrong;
    at_addr_t    addrs[N(before)];
    at_bytes_t   bytes = { 0 };
    original_t  *o = original();

    for (i = 0; i < n; i++) {
        (void) snprintf(text, sizeof(text),
                        numbers(state) % 2 ? "10.%u.0.0/%u"
                                           : "2001:db8:%u::/%u",
                        numbers(state) % 4, 16 + numbers(state) % 17);
        add_range(&bytes, o, text);
    }

    for (i = 0; i < N(addrs); i++) {
        addrs[i] = any_addr(state);
        before[i] = (uint8_t) at_identity_allows_address(&o->identity,
                                                         &addrs[i]);
    }

    make_copy(o);
    at_bytes_free(&bytes);
    wrong = at_identity_has_ranges(copy) != (n != 0);
    wrong += copy->ranges.n != 0;

    for (i = 0; i < N(addrs); i++) {
        wrong += at_identity_allows_address(copy, &addrs[i]) != before[i];
    }

    return wrong;
}


static void
test_ranges(void)
{
    unsigned  i, state = 1, wrong = 0;

    for (i = 0; i < 100; i++) {
        wrong += wrong_ranges(i % 20, &state);
    }

    wrong += wrong_ranges(5000, &state);
    is_int(wrong, 0,
           "copied ranges of both families contain the same addresses");
}


static void
test_families(void)
{
    at_addr_t    v4, v6;
    at_bytes_t   bytes = { 0 };
    original_t  *o = original();

    at_addr_set(&v4, "\x0a\x00\x00\x01", 4);
    at_addr_set(&v6, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01", 16);

    add_range(&bytes, o, "10.0.0.0/8");
    make_copy(o);

    ok(at_identity_allows_address(copy, &v4),
       "IPv4 ranges contain an IPv4 address");
    ok(!at_identity_allows_address(copy, &v6),
       "IPv4 ranges contain no IPv6 address");

    o = original();
    add_range(&bytes, o, "::/0");
    o->identity.ranges.data = NULL;
    o->identity.ranges.len = 0;
    make_copy(o);
    at_bytes_free(&bytes);

    ok(!at_identity_allows_address(copy, &v4)
       && !at_identity_allows_address(copy, &v6),
       "a malformed list of ranges contains no address");
}


static void
test_copy_of_copy(void)
{
    void           *memory;
    size_t          size;
    at_addr_t       addr;
    at_bytes_t      bytes = { 0 };
    original_t     *o = original();
    at_identity_t  *again;

    at_addr_set(&addr, "\x0b\x00\x00\x01", 4);
    add_range(&bytes, o, "10.0.0.0/8");
    make_copy(o);
    at_bytes_free(&bytes);

    size = at_identity_size(copy);
    memory = malloc(size);
    again = memory ? at_identity_copy(memory, size, copy) : NULL;

    ok(again == NULL || !at_identity_allows_address(again, &addr),
       "a copy of a copy fails or keeps the ranges");

    free(memory);
}


/* --- pointers ------------------------------------------------------------ */

static void
test_pointers(void)
{
    void        *memory;
    size_t       size;
    at_bytes_t   bytes = { 0 };
    original_t  *o = original();

    add_range(&bytes, o, "10.0.0.0/8");
    memcpy(o->memory, bytes.data, bytes.len);
    o->identity.ranges.data = o->memory;
    o->used = bytes.len;
    at_bytes_free(&bytes);

    o->identity.user = keep(o, at_str("alice"));
    o->identity.client = keep(o, at_str("client"));
    o->identity.role = keep(o, at_str(""));
    o->identity.subject = keep(o, at_str(""));
    o->identity.rights.scopes.n = 20;
    o->identity.rights.scopes.items = keep_names(o, "scope", 20, 1);
    o->items[3].len = 0;
    o->identity.rights.owner_scopes.items = keep_names(o, "none", 0, 1);
    o->identity.role_storage.n_grant = 3;
    o->identity.role_storage.grant = keep_names(o, "grant", 3, 1);
    o->identity.role_storage.deny = keep_names(o, "deny", 0, 1);
    o->identity.rights.role = &o->identity.role_storage;
    o->identity.claims = (at_claims_t *) o;
    o->identity.copies[0] = o->memory;
    o->identity.copies[1] = o->memory + 1;
    o->identity.n_copies = 2;

    size = at_identity_size(&o->identity);
    memory = malloc(size);
    copy = memory ? at_identity_copy(memory, size, &o->identity) : NULL;

    if (ok(copy != NULL, "an identity of all parts is copied")) {
        is_int(strays(&o->identity, sizeof(at_identity_t), o), 13,
               "the test sees the addresses in the original");
        is_int(strays(copy, size, o), 0,
               "no word of the copy is an address in the original");
    }
}


static void
test_kept_bytes(void)
{
    unsigned       n, kept = 0;
    at_identity_t  who = { 0 };

    for (n = 0; n < AT_IDENTITY_COPIES; n++) {
        kept += at_str_equal(at_identity_dup(&who, at_str("record")),
                             at_str("record"));
    }

    is_int(kept, AT_IDENTITY_COPIES, "an identity keeps copies of bytes");
    ok(at_identity_dup(&who, at_str("record")).data == NULL,
       "and fails to keep more of them");

    at_identity_release(&who);
    is_int(who.n_copies, 0, "a released identity has no copies");
}


int
main(void)
{
    RUN(test_names, test_subject, test_zero, test_scopes, test_unusual_scopes,
        test_role, test_ranges, test_families, test_copy_of_copy,
        test_pointers, test_kept_bytes);

    return tap_done();
}
