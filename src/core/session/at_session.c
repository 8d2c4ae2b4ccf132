/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <errno.h>

#include "core/session/at_session_token.h"
#include "core/session/at_session_user.h"
#include "core/session/at_stored_pair.h"


/* bytes of a session record that its MAC covers, without the texts */
#define AT_SESSION_FIXED_LEN                                                  \
    (sizeof(at_session_record_t)                                              \
     - offsetof(at_session_record_t, user_tag))


/* the time of use of a token whose record was removed */
#define AT_USED_LONG_AGO  1

/* a refresh token as it is stored, and its session */
typedef struct {
    MDB_val              key;
    unsigned char        digest[AT_SHA256_LEN];
    at_refresh_record_t  token;
    at_stored_session_t  session;
} at_session_lookup_t;


/* --- MACs ---------------------------------------------------------------- */


/* binds a refresh token to its session */
static int
at_session_mac_token(const at_session_db_t *db,
    unsigned char mac[AT_SHA256_LEN],
    const unsigned char digest[AT_SHA256_LEN],
    const char session[AT_SESSION_ID_LEN])
{
    char  text[AT_SHA256_LEN + AT_SESSION_ID_LEN];

    (void) at_append(at_append(text, digest, AT_SHA256_LEN), session,
                     AT_SESSION_ID_LEN);

    return at_session_mac(db, mac, at_str("session of a refresh token"),
                          (at_str_t) { text, sizeof(text) });
}


/* binds a session to its user */
static int
at_session_mac_session(const at_session_db_t *db,
    unsigned char mac[AT_SHA256_LEN], const at_stored_session_t *session)
{
    char  text[AT_SESSION_ID_LEN + AT_SESSION_FIXED_LEN + AT_SESSION_BUF_SIZE];
    char *p;

    p = at_append(text, session->id, AT_SESSION_ID_LEN);
    p = at_append(p, session->record.user_tag, AT_SESSION_FIXED_LEN);
    p = at_append(p, session->user.data, session->user.len);
    p = at_append(p, session->issuer.data, session->issuer.len);

    return at_session_mac(db, mac, at_str("user of a session"),
                          (at_str_t) { text, (size_t) (p - text) });
}


/* --- records ------------------------------------------------------------- */


int
at_session_load(at_session_db_t *db, MDB_txn *txn,
    at_stored_session_t *session)
{
    int             rc;
    size_t          len;
    MDB_val         key, value;
    unsigned char   mac[AT_SHA256_LEN];

    key = at_session_val(session->id, AT_SESSION_ID_LEN);
    rc = mdb_get(txn, db->lmdb.tables[AT_SESSION_SESSIONS], &key, &value);

    if (rc != 0) {
        return rc;
    }

    if (value.mv_size < sizeof(at_session_record_t)) {
        return AT_LMDB_BAD_RECORD;
    }

    memcpy(&session->record, value.mv_data, sizeof(at_session_record_t));

    len = (size_t) session->record.user_len + session->record.issuer_len;

    if (value.mv_size - sizeof(at_session_record_t) != len
        || len > AT_SESSION_BUF_SIZE)
    {
        return AT_LMDB_BAD_RECORD;
    }

    memcpy(session->texts,
           (char *) value.mv_data + sizeof(at_session_record_t), len);
    session->user = (at_str_t) { session->texts, session->record.user_len };
    session->issuer = (at_str_t) { session->texts + session->user.len,
                                   session->record.issuer_len };

    rc = at_session_mac_session(db, mac, session);

    return rc != 0
           || at_crypto_equal(mac, session->record.mac, AT_SHA256_LEN)
           ? rc : AT_LMDB_BAD_RECORD;
}


int
at_session_save(at_session_db_t *db, MDB_txn *txn,
    const at_stored_session_t *session)
{
    char  record[sizeof(at_session_record_t) + AT_SESSION_BUF_SIZE], *p;

    p = at_append(record, &session->record, sizeof(at_session_record_t));
    p = at_append(p, session->user.data, session->user.len);
    p = at_append(p, session->issuer.data, session->issuer.len);

    return at_session_put(db, txn, AT_SESSION_SESSIONS,
                          at_session_val(session->id, AT_SESSION_ID_LEN),
                          record, (size_t) (p - record), 0);
}


