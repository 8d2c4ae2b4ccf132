/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Records whose keys are digests, a number of them in one value of the store:
 * to look for one of a million is to look into one page then, where a tree of
 * single records takes its reader through some thirty places in memory.
 *
 * A bucket is four bytes of count and four of its own length; then, for each
 * entry in the order of keys, four bytes of its key and four that say where it
 * ends; then, for each entry, the rest of its key and its value.  Numbers are
 * little-endian.  The bytes of a key by which the bucket itself is found are not
 * in it.  No bytes at all are an empty bucket.
 */

#ifndef AT_BUCKET_H
#define AT_BUCKET_H

#include "core/base/at_crypto.h"
#include "core/authz/at_record.h"
#include "core/base/at_str.h"


#define AT_BUCKET_KEY     AT_SHA256_LEN /* bytes of a key */
#define AT_BUCKET_PREFIX  2             /* those by which its bucket is found */
#define AT_BUCKETS        65536

/* more entries are kept elsewhere, as a bucket is written anew as a whole */
#define AT_BUCKET_FULL    256


/* what is said of a bucket as a whole */
typedef struct {
    size_t    n;
    unsigned  more:1;           /* there are, or were, entries elsewhere */
} at_bucket_info_t;

/* All of these return -1 for what is no bucket; else 0, where nothing is said. */

int at_bucket_info(at_bucket_info_t *info, at_str_t bucket);

/* the whole of one that is a bucket, not an empty one, by its first byte */
at_str_t at_bucket_whole(const char *data);

/* the value of a key whose prefix is the bucket's, as a view: 1; 0 if none */
int at_bucket_find(at_str_t bucket, const char *key, at_str_t *value);

/* the i-th entry: its value, and its key but for the prefix */
int at_bucket_at(at_str_t bucket, size_t i, char key[AT_BUCKET_KEY],
    at_str_t *value);

/*
 * A copy of the bucket, in the place of what is in copy, in which key has this
 * value, or for NULL none; or which says that there are more.  Where memory fails,
 * copy->failed is set.
 */
int at_bucket_set(at_bytes_t *copy, at_str_t bucket, const char *key,
    const at_str_t *value);
int at_bucket_set_more(at_bytes_t *copy, at_str_t bucket);


#endif
