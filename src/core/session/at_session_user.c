/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <endian.h>

#include "core/session/at_session_user.h"
#include "core/session/at_stored_pair.h"


/* neither name contains the separator */
static int
at_user_key(const at_session_db_t *db, at_user_key_t *key,
    const at_stored_session_t *session)
{
    int            rc;
    char           text[AT_SESSION_BUF_SIZE + 1];
    uint64_t       created;
    unsigned char  mac[AT_SHA256_LEN];

    memcpy(text, session->user.data, session->user.len);
    text[session->user.len] = '\0';
    memcpy(text + session->user.len + 1, session->issuer.data,
           session->issuer.len);

    rc = at_session_mac(db, mac, at_str("sessions of a user"),
                        (at_str_t) { text, session->user.len + 1
                                           + session->issuer.len });

    created = session->record.revoked != 0
              ? 0 : htobe64((uint64_t) session->record.created);

    memcpy(key->user, mac, AT_SESSION_TAG_LEN);
    memcpy(key->created, &created, sizeof(key->created));
    memcpy(key->session, session->id, AT_SESSION_ID_LEN);

    return rc;
}


int
at_session_put_user(at_session_db_t *db, MDB_txn *txn,
    const at_stored_session_t *session)
{
    int            rc;
    at_user_key_t  key;

    rc = at_user_key(db, &key, session);

    return rc != 0 ? rc : at_session_put(db, txn, AT_SESSION_USERS,
                                         at_session_val(&key, sizeof(key)),
                                         "", 0, 0);
}


int
at_session_delete_user(at_session_db_t *db, MDB_txn *txn,
    const at_stored_session_t *session)
{
    int            rc;
    at_user_key_t  key;

    rc = at_user_key(db, &key, session);

    return rc != 0 ? rc : at_session_delete(db, txn, AT_SESSION_USERS,
                                            at_session_val(&key, sizeof(key)));
}


/*
 * Counts the sessions of first->user, at most max; *first becomes the first of
 * them.
 */
static int
at_session_count_user(at_session_db_t *db, MDB_txn *txn, at_user_key_t *first,
    uint64_t *n, uint64_t max)
{
    int            rc;
    MDB_val        key, value;
    MDB_cursor    *cursor;
    at_user_key_t  from;

    *n = 0;
    from = *first;
    memset(from.created, 0, sizeof(from.created));
    memset(from.session, 0, sizeof(from.session));

    rc = mdb_cursor_open(txn, db->lmdb.tables[AT_SESSION_USERS], &cursor);

    if (rc != 0) {
        return rc;
    }

    key = at_session_val(&from, sizeof(from));
    rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);

    while (rc == 0 && *n < max) {

        if (key.mv_size != sizeof(at_user_key_t)) {
            rc = AT_LMDB_BAD_RECORD;
            break;
        }

        if (memcmp(key.mv_data, from.user, AT_SESSION_TAG_LEN) != 0) {
            break;
        }

        if ((*n)++ == 0) {
            memcpy(first, key.mv_data, sizeof(at_user_key_t));
        }

        rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }

    mdb_cursor_close(cursor);

    return rc == MDB_NOTFOUND ? 0 : rc;
}


int
at_session_limit_user(at_session_db_t *db, MDB_txn *txn,
    const at_stored_session_t *session, uint64_t max)
{
    int                  rc;
    uint64_t             n, removed;
    at_user_key_t        first;
    at_stored_session_t  oldest;

    n = 0;
    rc = at_user_key(db, &first, session);

    if (rc == 0) {
        rc = at_session_count_user(db, txn, &first, &n, UINT64_MAX);
    }

    for (removed = 0; rc == 0 && n - removed >= max; removed++) {
        memcpy(oldest.id, first.session, AT_SESSION_ID_LEN);
        rc = at_session_load(db, txn, &oldest);

        if (rc == 0) {
            rc = at_session_remove(db, txn, &oldest);

        } else if (rc == MDB_NOTFOUND || rc == AT_LMDB_BAD_RECORD) {
            rc = at_session_delete(db, txn, AT_SESSION_USERS,
                                   at_session_val(&first, sizeof(first)));
        }

        if (rc == 0) {
            rc = at_session_count_user(db, txn, &first, &(uint64_t) { 0 }, 1);
        }
    }

    return rc;
}


