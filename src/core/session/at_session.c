/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/at_crypto.h"
#include "core/store/at_lmdb.h"
#include "core/session/at_session.h"


#define AT_SESSION_FAMILY_LEN  16


/*
 * tokens: digest of a refresh token -> at_session_token_t
 * families: number -> at_session_family_t, user, issuer
 * access: digest of an access token, number of a family -> when it expires
 * ends: at_session_expiry_t of each of those, in the order of their expiry
 * uses: SHA-256 of an API token -> at_session_use_t
 */
typedef enum {
    AT_SESSION_TOKENS = 0,
    AT_SESSION_FAMILIES,
    AT_SESSION_ACCESS,
    AT_SESSION_EXPIRIES,
    AT_SESSION_USES,

    AT_SESSION_TABLES
} at_session_table_e;

/*
 * Records are of this host: it alone reads them.  Another program under the
 * workers' user may write them, too: what says whose a token is has an HMAC, so
 * that a token can be led to no other family, and a family to no other user.
 * What it can do is to end a session, and to bring back what it has kept.
 */
typedef struct {
    unsigned char  family[AT_SESSION_FAMILY_LEN];
    unsigned char  mac[AT_SHA256_LEN];          /* of its digest and family */
    int64_t        expires;
    int64_t        used;                        /* when, or 0 */
} at_session_token_t;

typedef struct {
    int64_t        expires;                     /* of its last token */
    int64_t        begun;
    int64_t        ended;                       /* when, or 0 */
    unsigned char  mac[AT_SHA256_LEN];          /* of its number, and of what
                                                   follows and never changes */
    unsigned char  mark[AT_SESSION_TAG_LEN];
    uint32_t       user_len;                    /* both texts are behind it */
    uint32_t       issuer_len;
} at_session_family_t;

#define AT_SESSION_FAMILY_FIXED_LEN                                           \
    (sizeof(at_session_family_t) - offsetof(at_session_family_t, mark))

typedef struct {
    unsigned char  access[AT_SHA256_LEN];
    unsigned char  family[AT_SESSION_FAMILY_LEN];
} at_session_access_t;

typedef struct {
    unsigned char  when[8];                     /* most significant byte first */
    unsigned char  table;
    unsigned char  key[sizeof(at_session_access_t)];
} at_session_expiry_t;

#define AT_SESSION_EXPIRY_HEADER_LEN  offsetof(at_session_expiry_t, key)

typedef struct {
    uint64_t       count;
    int64_t        last;
} at_session_use_t;

/* what a refresh token leads to, in one transaction */
typedef struct {
    MDB_val              key;
    unsigned char        digest[AT_SHA256_LEN];
    at_session_token_t   token;
    at_session_family_t  family;
    at_str_t             user;                  /* views of the map */
    at_str_t             issuer;
} at_session_lookup_t;

struct at_session_db_s {
    at_lmdb_t        lmdb;
    MDB_txn         *reader;    /* of the reading thread, kept and renewed */
    at_state_key_t   key;
    unsigned         read_only:1;
};

static const char *const  at_session_table_names[AT_SESSION_TABLES] = {
    "tokens", "families", "access", "ends", "uses"
};

static const at_lmdb_schema_t  at_session_schema = {
    .name = "session database",
    .tables = at_session_table_names,
    .n_tables = AT_SESSION_TABLES,
    .format = "1",
    .format_hint = "remove it; all users must log in again",
    .map_size = (size_t) 4 << 30,
    .mode = 0600
};


/* --- opening ------------------------------------------------------------- */


