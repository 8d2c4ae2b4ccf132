/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "core/authz/at_cache.h"
#include "core/base/at_crypto.h"


/* cache bytes per hash bucket: about the size of the entry of an API token */
#define AT_CACHE_BYTES_PER_BUCKET  512

#define AT_CACHE_SECRET_LEN  192        /* XXH3 requires 136 or more */

/* unit tests reduce the hash to a few bits to produce collisions */
#ifndef AT_CACHE_HASH_MASK
#define AT_CACHE_HASH_MASK  UINT64_MAX
#endif


typedef struct at_entry_s  at_entry_t;
typedef struct at_link_s   at_link_t;

/* a member of the queue for eviction, a ring that includes its head */
struct at_link_s {
    at_link_t  *newer;          /* of the head: the oldest entry */
    at_link_t  *older;          /* of the head: the newest entry */
};

/* a block of memory: the identity, the data that it refers to, the text */
struct at_entry_s {
    at_link_t          link;            /* must be the first member */
    at_entry_t        *next;            /* in the same bucket */
    at_cache_t        *cache;
    uint64_t           hash;
    at_cache_epoch_t   epoch;
    int64_t            verified;        /* milliseconds since the epoch */
    const void        *trust;
    size_t             size;            /* bytes that were requested */
    unsigned           kind;
    unsigned           users;           /* identities not yet released */
    unsigned           cached:1;        /* in the hash table and the queue */
    unsigned           hit:1;           /* since it was last the oldest */
    at_str_t           text;
    at_identity_t      identity;
};

struct at_cache_s {
    size_t             size;
    size_t             n_blocks;        /* entries, removed ones that are not
                                           yet released included */
    size_t             n_buckets;       /* a power of two */
    at_entry_t       **buckets;
    at_link_t          queue;
    unsigned           closed:1;
    at_cache_stats_t   stats;
    unsigned char      secret[AT_CACHE_SECRET_LEN];
};


at_cache_t *
at_cache_create(size_t size)
{
    at_cache_t  *cache;

    cache = calloc(1, sizeof(at_cache_t));

    if (cache == NULL) {
        return NULL;
    }

    cache->size = size;
    cache->queue = (at_link_t) { &cache->queue, &cache->queue };
    cache->n_buckets = 1;

    while (cache->n_buckets * 2 * AT_CACHE_BYTES_PER_BUCKET <= size) {
        cache->n_buckets *= 2;
    }

    cache->buckets = calloc(cache->n_buckets, sizeof(at_entry_t *));

    if (cache->buckets == NULL
        || at_random(cache->secret, AT_CACHE_SECRET_LEN) != 0)
    {
        free(cache->buckets);
        free(cache);
        return NULL;
    }

    cache->stats.bytes = sizeof(at_cache_t)
                         + cache->n_buckets * sizeof(at_entry_t *);

    return cache;
}


/*
 * Upper bound of the memory that malloc() takes for a block: its header, the
 * alignment, and a remainder that is too small to split; for a large block
 * also the rest of a page, because malloc() may map it separately.
 */
static size_t
at_block_size(size_t size)
{
    return size + 40 + (size < 64 * 1024 ? 0 : 4096);
}


static void
at_entry_free_unused(at_entry_t *entry)
{
    at_cache_t  *cache;

    if (entry->cached || entry->users) {
        return;
    }

    cache = entry->cache;
    cache->stats.bytes -= at_block_size(entry->size);

    at_crypto_cleanse(entry, entry->size);
    free(entry);

    if (--cache->n_blocks == 0 && cache->closed) {
        free(cache);
    }
}


static void
at_queue_append(at_link_t *head, at_link_t *link)
{
    *link = (at_link_t) { head, head->older };
    head->older->newer = link;
    head->older = link;
}


static void
at_queue_remove(at_link_t *link)
{
    link->newer->older = link->older;
    link->older->newer = link->newer;
}


static at_entry_t **
at_cache_bucket(const at_cache_t *cache, uint64_t hash)
{
    return &cache->buckets[hash & (cache->n_buckets - 1)];
}


static void
at_cache_remove(at_cache_t *cache, at_entry_t *entry)
{
    at_entry_t  **link;

    link = at_cache_bucket(cache, entry->hash);

    while (*link != entry) {
        link = &(*link)->next;
    }

    *link = entry->next;
    at_queue_remove(&entry->link);

    entry->cached = 0;
    cache->stats.entries--;
    at_entry_free_unused(entry);
}


void
at_cache_free(at_cache_t *cache)
{
    if (cache == NULL) {
        return;
    }

    cache->n_blocks++;          /* at_entry_free_unused() keeps the cache */

    while (cache->queue.newer != &cache->queue) {
        at_cache_remove(cache, (at_entry_t *) cache->queue.newer);
    }

    free(cache->buckets);
    at_crypto_cleanse(cache->secret, AT_CACHE_SECRET_LEN);
    cache->closed = 1;

    if (--cache->n_blocks == 0) {
        free(cache);
    }
}


