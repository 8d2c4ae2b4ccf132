/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The cache of verified credentials: what it takes one for, when an entry ends,
 * what it costs, what is left of it, and each allocation that fails.
 *
 * Requirements: cache-full, cache-expiry, cache-invalidation, cache-key,
 *   cache-collision, cache-negative, allocation-points.
 */

#define _GNU_SOURCE             /* memmem() */

#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <sys/mman.h>

#include "core/authz/at_cache.h"
#include "core/base/at_crypto.h"
#include "tap.h"


#define N(array)  (sizeof(array) / sizeof((array)[0]))

#define MIB       (1024 * 1024)
#define NOW       1700000000000
#define LATER     (NOW + 3600000)

/* a few bytes of a credential: they are in no block that is given back */
#define SECRET    "s3cr3t-0f-th3-cr3d3nt1al"

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED  1
#else
#define SANITIZED  0
#endif


/* --- the allocations of the code under test ------------------------------- */


static struct {
    unsigned  n;                /* allocations so far */
    unsigned  fail;             /* the one that fails; 0: none */
    unsigned  failed;
    long      live;             /* blocks of the heap, and mappings */
    unsigned  dirty;            /* blocks of the arena that were given back with
                                   a secret in them */
} heap;

static int       random_fails;
static uint64_t  hash_mask = UINT64_MAX;


static int
heap_fails(void)
{
    if (++heap.n != heap.fail) {
        return 0;
    }

    heap.failed++;

    return 1;
}


static void *
heap_calloc(size_t n, size_t size)
{
    void  *p;

    p = heap_fails() ? NULL : calloc(n, size);
    heap.live += p != NULL;

    return p;
}


static void
heap_free(void *p)
{
    heap.live -= p != NULL;
    free(p);
}


static void *
heap_mmap(void *addr, size_t size, int prot, int flags, int fd, off_t offset)
{
    void  *p;

    p = heap_fails() ? MAP_FAILED : mmap(addr, size, prot, flags, fd, offset);
    heap.live += p != MAP_FAILED;

    return p;
}


static int
heap_munmap(void *p, size_t size)
{
    heap.live--;

    return munmap(p, size);
}


static int
heap_random(void *bytes, size_t len)
{
    return random_fails ? -1 : at_random(bytes, len);
}


#define calloc              heap_calloc
#define free                heap_free
#define mmap                heap_mmap
#define munmap              heap_munmap

#include "core/authz/at_arena.c"

#undef calloc
#undef free
#undef mmap
#undef munmap


static void
heap_give_back(void *block)
{
    size_t  size;

    /* to its very end: what lies behind what was asked for is poisoned */
    size = at_arena_block_size(block) - AT_ARENA_OVERHEAD;
    ASAN_UNPOISON_MEMORY_REGION(block, size);
    heap.dirty += memmem(block, size, SECRET, strlen(SECRET)) != NULL;

    at_arena_free(block);
}


/* whatever the cache itself asks for is counted, and none is expected */
static void *
heap_malloc(size_t size)
{
    heap.n++;

    return malloc(size);
}


#define malloc              heap_malloc
#define at_arena_free       heap_give_back
#define at_random           heap_random
#define AT_CACHE_HASH_MASK  hash_mask

#include "core/authz/at_cidr.c"
#include "core/authz/at_identity.c"
#include "core/authz/at_cache.c"

#undef malloc
#undef at_arena_free
#undef at_random


/* --- credentials and who they speak for ----------------------------------- */


/* who text number i speaks for: its user says so */
typedef struct {
    char           user[32];
    at_str_t       scopes[3];
    at_identity_t  identity;
} somebody_t;

static const at_cache_epoch_t  epoch = { 7, 9 };
static const int               trust_a, trust_b;


static somebody_t *
somebody(somebody_t *s, unsigned i, int64_t expires)
{
    memset(s, 0, sizeof(somebody_t));
    (void) snprintf(s->user, sizeof(s->user), "user-%u", i);

    s->scopes[0] = at_str("read");
    s->scopes[1] = at_str("write");
    s->scopes[2] = at_str("settings");

    s->identity.user = str(s->user);
    s->identity.subject = s->identity.user;
    s->identity.rights.scopes.items = s->scopes;
    s->identity.rights.scopes.n = 3;
    s->identity.expires = expires;

    return s;
}


