/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <malloc.h>
#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "at_cache.h"
#include "at_crypto.h"


#define AT_CACHE_WAYS      8

/*
 * Of the size, for each way of the table: an entry of an API token takes that.
 * Larger ones leave ways free, which is what spares them an eviction by a set
 * that is full.
 */
#define AT_CACHE_EXPECTED  512

/* what malloc() keeps beside a block */
#define AT_CACHE_MALLOC    16

#define AT_CACHE_SECRET    192          /* bytes that XXH3 takes */

#define AT_CACHE_SEEN      (1 << 16)    /* bits; cleared when half are set */

/* a test takes a few bits of it, to see texts of one hash */
#ifndef AT_CACHE_HASH_MASK
#define AT_CACHE_HASH_MASK UINT64_MAX
#endif


/* the identity and the text lie behind it, in the same block */
typedef struct {
    at_cache_epoch_t   epoch;
    int64_t            verified;        /* milliseconds since the epoch */
    const void        *trust;
    size_t             size;            /* of the block, as it was asked for */
    size_t             cost;            /* what it takes of the cache */
    unsigned           kind;
    unsigned           references;      /* the cache's own is one */
    unsigned           used;            /* since the hand came by */
    uint32_t           text_len;
    char              *text;
    at_identity_t      identity;
} at_entry_t;

typedef struct {
    uint64_t           hash;
    at_entry_t        *entry;           /* NULL: free */
} at_way_t;

struct at_cache_s {
    size_t             size;
    size_t             n_sets;          /* a power of two */
    size_t             hand;            /* the next way to look at for room */
    at_cache_stats_t   stats;
    size_t             n_seen;
    uint64_t           seen[AT_CACHE_SEEN / 64];
    unsigned char      secret[AT_CACHE_SECRET];
    at_way_t           ways[];
};


/* --- the cache ----------------------------------------------------------- */


at_cache_t *
at_cache_create(size_t size)
{
    size_t       n_sets, table;
    at_cache_t  *cache;

    for (n_sets = 1;
         n_sets * 2 * AT_CACHE_WAYS * AT_CACHE_EXPECTED <= size;
         n_sets *= 2)
    { /* void */ }

    table = sizeof(at_cache_t) + n_sets * AT_CACHE_WAYS * sizeof(at_way_t);
    cache = calloc(1, table);

    if (cache == NULL || at_random(cache->secret, AT_CACHE_SECRET) != 0) {
        free(cache);
        return NULL;
    }

    /* what malloc() cannot use between blocks of many sizes */
    cache->size = size - size / 16;
    cache->n_sets = n_sets;
    cache->stats.bytes = table;

    return cache;
}


/* the last one who has it overwrites it: it holds a credential */
static void
at_entry_release(at_entry_t *entry)
{
    if (--entry->references) {
        return;
    }

    at_cidr_set_free(entry->identity.range_set);
    at_crypto_cleanse(entry, entry->size);
    free(entry);
}


static void
at_cache_remove(at_cache_t *cache, at_way_t *way)
{
    cache->stats.bytes -= way->entry->cost;
    cache->stats.entries--;

    at_entry_release(way->entry);
    way->entry = NULL;
}


void
at_cache_free(at_cache_t *cache)
{
    size_t  i;

    if (cache == NULL) {
        return;
    }

    for (i = 0; i < cache->n_sets * AT_CACHE_WAYS; i++) {
        if (cache->ways[i].entry != NULL) {
            at_cache_remove(cache, &cache->ways[i]);
        }
    }

    at_crypto_cleanse(cache->secret, AT_CACHE_SECRET);
    free(cache);
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
                                  cache->secret, AT_CACHE_SECRET)
           & AT_CACHE_HASH_MASK;
}


static at_way_t *
at_cache_set(at_cache_t *cache, uint64_t hash)
{
    return &cache->ways[(hash & (cache->n_sets - 1)) * AT_CACHE_WAYS];
}


/* a hash that is equal says nothing: the whole text does */
static int
at_entry_is(const at_entry_t *entry, const at_cache_key_t *key)
{
    return entry->kind == key->kind && entry->trust == key->trust
           && entry->text_len == key->text.len
           && memcmp(entry->text, key->text.data, key->text.len) == 0;
}


