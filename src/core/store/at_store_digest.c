/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include <lmdb.h>

#include "core/store/at_store_digest.h"


/* a bucket that is known not to be there */
static const char  at_digest_no_bucket[1];

/*
 * The directory has a place for each bucket: what is known of it, or how far from
 * the origin it is, in units of which LMDB's addresses of values are multiples.
 * Half as large as addresses would be, it is the sooner in the processor's cache.
 */
#define AT_DIGEST_UNKNOWN  0
#define AT_DIGEST_ABSENT   1

#define AT_DIGEST_UNIT     2

/* bytes, either way: a test has less */
#ifndef AT_DIGEST_REACH
#define AT_DIGEST_REACH    ((uint64_t) 1 << 32)
#endif


/* --- the directory ------------------------------------------------------- */


static uint32_t *
at_digest_find_slot(at_digest_table_t *table, at_str_t key)
{
    const unsigned char  *p;

    if (table->directory == NULL) {
        table->directory = calloc(AT_BUCKETS, sizeof(uint32_t));
    }

    if (table->directory == NULL) {
        return NULL;
    }

    p = (const unsigned char *) key.data;

    return &table->directory[p[0] << 8 | p[1]];
}


/* 1, or 0 where the slot says nothing */
static int
at_digest_slot_get(const at_digest_table_t *table, const uint32_t *slot,
    at_str_t *bucket)
{
    uint64_t  address;

    switch (*slot) {

    case AT_DIGEST_UNKNOWN:
        return 0;

    case AT_DIGEST_ABSENT:
        *bucket = (at_str_t) { at_digest_no_bucket, 0 };
        return 1;

    default:
        address = table->origin + (uint64_t) *slot * AT_DIGEST_UNIT;
        *bucket = at_bucket_whole((const char *) (uintptr_t) address);
        return 1;
    }
}


/* what is too far from the first one is looked for each time */
static void
at_digest_slot_set(at_digest_table_t *table, uint32_t *slot, at_str_t bucket)
{
    uint64_t  address, place;

    address = (uintptr_t) bucket.data;
    place = AT_DIGEST_ABSENT;

    if (bucket.data != at_digest_no_bucket) {

        /* of a file that is damaged */
        if (address % AT_DIGEST_UNIT != 0) {
            return;
        }

        if (table->origin == 0) {
            table->origin = address - AT_DIGEST_REACH;
        }

        place = (address - table->origin) / AT_DIGEST_UNIT;

        if (place <= AT_DIGEST_ABSENT
            || place >= 2 * AT_DIGEST_REACH / AT_DIGEST_UNIT)
        {
            return;
        }
    }

    *slot = (uint32_t) place;
    table->known = 1;
}


void
at_digest_reset_directory(at_digest_table_t *table)
{
    if (table->known) {
        memset(table->directory, 0, AT_BUCKETS * sizeof(uint32_t));
        table->known = 0;
    }

    table->origin = 0;
}


void
at_digest_free(at_digest_table_t *table)
{
    free(table->directory);
    at_bytes_free(&table->copy);
    at_bytes_free(&table->next);
}


/* --- buckets ------------------------------------------------------------- */


static MDB_val
at_digest_val(at_str_t bytes)
{
    return (MDB_val) { bytes.len, (void *) (uintptr_t) bytes.data };
}


static at_str_t
at_digest_prefix(at_str_t key)
{
    return (at_str_t) { key.data, AT_BUCKET_PREFIX };
}


static at_str_t
at_digest_view(const at_bytes_t *bytes)
{
    return (at_str_t) { bytes->data, bytes->len };
}


/* what is under a key, or the empty view for nothing */
static int
at_digest_lookup(const at_digest_table_t *table, MDB_txn *txn, at_str_t key,
    at_str_t *bytes)
{
    int      rc;
    MDB_val  k, v;

    k = at_digest_val(key);
    rc = mdb_get(txn, table->dbi, &k, &v);

    if (rc == 0) {
        *bytes = (at_str_t) { v.mv_data, v.mv_size };
        return 0;
    }

    *bytes = (at_str_t) { at_digest_no_bucket, 0 };

    return rc == MDB_NOTFOUND ? 0 : rc;
}