static at_cache_key_t
key_of(at_str_t text)
{
    return (at_cache_key_t) { text, 1, &trust_a, 0 };
}


static at_cache_t *
create(size_t size)
{
    at_cache_t  *cache;

    cache = at_cache_create(size);

    if (cache == NULL) {
        printf("Bail out! no memory\n");
        exit(1);
    }

    return cache;
}


static void
put(at_cache_t *cache, at_cache_key_t key, unsigned i)
{
    somebody_t  s;

    at_cache_put(cache, &key, &somebody(&s, i, LATER)->identity, &epoch, NOW);
}


/* -1: nobody; else the number of whom it gave, which is released */
static long
get(at_cache_t *cache, at_cache_key_t key)
{
    char                  user[32];
    const at_identity_t  *identity;

    identity = at_cache_get(cache, &key, &epoch, NOW);

    if (identity == NULL) {
        return -1;
    }

    (void) snprintf(user, sizeof(user), "%.*s", (int) identity->user.len,
                    identity->user.data);
    at_cache_release(identity);

    return atol(user + strlen("user-"));
}


static int
has(at_cache_t *cache, at_cache_key_t key, const at_cache_epoch_t *then,
    int64_t now)
{
    const at_identity_t  *identity;

    identity = at_cache_get(cache, &key, then, now);

    if (identity != NULL) {
        at_cache_release(identity);
    }

    return identity != NULL;
}


static unsigned
numbers(unsigned *state)
{
    *state = *state * 1103515245 + 12345;

    return *state >> 8;
}


/* whether the numbers are those of the entries that are there */
static int
adds_up(const at_cache_t *cache)
{
    size_t  i, n, bytes;

    n = 0;
    bytes = at_arena_block_size(cache);

    for (i = 0; i < cache->n_sets * AT_CACHE_WAYS; i++) {
        if (cache->ways[i].place != 0) {
            bytes += at_arena_block_size(at_cache_way_entry((at_cache_t *) (uintptr_t)
                                                            cache, &cache->ways[i]));
            n++;
        }
    }

    return cache->stats.bytes == bytes && cache->stats.entries == n
           && bytes <= cache->size;
}


/* --- memory, before the rest has used any --------------------------------- */


static long
resident(void)
{
    FILE  *f;
    long   pages;

    pages = 0;
    f = fopen("/proc/self/statm", "r");

    if (f == NULL || fscanf(f, "%*d %ld", &pages) != 1) {
        pages = 0;
    }

    if (f != NULL) {
        (void) fclose(f);
    }

    return pages * sysconf(_SC_PAGESIZE);
}


static void
fill(at_cache_t *cache, unsigned n, unsigned least, unsigned most)
{
    char       text[4096];
    unsigned   i, state;

    state = 1;
    memset(text, 'x', sizeof(text));

    for (i = 0; i < n; i++) {
        (void) snprintf(text, sizeof(text), "%08u", i);
        text[8] = '.';
        put(cache, key_of((at_str_t) { text, least + numbers(&state)
                                                     % (most - least + 1) }), i);
    }
}


/* what else a process has when the cache comes: its share must be ours alone */
static void
test_memory(const char *name, unsigned n, unsigned least, unsigned most)
{
    long         before, grown;
    unsigned     allocations;
    at_cache_t  *cache;

    if (SANITIZED) {
        skip("%s: the sanitizer has a heap of its own", name);
        return;
    }

    /* OpenSSL makes itself ready with the first random bytes */
    at_cache_free(create(AT_CACHE_SIZE_MIN));

    before = resident();

    cache = create(16 * MIB);
    allocations = heap.n;
    fill(cache, n, least, most);
    allocations = heap.n - allocations;

    grown = resident() - before;

    printf("# %s: %llu entries, %llu bytes, resident %ld\n", name,
           (unsigned long long) cache->stats.entries,
           (unsigned long long) cache->stats.bytes, grown);

    ok(cache->stats.evictions != 0, "%s: it is full", name);
    ok(cache->stats.bytes >= 15 * MIB, "%s: of what it may take", name);
    ok(adds_up(cache), "%s: its numbers are those of its entries", name);
    is_int(allocations, 0, "%s: all of it is in the one mapping", name);
    ok(grown <= 16 * MIB / 100 * 101, "%s: 16m are 16 MiB, and a hundredth",
       name);

    at_cache_free(cache);
}


/* --- what is found -------------------------------------------------------- */


