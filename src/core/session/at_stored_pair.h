/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The pair of tokens that replaced a refresh token, for parallel uses of that
 * token.  A session has at most one, that of its latest refresh.  It is
 * encrypted with a key that is derived from the replaced token (HKDF and
 * AES-256-GCM).  The database has only a MAC of this token, so it does not
 * reveal the pair.
 *
 * Functions return 0 or LMDB's code.
 */

#ifndef AT_STORED_PAIR_H
#define AT_STORED_PAIR_H

#include "core/session/at_session_table.h"


/*
 * Replaces the pair of the session.  refresh is the replaced token, and digest
 * is its MAC.  at_stored_pair_get() returns MDB_NOTFOUND if the pair replaced
 * another token; at_stored_pair_clean() keeps such a pair.
 */
int at_stored_pair_put(at_session_db_t *db, MDB_txn *txn,
    const char session[AT_SESSION_ID_LEN], at_str_t refresh,
    const unsigned char digest[AT_SHA256_LEN],
    const at_session_token_pair_t *pair);
int at_stored_pair_get(at_session_db_t *db, MDB_txn *txn,
    const char session[AT_SESSION_ID_LEN], at_str_t refresh,
    const unsigned char digest[AT_SHA256_LEN], at_session_copy_t *copy);
int at_stored_pair_delete(at_session_db_t *db, MDB_txn *txn,
    const char session[AT_SESSION_ID_LEN]);

int at_stored_pair_clean(at_session_db_t *db, MDB_txn *txn,
    const char session[AT_SESSION_ID_LEN],
    const unsigned char digest[AT_SHA256_LEN]);


#endif