at_session_db_t *
at_session_db_open(const char *path, const at_state_key_t *key, at_error_t *err)
{
    char              lock[PATH_MAX];
    at_session_db_t  *sessions;

    if (key != NULL && mkdir(path, 0700) != 0 && errno != EEXIST) {
        (void) at_error(err, "\"%s\": %s", path, strerror(errno));
        return NULL;
    }

    if (at_lmdb_path(lock, path, "lock.mdb", err) != 0
        || at_lmdb_inspect(path, key != NULL, err) < 0)
    {
        return NULL;
    }

    /* a reader must not create the files: they would have the wrong owner */
    if (key == NULL && access(lock, R_OK|W_OK) != 0) {
        (void) at_error(err, "\"%s\": %s", lock, strerror(errno));
        return NULL;
    }

    sessions = calloc(1, sizeof(at_session_db_t));

    if (sessions == NULL) {
        (void) at_error(err, "no memory for the session database");
        return NULL;
    }

    if (at_lmdb_open(&sessions->lmdb, path, &at_session_schema,
                     key ? AT_LMDB_CREATE : AT_LMDB_READ, err)
        != 0)
    {
        free(sessions);
        return NULL;
    }

    if (key != NULL) {
        sessions->key = *key;

    } else {
        sessions->read_only = 1;
    }

    return sessions;
}


void
at_session_db_close(at_session_db_t *sessions)
{
    if (sessions == NULL) {
        return;
    }

    mdb_txn_abort(sessions->reader);
    at_lmdb_close(&sessions->lmdb);
    at_crypto_cleanse(&sessions->key, sizeof(at_state_key_t));
    free(sessions);
}


int
at_session_db_is_current(const at_session_db_t *sessions)
{
    return at_lmdb_files_are_current(&sessions->lmdb) != 0;
}


/* --- records ------------------------------------------------------------- */


static MDB_val
at_session_val(const void *data, size_t len)
{
    return (MDB_val) { len, (void *) (uintptr_t) data };
}


static int
at_session_get(at_session_db_t *sessions, MDB_txn *txn, at_session_table_e table,
    MDB_val key, MDB_val *value)
{
    return mdb_get(txn, sessions->lmdb.tables[table], &key, value);
}


/* a record of exactly len bytes, copied: the map's alignment is its own */
static int
at_session_get_fixed(at_session_db_t *sessions, MDB_txn *txn,
    at_session_table_e table, MDB_val key, void *record, size_t len)
{
    int      rc;
    MDB_val  value;

    rc = at_session_get(sessions, txn, table, key, &value);

    if (rc != 0) {
        return rc;
    }

    if (value.mv_size != len) {
        return MDB_CORRUPTED;
    }

    memcpy(record, value.mv_data, len);

    return 0;
}


static int
at_session_put(at_session_db_t *sessions, MDB_txn *txn, at_session_table_e table,
    MDB_val key, const void *record, size_t len, unsigned flags)
{
    MDB_val  value;

    value = at_session_val(record, len);

    return mdb_put(txn, sessions->lmdb.tables[table], &key, &value, flags);
}


/* notes when a record is to be removed */
static int
at_session_put_expiry(at_session_db_t *sessions, MDB_txn *txn,
    at_session_table_e table, MDB_val key, int64_t when)
{
    int                  i;
    at_session_expiry_t  entry;

    for (i = 7; i >= 0; i--) {
        entry.when[i] = (unsigned char) (when & 0xff);
        when >>= 8;
    }

    entry.table = (unsigned char) table;
    memcpy(entry.key, key.mv_data, key.mv_size);

    return at_session_put(sessions, txn, AT_SESSION_EXPIRIES,
                          at_session_val(&entry,
                                         AT_SESSION_EXPIRY_HEADER_LEN + key.mv_size),
                          "", 0, 0);
}


static int
at_session_mac(const at_session_db_t *sessions, unsigned char mac[AT_SHA256_LEN],
    const char *purpose, at_str_t text)
{
    return at_state_mac(mac, &sessions->key,
                        (at_str_t) { purpose, strlen(purpose) }, text);
}


/* which family a token is of */
static int
at_session_mac_token(const at_session_db_t *sessions,
    unsigned char mac[AT_SHA256_LEN], const unsigned char digest[AT_SHA256_LEN],
    const unsigned char family[AT_SESSION_FAMILY_LEN])
{
    char  text[AT_SHA256_LEN + AT_SESSION_FAMILY_LEN];

    memcpy(text, digest, AT_SHA256_LEN);
    memcpy(text + AT_SHA256_LEN, family, AT_SESSION_FAMILY_LEN);

    return at_session_mac(sessions, mac, "family of a token",
                          (at_str_t) { text, sizeof(text) });
}