static void
test_hit(void)
{
    somebody_t            s;
    at_cache_t           *cache;
    at_cache_key_t        key;
    const at_identity_t  *identity;

    cache = create(MIB);
    key = key_of(at_str("a.b.c"));

    ok(at_cache_get(cache, &key, &epoch, NOW) == NULL, "an empty one has nobody");

    at_cache_put(cache, &key, &somebody(&s, 1, LATER)->identity, &epoch, NOW);
    memset(&s, 0xa5, sizeof(s));

    identity = at_cache_get(cache, &key, &epoch, NOW);

    if (ok(identity != NULL, "what was put is there")) {
        is_bytes(identity->user, at_str("user-1"), "its user");
        is_bytes(identity->subject, at_str("user-1"), "its subject");
        is_int(identity->expires, LATER, "its expiry");
        ok(at_scopes_have(&identity->rights.scopes, at_str("settings")),
           "its scopes");
        at_cache_release(identity);
    }

    ok(get(cache, key_of(at_str("a.b.d"))) == -1, "another text is not");
    ok(get(cache, key_of(at_str("a.b."))) == -1, "nor is its beginning");
    ok(get(cache, key_of(at_str("a.b.c "))) == -1, "nor one that goes on");

    is_int((long long) at_cache_stats(cache)->hits, 1, "hits");
    is_int((long long) at_cache_stats(cache)->misses, 4, "misses");
    is_int((long long) at_cache_stats(cache)->entries, 1, "entries");
    is_int((long long) at_cache_stats(cache)->evictions, 0, "evictions");

    at_cache_free(cache);
}


/* what costs little to verify must come twice, once the cache is full */
static void
test_cheap(void)
{
    char            text[32];
    unsigned        i, kept;
    at_cache_t     *cache;
    at_cache_key_t  key;

    cache = create(AT_CACHE_SIZE_MIN);

    for (i = 0; i < 10000; i++) {
        (void) snprintf(text, sizeof(text), "token-%u", i);
        key = key_of(str(text));
        key.cheap = 1;
        put(cache, key, i);

        if (at_cache_stats(cache)->evictions) {
            break;
        }

        if (get(cache, key) != (long) i) {
            ok(0, "while there is room, all are kept");
        }
    }

    ok(i > 10 && i < 10000, "the cache is full after %u", i);

    kept = 0;

    for (i = 20000; i < 21000; i++) {
        (void) snprintf(text, sizeof(text), "token-%u", i);
        key = key_of(str(text));
        key.cheap = 1;
        put(cache, key, i);
        kept += get(cache, key) == (long) i;
    }

    ok(kept < 50, "of a thousand that come once %u are kept", kept);

    put(cache, key, i);
    put(cache, key, i);
    is_int(get(cache, key), i, "one that comes again is");

    key = key_of(at_str("a token of another kind"));
    put(cache, key, 7);
    is_int(get(cache, key), 7, "what costs much is kept at once");

    at_cache_free(cache);
}


static void
test_again(void)
{
    at_cache_t           *cache;
    at_cache_key_t        key;
    const at_identity_t  *old;

    cache = create(MIB);
    key = key_of(at_str("a.b.c"));

    put(cache, key, 1);
    old = at_cache_get(cache, &key, &epoch, NOW);
    put(cache, key, 2);

    is_int(get(cache, key), 2, "put again: the new one is found");
    is_int((long long) at_cache_stats(cache)->entries, 1, "and is alone");
    ok(old != NULL && at_str_equal(old->user, at_str("user-1")),
       "who has the old one has it as it was");
    ok(adds_up(cache), "the numbers are right");

    if (old != NULL) {
        at_cache_release(old);
    }

    at_cache_free(cache);
}


/* put with an expiry and a time, asked at another */
static int
found_at(int64_t verified, int64_t expires, int64_t now)
{
    int              found;
    somebody_t       s;
    at_cache_t      *cache;
    at_cache_key_t   key;

    cache = create(AT_CACHE_SIZE_MIN);
    key = key_of(at_str("a.b.c"));

    at_cache_put(cache, &key, &somebody(&s, 1, expires)->identity, &epoch,
                 verified);
    found = has(cache, key, &epoch, now);

    /* it has ended for good: no later clock brings it back */
    found += 2 * has(cache, key, &epoch, verified);

    if (at_cache_stats(cache)->evictions != 0) {
        ok(0, "what has ended was not evicted");
    }

    at_cache_free(cache);

    return found;
}


