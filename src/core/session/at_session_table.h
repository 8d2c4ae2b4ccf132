/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Transactions and tables of the session database, for the files of this
 * folder only.
 *
 * Functions return 0 or LMDB's code, or AT_LMDB_BAD_RECORD for a record of
 * the wrong size or with the wrong MAC, unless they say otherwise.
 */

#ifndef AT_SESSION_TABLE_H
#define AT_SESSION_TABLE_H

#include "core/session/at_session_record.h"


/* the transaction of the group, or a new one; 0, or -1 with err set */
int at_session_begin_write(at_session_db_t *db, MDB_txn **txn,
    at_error_t *err);
int at_session_end_write(at_session_db_t *db, MDB_txn *txn, int rc,
    at_error_t *err);

/* the number of pages of all tables, and of pages of the map */
int at_session_count_pages(at_session_db_t *db, MDB_txn *txn, size_t *used,
    size_t *total);

/* copies a record of exactly len bytes: the map may not be aligned */
int at_session_get(at_session_db_t *db, MDB_txn *txn, at_session_table_e table,
    MDB_val key, void *record, size_t len);
int at_session_put(at_session_db_t *db, MDB_txn *txn, at_session_table_e table,
    MDB_val key, const void *record, size_t len, unsigned flags);

/* a record that does not exist is not an error */
int at_session_delete(at_session_db_t *db, MDB_txn *txn,
    at_session_table_e table, MDB_val key);

/* schedules the removal of a record, or cancels it */
int at_session_put_expiry(at_session_db_t *db, MDB_txn *txn,
    at_session_table_e table, MDB_val key, int64_t when);
int at_session_delete_expiry(at_session_db_t *db, MDB_txn *txn,
    at_session_table_e table, MDB_val key, int64_t when);

/* reads the session of session->id, and checks its MAC; writes it */
int at_session_load(at_session_db_t *db, MDB_txn *txn,
    at_stored_session_t *session);
int at_session_save(at_session_db_t *db, MDB_txn *txn,
    const at_stored_session_t *session);

/* HMAC under the state key, for a purpose: 0, ENOMEM */
int at_session_mac(const at_session_db_t *db, unsigned char mac[AT_SHA256_LEN],
    at_str_t purpose, at_str_t text);


#endif
