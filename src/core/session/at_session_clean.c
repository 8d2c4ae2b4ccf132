/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "core/session/at_session_db.h"


#define AT_EXPIRY_HEADER_LEN  offsetof(at_expiry_key_t, key)


/* reads the first expiry entry; MDB_NOTFOUND if none is due yet */
static int
at_session_get_expired(at_session_db_t *db, MDB_txn *txn,
    at_expiry_key_t *entry, size_t *len, int64_t now)
{
    int          rc, i;
    int64_t      when;
    MDB_val      key, value;
    MDB_cursor  *cursor;

    rc = mdb_cursor_open(txn, db->lmdb.tables[AT_SESSION_EXPIRIES], &cursor);

    if (rc != 0) {
        return rc;
    }

    rc = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
    mdb_cursor_close(cursor);

    if (rc != 0) {
        return rc;
    }

    if (key.mv_size <= AT_EXPIRY_HEADER_LEN
        || key.mv_size > sizeof(at_expiry_key_t))
    {
        return MDB_CORRUPTED;
    }

    *len = key.mv_size;
    memcpy(entry, key.mv_data, key.mv_size);

    when = 0;

    for (i = 0; i < 8; i++) {
        when = when * 256 + entry->when[i];
    }

    return when <= now ? 0 : MDB_NOTFOUND;
}


static int
at_session_clean_record(at_session_db_t *db, MDB_txn *txn,
    at_session_table_e table, MDB_val key, int64_t now)
{
    int                  rc;
    at_stored_session_t  session;

    switch (table) {

    case AT_SESSION_SESSIONS:
        if (key.mv_size != AT_SESSION_ID_LEN) {
            return MDB_CORRUPTED;
        }

        memcpy(session.id, key.mv_data, AT_SESSION_ID_LEN);
        rc = at_session_load(db, txn, &session);

        if (rc != 0) {
            break;
        }

        /* a refresh has extended the session */
        if (session.record.expires > now) {
            return at_session_put_expiry(db, txn, table, key,
                                         session.record.expires);
        }

        /* fall through */

    case AT_SESSION_REFRESH:
    case AT_SESSION_ACCESS:
        rc = mdb_del(txn, db->lmdb.tables[table], &key, NULL);
        break;

    default:
        return MDB_CORRUPTED;
    }

    return rc == MDB_NOTFOUND ? 0 : rc;
}


static int
at_session_clean_batch(at_session_db_t *db, MDB_txn *txn, int64_t now, int max,
    int *n)
{
    int              rc;
    size_t           len;
    MDB_val          key;
    at_expiry_key_t  entry;

    for (*n = 0; *n < max; (*n)++) {

        rc = at_session_get_expired(db, txn, &entry, &len, now);

        if (rc != 0) {
            return rc == MDB_NOTFOUND ? 0 : rc;
        }

        key = at_session_val(&entry, len);
        rc = mdb_del(txn, db->lmdb.tables[AT_SESSION_EXPIRIES], &key, NULL);

        if (rc == 0) {
            key = at_session_val(entry.key, len - AT_EXPIRY_HEADER_LEN);
            rc = at_session_clean_record(db, txn, entry.table, key, now);
        }

        if (rc != 0) {
            return rc;
        }
    }

    return 0;
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