static void
test_time(void)
{
    is_int(found_at(NOW, NOW + 1000, NOW + 999), 3, "a millisecond before exp");
    is_int(found_at(NOW, NOW + 1000, NOW + 1000), 0, "at exp, exactly");
    is_int(found_at(NOW, NOW + 1000, NOW + 1001), 0, "behind it");
    is_int(found_at(NOW, NOW, NOW), 0, "put at its exp");
    is_int(found_at(NOW, AT_NEVER, INT64_MAX - 1), 3, "one that never expires");
    is_int(found_at(NOW, LATER, NOW), 3, "at the time of its verification");
    is_int(found_at(NOW, LATER, NOW - 1), 0, "the clock went back");
    is_int(found_at(NOW, AT_NEVER, 0), 0, "the clock went back to the start");
    is_int(found_at(NOW, AT_NEVER, -1), 0, "and beyond");
}


static void
test_epoch(void)
{
    size_t           i;
    somebody_t       s;
    at_cache_t      *cache;
    at_cache_key_t   key;

    static const struct {
        at_cache_epoch_t   then;
        at_cache_epoch_t   now;
        int                found;
        const char        *name;
    } cases[] = {
        { { 1, 1 }, { 1, 1 }, 1, "nothing has changed" },
        { { 1, 1 }, { 2, 1 }, 0, "the keys have" },
        { { 2, 1 }, { 1, 1 }, 0, "the keys' number went back" },
        { { 1, 1 }, { 1, 2 }, 0, "the store has" },
        { { 1, 2 }, { 1, 1 }, 0, "the store's number went back" },
        { { 1, 5 }, { 1, 0 }, 0, "the store is not there" },
        { { 5, 1 }, { 0, 1 }, 0, "the keys have no number" },
        { { 0, 1 }, { 9, 1 }, 1, "keys, which it does not depend on" },
        { { 0, 1 }, { 9, 2 }, 0, "keys, which it does not depend on, and the store" },
        { { 1, 0 }, { 1, 9 }, 1, "the store, which it does not depend on" },
        { { 1, 0 }, { 2, 9 }, 0, "the store, which it does not depend on, and keys" },
        { { 1, 1 }, { UINT64_C(1) << 32 | 1, 1 }, 0, "keys, in the upper half" },
        { { 1, 1 }, { 1, UINT64_C(1) << 32 | 1 }, 0, "the store, in the upper half" },
    };

    key = key_of(at_str("a.b.c"));
    (void) somebody(&s, 1, LATER);

    for (i = 0; i < N(cases); i++) {
        cache = create(AT_CACHE_SIZE_MIN);

        at_cache_put(cache, &key, &s.identity, &cases[i].then, NOW);
        is_int(has(cache, key, &cases[i].now, NOW), cases[i].found, "%s",
               cases[i].name);
        is_int((long long) at_cache_stats(cache)->entries, cases[i].found,
               "%s: it is kept or gone", cases[i].name);

        at_cache_free(cache);
    }
}


static void
test_key(void)
{
    size_t       i;
    at_cache_t  *cache;

    const at_cache_key_t  keys[] = {
        { at_str("a.b.c"), 1, &trust_a, 0 },
        { at_str("a.b.c"), 1, &trust_b, 0 },
        { at_str("a.b.c"), 2, &trust_a, 0 },
        { at_str("a.b.c"), 2, &trust_b, 0 },
        { at_str("a.b.c"), 4, NULL, 0 },
    };

    cache = create(MIB);

    for (i = 0; i < N(keys); i++) {
        is_int(get(cache, keys[i]), -1,
               "kind %u, trust %zu: not granted by another's", keys[i].kind, i);
        put(cache, keys[i], (unsigned) i);
    }

    for (i = 0; i < N(keys); i++) {
        is_int(get(cache, keys[i]), (long long) i, "each has its own, %zu", i);
    }

    is_int((long long) at_cache_stats(cache)->entries, N(keys), "side by side");

    at_cache_free(cache);
}


/* --- texts of one index --------------------------------------------------- */


#define COLLIDING_LEN  700

/* texts of one length that differ in one place of two bytes alone */
static at_str_t
colliding(char text[COLLIDING_LEN], unsigned i, size_t place)
{
    memset(text, 'A', COLLIDING_LEN);
    text[place] = (char) ('0' + i % 64);
    text[place + 1] = (char) ('0' + i / 64);

    return (at_str_t) { text, COLLIDING_LEN };
}


