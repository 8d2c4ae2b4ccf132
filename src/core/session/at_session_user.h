/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The list of sessions of each user, for the limit on their number.  The user
 * of another issuer block is another user.
 *
 * Functions return 0 or LMDB's code.
 */

#ifndef AT_SESSION_USER_H
#define AT_SESSION_USER_H

#include "core/session/at_session_table.h"


/* the sessions of a user, the revoked ones first, then the oldest */
typedef struct {
    unsigned char  user[AT_SESSION_TAG_LEN];    /* MAC of user and issuer */
    unsigned char  created[8];              /* big-endian; 0: revoked */
    char           session[AT_SESSION_ID_LEN];
} at_user_key_t;


/* lists a session, or removes it from the list */
int at_session_put_user(at_session_db_t *db, MDB_txn *txn,
    const at_stored_session_t *session);
int at_session_delete_user(at_session_db_t *db, MDB_txn *txn,
    const at_stored_session_t *session);

/* removes the first sessions of the user until less than max remain */
int at_session_limit_user(at_session_db_t *db, MDB_txn *txn,
    const at_stored_session_t *session, uint64_t max);

/* removes a session with all its records except used refresh tokens */
int at_session_remove(at_session_db_t *db, MDB_txn *txn,
    const at_stored_session_t *session);


#endif