/* whose a family is; user and issuer have at most AT_SESSION_BUF_SIZE bytes */
static int
at_session_mac_family(const at_session_db_t *sessions,
    unsigned char mac[AT_SHA256_LEN],
    const unsigned char number[AT_SESSION_FAMILY_LEN],
    const at_session_family_t *family, at_str_t user, at_str_t issuer)
{
    char  text[AT_SESSION_FAMILY_LEN + AT_SESSION_FAMILY_FIXED_LEN
               + AT_SESSION_BUF_SIZE];
    char *p;

    p = text;
    memcpy(p, number, AT_SESSION_FAMILY_LEN);
    p += AT_SESSION_FAMILY_LEN;
    memcpy(p, family->mark, AT_SESSION_FAMILY_FIXED_LEN);
    p += AT_SESSION_FAMILY_FIXED_LEN;
    memcpy(p, user.data, user.len);
    p += user.len;
    memcpy(p, issuer.data, issuer.len);
    p += issuer.len;

    return at_session_mac(sessions, mac, "user of a family",
                          (at_str_t) { text, (size_t) (p - text) });
}


int
at_session_password_tag(const at_session_db_t *sessions,
    unsigned char mark[AT_SESSION_TAG_LEN], at_str_t hash)
{
    unsigned char  mac[AT_SHA256_LEN];

    if (at_session_mac(sessions, mac, "password of a session", hash) != 0) {
        return -1;
    }

    memcpy(mark, mac, AT_SESSION_TAG_LEN);

    return 0;
}


/* --- families ------------------------------------------------------------ */


static int
at_session_get_family(at_session_db_t *sessions, MDB_txn *txn,
    at_session_lookup_t *found)
{
    int             rc;
    MDB_val         value;
    const char     *texts;
    unsigned char   mac[AT_SHA256_LEN];

    rc = at_session_get(sessions, txn, AT_SESSION_FAMILIES,
                        at_session_val(found->token.family,
                                       AT_SESSION_FAMILY_LEN), &value);

    if (rc != 0) {
        return rc;
    }

    if (value.mv_size < sizeof(at_session_family_t)) {
        return MDB_CORRUPTED;
    }

    memcpy(&found->family, value.mv_data, sizeof(at_session_family_t));

    if (value.mv_size - sizeof(at_session_family_t)
        != (size_t) found->family.user_len + found->family.issuer_len)
    {
        return MDB_CORRUPTED;
    }

    texts = (const char *) value.mv_data + sizeof(at_session_family_t);

    found->user = (at_str_t) { texts, found->family.user_len };
    found->issuer = (at_str_t) { texts + found->user.len,
                                 found->family.issuer_len };

    if (found->user.len + found->issuer.len > AT_SESSION_BUF_SIZE) {
        return MDB_CORRUPTED;
    }

    if (at_session_mac_family(sessions, mac, found->token.family,
                              &found->family, found->user, found->issuer)
        != 0)
    {
        return ENOMEM;
    }

    return at_crypto_equal(mac, found->family.mac, AT_SHA256_LEN)
           ? 0 : MDB_CORRUPTED;
}


/*
 * A wrong MAC means that the record is damaged or forged.  That is an error for
 * the operator and says nothing about the caller's token: it is not "not found".
 */
static int
at_session_get_token(at_session_db_t *sessions, MDB_txn *txn,
    at_session_lookup_t *found)
{
    int            rc;
    unsigned char  mac[AT_SHA256_LEN];

    rc = at_session_get_fixed(sessions, txn, AT_SESSION_TOKENS, found->key,
                              &found->token, sizeof(at_session_token_t));
    if (rc != 0) {
        return rc;
    }

    if (at_session_mac_token(sessions, mac, found->digest,
                             found->token.family)
        != 0)
    {
        return ENOMEM;
    }

    return at_crypto_equal(mac, found->token.mac, AT_SHA256_LEN)
           ? 0 : MDB_CORRUPTED;
}


