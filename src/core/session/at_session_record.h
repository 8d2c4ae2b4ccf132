/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Records of the session database, for the files of this folder only.
 *
 * Records are in host byte order, because only this host reads them.  MACs
 * bind a refresh token to its session, and a session to its user: another
 * process of the workers' user can delete or replay records, not forge them.
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
    AT_SESSION_USERS,           /* at_user_key_t -> nothing */

    AT_SESSION_TABLES
} at_session_table_e;

typedef struct {
    char           session[AT_SESSION_ID_LEN];
    unsigned char  mac[AT_SHA256_LEN];      /* of its key and session */
    int64_t        expires;
    int64_t        used;                    /* time, or 0 */
} at_refresh_record_t;

typedef struct {
    int64_t        expires;                 /* of its last refresh token */
    int64_t        created;
    int64_t        revoked;                 /* time, or 0 */
    int64_t        removal;                 /* time of its at_expiry_key_t */
    int64_t        minute;                  /* start of the present minute */
    uint64_t       refreshes;               /* in this minute */
    unsigned char  refresh[AT_SHA256_LEN];  /* MAC of the unused token */
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
    char           session[AT_SESSION_ID_LEN];
} at_access_key_t;

/*
 * One entry for each session, each used refresh token, and each access token
 * that is not one of the two latest; sorted by time in each table.
 */
typedef struct {
    unsigned char  table;
    unsigned char  when[8];                 /* big-endian */
    unsigned char  key[sizeof(at_access_key_t)];    /* or shorter */
} at_expiry_key_t;

struct at_session_db_s {
    at_lmdb_t       lmdb;
    MDB_txn        *reader;     /* of the reading thread, kept and renewed */
    MDB_txn        *group;      /* see at_session_db_begin_group(), or NULL */
    int             group_failed;
    at_state_key_t  key;
};

/* a session as it is stored; user and issuer are views of texts, if loaded */
typedef struct {
    char                 id[AT_SESSION_ID_LEN];
    at_session_record_t  record;
    char                 texts[AT_SESSION_BUF_SIZE];
    at_str_t             user;
    at_str_t             issuer;
} at_stored_session_t;


static inline MDB_val
at_session_val(const void *data, size_t len)
{
    return (MDB_val) { len, (void *) (uintptr_t) data };
}


static inline char *
at_append(char *p, const void *data, size_t len)
{
    if (len != 0) {
        memcpy(p, data, len);
    }

    return p + len;
}


static inline int
at_session_is_latest_access(const at_stored_session_t *session,
    const unsigned char digest[AT_SHA256_LEN])
{
    return memcmp(session->record.access[0], digest, AT_SHA256_LEN) == 0
           || memcmp(session->record.access[1], digest, AT_SHA256_LEN) == 0;
}


#endif
