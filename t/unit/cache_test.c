/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The verification cache: which requests an entry serves, when it becomes
 * invalid, how much memory it takes, and which memory it overwrites.
 *
 * Requirements: cache-full, cache-expiry, cache-invalidation, cache-key,
 *   cache-collision, cache-negative, allocation-points.
 */

#define _GNU_SOURCE             /* memmem() */

#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/authz/at_cache.h"
#include "core/base/at_crypto.h"
#include "tap.h"


#define MIB       (1024 * 1024)
#define NOW       1700000000000
#define LATER     (NOW + 3600000)
#define HELD      1000          /* more entries than the smallest cache has */

/* part of each credential whose traces in freed memory are counted */
#define SECRET    "s3cr3t-0f-th3-cr3d3nt1al"

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED  1
#else
#define SANITIZED  0
#endif


/* --- the allocations of the cache ---------------------------------------- */


static struct {
    unsigned  n;                /* allocations so far */
    unsigned  fail;             /* number of the allocation to fail, or 0 */
    long      live;             /* blocks */
    unsigned  dirty;            /* freed blocks that contained a secret */
    unsigned  underestimated;   /* blocks larger than the cache counts */
} heap;

static int       random_fails;
static uint64_t  hash_mask = UINT64_MAX;

static size_t at_block_size(size_t size);    /* of at_cache.c */


static void *
heap_count(void *p)
{
    heap.live += p != NULL;

    return p;
}


static void *
heap_malloc(size_t size)
{
    void  *p = heap_count(++heap.n == heap.fail ? NULL : malloc(size));

    if (p != NULL && !SANITIZED) {
        heap.underestimated += malloc_usable_size(p) + sizeof(size_t)
                               > at_block_size(size);
    }

    return p;
}


static void *
heap_calloc(size_t n, size_t size)
{
    return heap_count(++heap.n == heap.fail ? NULL : calloc(n, size));
}


static void
heap_free(void *p)
{
    if (p != NULL) {
        heap.live--;
        heap.dirty += memmem(p, malloc_usable_size(p), SECRET, strlen(SECRET))
                      != NULL;
        free(p);
    }
}


static int
heap_random(void *bytes, size_t len)
{
    return random_fails ? -1 : at_random(bytes, len);
}


#define malloc              heap_malloc
#define calloc              heap_calloc
#define free                heap_free
#define at_random           heap_random
#define AT_CACHE_HASH_MASK  hash_mask

#include "core/authz/at_cache.c"

#undef malloc
#undef calloc
#undef free
#undef at_random


/* --- credentials and identities ------------------------------------------ */


/* the identity of credential number i: its user is "user-<i>" */
typedef struct {
    char           user[32];
    at_str_t       scopes[3];
    at_identity_t  identity;
} caller_t;

static const at_cache_epoch_t  epoch = { 7, 9 };
static const int               trust_a, trust_b;


static caller_t *
caller(caller_t *c, unsigned i, int64_t expires)
{
    memset(c, 0, sizeof(caller_t));
    (void) snprintf(c->user, sizeof(c->user), "user-%u", i);

    c->scopes[0] = at_str("read");
    c->scopes[1] = at_str("write");
    c->scopes[2] = at_str("settings");

    c->identity.user = str(c->user);
    c->identity.subject = c->identity.user;
    c->identity.rights.scopes.items = c->scopes;
    c->identity.rights.scopes.n = 3;
    c->identity.expires = expires;

    return c;
}


static at_cache_key_t
key_of(at_str_t text)
{
    return (at_cache_key_t) { text, 1, &trust_a };
}


/* text of len bytes that begins with the number i */
static at_cache_key_t
key_number(char *text, unsigned i, size_t len)
{
    memset(text, 'x', len);
    (void) snprintf(text, len, "%08u", i);
    text[8] = '.';

    return key_of((at_str_t) { text, len });
}


static at_cache_t *
create(size_t size)
{
    at_cache_t  *cache = at_cache_create(size);

    must(cache != NULL, "no memory");

    return cache;
}