/* the record may be a view of what it replaces: it is written from a copy */
static int
at_session_put_family(at_session_db_t *sessions, MDB_txn *txn,
    const unsigned char number[AT_SESSION_FAMILY_LEN],
    const at_session_family_t *family, at_str_t user, at_str_t issuer)
{
    char  record[sizeof(at_session_family_t) + AT_SESSION_BUF_SIZE], *p;

    p = record;
    memcpy(p, family, sizeof(at_session_family_t));
    p += sizeof(at_session_family_t);
    memcpy(p, user.data, user.len);
    p += user.len;
    memcpy(p, issuer.data, issuer.len);
    p += issuer.len;

    return at_session_put(sessions, txn, AT_SESSION_FAMILIES,
                          at_session_val(number, AT_SESSION_FAMILY_LEN),
                          record, (size_t) (p - record), 0);
}


static int
at_session_update_family(at_session_db_t *sessions, MDB_txn *txn,
    const at_session_lookup_t *found)
{
    return at_session_put_family(sessions, txn, found->token.family,
                                 &found->family, found->user, found->issuer);
}


/* a refresh token and its family: what there is, and whether it is good */
static at_session_e
at_session_lookup(at_session_db_t *sessions, MDB_txn *txn,
    at_session_lookup_t *found, at_str_t refresh, int64_t now, int *rc)
{
    *rc = 0;

    if (at_session_mac(sessions, found->digest, "refresh token", refresh)
        != 0)
    {
        *rc = ENOMEM;
        return AT_SESSION_FAILED;
    }

    found->key = at_session_val(found->digest, AT_SHA256_LEN);

    *rc = at_session_get_token(sessions, txn, found);

    if (*rc == 0) {
        *rc = at_session_get_family(sessions, txn, found);
    }

    if (*rc == MDB_NOTFOUND) {
        *rc = 0;
        return AT_SESSION_UNKNOWN;
    }

    if (*rc != 0) {
        return AT_SESSION_FAILED;
    }

    if (found->family.ended != 0) {
        return AT_SESSION_REVOKED;
    }

    return now < found->token.expires ? AT_SESSION_OK : AT_SESSION_EXPIRED;
}


/* --- transactions -------------------------------------------------------- */


static int
at_session_begin_write(at_session_db_t *sessions, MDB_txn **txn,
    at_error_t *err)
{
    return sessions->read_only
           ? at_error(err, "session database: opened for reading only")
           : at_lmdb_begin_write(&sessions->lmdb, txn, err);
}


/* commits, or aborts the transaction if rc is an error */
static int
at_session_end_write(at_session_db_t *sessions, MDB_txn *txn, int rc,
    at_error_t *err)
{
    rc = at_lmdb_end_write(&sessions->lmdb, txn, rc);

    return rc == 0 ? 0 : at_lmdb_fail(&sessions->lmdb, rc, err);
}


/* --- a session's life ---------------------------------------------------- */


static int
at_session_put_token(at_session_db_t *sessions, MDB_txn *txn,
    const unsigned char family[AT_SESSION_FAMILY_LEN],
    const at_session_token_pair_t *pair)
{
    int                 rc;
    MDB_val             key;
    unsigned char       digest[AT_SHA256_LEN];
    at_session_token_t  token;

    if (at_session_mac(sessions, digest, "refresh token", pair->refresh) != 0) {
        return ENOMEM;
    }

    key = at_session_val(digest, AT_SHA256_LEN);

    if (at_session_mac_token(sessions, token.mac, digest, family) != 0) {
        return ENOMEM;
    }

    memcpy(token.family, family, AT_SESSION_FAMILY_LEN);
    token.expires = pair->refresh_expires;
    token.used = 0;

    rc = at_session_put(sessions, txn, AT_SESSION_TOKENS, key, &token,
                        sizeof(token), MDB_NOOVERWRITE);

    return rc != 0 ? rc : at_session_put_expiry(sessions, txn, AT_SESSION_TOKENS,
                                                key, token.expires);
}


