/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "core/base/at_align.h"
#include "core/authz/at_arena.h"
#include "core/authz/at_cache.h"
#include "core/base/at_crypto.h"


#define AT_CACHE_WAYS      8

/*
 * Of the size, for each way of the table: an entry of an API token takes twice
 * that.  Ways that stay free are what spares one an eviction by a set that is
 * full.
 */
#define AT_CACHE_BYTES_PER_WAY  256

#define AT_CACHE_SECRET_LEN  192  /* bytes that XXH3 takes */

/*
 * Bits for what came by lately, for each way, and the part of them that is set
 * before they are cleared: of what comes for the first time it is half that part,
 * on average, which is taken for something that comes again.
 */
#define AT_CACHE_DOORKEEPER_BITS  8
#define AT_CACHE_DOORKEEPER_RESET 32

/* a test takes a few bits of it, to see texts of one hash */
#ifndef AT_CACHE_HASH_MASK
#define AT_CACHE_HASH_MASK UINT64_MAX
#endif


/* a block of the arena: the identity, what it points to, and the text behind it */
typedef struct {
    at_cache_t        *cache;
    uint64_t           hash;
    at_cache_epoch_t   epoch;
    int64_t            verified;        /* milliseconds since the epoch */
    const void        *trust;
    size_t             size;            /* of the block, as it was asked for */
    unsigned           kind;
    unsigned           references;      /* the table's own is one */
    unsigned           kept:1;          /* it is in the table */
    unsigned           used:1;          /* since the hand came by */
    uint32_t           text_len;
    char              *text;
    at_identity_t      identity;
} at_entry_t;

/* small, so that a set of eight is one line of the processor's cache */
typedef struct {
    uint32_t           tag;             /* the upper half of the hash */
    uint32_t           place;           /* of the entry behind the cache, in units
                                           of AT_ARENA_ALIGN; 0: free */
} at_way_t;

#define AT_CPU_CACHE_LINE  64

/* the first block of its arena, and the only one that stays */
struct at_cache_s {
    at_arena_t       *arena;
    size_t            size;
    size_t            n_sets;           /* a power of two */
    size_t            n_blocks;      /* entries, those that are only out too */
    unsigned          closed:1;
    at_cache_stats_t  stats;
    unsigned char     secret[AT_CACHE_SECRET_LEN];
    at_way_t         *ways;             /* behind it, where a line begins */
    uint64_t         *seen;             /* behind these */
    size_t            n_seen;           /* bits of it that are set */
};


/* --- the cache ----------------------------------------------------------- */


at_cache_t *
at_cache_create(size_t size)
{
    size_t       n_sets, n_ways, table;
    at_arena_t  *arena;
    at_cache_t  *cache;

    for (n_sets = 1;
         n_sets * 2 * AT_CACHE_WAYS * AT_CACHE_BYTES_PER_WAY <= size;
         n_sets *= 2)
    { /* void */ }

    n_ways = n_sets * AT_CACHE_WAYS;
    table = sizeof(at_cache_t) + AT_CPU_CACHE_LINE + n_ways * sizeof(at_way_t)
            + n_ways * AT_CACHE_DOORKEEPER_BITS / 8;
    arena = at_arena_create(size);

    if (arena == NULL) {
        return NULL;
    }

    /* new memory of the kernel's: all zeroes, and no block that would have to go */
    cache = at_arena_alloc(arena, table, NULL, NULL, NULL);

    if (cache == NULL || at_random(cache->secret, AT_CACHE_SECRET_LEN) != 0) {
        at_arena_destroy(arena);
        return NULL;
    }

    cache->arena = arena;
    cache->size = size;
    cache->n_sets = n_sets;
    cache->ways = at_align(cache + 1, AT_CPU_CACHE_LINE);
    cache->seen = (uint64_t *) (void *) (cache->ways + n_ways);
    cache->stats.bytes = at_arena_block_size(cache);

    return cache;
}


/* the last one who has it overwrites it: it holds a credential */
static void
at_entry_release(at_entry_t *entry)
{
    at_cache_t  *cache;

    if (--entry->references) {
        return;
    }

    cache = entry->cache;

    at_crypto_cleanse(entry, entry->size);
    at_arena_free(entry);

    if (--cache->n_blocks == 0 && cache->closed) {
        at_arena_destroy(cache->arena);
    }
}


static uint32_t
at_entry_offset(const at_entry_t *entry)
{
    return (uint32_t) ((size_t) ((const char *) entry
                                 - (const char *) entry->cache)
                       / AT_ARENA_ALIGN);
}