const at_cache_stats_t *
at_cache_stats(const at_cache_t *cache)
{
    return &cache->stats;
}


static uint64_t
at_cache_hash(const at_cache_t *cache, const at_cache_key_t *key)
{
    return XXH3_64bits_withSecret(key->text.data, key->text.len,
                                  cache->secret, AT_CACHE_SECRET_LEN)
           & AT_CACHE_HASH_MASK;
}


static at_entry_t *
at_cache_find(const at_cache_t *cache, const at_cache_key_t *key,
    uint64_t hash)
{
    at_entry_t  *entry;

    for (entry = *at_cache_bucket(cache, hash); entry; entry = entry->next) {

        if (entry->hash == hash && entry->kind == key->kind
            && entry->trust == key->trust
            && at_str_equal(entry->text, key->text))
        {
            return entry;
        }
    }

    return NULL;
}


const at_identity_t *
at_cache_get(at_cache_t *cache, const at_cache_key_t *key,
    const at_cache_epoch_t *epoch, int64_t now)
{
    at_entry_t  *entry;

    entry = at_cache_find(cache, key, at_cache_hash(cache, key));

    if (entry != NULL
        && (now < entry->verified || now >= entry->identity.expires
            || (entry->epoch.keys && entry->epoch.keys != epoch->keys)
            || (entry->epoch.store && entry->epoch.store != epoch->store)))
    {
        at_cache_remove(cache, entry);
        entry = NULL;
    }

    if (entry == NULL) {
        cache->stats.misses++;
        return NULL;
    }

    cache->stats.hits++;

    entry->hit = 1;
    entry->users++;

    return &entry->identity;
}


void
at_cache_release(const at_identity_t *identity)
{
    char        *p;
    at_entry_t  *entry;

    p = (char *) (uintptr_t) identity - offsetof(at_entry_t, identity);
    entry = (at_entry_t *) (void *) p;

    entry->users--;
    at_entry_free_unused(entry);
}


/*
 * Evicts the oldest entries until size bytes fit.  An entry that was hit gets
 * a second chance as the newest entry.  So does an entry in use, because its
 * removal would free no memory yet.  Returns -1 if only such entries remain.
 */
static int
at_cache_make_room(at_cache_t *cache, size_t size)
{
    uint64_t     attempts;
    at_entry_t  *entry;

    for (attempts = 2 * cache->stats.entries;
         cache->stats.bytes + size > cache->size;
         attempts--)
    {
        if (attempts == 0 || cache->stats.entries == 0) {
            return -1;
        }

        entry = (at_entry_t *) cache->queue.newer;

        if (entry->hit || entry->users) {
            entry->hit = 0;
            at_queue_remove(&entry->link);
            at_queue_append(&cache->queue, &entry->link);

        } else {
            at_cache_remove(cache, entry);
            cache->stats.evictions++;
        }
    }

    return 0;
}


static void
at_cache_link(at_cache_t *cache, at_entry_t *entry)
{
    at_entry_t  **bucket;

    bucket = at_cache_bucket(cache, entry->hash);
    entry->next = *bucket;
    *bucket = entry;
    at_queue_append(&cache->queue, &entry->link);

    cache->n_blocks++;
    cache->stats.entries++;
    cache->stats.bytes += at_block_size(entry->size);
}


void
at_cache_put(at_cache_t *cache, const at_cache_key_t *key,
    const at_identity_t *identity, const at_cache_epoch_t *epoch, int64_t now)
{
    char         *text;
    size_t        size, identity_size;
    uint64_t      hash;
    at_entry_t   *entry;

    hash = at_cache_hash(cache, key);
    entry = at_cache_find(cache, key, hash);

    if (entry != NULL) {
        at_cache_remove(cache, entry);
    }

    identity_size = at_identity_size(identity);
    size = offsetof(at_entry_t, identity) + identity_size + key->text.len;

    if (at_block_size(size) > cache->size / 16
        || at_cache_make_room(cache, at_block_size(size)) != 0)
    {
        return;
    }

    entry = malloc(size);

    if (entry == NULL) {
        return;
    }

    if (at_identity_copy(&entry->identity, identity_size, identity) == NULL) {
        free(entry);
        return;
    }

    text = (char *) &entry->identity + identity_size;
    memcpy(text, key->text.data, key->text.len);

    entry->cache = cache;
    entry->hash = hash;
    entry->epoch = *epoch;
    entry->verified = now;
    entry->trust = key->trust;
    entry->size = size;
    entry->kind = key->kind;
    entry->users = 0;
    entry->cached = 1;
    entry->hit = 0;
    entry->text = (at_str_t) { text, key->text.len };

    at_cache_link(cache, entry);
}