static int
at_session_put_access(at_session_db_t *sessions, MDB_txn *txn,
    const unsigned char family[AT_SESSION_FAMILY_LEN],
    const at_session_token_pair_t *pair)
{
    int                  rc;
    MDB_val              key;
    at_session_access_t  access;

    if (at_session_mac(sessions, access.access, "access token", pair->access)
        != 0)
    {
        return ENOMEM;
    }

    memcpy(access.family, family, AT_SESSION_FAMILY_LEN);
    key = at_session_val(&access, sizeof(access));

    rc = at_session_put(sessions, txn, AT_SESSION_ACCESS, key,
                        &pair->access_expires, sizeof(pair->access_expires),
                        0);

    return rc != 0 ? rc : at_session_put_expiry(sessions, txn, AT_SESSION_ACCESS,
                                                key, pair->access_expires);
}


static int
at_session_put_pair(at_session_db_t *sessions, MDB_txn *txn,
    const unsigned char family[AT_SESSION_FAMILY_LEN],
    const at_session_token_pair_t *pair)
{
    int  rc;

    rc = at_session_put_token(sessions, txn, family, pair);

    return rc != 0 ? rc : at_session_put_access(sessions, txn, family, pair);
}


static int
at_session_put_session(at_session_db_t *sessions, MDB_txn *txn,
    const at_session_t *session, const at_session_token_pair_t *pair, int64_t now)
{
    int                  rc;
    unsigned char        number[AT_SESSION_FAMILY_LEN];
    at_session_family_t  family;

    if (at_random(number, sizeof(number)) != 0) {
        return EIO;
    }

    memset(&family, 0, sizeof(family));
    memcpy(family.mark, session->mark, AT_SESSION_TAG_LEN);
    family.begun = now;
    family.expires = pair->refresh_expires;
    family.user_len = (uint32_t) session->user.len;
    family.issuer_len = (uint32_t) session->issuer.len;

    if (at_session_mac_family(sessions, family.mac, number, &family,
                              session->user, session->issuer)
        != 0)
    {
        return ENOMEM;
    }

    rc = at_session_put_family(sessions, txn, number, &family, session->user,
                               session->issuer);

    if (rc == 0) {
        rc = at_session_put_expiry(sessions, txn, AT_SESSION_FAMILIES,
                                   at_session_val(number, sizeof(number)),
                                   family.expires);
    }

    return rc != 0 ? rc : at_session_put_pair(sessions, txn, number, pair);
}


at_session_e
at_session_create(at_session_db_t *sessions, const at_session_t *session,
    const at_session_token_pair_t *pair, int64_t now, at_error_t *err)
{
    int       rc;
    MDB_txn  *txn;

    if (session->user.len > AT_SESSION_BUF_SIZE
        || session->issuer.len > AT_SESSION_BUF_SIZE - session->user.len)
    {
        (void) at_error(err, "session database: username and issuer "
                        "have more than %d bytes", AT_SESSION_BUF_SIZE);
        return AT_SESSION_FAILED;
    }

    if (at_session_begin_write(sessions, &txn, err) != 0) {
        return AT_SESSION_FAILED;
    }

    rc = at_session_put_session(sessions, txn, session, pair, now);

    return at_session_end_write(sessions, txn, rc, err) == 0 ? AT_SESSION_OK
                                                        : AT_SESSION_FAILED;
}


at_session_e
at_session_find(at_session_db_t *sessions, at_session_t *session,
    char buf[AT_SESSION_BUF_SIZE], at_str_t refresh, int64_t now,
    at_error_t *err)
{
    int                  rc;
    at_session_e         result;
    at_session_lookup_t  found;

    rc = at_lmdb_begin_read(&sessions->lmdb, &sessions->reader);

    if (rc != 0) {
        (void) at_lmdb_fail(&sessions->lmdb, rc, err);
        return AT_SESSION_FAILED;
    }

    result = at_session_lookup(sessions, sessions->reader, &found, refresh, now,
                               &rc);

    if (result == AT_SESSION_FAILED) {
        (void) at_lmdb_fail(&sessions->lmdb, rc, err);
    }

    if (result == AT_SESSION_OK) {
        memcpy(buf, found.user.data, found.user.len + found.issuer.len);
        memcpy(session->mark, found.family.mark, AT_SESSION_TAG_LEN);
        session->user = (at_str_t) { buf, found.user.len };
        session->issuer = (at_str_t) { buf + found.user.len,
                                       found.issuer.len };
    }

    mdb_txn_reset(sessions->reader);

    return result;
}