static int
at_digest_get_bucket(at_digest_table_t *table, MDB_txn *txn, int known,
    at_str_t key, at_str_t *bucket)
{
    int                 rc;
    uint32_t           *slot;
    at_bucket_info_t    info;

    slot = known ? at_digest_find_slot(table, key) : NULL;

    if (slot != NULL && at_digest_slot_get(table, slot, bucket)) {
        return 0;
    }

    rc = at_digest_lookup(table, txn, at_digest_prefix(key), bucket);

    /* one that has a length, by which it is known again */
    if (rc == 0 && slot != NULL
        && (bucket->len != 0 || bucket->data == at_digest_no_bucket)
        && at_bucket_info(&info, *bucket) == 0)
    {
        at_digest_slot_set(table, slot, *bucket);
    }

    return rc;
}


/* the bucket of a key and what it says of itself */
static int
at_digest_read_bucket(at_digest_table_t *table, MDB_txn *txn, at_str_t key,
    at_str_t *bucket, at_bucket_info_t *info)
{
    int  rc;

    if (key.len != AT_BUCKET_KEY) {
        return MDB_BAD_VALSIZE;
    }

    rc = at_digest_get_bucket(table, txn, 0, key, bucket);

    if (rc != 0) {
        return rc;
    }

    return at_bucket_info(info, *bucket) == 0 ? 0 : MDB_CORRUPTED;
}


/* --- looking ------------------------------------------------------------- */


/* one that found no place in its bucket; the value is as it was if there is none */
static int
at_digest_get_single(const at_digest_table_t *table, MDB_txn *txn,
    at_str_t key, at_str_t *value)
{
    int       rc;
    at_str_t  found;

    rc = at_digest_lookup(table, txn, key, &found);

    if (rc == 0 && found.data == at_digest_no_bucket) {
        rc = MDB_NOTFOUND;
    }

    if (rc == 0) {
        *value = found;
    }

    return rc;
}


int
at_digest_get(at_digest_table_t *table, MDB_txn *txn, int known, at_str_t key,
    at_str_t *value)
{
    int                rc;
    at_str_t           bucket;
    at_bucket_info_t   info;

    if (key.len != AT_BUCKET_KEY) {
        return MDB_NOTFOUND;
    }

    rc = at_digest_get_bucket(table, txn, known, key, &bucket);

    if (rc != 0) {
        return rc;
    }

    rc = at_bucket_find(bucket, key.data, value);

    if (rc == 1) {
        return 0;
    }

    if (rc < 0 || at_bucket_info(&info, bucket) != 0) {
        return MDB_CORRUPTED;
    }

    return info.more ? at_digest_get_single(table, txn, key, value)
                     : MDB_NOTFOUND;
}


/* what is under a key of the tree: a bucket, or a single record */
static int
at_digest_foreach_entry(at_str_t key, at_str_t bytes,
    int (*handler)(void *data, at_str_t key, at_str_t value), void *data,
    int *result)
{
    char               whole[AT_BUCKET_KEY];
    size_t             i;
    at_str_t           value;
    at_bucket_info_t   info;

    if (key.len == AT_BUCKET_KEY) {
        *result = handler(data, key, bytes);
        return 0;
    }

    if (key.len != AT_BUCKET_PREFIX || at_bucket_info(&info, bytes) != 0) {
        return MDB_CORRUPTED;
    }

    memcpy(whole, key.data, AT_BUCKET_PREFIX);

    for (i = 0; *result == 0 && i < info.n; i++) {
        if (at_bucket_at(bytes, i, whole, &value) != 0) {
            return MDB_CORRUPTED;
        }

        *result = handler(data, (at_str_t) { whole, AT_BUCKET_KEY }, value);
    }

    return 0;
}