/* NULL for a way that is free */
static at_entry_t *
at_cache_way_entry(at_cache_t *cache, const at_way_t *way)
{
    char  *p;

    p = (char *) cache + (size_t) way->place * AT_ARENA_ALIGN;

    return way->place ? (at_entry_t *) (void *) p : NULL;
}


static void
at_cache_remove(at_cache_t *cache, at_way_t *way)
{
    at_entry_t  *entry;

    entry = at_cache_way_entry(cache, way);
    way->place = 0;

    cache->stats.bytes -= at_arena_block_size(entry);
    cache->stats.entries--;

    entry->kept = 0;
    at_entry_release(entry);
}


void
at_cache_free(at_cache_t *cache)
{
    size_t  i;

    if (cache == NULL) {
        return;
    }

    for (i = 0; i < cache->n_sets * AT_CACHE_WAYS; i++) {
        if (cache->ways[i].place != 0) {
            at_cache_remove(cache, &cache->ways[i]);
        }
    }

    at_crypto_cleanse(cache->secret, AT_CACHE_SECRET_LEN);
    cache->closed = 1;

    if (cache->n_blocks == 0) {
        at_arena_destroy(cache->arena);
    }
}


const at_cache_stats_t *
at_cache_stats(const at_cache_t *cache)
{
    return &cache->stats;
}


/* --- finding ------------------------------------------------------------- */


static uint64_t
at_cache_hash(const at_cache_t *cache, const at_cache_key_t *key)
{
    return XXH3_64bits_withSecret(key->text.data, key->text.len,
                                  cache->secret, AT_CACHE_SECRET_LEN)
           & AT_CACHE_HASH_MASK;
}


static at_way_t *
at_cache_find_set(at_cache_t *cache, uint64_t hash)
{
    return &cache->ways[(hash & (cache->n_sets - 1)) * AT_CACHE_WAYS];
}


/* a hash that is equal says nothing: the whole text does */
static int
at_entry_matches(const at_entry_t *entry, const at_cache_key_t *key)
{
    return entry->kind == key->kind && entry->trust == key->trust
           && entry->text_len == key->text.len
           && memcmp(entry->text, key->text.data, key->text.len) == 0;
}


static int
at_entry_is_valid(const at_entry_t *entry, const at_cache_epoch_t *epoch,
    int64_t now)
{
    return now >= entry->verified && now < entry->identity.expires
           && (entry->epoch.keys == 0 || entry->epoch.keys == epoch->keys)
           && (entry->epoch.store == 0 || entry->epoch.store == epoch->store);
}


static at_way_t *
at_cache_find(at_cache_t *cache, const at_cache_key_t *key, uint64_t hash)
{
    unsigned   i;
    at_way_t  *set;

    set = at_cache_find_set(cache, hash);

    for (i = 0; i < AT_CACHE_WAYS; i++) {
        if (set[i].tag == (uint32_t) (hash >> 32) && set[i].place != 0
            && at_entry_matches(at_cache_way_entry(cache, &set[i]), key))
        {
            return &set[i];
        }
    }

    return NULL;
}


const at_identity_t *
at_cache_get(at_cache_t *cache, const at_cache_key_t *key,
    const at_cache_epoch_t *epoch, int64_t now)
{
    at_way_t    *way;
    at_entry_t  *entry;

    way = at_cache_find(cache, key, at_cache_hash(cache, key));

    entry = way != NULL ? at_cache_way_entry(cache, way) : NULL;

    if (entry != NULL && !at_entry_is_valid(entry, epoch, now)) {
        at_cache_remove(cache, way);
        entry = NULL;
    }

    if (entry == NULL) {
        cache->stats.misses++;
        return NULL;
    }

    cache->stats.hits++;

    entry->used = 1;
    entry->references++;

    return &entry->identity;
}


void
at_cache_release(const at_identity_t *identity)
{
    char  *p;

    p = (char *) (uintptr_t) identity - offsetof(at_entry_t, identity);
    at_entry_release((at_entry_t *) (void *) p);
}


/* --- keeping ------------------------------------------------------------- */


static void
at_cache_evict(at_cache_t *cache, at_way_t *way)
{
    at_cache_remove(cache, way);
    cache->stats.evictions++;
}


/* what was used since the hand came by stays until it comes by again */
static int
at_cache_is_evictable(void *data, void *block)
{
    at_entry_t  *entry;

    if (block == data) {
        return 0;
    }

    entry = block;

    if (!entry->kept || entry->references > 1) {
        return 0;
    }

    if (entry->used) {
        entry->used = 0;
        return 0;
    }

    return 1;
}