static int
at_session_put_successor(at_session_db_t *sessions, MDB_txn *txn,
    at_session_lookup_t *found, const at_session_token_pair_t *next, int64_t now)
{
    int  rc;

    found->token.used = now;

    if (found->family.expires < next->refresh_expires) {
        found->family.expires = next->refresh_expires;
    }

    /* first the record that has views of the map */
    rc = at_session_update_family(sessions, txn, found);

    if (rc == 0) {
        rc = at_session_put(sessions, txn, AT_SESSION_TOKENS, found->key,
                            &found->token, sizeof(at_session_token_t), 0);
    }

    return rc != 0 ? rc : at_session_put_pair(sessions, txn,
                                              found->token.family, next);
}


/* what a good token comes to: 0 with *result, which counts after the commit */
static int
at_session_rotate_found(at_session_db_t *sessions, MDB_txn *txn,
    at_session_lookup_t *found, const at_session_token_pair_t *next, int64_t now,
    int64_t grace, at_session_e *result)
{
    if (found->token.used == 0) {
        *result = AT_SESSION_OK;
        return at_session_put_successor(sessions, txn, found, next, now);
    }

    /* a clock that was set back makes nobody a thief */
    if (now - found->token.used < grace) {
        *result = AT_SESSION_USED;
        return 0;
    }

    *result = AT_SESSION_REUSED;
    found->family.ended = now;

    return at_session_update_family(sessions, txn, found);
}


at_session_e
at_session_rotate(at_session_db_t *sessions, at_str_t refresh,
    const at_session_token_pair_t *next, int64_t now, int64_t grace,
    at_error_t *err)
{
    int                  rc;
    MDB_txn             *txn;
    at_session_e         result;
    at_session_lookup_t  found;

    if (at_session_begin_write(sessions, &txn, err) != 0) {
        return AT_SESSION_FAILED;
    }

    result = at_session_lookup(sessions, txn, &found, refresh, now, &rc);

    if (result == AT_SESSION_OK) {
        rc = at_session_rotate_found(sessions, txn, &found, next, now, grace,
                                     &result);
    }

    return at_session_end_write(sessions, txn, rc, err) == 0 ? result
                                                        : AT_SESSION_FAILED;
}


/* --- logout -------------------------------------------------------------- */


/* counts the families that lived until now */
static int
at_session_revoke_family(at_session_db_t *sessions, MDB_txn *txn,
    at_session_lookup_t *found, int64_t now, unsigned *ended)
{
    int  rc;

    rc = at_session_get_family(sessions, txn, found);

    if (rc == MDB_NOTFOUND || (rc == 0 && found->family.ended != 0)) {
        return 0;
    }

    if (rc != 0) {
        return rc;
    }

    (*ended)++;
    found->family.ended = now;

    return at_session_update_family(sessions, txn, found);
}


static int
at_session_revoke_by_refresh(at_session_db_t *sessions, MDB_txn *txn,
    at_str_t refresh, int64_t now, unsigned *ended)
{
    int                  rc;
    at_session_e         result;
    at_session_lookup_t  found;

    if (refresh.len == 0) {
        return 0;
    }

    result = at_session_lookup(sessions, txn, &found, refresh, now, &rc);

    return result == AT_SESSION_OK
           ? at_session_revoke_family(sessions, txn, &found, now, ended) : rc;
}


/* the families of an access token stand side by side */
static int
at_session_revoke_families(at_session_db_t *sessions, MDB_txn *txn, MDB_cursor *cursor,
    const at_session_access_t *first, int64_t now, unsigned *ended)
{
    int                  rc;
    int64_t              expires;
    MDB_val              key, value;
    at_session_lookup_t  found;

    key = at_session_val(first, sizeof(at_session_access_t));

    for (rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
         rc == 0;
         rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT))
    {
        if (key.mv_size != sizeof(at_session_access_t)
            || value.mv_size != sizeof(expires))
        {
            return MDB_CORRUPTED;
        }

        if (memcmp(key.mv_data, first->access, AT_SHA256_LEN) != 0) {
            return 0;
        }

        memcpy(&expires, value.mv_data, sizeof(expires));
        memcpy(found.token.family, (char *) key.mv_data + AT_SHA256_LEN,
               AT_SESSION_FAMILY_LEN);

        if (now < expires) {
            rc = at_session_revoke_family(sessions, txn, &found, now, ended);
        }

        if (rc != 0) {
            return rc;
        }
    }

    return rc == MDB_NOTFOUND ? 0 : rc;
}