static void
put(at_cache_t *cache, at_cache_key_t key, unsigned i)
{
    caller_t  c;

    at_cache_put(cache, &key, &caller(&c, i, LATER)->identity, &epoch, NOW);
}


static int
has(at_cache_t *cache, at_cache_key_t key, const at_cache_epoch_t *then,
    int64_t now)
{
    const at_identity_t  *identity = at_cache_get(cache, &key, then, now);

    if (identity != NULL) {
        at_cache_release(identity);
    }

    return identity != NULL;
}


/* the number of the identity that the cache returned, or -1 */
static long
get(at_cache_t *cache, at_cache_key_t key)
{
    long                  i;
    const at_identity_t  *identity = at_cache_get(cache, &key, &epoch, NOW);

    if (identity == NULL) {
        return -1;
    }

    i = strtol(identity->user.data + strlen("user-"), NULL, 10);
    at_cache_release(identity);

    return i;
}


/* whether the counters agree with the hash table and the queue */
static int
adds_up(const at_cache_t *cache)
{
    size_t            i, n = 0, queued = 0, bytes;
    at_entry_t       *entry;
    const at_link_t  *link;

    bytes = sizeof(at_cache_t) + cache->n_buckets * sizeof(at_entry_t *);

    for (i = 0; i < cache->n_buckets; i++) {
        for (entry = cache->buckets[i]; entry; entry = entry->next) {
            bytes += at_block_size(entry->size);
            n++;
        }
    }

    for (link = cache->queue.newer; link != &cache->queue; link = link->newer)
    {
        queued++;
    }

    return cache->stats.bytes == bytes && cache->stats.entries == n
           && queued == n && bytes <= cache->size;
}


/* --- memory: first, while the heap of the process is small --------------- */


static long
resident(void)
{
    long   pages = 0;
    FILE  *f = fopen("/proc/self/statm", "r");

    must(f != NULL && fscanf(f, "%*d %ld", &pages) == 1, "statm");
    (void) fclose(f);

    return pages * sysconf(_SC_PAGESIZE);
}


static void
test_memory(const char *name, unsigned n, unsigned least, unsigned most)
{
    long         before, grown;
    char         text[4096];
    unsigned     i, state;
    at_cache_t  *cache;

    if (SANITIZED) {
        skip("%s: the sanitizer replaces malloc()", name);
        return;
    }

    /* OpenSSL allocates memory when it first produces random bytes */
    at_cache_free(create(AT_CACHE_SIZE_MIN));

    (void) malloc_trim(0);
    before = resident();
    cache = create(16 * MIB);
    state = 1;

    for (i = 0; i < n; i++) {
        put(cache, key_number(text, i, least + numbers(&state)
                                               % (most - least + 1)), i);
    }

    grown = resident() - before;

    printf("# %s: %llu entries, %llu bytes, resident %ld\n", name,
           (unsigned long long) cache->stats.entries,
           (unsigned long long) cache->stats.bytes, grown);

    ok(cache->stats.evictions != 0 && cache->stats.bytes > 15 * MIB,
       "%s: the cache is full", name);
    ok(adds_up(cache), "%s: the counters agree with the entries", name);
    ok(grown <= 20 * MIB, "%s: 16 MiB of entries take at most 20 MiB", name);

    at_cache_free(cache);
}


/* --- lookups ------------------------------------------------------------- */