/* the record of a refresh token; a used one may have been removed */
static int
at_session_load_token(at_session_db_t *db, MDB_txn *txn,
    at_session_lookup_t *found, at_str_t refresh)
{
    int            rc, authentic;
    unsigned char  mac[AT_SHA256_LEN];

    rc = at_session_mac(db, found->digest, at_str("refresh token"), refresh);

    if (rc != 0) {
        return rc;
    }

    found->key = at_session_val(found->digest, AT_SHA256_LEN);

    rc = at_session_get(db, txn, AT_SESSION_REFRESH, found->key, &found->token,
                        sizeof(at_refresh_record_t));

    if (rc == 0) {
        rc = at_session_mac_token(db, mac, found->digest,
                                  found->token.session);

        return rc != 0
               || at_crypto_equal(mac, found->token.mac, AT_SHA256_LEN)
               ? rc : AT_LMDB_BAD_RECORD;
    }

    if (rc != MDB_NOTFOUND) {
        return rc;
    }

    authentic = at_session_token_is_authentic(db, refresh);

    if (authentic != 1) {
        return authentic == 0 ? MDB_NOTFOUND : ENOMEM;
    }

    memcpy(found->token.session, refresh.data, AT_SESSION_ID_LEN);
    found->token.expires = INT64_MAX;
    found->token.used = AT_USED_LONG_AGO;

    return 0;
}


/*
 * Reads a refresh token and its session.  A wrong MAC is an error, which the
 * operator must see, and not AT_SESSION_UNKNOWN: it means that the database is
 * damaged or forged, and says nothing about the caller's token.
 */
static int
at_session_lookup(at_session_db_t *db, MDB_txn *txn,
    at_session_lookup_t *found, at_str_t refresh, int64_t now,
    at_session_e *result)
{
    int  rc;

    *result = AT_SESSION_FAILED;

    rc = at_session_load_token(db, txn, found, refresh);

    if (rc == 0) {
        memcpy(found->session.id, found->token.session, AT_SESSION_ID_LEN);
        rc = at_session_load(db, txn, &found->session);
    }

    if (rc == MDB_NOTFOUND) {
        *result = AT_SESSION_UNKNOWN;
        return 0;
    }

    if (rc == 0) {
        *result = found->session.record.revoked != 0 ? AT_SESSION_REVOKED
                  : now < found->token.expires
                    && now < found->session.record.expires
                  ? AT_SESSION_OK : AT_SESSION_EXPIRED;
    }

    return rc;
}


/* the minute also ends when the clock is set back */
static int
at_session_is_limited(const at_session_lookup_t *found,
    const at_session_limits_t *limits, int64_t now)
{
    const at_session_record_t  *record = &found->session.record;

    return found->token.used == 0 && record->refreshes >= limits->per_minute
           && now >= record->minute
           && now - record->minute < AT_SESSION_MINUTE;
}


static void
at_session_count_refresh(at_session_record_t *record, int64_t now)
{
    if (now < record->minute || now - record->minute >= AT_SESSION_MINUTE) {
        record->minute = now;
        record->refreshes = 0;
    }

    record->refreshes++;
}


/*
 * Removes an access token that is no more one of the two latest: now, or when
 * it expires.
 */
static int
at_session_retire_access(at_session_db_t *db, MDB_txn *txn,
    const at_access_key_t *access, int64_t now)
{
    int      rc;
    int64_t  expires;
    MDB_val  key;

    key = at_session_val(access, sizeof(at_access_key_t));
    rc = at_session_get(db, txn, AT_SESSION_ACCESS, key, &expires,
                        sizeof(expires));

    if (rc != 0) {
        return rc == MDB_NOTFOUND ? 0 : rc;
    }

    return expires <= now
           ? at_session_delete(db, txn, AT_SESSION_ACCESS, key)
           : at_session_put_expiry(db, txn, AT_SESSION_ACCESS, key, expires);
}