static void
test_collisions_at(const char *name, uint64_t mask, size_t place)
{
    char         text[COLLIDING_LEN];
    long         got;
    unsigned     i, lost, wrong, found;
    at_cache_t  *cache;

    hash_mask = mask;
    cache = create(16 * MIB);
    lost = 0;
    wrong = 0;
    found = 0;

    for (i = 0; i < 64 * 64; i++) {
        wrong += get(cache, key_of(colliding(text, i, place))) != -1;
        put(cache, key_of(colliding(text, i, place)), i);
        lost += get(cache, key_of(colliding(text, i, place))) != (long) i;
    }

    for (i = 0; i < 64 * 64; i++) {
        got = get(cache, key_of(colliding(text, i, place)));
        found += got == (long) i;
        wrong += got != -1 && got != (long) i;
    }

    is_int(wrong, 0, "%s: none is taken for another", name);
    is_int(lost, 0, "%s: each is found when it was put", name);
    ok(found > 0 && found <= AT_CACHE_WAYS * (mask + 1),
       "%s: %u of 4096 are there", name, found);
    ok(adds_up(cache), "%s: the numbers are right", name);

    at_cache_free(cache);
    hash_mask = UINT64_MAX;
}


static void
test_collisions(void)
{
    test_collisions_at("eight bits, an equal beginning", 0xff, COLLIDING_LEN - 2);
    test_collisions_at("eight bits, an equal end", 0xff, 0);
    test_collisions_at("eight bits, equal at both ends", 0xff, 350);
    test_collisions_at("no bit at all", 0, 350);
}


/* the hash has a secret of each cache: nobody can choose texts of one set */
static void
test_secret(void)
{
    at_cache_t      *one, *two;
    at_cache_key_t   key;

    one = create(MIB);
    two = create(MIB);
    key = key_of(at_str("a.b.c"));

    ok(at_cache_hash(one, &key) != at_cache_hash(two, &key),
       "two caches see two hashes of a text");

    at_cache_free(one);
    at_cache_free(two);
}


/* --- room ----------------------------------------------------------------- */


static void
test_bytes(size_t size)
{
    char         text[16384];
    unsigned     i, state, wrong;
    at_cache_t  *cache;

    cache = create(size);
    memset(text, 'x', sizeof(text));
    state = 7;
    wrong = 0;

    for (i = 0; i < 5000; i++) {
        (void) snprintf(text, sizeof(text), "%08u", numbers(&state) % 600);
        text[8] = '.';
        put(cache, key_of((at_str_t) { text, 10 + numbers(&state) % 3000 }), i);
        wrong += !adds_up(cache);
    }

    is_int(wrong, 0, "%zu bytes: never more, and each one counted", size);
    ok(at_cache_stats(cache)->evictions > 0, "%zu bytes: what it is about", size);
    ok(at_cache_stats(cache)->bytes > size / 4, "%zu bytes: which are used", size);

    at_cache_free(cache);
}


/* cost of an entry, less its text */
static size_t
overhead_of(const at_identity_t *identity, at_str_t text)
{
    size_t           bytes;
    at_cache_t      *cache;
    at_cache_key_t   key;

    cache = create(MIB);
    key = key_of(text);
    bytes = at_cache_stats(cache)->bytes;

    at_cache_put(cache, &key, identity, &epoch, NOW);
    bytes = at_cache_stats(cache)->bytes - bytes - text.len;

    if (at_cache_stats(cache)->entries != 1) {
        ok(0, "the entry was kept");
    }

    at_cache_free(cache);

    return bytes;
}


static void
test_overhead(void)
{
    char         text[4000];
    size_t       len, most, overhead;
    somebody_t   s;

    memset(text, 'x', sizeof(text));
    (void) somebody(&s, 1, LATER);
    s.identity.rights.scopes.n = 0;
    most = 0;

    for (len = 1; len < 2000; len++) {
        overhead = overhead_of(&s.identity, (at_str_t) { text, len })
                   - s.identity.user.len;
        most = overhead > most ? overhead : most;
    }

    printf("# an entry of sizeof(at_identity_t) %zu takes %zu beside its texts\n",
           sizeof(at_identity_t), most);
    ok(most <= AT_CACHE_OVERHEAD, "AT_CACHE_OVERHEAD is true");
    ok(most > AT_CACHE_OVERHEAD / 2, "and not a guess");

    (void) somebody(&s, 1, LATER);
    overhead = overhead_of(&s.identity, (at_str_t) { text, 100 });
    ok(overhead <= AT_CACHE_OVERHEAD + s.identity.user.len
                   + 3 * sizeof(at_str_t) + strlen("readwritesettings"),
       "with scopes: an at_str_t each, and their bytes");
}


