/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/session/at_session_db.h"


static const char *const  at_session_table_names[AT_SESSION_TABLES] = {
    "refresh_tokens", "sessions", "access_tokens", "expiries", "token_uses"
};

static const at_lmdb_schema_t  at_session_schema = {
    .name = "session database",
    .tables = at_session_table_names,
    .n_tables = AT_SESSION_TABLES,
    .format = "2",
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
    int              i;
    at_expiry_key_t  entry;

    for (i = 7; i >= 0; i--) {
        entry.when[i] = (unsigned char) (when & 0xff);
        when >>= 8;
    }

    entry.table = (unsigned char) table;
    memcpy(entry.key, key.mv_data, key.mv_size);

    return at_session_put(db, txn, AT_SESSION_EXPIRIES,
                          at_session_val(&entry,
                                         offsetof(at_expiry_key_t, key)
                                         + key.mv_size),
                          "", 0, 0);
}