/* the keys and records of two tokens, and the key of the refresh token */
static int
at_session_mac_pair(const at_session_db_t *db, at_stored_session_t *session,
    const at_session_token_pair_t *pair, at_refresh_record_t *token,
    at_access_key_t *access)
{
    unsigned char  *refresh;

    refresh = session->record.refresh;

    memset(token, 0, sizeof(at_refresh_record_t));
    memcpy(token->session, session->id, AT_SESSION_ID_LEN);
    memcpy(access->session, session->id, AT_SESSION_ID_LEN);
    token->expires = pair->refresh_expires;

    return at_session_mac(db, refresh, at_str("refresh token"), pair->refresh)
           == 0
           && at_session_mac_token(db, token->mac, refresh, session->id) == 0
           && at_session_mac(db, access->access, at_str("access token"),
                             pair->access)
              == 0
           ? 0 : ENOMEM;
}


/* stores a session with its next tokens */
static int
at_session_put_pair(at_session_db_t *db, MDB_txn *txn,
    at_stored_session_t *session, const at_session_token_pair_t *pair,
    int64_t now)
{
    int                   rc;
    size_t                used, total;
    at_access_key_t       access, old;
    at_refresh_record_t   token;
    at_session_record_t  *record;

    record = &session->record;
    rc = at_session_count_pages(db, txn, &used, &total);

    if (rc != 0 || used * 100 / total >= AT_SESSION_DB_FULL) {
        return rc != 0 ? rc : MDB_MAP_FULL;
    }

    rc = at_session_mac_pair(db, session, pair, &token, &access);

    if (rc != 0) {
        return rc;
    }

    old = access;

    /* two refreshes within a second have the same access token */
    if (memcmp(record->access[0], access.access, AT_SHA256_LEN) != 0) {
        memcpy(old.access, record->access[1], AT_SHA256_LEN);
        memcpy(record->access[1], record->access[0], AT_SHA256_LEN);
        memcpy(record->access[0], access.access, AT_SHA256_LEN);
    }

    rc = at_session_save(db, txn, session);

    if (rc == 0) {
        rc = at_session_put(db, txn, AT_SESSION_REFRESH,
                            at_session_val(record->refresh, AT_SHA256_LEN),
                            &token, sizeof(token), MDB_NOOVERWRITE);
    }

    if (rc == 0) {
        rc = at_session_put(db, txn, AT_SESSION_ACCESS,
                            at_session_val(&access, sizeof(access)),
                            &pair->access_expires,
                            sizeof(pair->access_expires), 0);
    }

    return rc != 0 || memcmp(old.access, access.access, AT_SHA256_LEN) == 0
           ? rc : at_session_retire_access(db, txn, &old, now);
}


static int
at_session_end(at_session_db_t *db, MDB_txn *txn, at_stored_session_t *session,
    int64_t now)
{
    int  rc;

    rc = at_session_delete_user(db, txn, session);
    session->record.revoked = now;

    if (rc == 0) {
        rc = at_session_put_user(db, txn, session);
    }

    if (rc == 0) {
        rc = at_session_save(db, txn, session);
    }

    return rc != 0 ? rc : at_stored_pair_delete(db, txn, session->id);
}


/* --- login and refresh --------------------------------------------------- */


static void
at_session_init(at_stored_session_t *stored, const at_session_t *session,
    int64_t now, int64_t expires)
{
    memset(stored, 0, sizeof(at_stored_session_t));
    memcpy(stored->id, session->id, AT_SESSION_ID_LEN);
    memcpy(stored->record.user_tag, session->user_tag, AT_SESSION_TAG_LEN);
    stored->record.created = now;
    stored->record.expires = expires;
    stored->record.removal = expires;
    stored->record.user_len = (uint32_t) session->user.len;
    stored->record.issuer_len = (uint32_t) session->issuer.len;
    stored->user = session->user;
    stored->issuer = session->issuer;
}