static void
test_ranges_cost(void)
{
    size_t       i, plain, with;
    at_cidr_t    cidr;
    somebody_t   s;
    at_bytes_t   bytes = { 0 };

    (void) somebody(&s, 1, LATER);
    plain = overhead_of(&s.identity, at_str("token"));

    for (i = 0; i < 100; i++) {
        (void) at_cidr_parse(&cidr, at_str("10.0.0.0/8"));
        cidr.addr.bytes[1] = (uint8_t) i;
        at_list_add_range(&bytes, &s.identity.ranges, &cidr);
    }

    with = overhead_of(&s.identity, at_str("token"));

    ok(with >= plain + 100 * 16, "the ranges of a record count");

    at_bytes_free(&bytes);
}


static void
test_huge(void)
{
    char         *text;
    size_t        room;
    at_cache_t   *cache;

    cache = create(AT_CACHE_SIZE_MIN);
    room = AT_CACHE_SIZE_MIN / 16;
    text = calloc(1, AT_CACHE_SIZE_MIN);

    if (text == NULL) {
        abort();
    }

    put(cache, key_of(at_str("small")), 1);

    put(cache, key_of((at_str_t) { text, room - AT_CACHE_OVERHEAD - 200 }), 2);
    is_int((long long) at_cache_stats(cache)->entries, 2, "a large one is kept");

    put(cache, key_of((at_str_t) { text, room }), 3);
    put(cache, key_of((at_str_t) { text, AT_CACHE_SIZE_MIN }), 4);
    is_int((long long) at_cache_stats(cache)->entries, 2, "a huge one is not");
    is_int((long long) at_cache_stats(cache)->evictions, 0,
           "and drives nobody out");
    is_int(get(cache, key_of(at_str("small"))), 1, "the others are there");

    free(text);
    at_cache_free(cache);
}


/* fills it with others until the text is gone; touched: it is asked for between */
static unsigned
survives(int touched, unsigned n)
{
    char         text[1100];
    unsigned     i;
    at_cache_t  *cache;

    cache = create(AT_CACHE_SIZE_MIN);
    memset(text, 'x', sizeof(text));

    put(cache, key_of(at_str("hot")), 1);

    for (i = 0; i < n; i++) {
        (void) snprintf(text, sizeof(text), "%08u", i);
        put(cache, key_of((at_str_t) { text, sizeof(text) }), 2);

        if (touched && get(cache, key_of(at_str("hot"))) != 1) {
            break;
        }
    }

    if (!touched && get(cache, key_of(at_str("hot"))) == 1) {
        i = UINT32_MAX;
    }

    at_cache_free(cache);

    return i;
}


static void
test_second_chance(void)
{
    is_int(survives(1, 10000), 10000,
           "what is asked for outlives ten thousand that are not");
    is_int(survives(0, 1000), 1000, "what is not asked for goes");
}


/* of a set: first what is not used, of these what was verified first */
static void
test_order(void)
{
    char         text[8];
    unsigned     i;
    somebody_t   s;
    at_cache_t  *cache;

    hash_mask = 0;
    cache = create(MIB);

    for (i = 0; i < AT_CACHE_WAYS; i++) {
        (void) snprintf(text, sizeof(text), "t%u", i);
        at_cache_put(cache, &(at_cache_key_t) { str(text), 1, &trust_a, 0 },
                     &somebody(&s, i, LATER)->identity, &epoch, NOW - i);
    }

    is_int(get(cache, key_of(at_str("t7"))), 7, "the oldest of a set is used");
    put(cache, key_of(at_str("new")), 8);

    is_int(get(cache, key_of(at_str("t6"))), -1, "the oldest unused one goes");
    is_int(get(cache, key_of(at_str("t7"))), 7, "the one in use stays");
    is_int(get(cache, key_of(at_str("new"))), 8, "the new one is there");
    is_int((long long) at_cache_stats(cache)->evictions, 1, "one was evicted");

    at_cache_free(cache);
    hash_mask = UINT64_MAX;
}


