/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>
#include <sys/stat.h>

#include "core/authz/at_record.h"
#include "core/store/at_lmdb.h"
#include "core/store/at_store.h"
#include "core/store/at_store_files.h"
#include "core/store/at_store_stats.h"


struct at_store_s {
    at_lmdb_t     lmdb;
    at_sha256_t  *sha256;
    MDB_txn      *txn;              /* the open transaction, or NULL */
    MDB_txn      *reader;           /* kept and renewed by a reading process */
    uint64_t      snapshot;         /* transaction number; 0: released */
    unsigned      saw_outdated:1;   /* a new snapshot was outdated */
    int           rc;               /* LMDB's last failure */
};


/* --- opening ------------------------------------------------------------- */


at_store_t *
at_store_open(const char *path, at_store_mode_e mode,
    at_lmdb_verdict_t *verdict, at_error_t *err)
{
    int          rc;
    at_lmdb_e    result;
    at_store_t  *store;

    if (at_store_inspect(path, NULL, err) < 0) {
        return NULL;
    }

    store = calloc(1, sizeof(at_store_t));

    if (store == NULL) {
        (void) at_error(err, "no memory for the store");
        return NULL;
    }

    result = at_lmdb_open(&store->lmdb, path, &at_store_schema,
                          mode == AT_STORE_READ ? AT_LMDB_READ : AT_LMDB_WRITE,
                          verdict, err);

    if (result != AT_LMDB_OK) {
        if (result == AT_LMDB_DAMAGED) {
            at_store_add_remedy(err);
        }

        free(store);
        return NULL;
    }

    /* for a writer each transaction begins with this check */
    rc = mode == AT_STORE_READ ? at_lmdb_txnid_is_current(&store->lmdb) : 1;

    if (rc <= 0) {
        (void) at_error(err, rc < 0 ? "no memory for the store"
                        : "store: data.mdb was replaced while other processes "
                          "have the old one open; try again in a few seconds");
        at_store_close(store);
        return NULL;
    }

    return store;
}


void
at_store_close(at_store_t *store)
{
    if (store == NULL) {
        return;
    }

    at_store_end(store);
    mdb_txn_abort(store->reader);
    at_lmdb_close(&store->lmdb);
    at_sha256_free(store->sha256);
    free(store);
}


size_t
at_store_reduced_map(const at_store_t *store)
{
    return store->lmdb.map_size < at_store_schema.map_size
           ? store->lmdb.map_size : 0;
}


int
at_store_is_current(at_store_t *store)
{
    int  rc;

    if (at_lmdb_files_are_current(&store->lmdb) != 1) {
        return 0;
    }

    rc = at_lmdb_txnid_is_current(&store->lmdb);

    /* no memory for the check: keep the store unless a mismatch was seen */
    return rc > 0 || (rc < 0 && store->lmdb.uncounted == 0);
}


/* --- transactions -------------------------------------------------------- */


static int
at_store_snapshot_is_latest(at_store_t *store)
{
    /* first, because a truncated file has no meta pages to read */
    return !at_lmdb_is_truncated(&store->lmdb)
           && store->snapshot != 0
           && store->snapshot == at_lmdb_last_txnid(&store->lmdb);
}


static void
at_store_drop_snapshot(at_store_t *store)
{
    if (store->snapshot != 0) {
        mdb_txn_reset(store->reader);
        store->snapshot = 0;
    }
}


void
at_store_release_snapshot(at_store_t *store)
{
    if (!at_store_snapshot_is_latest(store)) {
        at_store_drop_snapshot(store);
    }
}


uint64_t
at_store_begin_epoch(at_store_t *store)
{
    store->saw_outdated = 0;
    (void) at_lmdb_is_truncated(&store->lmdb);

    return at_lmdb_last_txnid(&store->lmdb);
}


int
at_store_saw_outdated(const at_store_t *store)
{
    return store->saw_outdated;
}


int
at_store_begin(at_store_t *store, at_store_mode_e mode, at_error_t *err)
{
    int  rc;

    if (mode == AT_STORE_WRITE) {
        at_store_drop_snapshot(store);

        return at_lmdb_begin_write(&store->lmdb, &store->txn, err);
    }

    if (!at_store_snapshot_is_latest(store)) {
        at_store_drop_snapshot(store);

        rc = at_lmdb_begin(&store->lmdb, MDB_RDONLY, &store->reader);

        if (rc != 0) {
            store->txn = NULL;
            return at_lmdb_fail(&store->lmdb, rc, err);
        }

        store->snapshot = mdb_txn_id(store->reader);
        store->saw_outdated |= !at_store_snapshot_is_latest(store);
    }

    store->txn = store->reader;

    return 0;
}


int
at_store_commit(at_store_t *store, at_error_t *err)
{
    MDB_txn  *txn;

    txn = store->txn;
    store->txn = NULL;

    return txn == store->reader
           ? 0 : at_lmdb_end_write(&store->lmdb, txn, 0, err);
}


void
at_store_end(at_store_t *store)
{
    /* the reader keeps its snapshot */
    if (store->txn != store->reader) {
        at_lmdb_abort_write(&store->lmdb, store->txn);
    }

    store->txn = NULL;
}


/* --- records ------------------------------------------------------------- */


static int
at_store_set_key(MDB_val *val, at_table_e table, at_str_t key)
{
    *val = (MDB_val) { key.len, (void *) (uintptr_t) key.data };

    return table == AT_TABLE_TOKENS
           ? key.len == AT_SHA256_LEN : key.len > 0 && key.len <= AT_KEY_MAX;
}