int
at_session_remove(at_session_db_t *db, MDB_txn *txn,
    const at_stored_session_t *session)
{
    int                         i, rc;
    MDB_val                     id;
    at_access_key_t             access;
    const at_session_record_t  *record;

    record = &session->record;
    id = at_session_val(session->id, AT_SESSION_ID_LEN);
    memcpy(access.session, session->id, AT_SESSION_ID_LEN);

    /* the session comes last: its texts are views of the map */
    rc = at_session_delete_user(db, txn, session);

    if (rc == 0) {
        rc = at_session_delete_expiry(db, txn, AT_SESSION_SESSIONS, id,
                                      record->removal);
    }

    if (rc == 0) {
        rc = at_session_delete(db, txn, AT_SESSION_REFRESH,
                               at_session_val(record->refresh,
                                              AT_SHA256_LEN));
    }

    if (rc == 0) {
        rc = at_stored_pair_delete(db, txn, session->id);
    }

    for (i = 0; rc == 0 && i < 2; i++) {
        memcpy(access.access, record->access[i], AT_SHA256_LEN);
        rc = at_session_delete(db, txn, AT_SESSION_ACCESS,
                               at_session_val(&access, sizeof(access)));
    }

    return rc != 0 ? rc : at_session_delete(db, txn, AT_SESSION_SESSIONS, id);
}


/* sets *n to the number of sessions, and *largest to one of them */
static int
at_session_find_largest(at_session_db_t *db, MDB_txn *txn,
    at_user_key_t *largest, int64_t *n)
{
    int             rc;
    int64_t         count;
    MDB_val         key, value;
    MDB_cursor     *cursor;
    at_user_key_t   user;

    *n = 0;
    count = 0;
    memset(&user, 0, sizeof(user));

    rc = mdb_cursor_open(txn, db->lmdb.tables[AT_SESSION_USERS], &cursor);

    if (rc != 0) {
        return rc;
    }

    while ((rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0
           && key.mv_size == sizeof(at_user_key_t))
    {
        count = memcmp(key.mv_data, user.user, AT_SESSION_TAG_LEN) == 0
                ? count + 1 : 1;
        memcpy(&user, key.mv_data, sizeof(user));

        if (count > *n) {
            *n = count;
            *largest = user;
        }
    }

    mdb_cursor_close(cursor);

    return rc == 0 ? AT_LMDB_BAD_RECORD : rc == MDB_NOTFOUND ? 0 : rc;
}


int64_t
at_session_db_largest_user(at_session_db_t *db, char *name, size_t size,
    at_error_t *err)
{
    int                  rc;
    size_t               len;
    int64_t              n;
    MDB_txn             *txn;
    at_user_key_t        largest;
    at_stored_session_t  session;

    txn = NULL;
    rc = at_lmdb_begin(&db->lmdb, MDB_RDONLY, &txn);

    if (rc != 0) {
        (void) at_lmdb_fail(&db->lmdb, rc, err);
        return -1;
    }

    rc = at_session_find_largest(db, txn, &largest, &n);

    if (rc == 0 && n != 0) {
        memcpy(session.id, largest.session, AT_SESSION_ID_LEN);
        rc = at_session_load(db, txn, &session);
    }

    if (rc == 0 && n != 0) {
        len = session.user.len < size ? session.user.len : size - 1;
        memcpy(name, session.user.data, len);
        name[len] = '\0';
    }

    mdb_txn_abort(txn);

    if (rc != 0) {
        (void) at_lmdb_fail(&db->lmdb, rc, err);
        return -1;
    }

    return n;
}


static int
at_session_visit_live(const at_session_db_t *db, MDB_txn *txn, int64_t now,
    int64_t *n)
{
    int                  rc;
    MDB_val              key, value;
    MDB_cursor          *cursor;
    at_session_record_t  record;

    *n = 0;
    rc = mdb_cursor_open(txn, db->lmdb.tables[AT_SESSION_SESSIONS], &cursor);

    if (rc != 0) {
        return rc;
    }

    while ((rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0
           && value.mv_size >= sizeof(record))
    {
        memcpy(&record, value.mv_data, sizeof(record));
        *n += record.revoked == 0 && record.expires > now;
    }

    mdb_cursor_close(cursor);

    return rc == 0 ? AT_LMDB_BAD_RECORD : rc == MDB_NOTFOUND ? 0 : rc;
}


int64_t
at_session_db_count_live(at_session_db_t *db, int64_t now, at_error_t *err)
{
    int       rc;
    int64_t   n = 0;
    MDB_txn  *txn;

    txn = NULL;
    rc = at_lmdb_begin(&db->lmdb, MDB_RDONLY, &txn);

    if (rc == 0) {
        rc = at_session_visit_live(db, txn, now, &n);
        mdb_txn_abort(txn);
    }

    if (rc != 0) {
        (void) at_lmdb_fail(&db->lmdb, rc, err);
        return -1;
    }

    return n;
}