/* --- who has one ---------------------------------------------------------- */


static void
test_references(void)
{
    char                  text[1100];
    unsigned              i;
    at_cache_t           *cache;
    at_cache_key_t        key;
    const at_identity_t  *one, *two;

    cache = create(AT_CACHE_SIZE_MIN);
    key = key_of(at_str(SECRET));
    put(cache, key, 1);

    one = at_cache_get(cache, &key, &epoch, NOW);
    two = at_cache_get(cache, &key, &epoch, NOW);

    if (one == NULL || two == NULL) {
        ok(0, "it is there");
        at_cache_free(cache);
        return;
    }

    memset(text, 'x', sizeof(text));

    for (i = 0; i < 1000; i++) {
        (void) snprintf(text, sizeof(text), "%08u", i);
        put(cache, key_of((at_str_t) { text, sizeof(text) }), 2);
    }

    is_int(get(cache, key), 1, "what somebody has is not given up for others");
    is_int(has(cache, key, &epoch, LATER), 0, "it has expired");

    for (i = 0; i < 1000; i++) {
        (void) snprintf(text, sizeof(text), "%08u", i);
        put(cache, key_of((at_str_t) { text, sizeof(text) }), 2);
    }

    is_bytes(one->user, at_str("user-1"), "and is whole for those who have it");
    ok(adds_up(cache), "it counts no more");

    at_cache_release(one);
    is_bytes(two->user, at_str("user-1"), "the other one has it still");

    at_cache_free(cache);
    is_bytes(two->user, at_str("user-1"), "without the cache, too");
    ok(at_scopes_have(&two->rights.scopes, at_str("write")), "all of it");

    at_cache_release(two);
}


/* --- what is left --------------------------------------------------------- */


static at_cache_key_t
secret_key(char text[64], unsigned i)
{
    (void) snprintf(text, 64, "%04u." SECRET, i);

    return key_of((at_str_t) { text, strlen(text) });
}


static void
test_overwritten(void)
{
    char                  text[64], *block;
    unsigned              i;
    at_cache_t           *cache;
    const at_identity_t  *identity;

    /* the hook sees what it is to see */
    heap.dirty = 0;
    cache = create(AT_CACHE_SIZE_MIN);
    block = at_arena_alloc(cache->arena, 64, at_cache_is_evictable, at_cache_evict_block, cache);
    (void) snprintf(block, 64, "%s", SECRET);
    heap_give_back(block);
    is_int(heap.dirty, 1, "a secret in a block that is given back is seen");

    heap.dirty = 0;

    for (i = 0; i < 2000; i++) {
        put(cache, secret_key(text, i), i);
    }

    ok(at_cache_stats(cache)->evictions > 1000, "many were evicted");
    is_int(heap.dirty, 0, "an evicted text is overwritten");

    put(cache, secret_key(text, 1999), 1);
    is_int(heap.dirty, 0, "one that is replaced");

    (void) has(cache, secret_key(text, 1999), &epoch, LATER);
    is_int(heap.dirty, 0, "one that has expired");

    put(cache, secret_key(text, 1), 1);
    identity = at_cache_get(cache, &(at_cache_key_t) { str(text), 1, &trust_a, 0 },
                            &epoch, NOW);
    at_cache_free(cache);
    is_int(heap.dirty, 0, "those of a cache that is freed");

    if (identity != NULL) {
        at_cache_release(identity);
    }

    is_int(heap.dirty, 0, "and the one that was out");
    is_int(heap.live, 0, "no block is left");
}


/* --- without memory ------------------------------------------------------- */


static void
test_create_fails(void)
{
    unsigned  fail;

    for (fail = 1; fail <= 2; fail++) {
        heap.n = 0;
        heap.fail = fail;
        ok(at_cache_create(MIB) == NULL, "no memory, no cache, %u", fail);
    }

    heap.fail = 0;

    random_fails = 1;
    ok(at_cache_create(MIB) == NULL, "no random bytes, no cache");
    random_fails = 0;

    at_cache_free(NULL);
    is_int(heap.live, 0, "and nothing is left");
}