static void
test_hit(void)
{
    caller_t              c;
    at_cidr_set_t         ranges = { 0 };
    at_identity_t         packed;
    const at_identity_t  *identity;
    at_cache_t           *cache = create(MIB);
    at_cache_key_t        key = key_of(at_str("a.b.c")),
                          second = key_of(at_str("d.e.f"));

    is_int(get(cache, key), -1, "an empty cache has no entry");

    at_cache_put(cache, &key, &caller(&c, 1, LATER)->identity, &epoch, NOW);
    memset(&c, 0xa5, sizeof(c));

    identity = at_cache_get(cache, &key, &epoch, NOW);

    if (ok(identity != NULL, "an entry that was stored is found")) {
        is_bytes(identity->user, at_str("user-1"), "its user");
        is_bytes(identity->subject, at_str("user-1"), "its subject");
        is_int(identity->expires, LATER, "its expiry");
        ok(at_scopes_have(&identity->rights.scopes, at_str("settings")),
           "its scopes");
        at_cache_release(identity);
    }

    packed = caller(&c, 2, LATER)->identity;
    packed.range_set = &ranges;
    at_cache_put(cache, &second, &packed, &epoch, NOW);
    is_int(get(cache, second), -1,
           "an identity with packed address ranges is not stored");

    is_int(get(cache, key_of(at_str("a.b.d"))), -1, "another text misses");
    is_int(get(cache, key_of(at_str("a.b."))), -1, "a prefix misses");
    is_int(get(cache, key_of(at_str("a.b.c "))), -1, "a longer text misses");

    is_int(at_cache_stats(cache)->hits, 1, "hits are counted");
    is_int(at_cache_stats(cache)->misses, 5, "misses are counted");
    is_int(at_cache_stats(cache)->entries, 1, "entries are counted");
    is_int(at_cache_stats(cache)->evictions, 0,
           "a cache with room evicts nothing");

    at_cache_free(cache);
}


static void
test_replaced(void)
{
    const at_identity_t  *old;
    at_cache_t           *cache = create(MIB);
    at_cache_key_t        key = key_of(at_str("a.b.c"));

    put(cache, key, 1);
    old = at_cache_get(cache, &key, &epoch, NOW);
    put(cache, key, 2);

    is_int(get(cache, key), 2, "a second identity replaces the first");
    is_int(at_cache_stats(cache)->entries, 1,
           "a replaced entry does not stay");

    if (ok(old != NULL, "the first identity was found")) {
        is_bytes(old->user, at_str("user-1"), "its holder sees it unchanged");
        at_cache_release(old);
    }

    ok(adds_up(cache), "the counters are right");
    at_cache_free(cache);
}


static void
test_time(void)
{
    size_t           i;
    caller_t         c;
    at_cache_t      *cache;
    at_cache_key_t   key = key_of(at_str("a.b.c"));

    static const struct {
        int64_t expires, now; int found; const char *name;
    } cases[] = {
        { NOW + 1000, NOW + 999, 1,
          "an entry is valid a millisecond before its expiry" },
        { NOW + 1000, NOW + 1000, 0, "an entry is removed at its expiry" },
        { NOW + 1000, NOW + 1001, 0, "an entry is removed after its expiry" },
        { NOW, NOW, 0, "an entry that is stored at its expiry is removed" },
        { AT_NEVER, INT64_MAX - 1, 1, "an entry may never expire" },
        { LATER, NOW, 1, "an entry is valid at the time of its verification" },
        { LATER, NOW - 1, 0, "an entry is removed when the clock goes back" },
        { AT_NEVER, 0, 0, "also when it goes back to 0" },
        { AT_NEVER, -1, 0, "also when it goes below 0" },
    };

    for (i = 0; i < N(cases); i++) {
        cache = create(AT_CACHE_SIZE_MIN);
        at_cache_put(cache, &key, &caller(&c, 1, cases[i].expires)->identity,
                     &epoch, NOW);
        is_int(has(cache, key, &epoch, cases[i].now), cases[i].found, "%s",
               cases[i].name);
        is_int(has(cache, key, &epoch, NOW), cases[i].found, "%s, finally",
               cases[i].name);
        is_int(at_cache_stats(cache)->evictions, 0,
               "an expired entry does not count as evicted");
        at_cache_free(cache);
    }
}


