/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <errno.h>
#include <stdlib.h>

#include "core/session/at_stored_pair.h"


/* the sealed tokens follow, each with its terminator */
typedef struct {
    unsigned char  replaced[AT_SHA256_LEN];     /* MAC of the token */
} at_stored_pair_t;


/* the salt is a MAC: it makes the key depend on the state key, too */
static int
at_stored_pair_key(unsigned char key[AT_SHA256_LEN], at_str_t refresh,
    const unsigned char digest[AT_SHA256_LEN])
{
    return at_hkdf_sha256(key, refresh,
                          (at_str_t) { (const char *) digest, AT_SHA256_LEN },
                          at_str("auth_token: pair of a refresh token"));
}


int
at_stored_pair_put(at_session_db_t *db, MDB_txn *txn,
    const char session[AT_SESSION_ID_LEN], at_str_t refresh,
    const unsigned char digest[AT_SHA256_LEN],
    const at_session_token_pair_t *pair)
{
    int                rc;
    char              *plain;
    size_t             plain_len, len;
    MDB_val            id;
    unsigned char     *record, key[AT_SHA256_LEN];
    at_stored_pair_t   header;

    id = at_session_val(session, AT_SESSION_ID_LEN);
    plain_len = pair->refresh.len + pair->access.len + 2;
    len = sizeof(header) + plain_len + AT_SEAL_OVERHEAD;

    plain = calloc(1, plain_len);
    record = malloc(len);
    rc = plain != NULL && record != NULL
         && at_stored_pair_key(key, refresh, digest) == 0
         ? 0 : ENOMEM;

    if (rc == 0) {
        memcpy(plain, pair->refresh.data, pair->refresh.len);
        memcpy(plain + pair->refresh.len + 1, pair->access.data,
               pair->access.len);

        memcpy(header.replaced, digest, AT_SHA256_LEN);
        memcpy(record, &header, sizeof(header));

        rc = at_seal(record + sizeof(header), key,
                     (at_str_t) { session, AT_SESSION_ID_LEN },
                     (at_str_t) { plain, plain_len })
             == 0 ? 0 : ENOMEM;
    }

    if (rc == 0) {
        rc = at_session_put(db, txn, AT_SESSION_PAIRS, id, record, len, 0);
    }

    if (plain != NULL) {
        at_crypto_cleanse(plain, plain_len);
    }

    at_crypto_cleanse(key, sizeof(key));
    free(plain);
    free(record);

    return rc;
}


/* splits the two terminated tokens */
static int
at_stored_pair_split(at_session_copy_t *copy, const char *plain, size_t len)
{
    const char  *access;

    access = plain + strnlen(plain, len - 1) + 1;

    copy->refresh = strndup(plain, len);
    copy->access = strndup(access, (size_t) (plain + len - access));

    if (copy->refresh != NULL && copy->access != NULL) {
        return 0;
    }

    at_secret_free(copy->refresh);
    at_secret_free(copy->access);
    *copy = (at_session_copy_t) { NULL, NULL };

    return ENOMEM;
}


int
at_stored_pair_get(at_session_db_t *db, MDB_txn *txn,
    const char session[AT_SESSION_ID_LEN], at_str_t refresh,
    const unsigned char digest[AT_SHA256_LEN], at_session_copy_t *copy)
{
    int                rc;
    char              *plain;
    size_t             len;
    MDB_val            id, value;
    at_str_t           sealed;
    unsigned char      key[AT_SHA256_LEN];
    at_stored_pair_t   header;

    id = at_session_val(session, AT_SESSION_ID_LEN);
    rc = mdb_get(txn, db->lmdb.tables[AT_SESSION_PAIRS], &id, &value);

    if (rc != 0) {
        return rc;
    }

    if (value.mv_size <= sizeof(header) + AT_SEAL_OVERHEAD) {
        return AT_LMDB_BAD_RECORD;
    }

    memcpy(&header, value.mv_data, sizeof(header));

    if (!at_crypto_equal(header.replaced, digest, AT_SHA256_LEN)) {
        return MDB_NOTFOUND;
    }

    sealed = (at_str_t) { (const char *) value.mv_data + sizeof(header),
                          value.mv_size - sizeof(header) };
    len = sealed.len - AT_SEAL_OVERHEAD;
    plain = malloc(len);

    if (plain == NULL || at_stored_pair_key(key, refresh, digest) != 0) {
        free(plain);
        return ENOMEM;
    }

    rc = at_unseal(plain, key,
                   (at_str_t) { session, AT_SESSION_ID_LEN },
                   sealed)
         == 0 ? at_stored_pair_split(copy, plain, len) : AT_LMDB_BAD_RECORD;

    at_crypto_cleanse(key, sizeof(key));
    at_crypto_cleanse(plain, len);
    free(plain);

    return rc;
}


int
at_stored_pair_delete(at_session_db_t *db, MDB_txn *txn,
    const char session[AT_SESSION_ID_LEN])
{
    return at_session_delete(db, txn, AT_SESSION_PAIRS,
                             at_session_val(session, AT_SESSION_ID_LEN));
}


int
at_stored_pair_clean(at_session_db_t *db, MDB_txn *txn,
    const char session[AT_SESSION_ID_LEN],
    const unsigned char digest[AT_SHA256_LEN])
{
    int      rc;
    MDB_val  id, value;

    id = at_session_val(session, AT_SESSION_ID_LEN);
    rc = mdb_get(txn, db->lmdb.tables[AT_SESSION_PAIRS], &id, &value);

    if (rc != 0) {
        return rc == MDB_NOTFOUND ? 0 : rc;
    }

    if (value.mv_size < sizeof(at_stored_pair_t)) {
        return AT_LMDB_BAD_RECORD;
    }

    return memcmp(value.mv_data, digest, AT_SHA256_LEN) == 0
           ? mdb_del(txn, db->lmdb.tables[AT_SESSION_PAIRS], &id, NULL) : 0;
}
