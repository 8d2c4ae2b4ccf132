/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * A table of the store whose keys are digests: under the first bytes of its key
 * each record is in a bucket with some others, or under its whole key if that
 * bucket is full.
 *
 * A snapshot that is read again and again has a directory, of where it has found
 * the buckets so far: no walk down a tree leads to them any more.
 */

#ifndef AT_STORE_DIGEST_H
#define AT_STORE_DIGEST_H

#include <stdint.h>

#include "core/store/at_bucket.h"
#include "core/store/at_store.h"
#include "core/base/at_str.h"


struct MDB_txn;

typedef struct {
    unsigned      dbi;          /* LMDB's handle */
    uint32_t     *directory;    /* of all buckets; NULL until it is needed */
    uint64_t      origin;       /* the address that it counts from, or 0 */
    unsigned      known:1;      /* something is in it */
    at_bytes_t    copy;         /* of a bucket that is written */
    at_bytes_t    next;         /* with one entry more */
} at_digest_table_t;


/*
 * With LMDB's return codes: MDB_NOTFOUND, MDB_CORRUPTED for what is no bucket,
 * ENOMEM; for a key that is no digest MDB_NOTFOUND, or MDB_BAD_VALSIZE where it is
 * to be written.  A value is a view, until the transaction ends or changes
 * anything; so what is written must not be one; it is left as it is where there is
 * none.  known: look into the directory, and add to it; the transaction is that of
 * the snapshot.
 */
int at_digest_get(at_digest_table_t *table, struct MDB_txn *txn, int known,
    at_str_t key, at_str_t *value);
int at_digest_put(at_digest_table_t *table, struct MDB_txn *txn,
    at_str_t key, at_str_t value);
int at_digest_delete(at_digest_table_t *table, struct MDB_txn *txn,
    at_str_t key);

/* as many puts, of keys that ascend: each bucket of them is written once */
int at_digest_put_many(at_digest_table_t *table, struct MDB_txn *txn,
    const at_store_item_t *items, size_t n);

/* by buckets, and by keys in a bucket; until handler returns not 0: in *result */
int at_digest_foreach(at_digest_table_t *table, struct MDB_txn *txn,
    int (*handler)(void *data, at_str_t key, at_str_t value), void *data,
    int *result);

/* the snapshot has ended */
void at_digest_reset_directory(at_digest_table_t *table);
void at_digest_free(at_digest_table_t *table);


#endif
