/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/session/at_session_record.h"
#include "core/session/at_stored_pair.h"


#define AT_EXPIRY_HEADER_LEN  offsetof(at_expiry_key_t, key)

static const char *const  at_session_table_names[AT_SESSION_TABLES] = {
    "refresh_tokens", "sessions", "access_tokens", "expiries", "token_uses",
    "latest_pairs"
};

static const at_lmdb_schema_t  at_session_schema = {
    .name = "session database",
    .tables = at_session_table_names,
    .n_tables = AT_SESSION_TABLES,
    .format = "3",
    .format_hint = "remove it (all users must log in again)",
    .map_size = (size_t) 4 << 30,
    .mode = 0600
};


at_session_db_t *
at_session_db_open(const char *path, const at_state_key_t *key,
    at_error_t *err)
{
    char              lock[PATH_MAX];
    at_session_db_t  *db;

    if (key != NULL && mkdir(path, 0700) != 0 && errno != EEXIST) {
        (void) at_error(err, "\"%s\": %s", path, strerror(errno));
        return NULL;
    }

    if (at_lmdb_path(lock, path, "lock.mdb", err) != 0
        || at_lmdb_inspect(path, key != NULL, err) < 0)
    {
        return NULL;
    }

    /* LMDB would create a missing lock.mdb, owned by the user of a reader */
    if (key == NULL && access(lock, R_OK|W_OK) != 0) {
        (void) at_error(err, "\"%s\": %s", lock, strerror(errno));
        return NULL;
    }

    db = calloc(1, sizeof(at_session_db_t));

    if (db == NULL) {
        (void) at_error(err, "no memory for the session database");
        return NULL;
    }

    if (at_lmdb_open(&db->lmdb, path, &at_session_schema,
                     key != NULL ? AT_LMDB_CREATE : AT_LMDB_READ, err)
        != 0)
    {
        free(db);
        return NULL;
    }

    if (key != NULL) {
        db->key = *key;
    }

    return db;
}


void
at_session_db_close(at_session_db_t *db)
{
    if (db == NULL) {
        return;
    }

    mdb_txn_abort(db->reader);
    at_lmdb_close(&db->lmdb);
    at_crypto_cleanse(&db->key, sizeof(at_state_key_t));
    free(db);
}


size_t
at_session_db_reduced_map(const at_session_db_t *db)
{
    return db->lmdb.map_size < at_session_schema.map_size
           ? db->lmdb.map_size : 0;
}


int
at_session_db_is_current(const at_session_db_t *db)
{
    return at_lmdb_files_are_current(&db->lmdb) != 0;
}


int
at_session_get(at_session_db_t *db, MDB_txn *txn, at_session_table_e table,
    MDB_val key, void *record, size_t len)
{
    int      rc;
    MDB_val  value;

    rc = mdb_get(txn, db->lmdb.tables[table], &key, &value);

    if (rc != 0) {
        return rc;
    }

    if (value.mv_size != len) {
        return MDB_CORRUPTED;
    }

    memcpy(record, value.mv_data, len);

    return 0;
}


int
at_session_put(at_session_db_t *db, MDB_txn *txn, at_session_table_e table,
    MDB_val key, const void *record, size_t len, unsigned flags)
{
    MDB_val  value;

    value = at_session_val(record, len);

    return mdb_put(txn, db->lmdb.tables[table], &key, &value, flags);
}


int
at_session_put_expiry(at_session_db_t *db, MDB_txn *txn,
    at_session_table_e table, MDB_val key, int64_t when)
{
    uint64_t         big_endian;
    at_expiry_key_t  entry;

    big_endian = htobe64((uint64_t) when);
    memcpy(entry.when, &big_endian, sizeof(entry.when));
    entry.table = (unsigned char) table;
    memcpy(entry.key, key.mv_data, key.mv_size);

    return at_session_put(db, txn, AT_SESSION_EXPIRIES,
                          at_session_val(&entry, AT_EXPIRY_HEADER_LEN
                                                 + key.mv_size),
                          "", 0, 0);
}


/* --- expired records ----------------------------------------------------- */


static int
at_session_clean_record(at_session_db_t *db, MDB_txn *txn,
    at_session_table_e table, MDB_val key, int64_t now)
{
    int                  rc, needed;
    size_t               id;            /* its place in the key */
    at_stored_session_t  session;

    if (table == AT_SESSION_PAIRS) {
        return at_stored_pair_clean(db, txn, key, now);
    }

    rc = 0;

    if (table != AT_SESSION_REFRESH) {
        id = table == AT_SESSION_ACCESS ? AT_SHA256_LEN : 0;

        if (table > AT_SESSION_ACCESS || key.mv_size != id + AT_SESSION_ID_LEN)
        {
            return MDB_CORRUPTED;
        }

        memcpy(session.id, (char *) key.mv_data + id, AT_SESSION_ID_LEN);
        rc = at_session_load(db, txn, &session);

        /* a refresh has extended the session; a logout needs the two latest
           access tokens as long as it lasts */
        needed = rc == 0 && session.record.expires > now
                 && (table == AT_SESSION_SESSIONS
                     || at_session_is_latest_access(&session, key.mv_data));

        if (needed) {
            return at_session_put_expiry(db, txn, table, key,
                                         session.record.expires);
        }

        if (rc == MDB_NOTFOUND) {
            rc = 0;
        }
    }

    if (rc == 0) {
        rc = mdb_del(txn, db->lmdb.tables[table], &key, NULL);
    }

    return rc == MDB_NOTFOUND ? 0 : rc;
}


static int
at_session_clean_batch(at_session_db_t *db, MDB_txn *txn, int64_t now, int max,
    int *n)
{
    int              rc;
    uint64_t         when;
    MDB_val          key, value;
    MDB_cursor      *cursor;
    at_expiry_key_t  entry;

    *n = 0;
    rc = mdb_cursor_open(txn, db->lmdb.tables[AT_SESSION_EXPIRIES], &cursor);

    if (rc != 0) {
        return rc;
    }

    while (rc == 0 && *n < max
           && (rc = mdb_cursor_get(cursor, &key, &value, MDB_FIRST)) == 0)
    {
        if (key.mv_size <= AT_EXPIRY_HEADER_LEN
            || key.mv_size > sizeof(at_expiry_key_t))
        {
            rc = MDB_CORRUPTED;
            break;
        }

        memcpy(&entry, key.mv_data, key.mv_size);
        memcpy(&when, entry.when, sizeof(when));

        if ((int64_t) be64toh(when) > now) {
            break;
        }

        key = at_session_val(entry.key, key.mv_size - AT_EXPIRY_HEADER_LEN);
        rc = mdb_cursor_del(cursor, 0);

        if (rc == 0) {
            rc = at_session_clean_record(db, txn, entry.table, key, now);
        }

        (*n)++;
    }

    mdb_cursor_close(cursor);

    return rc == MDB_NOTFOUND ? 0 : rc;
}


/*
 * LMDB copies each page that it changes: a full database has room for a small
 * batch only, whose removal makes room for larger batches.
 */
int
at_session_db_clean(at_session_db_t *db, int64_t now, int max, at_error_t *err)
{
    int       rc, n;
    MDB_txn  *txn;

    for ( /* void */ ; max > 0; max /= 8) {

        if (at_lmdb_begin_write(&db->lmdb, &txn, err) != 0) {
            return -1;
        }

        rc = at_session_clean_batch(db, txn, now, max, &n);

        if (at_lmdb_end_write(&db->lmdb, txn, rc, err) == 0) {
            return n;
        }
    }

    return -1;
}