int
at_digest_foreach(at_digest_table_t *table, MDB_txn *txn,
    int (*handler)(void *data, at_str_t key, at_str_t value), void *data,
    int *result)
{
    int          rc;
    MDB_val      k, v;
    MDB_cursor  *cursor;

    *result = 0;
    rc = mdb_cursor_open(txn, table->dbi, &cursor);

    if (rc != 0) {
        return rc;
    }

    while (*result == 0
           && (rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT)) == 0)
    {
        rc = at_digest_foreach_entry((at_str_t) { k.mv_data, k.mv_size },
                                     (at_str_t) { v.mv_data, v.mv_size },
                                     handler, data, result);
        if (rc != 0) {
            break;
        }
    }

    mdb_cursor_close(cursor);

    return rc == MDB_NOTFOUND ? 0 : rc;
}


/* --- changing ------------------------------------------------------------ */


static int
at_digest_write(at_digest_table_t *table, MDB_txn *txn, at_str_t key,
    at_str_t value, unsigned flags)
{
    MDB_val  k, v;

    k = at_digest_val(key);
    v = at_digest_val(value);

    return mdb_put(txn, table->dbi, &k, &v, flags);
}


/* behind all that are there its pages are filled, else it is as any other */
static int
at_digest_append(at_digest_table_t *table, MDB_txn *txn, at_str_t key,
    at_str_t value)
{
    int  rc;

    rc = at_digest_write(table, txn, key, value, MDB_APPEND);

    return rc == MDB_KEYEXIST ? at_digest_write(table, txn, key, value, 0) : rc;
}


static int
at_digest_remove(at_digest_table_t *table, MDB_txn *txn, at_str_t key)
{
    MDB_val  k;

    k = at_digest_val(key);

    return mdb_del(txn, table->dbi, &k, NULL);
}


/* what came of copying, which returned rc */
static int
at_digest_check_copy(at_bytes_t *copy, int rc)
{
    if (rc != 0) {
        return MDB_CORRUPTED;
    }

    if (copy->failed) {
        at_bytes_free(copy);
        return ENOMEM;
    }

    return 0;
}


/* the bucket as the copy has it */
static int
at_digest_write_copy(at_digest_table_t *table, MDB_txn *txn, at_str_t key,
    int rc)
{
    rc = at_digest_check_copy(&table->copy, rc);

    return rc == 0 ? at_digest_write(table, txn, at_digest_prefix(key),
                                     at_digest_view(&table->copy), 0)
                   : rc;
}


/* under its own key, and the bucket says that there is such a one */
static int
at_digest_put_single(at_digest_table_t *table, MDB_txn *txn, at_str_t key,
    at_str_t value, at_str_t bucket, const at_bucket_info_t *info)
{
    int  rc;

    if (!info->more) {
        rc = at_digest_write_copy(table, txn, key,
                                  at_bucket_set_more(&table->copy, bucket));
        if (rc != 0) {
            return rc;
        }
    }

    return at_digest_write(table, txn, key, value, 0);
}


int
at_digest_put(at_digest_table_t *table, MDB_txn *txn, at_str_t key,
    at_str_t value)
{
    int                rc, there, single;
    at_str_t           bucket, old;
    at_bucket_info_t   info;

    rc = at_digest_read_bucket(table, txn, key, &bucket, &info);

    if (rc != 0) {
        return rc;
    }

    there = at_bucket_find(bucket, key.data, &old);

    if (there < 0) {
        return MDB_CORRUPTED;
    }

    single = !there && info.n == AT_BUCKET_FULL;

    /* once single, always single: no key may be there in both forms */
    if (!there && info.more) {
        rc = at_digest_get_single(table, txn, key, &old);

        if (rc != 0 && rc != MDB_NOTFOUND) {
            return rc;
        }

        single |= rc == 0;
    }

    if (single) {
        return at_digest_put_single(table, txn, key, value, bucket, &info);
    }

    return at_digest_write_copy(table, txn, key,
                                at_bucket_set(&table->copy, bucket, key.data,
                                              &value));
}