at_session_e
at_session_create(at_session_db_t *db, const at_session_t *session,
    const at_session_token_pair_t *pair, const at_session_limits_t *limits,
    int64_t now, at_error_t *err)
{
    int                  rc;
    MDB_txn             *txn;
    at_stored_session_t  stored;

    if (session->user.len > AT_SESSION_BUF_SIZE
        || session->issuer.len > AT_SESSION_BUF_SIZE - session->user.len)
    {
        (void) at_error(err, "session database: username and issuer have more "
                        "than %d bytes", AT_SESSION_BUF_SIZE);
        return AT_SESSION_FAILED;
    }

    at_session_init(&stored, session, now, pair->refresh_expires);

    if (at_session_begin_write(db, &txn, err) != 0) {
        return AT_SESSION_FAILED;
    }

    rc = at_session_mac_session(db, stored.record.mac, &stored);

    if (rc == 0) {
        rc = at_session_limit_user(db, txn, &stored, limits->per_user);
    }

    if (rc == 0) {
        rc = at_session_put_pair(db, txn, &stored, pair, now);
    }

    if (rc == 0) {
        rc = at_session_put_user(db, txn, &stored);
    }

    if (rc == 0) {
        rc = at_session_put_expiry(db, txn, AT_SESSION_SESSIONS,
                                   at_session_val(stored.id,
                                                  AT_SESSION_ID_LEN),
                                   stored.record.removal);
    }

    return at_session_end_write(db, txn, rc, err) == 0
           ? AT_SESSION_OK : AT_SESSION_FAILED;
}


static void
at_session_copy(at_session_t *session, char buf[AT_SESSION_BUF_SIZE],
    const at_stored_session_t *stored)
{
    memcpy(buf, stored->texts, stored->user.len + stored->issuer.len);
    memcpy(session->id, stored->id, AT_SESSION_ID_LEN);
    memcpy(session->user_tag, stored->record.user_tag, AT_SESSION_TAG_LEN);

    session->created = stored->record.created;
    session->minute = stored->record.minute;
    session->user = (at_str_t) { buf, stored->user.len };
    session->issuer = (at_str_t) { buf + stored->user.len,
                                   stored->issuer.len };
}


at_session_e
at_session_find(at_session_db_t *db, at_session_t *session,
    char buf[AT_SESSION_BUF_SIZE], at_str_t refresh,
    const at_session_limits_t *limits, int64_t now, at_error_t *err)
{
    int                  rc;
    at_session_e         result;
    at_session_lookup_t  found;

    result = AT_SESSION_FAILED;
    rc = at_lmdb_begin(&db->lmdb, MDB_RDONLY, &db->reader);

    if (rc == 0) {
        rc = at_session_lookup(db, db->reader, &found, refresh, now, &result);

        if (result == AT_SESSION_OK) {
            at_session_copy(session, buf, &found.session);

            if (at_session_is_limited(&found, limits, now)) {
                result = AT_SESSION_LIMITED;
            }
        }

        mdb_txn_reset(db->reader);
    }

    if (rc != 0) {
        (void) at_lmdb_fail(&db->lmdb, rc, err);
    }

    return result;
}


/* the first use of a token */
static int
at_session_replace_token(at_session_db_t *db, MDB_txn *txn,
    at_session_lookup_t *found, at_str_t refresh,
    const at_session_token_pair_t *next, int64_t now, int64_t grace)
{
    int                   rc;
    at_session_record_t  *record;

    record = &found->session.record;

    if (record->expires < next->refresh_expires) {
        record->expires = next->refresh_expires;
    }

    at_session_count_refresh(record, now);

    rc = at_session_put_pair(db, txn, &found->session, next, now);

    if (rc == 0) {
        found->token.used = now;
        rc = at_session_put(db, txn, AT_SESSION_REFRESH, found->key,
                            &found->token, sizeof(at_refresh_record_t), 0);
    }

    if (rc == 0) {
        rc = at_session_put_expiry(db, txn, AT_SESSION_REFRESH, found->key,
                                   now + grace);
    }

    /* this replaces the pair with the token that is used now */
    return rc != 0 ? rc
           : grace > 0
           ? at_stored_pair_put(db, txn, found->session.id, refresh,
                                found->digest, next)
           : at_stored_pair_delete(db, txn, found->session.id);
}