static void
test_epoch(void)
{
    size_t           i;
    caller_t         c;
    at_cache_t      *cache;
    at_cache_key_t   key;

    static const struct {
        at_cache_epoch_t then, now; int found; const char *name;
    } cases[] = {
        { { 1, 1 }, { 1, 1 }, 1, "nothing changed" },
        { { 1, 1 }, { 2, 1 }, 0, "the keys changed" },
        { { 2, 1 }, { 1, 1 }, 0, "the number of the keys decreased" },
        { { 1, 1 }, { 1, 2 }, 0, "the store changed" },
        { { 1, 2 }, { 1, 1 }, 0, "the number of the store decreased" },
        { { 1, 5 }, { 1, 0 }, 0, "the store is missing" },
        { { 5, 1 }, { 0, 1 }, 0, "the keys have no number" },
        { { 0, 1 }, { 9, 1 }, 1, "keys changed, it depends on the store" },
        { { 0, 1 }, { 9, 2 }, 0, "both changed, it depends on the store" },
        { { 1, 0 }, { 1, 9 }, 1, "the store changed, it depends on keys" },
        { { 1, 0 }, { 2, 9 }, 0, "both changed, it depends on keys" },
        { { 1, 1 }, { UINT64_C(1) << 32 | 1, 1 }, 0,
          "only the upper half of the keys' number changed" },
        { { 1, 1 }, { 1, UINT64_C(1) << 32 | 1 }, 0,
          "only the upper half of the store's number changed" },
    };

    key = key_of(at_str("a.b.c"));
    (void) caller(&c, 1, LATER);

    for (i = 0; i < N(cases); i++) {
        cache = create(AT_CACHE_SIZE_MIN);

        at_cache_put(cache, &key, &c.identity, &cases[i].then, NOW);
        is_int(has(cache, key, &cases[i].now, NOW), cases[i].found,
               "%s: %s", cases[i].name, cases[i].found ? "a hit" : "a miss");
        is_int(at_cache_stats(cache)->entries, cases[i].found,
               "%s: an invalid entry is removed", cases[i].name);

        at_cache_free(cache);
    }
}


static void
test_key(void)
{
    size_t       i;
    at_cache_t  *cache;

    const at_cache_key_t  keys[] = {
        { at_str("a.b.c"), 1, &trust_a }, { at_str("a.b.c"), 1, &trust_b },
        { at_str("a.b.c"), 2, &trust_a }, { at_str("a.b.c"), 2, &trust_b },
        { at_str("a.b.c"), 4, NULL },
    };

    cache = create(MIB);

    for (i = 0; i < N(keys); i++) {
        is_int(get(cache, keys[i]), -1,
               "kind and trust %zu: entries of others do not serve it", i);
        put(cache, keys[i], (unsigned) i);
    }

    for (i = 0; i < N(keys); i++) {
        is_int(get(cache, keys[i]), i,
               "kind and trust %zu has its own entry", i);
    }

    at_cache_free(cache);
}


/* --- hash collisions ----------------------------------------------------- */


#define COLLIDING_LEN  700

/* texts of one length that differ only in two bytes at position */
static at_str_t
colliding(char text[COLLIDING_LEN], unsigned i, size_t position)
{
    memset(text, 'A', COLLIDING_LEN);
    text[position] = (char) ('0' + i % 64);
    text[position + 1] = (char) ('0' + i / 64);

    return (at_str_t) { text, COLLIDING_LEN };
}


static void
test_collisions_at(const char *name, uint64_t mask, size_t position)
{
    char            text[COLLIDING_LEN];
    unsigned        i, wrong = 0, found = 0;
    at_cache_t     *cache;
    at_cache_key_t  key;

    hash_mask = mask;
    cache = create(16 * MIB);

    for (i = 0; i < 1024; i++) {
        key = key_of(colliding(text, i, position));
        wrong += get(cache, key) != -1;
        put(cache, key, i);
    }

    for (i = 0; i < 1024; i++) {
        found += get(cache, key_of(colliding(text, i, position))) == (long) i;
    }

    is_int(wrong, 0, "%s: no entry serves another text", name);
    is_int(found, 1024, "%s: each text has its entry", name);
    ok(adds_up(cache), "%s: the counters are right", name);

    at_cache_free(cache);
    hash_mask = UINT64_MAX;
}


static void
test_collisions(void)
{
    test_collisions_at("texts with an equal beginning", 0xff,
                       COLLIDING_LEN - 2);
    test_collisions_at("texts with an equal end", 0xff, 0);
    test_collisions_at("texts of one hash value", 0, 350);
}


