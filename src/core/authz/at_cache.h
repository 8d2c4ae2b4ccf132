/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The verification cache: verified credentials and their identities, for one
 * process, limited in bytes.  Refused credentials are never stored, and
 * neither are authorization decisions.
 *
 * A lookup compares a keyed hash (XXH3 with random bytes of the process), then
 * credential, kind and trust: a hash collision costs time but grants nothing.
 * An entry is one block of memory with the credential and a copy of the
 * identity without its claims; it is overwritten before it is freed.
 */

#ifndef AT_CACHE_H
#define AT_CACHE_H

#include <stdint.h>

#include "core/authz/at_identity.h"
#include "core/base/at_str.h"


#define AT_CACHE_SIZE_MIN   (64 * 1024)
#define AT_CACHE_SIZE_MAX   ((size_t) 32 << 30)

typedef struct at_cache_s  at_cache_t;

typedef struct {
    at_str_t     text;          /* the credential, or a digest of it */
    unsigned     kind;
    const void  *trust;         /* the requirements of its verification */
} at_cache_key_t;

/*
 * An entry is invalid after either number changes.  A number that is 0 in an
 * entry is not compared: the identity does not depend on keys, or on the
 * store.
 */
typedef struct {
    uint64_t     keys;
    uint64_t     store;
} at_cache_epoch_t;

typedef struct {
    uint64_t     hits;
    uint64_t     misses;
    uint64_t     evictions;     /* to make room; not of expired entries */
    uint64_t     entries;
    uint64_t     bytes;         /* of entries, of entries that were removed but
                                   not yet released, and of the hash table */
} at_cache_stats_t;


/*
 * size is in bytes, from AT_CACHE_SIZE_MIN to AT_CACHE_SIZE_MAX: all that the
 * cache ever allocates.  Returns NULL if memory or random bytes are missing.
 */
at_cache_t *at_cache_create(size_t size);

/* Identities that at_cache_get() returned stay valid until their release. */
void at_cache_free(at_cache_t *cache);

/*
 * Returns the identity of a credential that was verified at or before now, has
 * not expired and depends on nothing that has changed; NULL if it is not
 * cached.  The caller releases it.  now is in milliseconds since the epoch.
 */
const at_identity_t *at_cache_get(at_cache_t *cache, const at_cache_key_t *key,
    const at_cache_epoch_t *epoch, int64_t now);
void at_cache_release(const at_identity_t *identity);

/*
 * Stores a copy.  epoch must have been read before the verification began.
 * Nothing is stored if the entry would take more than a sixteenth of the size,
 * or if entries that are not yet released leave no room.
 */
void at_cache_put(at_cache_t *cache, const at_cache_key_t *key,
    const at_identity_t *identity, const at_cache_epoch_t *epoch, int64_t now);

const at_cache_stats_t *at_cache_stats(const at_cache_t *cache);


#endif
