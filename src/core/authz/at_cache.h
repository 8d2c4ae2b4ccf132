/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Credentials that were verified, and who they speak for: of one process, and
 * bounded in bytes.  What was refused is never kept, and neither is what an
 * identity may do.
 *
 * An entry is found by a keyed hash of the whole text in a set of eight, and
 * taken for nothing but the very same text, kind and trust: a collision costs
 * time and grants nothing.  The hash is XXH3 with random bytes of the process,
 * and an index alone.  What leaves the cache is overwritten.
 *
 * One entry is one block of memory: the text, a copy of the identity without
 * its claims, and AT_CACHE_OVERHEAD bytes at most, besides the set of a
 * record's address ranges.  All of it counts: entries and table share one
 * mapping of the size, and there is nothing else.
 */

#ifndef AT_CACHE_H
#define AT_CACHE_H

#include <stdint.h>

#include "core/authz/at_identity.h"
#include "core/base/at_str.h"


#define AT_CACHE_SIZE_MIN   (64 * 1024)
#define AT_CACHE_SIZE_MAX   ((size_t) 32 << 30)
#define AT_CACHE_OVERHEAD   400

typedef struct at_cache_s  at_cache_t;

typedef struct {
    at_str_t     text;          /* the credential, or a digest of it */
    unsigned     kind;
    const void  *trust;         /* the demands that it was verified under */
    unsigned     cheap:1;       /* to verify it costs hardly more than to keep
                                   it: once the cache is full, it is kept when
                                   it comes for the second time */
} at_cache_key_t;

/*
 * What may have changed since.  A number that differs, however, ends an entry;
 * 0 in an entry is for one that does not depend on it.
 */
typedef struct {
    uint64_t     keys;
    uint64_t     store;
} at_cache_epoch_t;

typedef struct {
    uint64_t     hits;
    uint64_t     misses;
    uint64_t     evictions;     /* for want of room: not of the ended ones */
    uint64_t     entries;
    uint64_t     bytes;         /* the table's own among them */
} at_cache_stats_t;


/*
 * size is in bytes, from AT_CACHE_SIZE_MIN to AT_CACHE_SIZE_MAX; NULL where
 * memory failed.
 */
at_cache_t *at_cache_create(size_t size);

/* identities that are out stay until they are released */
void at_cache_free(at_cache_t *cache);

/*
 * The identity of a credential that was verified not later than now, has not
 * expired, and depends on nothing that has changed; it is const, and the
 * caller's until at_cache_release().  NULL if there is none.  now is in
 * milliseconds since the epoch.
 */
const at_identity_t *at_cache_get(at_cache_t *cache, const at_cache_key_t *key,
    const at_cache_epoch_t *epoch, int64_t now);
void at_cache_release(const at_identity_t *identity);

/*
 * Keeps a copy.  epoch is what it was before the verification began.  What is
 * out is not given up for it.  Where that leaves no room, or it would take more
 * than a sixteenth of the size, nothing is kept.
 */
void at_cache_put(at_cache_t *cache, const at_cache_key_t *key,
    const at_identity_t *identity, const at_cache_epoch_t *epoch, int64_t now);

const at_cache_stats_t *at_cache_stats(const at_cache_t *cache);


#endif