/* returns LMDB's code */
static int
at_session_use_token(at_session_db_t *db, MDB_txn *txn, at_str_t refresh,
    const at_session_token_pair_t *next, const at_session_limits_t *limits,
    at_session_copy_t *copy, int64_t now, at_session_e *result)
{
    int                  rc;
    at_session_lookup_t  found;

    rc = at_session_lookup(db, txn, &found, refresh, now, result);

    if (*result != AT_SESSION_OK) {
        return rc;
    }

    if (at_session_is_limited(&found, limits, now)) {
        *result = AT_SESSION_LIMITED;
        return 0;
    }

    if (found.token.used == 0) {
        return at_session_replace_token(db, txn, &found, refresh, next, now,
                                        limits->grace);
    }

    /* a negative difference: the clock went backwards, not a reuse */
    if (now - found.token.used >= limits->grace) {
        *result = AT_SESSION_REUSED;
        return at_session_end(db, txn, &found.session, now);
    }

    rc = at_stored_pair_get(db, txn, found.session.id, refresh, found.digest,
                            copy);
    *result = rc == MDB_NOTFOUND ? AT_SESSION_USED : AT_SESSION_REPEATED;

    return rc == MDB_NOTFOUND ? 0 : rc;
}


at_session_e
at_session_rotate(at_session_db_t *db, at_str_t refresh,
    const at_session_token_pair_t *next, const at_session_limits_t *limits,
    at_session_copy_t *copy, int64_t now, at_error_t *err)
{
    int            rc;
    MDB_txn       *txn;
    at_session_e   result;

    *copy = (at_session_copy_t) { NULL, NULL };

    if (at_session_begin_write(db, &txn, err) != 0) {
        return AT_SESSION_FAILED;
    }

    rc = at_session_use_token(db, txn, refresh, next, limits, copy, now,
                              &result);

    if (at_session_end_write(db, txn, rc, err) == 0) {
        return result;
    }

    at_secret_free(copy->refresh);
    at_secret_free(copy->access);
    *copy = (at_session_copy_t) { NULL, NULL };

    return AT_SESSION_FAILED;
}


/* --- logout -------------------------------------------------------------- */


/* the session of one record: see below */
static int
at_session_visit_access(at_session_db_t *db, MDB_txn *txn,
    const at_access_key_t *access, int64_t expires, int64_t now,
    unsigned *active, at_stored_session_t *latest)
{
    int                  rc;
    at_stored_session_t  session;

    memcpy(session.id, access->session, AT_SESSION_ID_LEN);
    rc = at_session_load(db, txn, &session);

    if (rc != 0) {
        return rc == MDB_NOTFOUND ? 0 : rc;
    }

    if (session.record.revoked != 0
        || (now >= expires
            && !at_session_is_latest_access(&session, access->access)))
    {
        return 0;
    }

    (*active)++;

    if (latest == NULL) {
        return at_session_end(db, txn, &session, now);
    }

    if (*active > 1 && latest->record.expires >= session.record.expires) {
        return 0;
    }

    memcpy(latest->id, session.id, AT_SESSION_ID_LEN);

    return at_session_load(db, txn, latest);
}


/*
 * Counts the active sessions of an access token.  Sets *latest to the session
 * with the latest expiry; revokes all of them if latest is NULL.  Logins of a
 * user within one second result in sessions with the same access token, whose
 * keys are adjacent.
 */