static int
at_entry_holds(const at_entry_t *entry, const at_cache_epoch_t *epoch,
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

    set = at_cache_set(cache, hash);

    for (i = 0; i < AT_CACHE_WAYS; i++) {
        if (set[i].hash == hash && set[i].entry != NULL
            && at_entry_is(set[i].entry, key))
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

    if (way != NULL && !at_entry_holds(way->entry, epoch, now)) {
        at_cache_remove(cache, way);
        way = NULL;
    }

    if (way == NULL) {
        cache->stats.misses++;
        return NULL;
    }

    cache->stats.hits++;

    entry = way->entry;
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


static at_entry_t *
at_entry_create(const at_cache_key_t *key, const at_identity_t *identity,
    const at_cache_epoch_t *epoch, int64_t now)
{
    size_t       size, identity_size;
    at_entry_t  *entry;

    identity_size = at_identity_size(identity);
    size = offsetof(at_entry_t, identity) + identity_size + key->text.len;
    entry = malloc(size);

    if (entry == NULL) {
        return NULL;
    }

    if (at_identity_copy(&entry->identity, identity_size, identity) == NULL) {
        at_crypto_cleanse(entry, size);
        free(entry);
        return NULL;
    }

    entry->epoch = *epoch;
    entry->verified = now;
    entry->trust = key->trust;
    entry->kind = key->kind;
    entry->references = 1;
    entry->used = 0;
    entry->text = (char *) &entry->identity + identity_size;
    entry->text_len = (uint32_t) key->text.len;
    memcpy(entry->text, key->text.data, key->text.len);

    entry->size = size;
    entry->cost = malloc_usable_size(entry) + AT_CACHE_MALLOC;

    if (entry->identity.range_set != NULL) {
        entry->cost += at_cidr_set_size(entry->identity.range_set)
                       + AT_CACHE_MALLOC;
    }

    return entry;
}


static void
at_cache_evict(at_cache_t *cache, at_way_t *way)
{
    at_cache_remove(cache, way);
    cache->stats.evictions++;
}


/*
 * The hand goes round all ways, and takes what was not used since it came by
 * last.  After two rounds nothing is left that it has not taken.
 */
static void
at_cache_make_room(at_cache_t *cache, size_t cost)
{
    size_t     n;
    at_way_t  *way;

    n = cache->n_sets * AT_CACHE_WAYS;

    while (cache->stats.entries && cache->stats.bytes + cost > cache->size) {

        way = &cache->ways[cache->hand];
        cache->hand = (cache->hand + 1) % n;

        if (way->entry == NULL) {
            continue;
        }

        if (way->entry->used) {
            way->entry->used = 0;
            continue;
        }

        at_cache_evict(cache, way);
    }
}


/* a free way of the set, else that of the one that was verified first of the unused */
static at_way_t *
at_cache_take_way(at_cache_t *cache, uint64_t hash)
{
    unsigned   i;
    at_way_t  *set, *oldest;

    set = at_cache_set(cache, hash);
    oldest = NULL;

    for (i = 0; i < AT_CACHE_WAYS; i++) {

        if (set[i].entry == NULL) {
            return &set[i];
        }

        if (oldest == NULL
            || set[i].entry->used < oldest->entry->used
            || (set[i].entry->used == oldest->entry->used
                && set[i].entry->verified < oldest->entry->verified))
        {
            oldest = &set[i];
        }
    }

    for (i = 0; i < AT_CACHE_WAYS; i++) {
        set[i].entry->used = 0;
    }

    at_cache_evict(cache, oldest);

    return oldest;
}


/*
 * Whether it came by lately, as far as some bits of its hash tell: one of many
 * that come once must not drive out those that come again.
 */
static int
at_cache_has_seen(at_cache_t *cache, uint64_t hash)
{
    uint64_t  bit, *word;

    hash >>= 32;
    word = &cache->seen[hash / 64 % (AT_CACHE_SEEN / 64)];
    bit = (uint64_t) 1 << hash % 64;

    if (*word & bit) {
        return 1;
    }

    if (cache->n_seen == AT_CACHE_SEEN / 2) {
        memset(cache->seen, 0, sizeof(cache->seen));
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
        && !at_cache_has_seen(cache, hash))
    {
        return;
    }

    entry = at_entry_create(key, identity, epoch, now);

    if (entry == NULL) {
        return;
    }

    if (entry->cost > cache->size / 16) {
        at_entry_release(entry);
        return;
    }

    way = at_cache_find(cache, key, hash);

    if (way != NULL) {
        at_cache_remove(cache, way);
    }

    at_cache_make_room(cache, entry->cost);

    way = at_cache_take_way(cache, hash);
    way->hash = hash;
    way->entry = entry;

    cache->stats.bytes += entry->cost;
    cache->stats.entries++;
}