/* all blocks are somebody's: there is no room, and nobody is driven out */
static void
test_no_room(void)
{
    char                  text[32];
    unsigned              i, n, wrong;
    at_cache_t           *cache;
    at_cache_key_t        key;
    const at_identity_t  *out[1000];

    cache = create(AT_CACHE_SIZE_MIN);

    for (n = 0; n < N(out); n++) {
        (void) snprintf(text, sizeof(text), "t%u", n);
        key = key_of(str(text));
        put(cache, key, n);
        out[n] = at_cache_get(cache, &key, &epoch, NOW);

        if (out[n] == NULL) {
            break;
        }
    }

    ok(n > 50 && n < N(out), "%u are out, and there is no room for more", n);
    wrong = 0;

    for (i = 0; i < n; i++) {
        (void) snprintf(text, sizeof(text), "user-%u", i);
        wrong += !at_str_equal(out[i]->user, str(text));
    }

    is_int(wrong, 0, "each is who it was");
    ok(adds_up(cache), "the numbers are right");

    at_cache_release(out[0]);
    put(cache, key_of(at_str("another")), 7);
    is_int(get(cache, key_of(at_str("another"))), 7, "one came back: there is");

    for (i = 1; i < n; i++) {
        at_cache_release(out[i]);
    }

    at_cache_free(cache);
}


/* where places are the largest: behind a block that is nobody's */
static void
test_far(void)
{
    void             *block;
    size_t            far;
    at_cache_t       *cache;

    if (SANITIZED) {
        skip("the sanitizer would keep book of all that memory");
        return;
    }

    cache = create(AT_CACHE_SIZE_MAX);
    far = AT_CACHE_SIZE_MAX - at_arena_block_size(cache) - MIB;
    block = at_arena_alloc(cache->arena, far, at_cache_is_evictable, at_cache_evict_block, cache);

    put(cache, key_of(at_str("a.b.c")), 3);
    is_int(get(cache, key_of(at_str("a.b.c"))), 3, "an entry at the end of 32 GiB");
    is_int(get(cache, key_of(at_str("a.b.d"))), -1, "and no other");
    ok(block != NULL && adds_up(cache), "the numbers are right");

    at_arena_free(block);
    at_cache_free(cache);
}


/* an entry with ranges is one block as well */
static void
test_ranges(void)
{
    unsigned              allocations;
    at_addr_t             inside, outside;
    at_cidr_t             cidr;
    somebody_t            s;
    at_bytes_t            bytes = { 0 };
    at_cache_t           *cache;
    at_cache_key_t        key;
    const at_identity_t  *identity;

    (void) somebody(&s, 1, LATER);
    (void) at_cidr_parse(&cidr, at_str("10.0.0.0/8"));
    at_list_add_range(&bytes, &s.identity.ranges, &cidr);
    (void) at_cidr_parse(&cidr, at_str("2001:db8::/32"));
    at_list_add_range(&bytes, &s.identity.ranges, &cidr);

    at_addr_set(&inside, "\x0a\x01\x02\x03", 4);
    at_addr_set(&outside, "\x0b\x01\x02\x03", 4);

    key = key_of(at_str(SECRET));
    heap.dirty = 0;

    cache = create(MIB);
    allocations = heap.n;
    at_cache_put(cache, &key, &s.identity, &epoch, NOW);
    at_bytes_free(&bytes);

    identity = at_cache_get(cache, &key, &epoch, NOW);
    is_int(heap.n - allocations, 0, "nothing is allocated beside the block");

    if (ok(identity != NULL, "one with ranges is there")) {
        ok(at_identity_allows_address(identity, &inside), "its ranges are, too");
        ok(!at_identity_allows_address(identity, &outside), "and no more than they");
        at_cache_release(identity);
    }

    at_cache_free(cache);
    is_int(heap.dirty, 0, "and no secret is left behind");
    is_int(heap.live, 0, "nor a block");
}


int
main(void)
{
    test_memory("tokens of one size", 40000, 800, 800);
    test_memory("churn of varied sizes", 200000, 300, 4000);
    test_memory("API tokens", 60000, 40, 60);

    test_hit();
    test_again();
    test_cheap();
    test_time();
    test_epoch();
    test_key();
    test_collisions();
    test_secret();
    test_bytes(AT_CACHE_SIZE_MIN);
    test_bytes(MIB);
    test_overhead();
    test_ranges_cost();
    test_huge();
    test_second_chance();
    test_order();
    test_references();
    test_overwritten();
    test_create_fails();
    test_no_room();
    test_far();
    test_ranges();

    is_int(heap.live, 0, "all that was allocated was freed");

    return tap_done();
}