static void
test_secret(void)
{
    at_cache_t      *one = create(MIB), *two = create(MIB);
    at_cache_key_t   key = key_of(at_str("a.b.c"));

    ok(at_cache_hash(one, &key) != at_cache_hash(two, &key),
       "two caches have different hashes of one text");

    at_cache_free(one);
    at_cache_free(two);
}


/* --- the limit ----------------------------------------------------------- */


static void
test_bytes(size_t size)
{
    char         text[4096];
    unsigned     i, state = 7, wrong = 0;
    at_cache_t  *cache = create(size);

    for (i = 0; i < 5000; i++) {
        put(cache, key_number(text, numbers(&state) % 600,
                              10 + numbers(&state) % 3000), i);
        wrong += !adds_up(cache);
    }

    is_int(wrong, 0, "%zu bytes: the limit holds after each of 5000 entries",
           size);
    ok(at_cache_stats(cache)->evictions > 0, "%zu bytes: entries were evicted",
       size);
    ok(at_cache_stats(cache)->bytes > size / 4, "%zu bytes: the room is used",
       size);

    at_cache_free(cache);
}


/* what an entry takes besides its text */
static size_t
overhead_of(const at_identity_t *identity, at_str_t text)
{
    size_t           bytes;
    at_cache_t      *cache = create(MIB);
    at_cache_key_t   key = key_of(text);

    bytes = at_cache_stats(cache)->bytes;

    at_cache_put(cache, &key, identity, &epoch, NOW);
    bytes = at_cache_stats(cache)->bytes - bytes - text.len;

    if (at_cache_stats(cache)->entries != 1) {
        ok(0, "the entry is stored");
    }

    at_cache_free(cache);

    return bytes;
}


static void
test_overhead(void)
{
    size_t                i, plain;
    caller_t              c;
    at_addr_t             inside, outside;
    at_cidr_t             cidr;
    at_bytes_t            bytes = { 0 };
    at_cache_t           *cache = create(MIB);
    at_cache_key_t        key = key_of(at_str("a.b.c"));
    const at_identity_t  *identity;

    (void) caller(&c, 1, LATER);
    plain = overhead_of(&c.identity, at_str("token"));

    ok(plain <= 600, "an entry takes %zu bytes besides its token", plain);

    for (i = 0; i < 100; i++) {
        (void) at_cidr_parse(&cidr, at_str("10.0.0.0/16"));
        cidr.addr.bytes[1] = (uint8_t) i;
        at_list_add_range(&bytes, &c.identity.ranges, &cidr);
    }

    ok(overhead_of(&c.identity, at_str("token"))
       >= plain + 100 * sizeof(at_cidr_t),
       "the address ranges of a record count");

    at_cache_put(cache, &key, &c.identity, &epoch, NOW);
    at_bytes_free(&bytes);

    at_addr_set(&inside, "\x0a\x01\x02\x03", 4);
    at_addr_set(&outside, "\x0b\x01\x02\x03", 4);
    identity = at_cache_get(cache, &key, &epoch, NOW);

    if (ok(identity != NULL, "an identity with address ranges is stored")) {
        ok(at_identity_allows_address(identity, &inside),
           "an address in its ranges is allowed");
        ok(!at_identity_allows_address(identity, &outside),
           "an address outside its ranges is not allowed");
        at_cache_release(identity);
    }

    at_cache_free(cache);
}


static void
test_large(void)
{
    static char   text[AT_CACHE_SIZE_MIN];
    at_cache_t   *cache = create(AT_CACHE_SIZE_MIN);
    size_t        room = AT_CACHE_SIZE_MIN / 16;

    put(cache, key_of(at_str("small")), 1);
    put(cache, key_of((at_str_t) { text, room - 700 }), 2);
    is_int(at_cache_stats(cache)->entries, 2,
           "an entry below a sixteenth of the cache is stored");

    put(cache, key_of((at_str_t) { text, room }), 3);
    put(cache, key_of((at_str_t) { text, AT_CACHE_SIZE_MIN }), 4);
    is_int(at_cache_stats(cache)->entries, 2, "a larger entry is not stored");
    is_int(at_cache_stats(cache)->evictions, 0,
           "a larger entry evicts nothing");
    is_int(get(cache, key_of(at_str("small"))), 1, "the other entries stay");

    at_cache_free(cache);
}


