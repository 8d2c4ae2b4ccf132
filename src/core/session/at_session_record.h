/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Internals of the session database, for the files of this folder only:
 * tables, records and transactions.
 *
 * Records are in host byte order, because only this host reads them.  MACs
 * bind a refresh token to its session, and a session to its user: another
 * process of the workers' user can delete or replay records, not forge them.
 *
 * Functions return 0 or LMDB's code, which is MDB_CORRUPTED for a record of
 * the wrong size or with the wrong MAC, unless they say otherwise.
 */

#ifndef AT_SESSION_RECORD_H
#define AT_SESSION_RECORD_H

#include "core/base/at_crypto.h"
#include "core/session/at_session.h"
#include "core/store/at_lmdb.h"


typedef enum {
    AT_SESSION_REFRESH = 0,     /* MAC of the token -> at_refresh_record_t */
    AT_SESSION_SESSIONS,        /* id -> at_session_record_t, user, issuer */
    AT_SESSION_ACCESS,          /* at_access_key_t -> expiry (int64_t) */
    AT_SESSION_EXPIRIES,        /* at_expiry_key_t -> nothing */
    AT_SESSION_USES,            /* SHA-256 of an API token -> use counter */
    AT_SESSION_PAIRS,           /* id of a session -> the latest pair, sealed:
                                   see at_stored_pair.h */

    AT_SESSION_TABLES
} at_session_table_e;

#define AT_SESSION_ID_LEN  16

typedef struct {
    unsigned char  session[AT_SESSION_ID_LEN];
    unsigned char  mac[AT_SHA256_LEN];      /* of its key and session */
    int64_t        expires;
    int64_t        used;                    /* time, or 0 */
} at_refresh_record_t;

typedef struct {
    int64_t        expires;                 /* of its last refresh token */
    int64_t        created;
    int64_t        revoked;                 /* time, or 0 */
    unsigned char  access[2][AT_SHA256_LEN];
                                            /* MACs of the two latest access
                                               tokens, the latest first */
    unsigned char  mac[AT_SHA256_LEN];      /* of its id and of what follows,
                                               which never changes */
    unsigned char  user_tag[AT_SESSION_TAG_LEN];
    uint32_t       user_len;
    uint32_t       issuer_len;
} at_session_record_t;

typedef struct {
    unsigned char  access[AT_SHA256_LEN];   /* MAC of the token */
    unsigned char  session[AT_SESSION_ID_LEN];
} at_access_key_t;

/* one entry for each record that expires, sorted by time */
typedef struct {
    unsigned char  when[8];                 /* big-endian */
    unsigned char  table;
    unsigned char  key[sizeof(at_access_key_t)];    /* or shorter */
} at_expiry_key_t;

struct at_session_db_s {
    at_lmdb_t       lmdb;
    MDB_txn        *reader;     /* of the reading thread, kept and renewed */
    at_state_key_t  key;
};

/* a session as it is stored; user and issuer are views of the map */
typedef struct {
    unsigned char        id[AT_SESSION_ID_LEN];
    at_session_record_t  record;
    at_str_t             user;
    at_str_t             issuer;
} at_stored_session_t;


static inline MDB_val
at_session_val(const void *data, size_t len)
{
    return (MDB_val) { len, (void *) (uintptr_t) data };
}


static inline int
at_session_is_latest_access(const at_stored_session_t *session,
    const unsigned char digest[AT_SHA256_LEN])
{
    return memcmp(session->record.access[0], digest, AT_SHA256_LEN) == 0
           || memcmp(session->record.access[1], digest, AT_SHA256_LEN) == 0;
}


/* copies a record of exactly len bytes: the map may not be aligned */
int at_session_get(at_session_db_t *db, MDB_txn *txn, at_session_table_e table,
    MDB_val key, void *record, size_t len);
int at_session_put(at_session_db_t *db, MDB_txn *txn, at_session_table_e table,
    MDB_val key, const void *record, size_t len, unsigned flags);

/* schedules the removal of a record */
int at_session_put_expiry(at_session_db_t *db, MDB_txn *txn,
    at_session_table_e table, MDB_val key, int64_t when);

/* reads the session of session->id, and checks its MAC */
int at_session_load(at_session_db_t *db, MDB_txn *txn,
    at_stored_session_t *session);


#endif