static at_store_e
at_store_result(at_store_t *store, int rc)
{
    if (rc == 0 || rc == MDB_NOTFOUND) {
        return rc == 0 ? AT_STORE_OK : AT_STORE_NOT_FOUND;
    }

    store->rc = rc;
    at_lmdb_note_damage(&store->lmdb, rc);

    return AT_STORE_FAILED;
}


at_store_e
at_store_get(at_store_t *store, at_table_e table, at_str_t key,
    at_str_t *value)
{
    int      rc;
    MDB_val  k, v;

    if (!at_store_set_key(&k, table, key)) {
        return AT_STORE_NOT_FOUND;
    }

    rc = mdb_get(store->txn, store->lmdb.tables[table], &k, &v);

    if (rc == 0) {
        *value = (at_str_t) { v.mv_data, v.mv_size };
    }

    return at_store_result(store, rc);
}


at_store_e
at_store_put(at_store_t *store, at_table_e table, at_str_t key, at_str_t value)
{
    MDB_val  k, v;

    if (!at_store_set_key(&k, table, key)) {
        return at_store_result(store, MDB_BAD_VALSIZE);
    }

    v = (MDB_val) { value.len, (void *) (uintptr_t) value.data };

    return at_store_result(store, mdb_put(store->txn,
                                          store->lmdb.tables[table], &k, &v,
                                          0));
}


at_store_e
at_store_delete(at_store_t *store, at_table_e table, at_str_t key)
{
    MDB_val  k;

    if (!at_store_set_key(&k, table, key)) {
        return AT_STORE_NOT_FOUND;
    }

    return at_store_result(store, mdb_del(store->txn,
                                          store->lmdb.tables[table], &k,
                                          NULL));
}


/* rc is that of LMDB if the result is -1 */
static int
at_store_visit(const at_store_t *store, MDB_txn *txn, at_table_e table,
    at_store_handler_pt handler, void *data, int *rc)
{
    int          result;
    MDB_val      k, v;
    MDB_cursor  *cursor;

    *rc = mdb_cursor_open(txn, store->lmdb.tables[table], &cursor);

    if (*rc != 0) {
        return -1;
    }

    result = 0;

    while (result == 0
           && (*rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT)) == 0)
    {
        result = handler(data, (at_str_t) { k.mv_data, k.mv_size },
                         (at_str_t) { v.mv_data, v.mv_size });
    }

    mdb_cursor_close(cursor);

    return *rc != 0 && *rc != MDB_NOTFOUND ? -1 : result;
}


int
at_store_foreach(at_store_t *store, at_table_e table,
    at_store_handler_pt handler, void *data)
{
    int  rc, result;

    result = at_store_visit(store, store->txn, table, handler, data, &rc);

    if (rc != 0 && rc != MDB_NOTFOUND) {
        (void) at_store_result(store, rc);
    }

    return result;
}


const char *
at_store_error(const at_store_t *store)
{
    return at_lmdb_strerror(&store->lmdb, store->rc);
}


/* --- keys ---------------------------------------------------------------- */


int
at_store_token_key(at_store_t *store, unsigned char key[AT_SHA256_LEN],
    at_str_t token)
{
    if (store->sha256 == NULL) {
        store->sha256 = at_sha256_create();
    }

    return store->sha256 ? at_sha256_reuse(store->sha256, key, token) : -1;
}


at_str_t
at_store_lower_key(char buf[AT_KEY_MAX], at_str_t text)
{
    size_t  i;

    if (text.len > AT_KEY_MAX) {
        return (at_str_t) { NULL, 0 };
    }

    for (i = 0; i < text.len; i++) {
        buf[i] = at_lower(text.data[i]);
    }

    return (at_str_t) { buf, text.len };
}


/* --- figures ------------------------------------------------------------- */


int
at_store_get_stats(at_store_t *store, at_store_stats_t *stats)
{
    int          rc;
    unsigned     table;
    MDB_stat     st;
    at_error_t   ignored;
    struct stat  file;

    if (fstat(store->lmdb.fd, &file) != 0
        || at_store_begin(store, AT_STORE_READ, &ignored) != 0)
    {
        return -1;
    }

    stats->revision = store->snapshot;
    stats->modified = file.st_mtime;
    rc = 0;

    for (table = 0; rc == 0 && table < AT_TABLES; table++) {
        rc = mdb_stat(store->txn, store->lmdb.tables[table], &st);
        stats->records[table] = st.ms_entries;
    }

    at_store_end(store);

    return rc == 0 ? 0 : -1;
}


void
at_store_pin(at_store_t *store, int pinned)
{
    store->lmdb.pinned = pinned;
}


int
at_store_is_pinned(const at_store_t *store)
{
    return store->lmdb.pinned;
}


typedef struct {
    int64_t    from;
    int64_t    until;
    uint64_t   n;
} at_expiring_t;


static int
at_store_count_token(void *data, at_str_t key, at_str_t value)
{
    at_expiring_t *expiring = data;

    at_token_record_t  token;

    (void) key;

    if (at_token_decode(&token, value) == 0 && token.expires > expiring->from
        && token.expires <= expiring->until)
    {
        expiring->n++;
    }

    return 0;
}


int
at_store_count_expiring(at_store_t *store, int64_t from, int64_t until,
    uint64_t *n)
{
    int            rc, result;
    MDB_txn       *txn;
    at_expiring_t  expiring = { from, until, 0 };

    if (at_lmdb_is_truncated(&store->lmdb)
        || mdb_txn_begin(store->lmdb.env, NULL, MDB_RDONLY, &txn) != 0)
    {
        return -1;
    }

    result = at_store_visit(store, txn, AT_TABLE_TOKENS, at_store_count_token,
                            &expiring, &rc);
    mdb_txn_abort(txn);
    *n = expiring.n;

    return result;
}