static void
test_second_chance(void)
{
    int          between;
    char         text[1100];
    unsigned     i;
    at_cache_t  *cache;

    /* "hot" is requested between 1,000 other entries, or only after them */
    for (between = 0; between <= 1; between++) {
        cache = create(AT_CACHE_SIZE_MIN);
        put(cache, key_of(at_str("hot")), 1);

        for (i = 0; i < 1000; i++) {
            put(cache, key_number(text, i, sizeof(text)), 2);

            if (between && get(cache, key_of(at_str("hot"))) != 1) {
                break;
            }
        }

        is_int(get(cache, key_of(at_str("hot"))) == 1, between,
               between ? "an entry that is in use outlives 1,000 other entries"
                       : "an entry that is not in use is evicted");
        at_cache_free(cache);
    }
}


/* --- entries that a request holds ---------------------------------------- */


static void
test_references(void)
{
    char                  text[1100];
    unsigned              i;
    const at_identity_t  *one, *two;
    at_cache_t           *cache = create(AT_CACHE_SIZE_MIN);
    at_cache_key_t        key = key_of(at_str(SECRET));

    put(cache, key, 1);

    one = at_cache_get(cache, &key, &epoch, NOW);
    two = at_cache_get(cache, &key, &epoch, NOW);

    if (!ok(one != NULL && two != NULL, "two requests hold one entry")) {
        at_cache_free(cache);
        return;
    }

    for (i = 0; i < 1000; i++) {
        put(cache, key_number(text, i, sizeof(text)), 2);
    }

    is_int(get(cache, key), 1, "an entry that a request holds is not evicted");
    is_int(has(cache, key, &epoch, LATER), 0, "it expires");
    ok(!adds_up(cache), "it counts until it is released");
    is_bytes(one->user, at_str("user-1"), "its holders still see it");

    at_cache_release(one);
    is_bytes(two->user, at_str("user-1"),
             "also after one of them released it");

    at_cache_free(cache);
    is_bytes(two->user, at_str("user-1"), "also after the cache was freed");
    ok(at_scopes_have(&two->rights.scopes, at_str("write")),
       "with its scopes");

    at_cache_release(two);
    is_int(heap.live, 0, "the last release frees all memory");
}


/* fills the cache with entries that are in use; returns their number */
static unsigned
hold_all(at_cache_t *cache, const at_identity_t *held[HELD])
{
    char            text[32];
    unsigned        n;
    at_cache_key_t  key;

    for (n = 0; n < HELD; n++) {
        key = key_number(text, n, sizeof(text));
        put(cache, key, n);
        held[n] = at_cache_get(cache, &key, &epoch, NOW);

        if (held[n] == NULL) {
            break;
        }
    }

    return n;
}


static void
test_all_in_use(void)
{
    char                  text[32];
    unsigned              i, n, wrong = 0;
    at_cache_t           *cache = create(AT_CACHE_SIZE_MIN);
    const at_identity_t  *held[HELD];

    n = hold_all(cache, held);
    ok(n > 50 && n < HELD, "no entry is stored while %u are in use", n);

    for (i = 0; i < n; i++) {
        (void) snprintf(text, sizeof(text), "user-%u", i);
        wrong += !at_str_equal(held[i]->user, str(text));
    }

    is_int(wrong, 0, "the entries in use are unchanged");
    ok(adds_up(cache), "the counters are right");

    at_cache_release(held[0]);
    put(cache, key_of(at_str("another")), 7);
    is_int(get(cache, key_of(at_str("another"))), 7,
           "after a release there is room");

    for (i = 1; i < n; i++) {
        at_cache_release(held[i]);
    }

    at_cache_free(cache);
}