static int
at_session_each_of_access(at_session_db_t *db, MDB_txn *txn, at_str_t access,
    int64_t now, unsigned *active, at_stored_session_t *latest)
{
    int               rc;
    int64_t           expires;
    MDB_val           key, value;
    MDB_cursor       *cursor = NULL;
    at_access_key_t   first, found;

    *active = 0;
    memset(&first, 0, sizeof(first));

    rc = at_session_mac(db, first.access, at_str("access token"), access);

    if (rc == 0) {
        rc = mdb_cursor_open(txn, db->lmdb.tables[AT_SESSION_ACCESS], &cursor);
    }

    if (rc != 0) {
        return rc;
    }

    key = at_session_val(&first, sizeof(first));
    rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);

    while (rc == 0) {

        if (key.mv_size != sizeof(found) || value.mv_size != sizeof(expires)) {
            rc = AT_LMDB_BAD_RECORD;
            break;
        }

        memcpy(&found, key.mv_data, sizeof(found));
        memcpy(&expires, value.mv_data, sizeof(expires));

        if (memcmp(found.access, first.access, AT_SHA256_LEN) != 0) {
            break;
        }

        rc = at_session_visit_access(db, txn, &found, expires, now, active,
                                     latest);

        if (rc == 0) {
            rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
        }
    }

    mdb_cursor_close(cursor);

    return rc == MDB_NOTFOUND ? 0 : rc;
}


at_session_e
at_session_revoke(at_session_db_t *db, at_str_t refresh, at_str_t access,
    int64_t now, at_error_t *err)
{
    int                  rc;
    MDB_txn             *txn;
    unsigned             revoked, others;
    at_session_e         result;
    at_session_lookup_t  found;

    if (at_session_begin_write(db, &txn, err) != 0) {
        return AT_SESSION_FAILED;
    }

    rc = 0;
    revoked = 0;
    others = 0;

    if (refresh.len != 0) {
        rc = at_session_lookup(db, txn, &found, refresh, now, &result);

        if (result == AT_SESSION_OK) {
            revoked = 1;
            rc = at_session_end(db, txn, &found.session, now);
        }
    }

    if (rc == 0 && access.len != 0) {
        rc = at_session_each_of_access(db, txn, access, now, &others, NULL);
    }

    if (at_session_end_write(db, txn, rc, err) != 0) {
        return AT_SESSION_FAILED;
    }

    return revoked || others ? AT_SESSION_OK : AT_SESSION_UNKNOWN;
}


at_session_e
at_session_is_active(at_session_db_t *db, at_str_t refresh, at_str_t access,
    int64_t now, at_error_t *err)
{
    int                  rc;
    unsigned             active;
    at_session_e         result;
    at_session_lookup_t  found;
    at_stored_session_t  latest;

    active = 0;
    result = AT_SESSION_UNKNOWN;
    rc = at_lmdb_begin(&db->lmdb, MDB_RDONLY, &db->reader);

    if (rc == 0) {
        if (refresh.len != 0) {
            rc = at_session_lookup(db, db->reader, &found, refresh, now,
                                   &result);
        }

        if (rc == 0 && result != AT_SESSION_OK && access.len != 0) {
            rc = at_session_each_of_access(db, db->reader, access, now,
                                           &active, &latest);
        }

        mdb_txn_reset(db->reader);
    }

    if (rc != 0) {
        (void) at_lmdb_fail(&db->lmdb, rc, err);
        return AT_SESSION_FAILED;
    }

    return result == AT_SESSION_OK || active ? AT_SESSION_OK
                                             : AT_SESSION_UNKNOWN;
}


at_session_e
at_session_find_by_access(at_session_db_t *db, at_session_t *session,
    char buf[AT_SESSION_BUF_SIZE], int64_t *expires, at_str_t access,
    int64_t now, at_error_t *err)
{
    int                  rc;
    unsigned             active;
    at_stored_session_t  found;

    active = 0;
    rc = at_lmdb_begin(&db->lmdb, MDB_RDONLY, &db->reader);

    if (rc == 0) {
        rc = at_session_each_of_access(db, db->reader, access, now, &active,
                                       &found);

        if (rc == 0 && active) {
            at_session_copy(session, buf, &found);
            *expires = found.record.expires;
        }

        mdb_txn_reset(db->reader);
    }

    if (rc != 0) {
        (void) at_lmdb_fail(&db->lmdb, rc, err);
        return AT_SESSION_FAILED;
    }

    return active ? AT_SESSION_OK : AT_SESSION_UNKNOWN;
}