static void
at_cache_evict_block(void *data, void *block)
{
    unsigned     i;
    uint32_t     place;
    at_way_t    *set;
    at_cache_t  *cache;

    cache = data;
    place = at_entry_offset(block);
    set = at_cache_find_set(cache, ((at_entry_t *) block)->hash);

    for (i = 0; i < AT_CACHE_WAYS; i++) {
        if (set[i].place == place) {
            at_cache_evict(cache, &set[i]);
            return;
        }
    }
}


static at_entry_t *
at_cache_create_entry(at_cache_t *cache, const at_cache_key_t *key,
    const at_identity_t *identity)
{
    size_t       size, identity_size;
    at_entry_t  *entry;

    identity_size = at_identity_size(identity);
    size = offsetof(at_entry_t, identity) + identity_size + key->text.len;

    if (size > cache->size / 16) {
        return NULL;
    }

    entry = at_arena_alloc(cache->arena, size, at_cache_is_evictable, at_cache_evict_block,
                           cache);
    if (entry == NULL) {
        return NULL;
    }

    cache->n_blocks++;

    entry->cache = cache;
    entry->size = size;
    entry->references = 1;
    entry->kept = 0;
    entry->used = 0;

    if (at_identity_copy(&entry->identity, identity_size, identity) == NULL) {
        at_entry_release(entry);
        return NULL;
    }

    entry->trust = key->trust;
    entry->kind = key->kind;
    entry->text = (char *) &entry->identity + identity_size;
    entry->text_len = (uint32_t) key->text.len;
    memcpy(entry->text, key->text.data, key->text.len);

    return entry;
}


/* a free way of the set, else that of the unused one that was verified first */
static at_way_t *
at_cache_take_way(at_cache_t *cache, uint64_t hash)
{
    unsigned     i;
    at_way_t    *set, *way;
    at_entry_t  *entry, *oldest;

    set = at_cache_find_set(cache, hash);
    way = NULL;
    oldest = NULL;

    for (i = 0; i < AT_CACHE_WAYS; i++) {
        entry = at_cache_way_entry(cache, &set[i]);

        if (entry == NULL) {
            return &set[i];
        }

        if (oldest == NULL
            || entry->used < oldest->used
            || (entry->used == oldest->used
                && entry->verified < oldest->verified))
        {
            way = &set[i];
            oldest = entry;
        }
    }

    for (i = 0; i < AT_CACHE_WAYS; i++) {
        at_cache_way_entry(cache, &set[i])->used = 0;
    }

    at_cache_evict(cache, way);

    return way;
}


/*
 * Whether it came by lately, as far as some bits of its hash tell: one of many
 * that come once must not drive out those that come again.
 */
static int
at_cache_doorkeeper_admits(at_cache_t *cache, uint64_t hash)
{
    size_t    n;
    uint64_t  bit, *word;

    n = cache->n_sets * AT_CACHE_WAYS * AT_CACHE_DOORKEEPER_BITS;
    hash >>= 32;
    word = &cache->seen[hash % n / 64];
    bit = (uint64_t) 1 << hash % 64;

    if (*word & bit) {
        return 1;
    }

    if (cache->n_seen == n / AT_CACHE_DOORKEEPER_RESET) {
        memset(cache->seen, 0, n / 8);
        cache->n_seen = 0;
    }

    *word |= bit;
    cache->n_seen++;

    return 0;
}


void
at_cache_put(at_cache_t *cache, const at_cache_key_t *key,
    const at_identity_t *identity, const at_cache_epoch_t *epoch, int64_t now)
{
    uint64_t     hash;
    at_way_t    *way;
    at_entry_t  *entry;

    hash = at_cache_hash(cache, key);

    if (key->cheap && cache->stats.evictions
        && !at_cache_doorkeeper_admits(cache, hash))
    {
        return;
    }

    entry = at_cache_create_entry(cache, key, identity);

    if (entry == NULL) {
        return;
    }

    entry->hash = hash;
    entry->epoch = *epoch;
    entry->verified = now;

    way = at_cache_find(cache, key, hash);

    if (way != NULL) {
        at_cache_remove(cache, way);
    }

    way = at_cache_take_way(cache, hash);
    way->tag = (uint32_t) (hash >> 32);
    way->place = at_entry_offset(entry);

    entry->kept = 1;
    cache->stats.bytes += at_arena_block_size(entry);
    cache->stats.entries++;
}