/* how many of the first items, one at least, are of one bucket */
static size_t
at_digest_count_same_bucket(const at_store_item_t *items, size_t n)
{
    size_t  i;

    for (i = 1; i < n; i++) {
        if (items[0].key.len != AT_BUCKET_KEY
            || items[i].key.len != AT_BUCKET_KEY
            || memcmp(items[i].key.data, items[0].key.data, AT_BUCKET_PREFIX)
               != 0)
        {
            break;
        }
    }

    return i;
}


static int
at_digest_put_each(at_digest_table_t *table, MDB_txn *txn,
    const at_store_item_t *items, size_t n)
{
    int     rc;
    size_t  i;

    for (i = 0, rc = 0; rc == 0 && i < n; i++) {
        rc = at_digest_put(table, txn, items[i].key, items[i].value);
    }

    return rc;
}


/* the bucket with all of them, in the copy */
static int
at_digest_merge_items(at_digest_table_t *table, at_str_t bucket,
    const at_store_item_t *items, size_t n)
{
    int         rc;
    size_t      i;
    at_bytes_t  last;

    for (i = 0; i < n; i++) {
        rc = at_digest_check_copy(&table->next,
                                  at_bucket_set(&table->next, bucket,
                                                items[i].key.data,
                                                &items[i].value));
        if (rc != 0) {
            return rc;
        }

        last = table->copy;
        table->copy = table->next;
        table->next = last;

        bucket = at_digest_view(&table->copy);
    }

    return 0;
}


/* those of one bucket */
static int
at_digest_put_bucket(at_digest_table_t *table, MDB_txn *txn,
    const at_store_item_t *items, size_t n)
{
    int                rc;
    at_str_t           bucket, prefix;
    at_bucket_info_t   info;

    rc = at_digest_read_bucket(table, txn, items[0].key, &bucket, &info);

    if (rc != 0) {
        return rc;
    }

    if (info.more || info.n + n > AT_BUCKET_FULL) {
        return at_digest_put_each(table, txn, items, n);
    }

    rc = at_digest_merge_items(table, bucket, items, n);

    if (rc != 0) {
        return rc;
    }

    prefix = at_digest_prefix(items[0].key);

    return bucket.len
           ? at_digest_write(table, txn, prefix, at_digest_view(&table->copy), 0)
           : at_digest_append(table, txn, prefix,
                              at_digest_view(&table->copy));
}


int
at_digest_put_many(at_digest_table_t *table, MDB_txn *txn,
    const at_store_item_t *items, size_t n)
{
    int     rc;
    size_t  i, same;

    for (i = 0, rc = 0; rc == 0 && i < n; i += same) {
        same = at_digest_count_same_bucket(items + i, n - i);
        rc = at_digest_put_bucket(table, txn, items + i, same);
    }

    return rc;
}


int
at_digest_delete(at_digest_table_t *table, MDB_txn *txn, at_str_t key)
{
    int                rc;
    at_str_t           bucket, old;
    at_bucket_info_t   info;

    rc = at_digest_read_bucket(table, txn, key, &bucket, &info);

    if (rc != 0) {
        return rc;
    }

    switch (at_bucket_find(bucket, key.data, &old)) {

    case 0:
        return info.more ? at_digest_remove(table, txn, key) : MDB_NOTFOUND;

    case 1:
        break;

    default:
        return MDB_CORRUPTED;
    }

    if (info.n == 1 && !info.more) {
        return at_digest_remove(table, txn, at_digest_prefix(key));
    }

    return at_digest_write_copy(table, txn, key,
                                at_bucket_set(&table->copy, bucket, key.data,
                                              NULL));
}