/* expired entries, all but one held by requests, fill the cache */
static void
test_none_left_to_evict(void)
{
    char                  text[2048];
    unsigned              i, n;
    at_cache_t           *cache = create(AT_CACHE_SIZE_MIN);
    at_cache_key_t        key;
    const at_identity_t  *held[HELD];

    n = hold_all(cache, held);
    at_cache_release(held[0]);

    for (i = 1; i < n; i++) {
        (void) has(cache, key_number(text, i, 32), &epoch, LATER);
    }

    is_int(at_cache_stats(cache)->entries, 1, "one entry is left");

    key = key_number(text, n, sizeof(text));
    put(cache, key, n);

    is_int(has(cache, key, &epoch, NOW), 0,
           "no entry is stored if the eviction of all others leaves no room");

    for (i = 1; i < n; i++) {
        at_cache_release(held[i]);
    }

    ok(adds_up(cache), "the counters are right after all were released");
    put(cache, key, n);
    is_int(get(cache, key), n, "then there is room");

    at_cache_free(cache);
}


/* --- freed memory -------------------------------------------------------- */


static at_cache_key_t
secret_key(char text[64], unsigned i)
{
    (void) snprintf(text, 64, "%04u." SECRET, i);

    return key_of(str(text));
}


static void
test_overwritten(void)
{
    char                  text[64], *block;
    unsigned              i;
    at_cache_t           *cache;
    at_cache_key_t        key;
    const at_identity_t  *identity;

    block = heap_malloc(64);
    (void) snprintf(block, 64, "%s", SECRET);
    heap_free(block);
    is_int(heap.dirty, 1, "the test sees a secret in a freed block");

    heap.dirty = 0;
    cache = create(AT_CACHE_SIZE_MIN);

    for (i = 0; i < 2000; i++) {
        put(cache, secret_key(text, i), i);
    }

    ok(at_cache_stats(cache)->evictions > 1000, "most entries were evicted");
    is_int(heap.dirty, 0, "an evicted credential is overwritten");

    put(cache, secret_key(text, 1999), 1);
    is_int(heap.dirty, 0, "a replaced credential is overwritten");

    (void) has(cache, secret_key(text, 1999), &epoch, LATER);
    is_int(heap.dirty, 0, "an expired credential is overwritten");

    key = secret_key(text, 1);
    put(cache, key, 1);
    identity = at_cache_get(cache, &key, &epoch, NOW);
    at_cache_free(cache);
    is_int(heap.dirty, 0, "all credentials of a freed cache are overwritten");

    at_cache_release(identity);
    is_int(heap.dirty, 0, "a credential that is released later, too");
}


/* --- allocation failures ------------------------------------------------- */


static void
test_allocation_fails(void)
{
    unsigned         fail;
    at_cache_t      *cache;
    at_cache_key_t   key = key_of(at_str("a.b.c"));

    for (fail = 1; fail <= 2; fail++) {
        heap.n = 0;
        heap.fail = fail;
        ok(at_cache_create(MIB) == NULL,
           "no cache if allocation %u fails", fail);
    }

    heap.fail = 0;

    random_fails = 1;
    ok(at_cache_create(MIB) == NULL, "no cache without random bytes");
    random_fails = 0;

    cache = create(MIB);
    heap.n = 0;
    heap.fail = 1;
    put(cache, key, 1);
    heap.fail = 0;

    is_int(get(cache, key), -1, "no entry if its allocation fails");
    ok(adds_up(cache), "the counters are right");

    put(cache, key, 1);
    is_int(get(cache, key), 1, "the next attempt succeeds");

    at_cache_free(cache);
    at_cache_free(NULL);
}


int
main(void)
{
    test_memory("tokens of one size", 40000, 800, 800);
    test_memory("tokens of 300 to 4,000 bytes", 200000, 300, 4000);
    test_memory("API tokens", 60000, 40, 60);

    RUN(test_hit, test_replaced, test_time, test_epoch, test_key,
        test_collisions, test_secret);
    test_bytes(AT_CACHE_SIZE_MIN);
    test_bytes(MIB);
    RUN(test_overhead, test_large, test_second_chance, test_references,
        test_all_in_use, test_none_left_to_evict, test_overwritten,
        test_allocation_fails);

    is_int(heap.live, 0, "all memory was freed");
    is_int(heap.underestimated, 0, "no block is larger than the cache counts");

    return tap_done();
}