static int
at_session_revoke_by_access(at_session_db_t *sessions, MDB_txn *txn, at_str_t access,
    int64_t now, unsigned *ended)
{
    int                  rc;
    MDB_cursor          *cursor;
    at_session_access_t  first;

    if (access.len == 0) {
        return 0;
    }

    memset(&first, 0, sizeof(first));

    if (at_session_mac(sessions, first.access, "access token", access) != 0) {
        return ENOMEM;
    }

    rc = mdb_cursor_open(txn, sessions->lmdb.tables[AT_SESSION_ACCESS], &cursor);

    if (rc != 0) {
        return rc;
    }

    rc = at_session_revoke_families(sessions, txn, cursor, &first, now, ended);
    mdb_cursor_close(cursor);

    return rc;
}


at_session_e
at_session_revoke(at_session_db_t *sessions, at_str_t refresh, at_str_t access,
    int64_t now, at_error_t *err)
{
    int        rc;
    MDB_txn   *txn;
    unsigned   ended;

    if (at_session_begin_write(sessions, &txn, err) != 0) {
        return AT_SESSION_FAILED;
    }

    ended = 0;
    rc = at_session_revoke_by_refresh(sessions, txn, refresh, now, &ended);

    if (rc == 0) {
        rc = at_session_revoke_by_access(sessions, txn, access, now, &ended);
    }

    if (at_session_end_write(sessions, txn, rc, err) != 0) {
        return AT_SESSION_FAILED;
    }

    return ended ? AT_SESSION_OK : AT_SESSION_UNKNOWN;
}


/* --- cleaning ------------------------------------------------------------ */


/* the first entry; MDB_NOTFOUND if it is not due yet, too */
static int
at_session_get_expired(at_session_db_t *sessions, MDB_txn *txn,
    at_session_expiry_t *entry, size_t *len, int64_t now)
{
    int          rc, i;
    int64_t      when;
    MDB_val      key, value;
    MDB_cursor  *cursor;

    rc = mdb_cursor_open(txn, sessions->lmdb.tables[AT_SESSION_EXPIRIES], &cursor);

    if (rc != 0) {
        return rc;
    }

    rc = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
    mdb_cursor_close(cursor);

    if (rc != 0) {
        return rc;
    }

    if (key.mv_size <= AT_SESSION_EXPIRY_HEADER_LEN
        || key.mv_size > sizeof(at_session_expiry_t))
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


/* a family lives as long as its last token, which may be a later one */
static int
at_session_clean_family(at_session_db_t *sessions, MDB_txn *txn, MDB_val key,
    int64_t now)
{
    int                  rc;
    at_session_lookup_t  found;

    if (key.mv_size != AT_SESSION_FAMILY_LEN) {
        return MDB_CORRUPTED;
    }

    memcpy(found.token.family, key.mv_data, AT_SESSION_FAMILY_LEN);

    rc = at_session_get_family(sessions, txn, &found);

    if (rc == 0 && found.family.expires > now) {
        return at_session_put_expiry(sessions, txn, AT_SESSION_FAMILIES, key,
                                     found.family.expires);
    }

    return rc != 0 ? rc : mdb_del(txn, sessions->lmdb.tables[AT_SESSION_FAMILIES],
                                  &key, NULL);
}


static int
at_session_clean_record(at_session_db_t *sessions, MDB_txn *txn,
    at_session_table_e table, MDB_val key, int64_t now)
{
    int  rc;

    switch (table) {

    case AT_SESSION_FAMILIES:
        rc = at_session_clean_family(sessions, txn, key, now);
        break;

    case AT_SESSION_TOKENS:
    case AT_SESSION_ACCESS:
        rc = mdb_del(txn, sessions->lmdb.tables[table], &key, NULL);
        break;

    default:
        return MDB_CORRUPTED;
    }

    return rc == MDB_NOTFOUND ? 0 : rc;
}


static int
at_session_clean_batch(at_session_db_t *sessions, MDB_txn *txn, int64_t now,
    int max, int *n)
{
    int                  rc;
    size_t               len;
    MDB_val              key;
    at_session_expiry_t  entry;

    for (*n = 0; *n < max; (*n)++) {

        rc = at_session_get_expired(sessions, txn, &entry, &len, now);

        if (rc != 0) {
            return rc == MDB_NOTFOUND ? 0 : rc;
        }

        key = at_session_val(&entry, len);
        rc = mdb_del(txn, sessions->lmdb.tables[AT_SESSION_EXPIRIES], &key, NULL);

        if (rc == 0) {
            rc = at_session_clean_record(sessions, txn, entry.table,
                                         at_session_val(entry.key, len
                                                     - AT_SESSION_EXPIRY_HEADER_LEN),
                                         now);
        }

        if (rc != 0) {
            return rc;
        }
    }

    return 0;
}


static int
at_session_clean_once(at_session_db_t *sessions, int64_t now, int max,
    at_error_t *err)
{
    int       rc, n;
    MDB_txn  *txn;

    if (at_session_begin_write(sessions, &txn, err) != 0) {
        return -1;
    }

    n = 0;
    rc = at_session_clean_batch(sessions, txn, now, max, &n);

    return at_session_end_write(sessions, txn, rc, err) == 0 ? n : -1;
}


/*
 * What removes writes other pages first: where there is no room left, little
 * can be removed at a time, which makes room for more.
 */
int
at_session_db_clean(at_session_db_t *sessions, int64_t now, int max,
    at_error_t *err)
{
    int  n;

    do {
        n = at_session_clean_once(sessions, now, max, err);
        max /= 8;
    } while (n == -1 && max > 0);

    return n;
}


/* --- uses of API tokens -------------------------------------------------- */


static int
at_session_add_use(at_session_db_t *sessions, MDB_txn *txn, const at_token_use_t *use)
{
    int               rc;
    MDB_val           key;
    at_session_use_t  sum;

    key = at_session_val(use->digest, AT_SHA256_LEN);

    rc = at_session_get_fixed(sessions, txn, AT_SESSION_USES, key, &sum,
                              sizeof(sum));

    if (rc == MDB_NOTFOUND) {
        sum = (at_session_use_t) { 0, 0 };

    } else if (rc != 0) {
        return rc;
    }

    sum.count += use->count;

    if (sum.last < use->last) {
        sum.last = use->last;
    }

    return at_session_put(sessions, txn, AT_SESSION_USES, key, &sum,
                          sizeof(sum), 0);
}


int
at_token_use_add(at_session_db_t *sessions, const at_token_use_t *uses,
    size_t n, at_error_t *err)
{
    int       rc;
    size_t    i;
    MDB_txn  *txn;

    if (at_session_begin_write(sessions, &txn, err) != 0) {
        return -1;
    }

    rc = 0;

    for (i = 0; rc == 0 && i < n; i++) {
        rc = at_session_add_use(sessions, txn, &uses[i]);
    }

    return at_session_end_write(sessions, txn, rc, err) == 0 ? 0 : -1;
}


int
at_token_use_get(at_session_db_t *sessions, at_token_use_t *use)
{
    int               rc;
    at_session_use_t  sum;

    if (at_lmdb_begin_read(&sessions->lmdb, &sessions->reader) != 0) {
        return -1;
    }

    rc = at_session_get_fixed(sessions, sessions->reader, AT_SESSION_USES,
                              at_session_val(use->digest, AT_SHA256_LEN), &sum,
                              sizeof(sum));

    mdb_txn_reset(sessions->reader);

    if (rc != 0) {
        return rc == MDB_NOTFOUND ? 0 : -1;
    }

    use->count = sum.count;
    use->last = sum.last;

    return 1;
}
