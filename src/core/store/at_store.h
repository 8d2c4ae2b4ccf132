/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The store: an LMDB environment with a table for each kind of record.  Any
 * number of processes read and one at a time writes; the next transaction of
 * every reader sees a committed change.  at_lmdb.h says when a process may
 * open it.
 */

#ifndef AT_STORE_H
#define AT_STORE_H

#include <stdint.h>

#include "core/base/at_crypto.h"
#include "core/base/at_error.h"
#include "core/base/at_str.h"
#include "core/store/at_lmdb_file.h"


typedef enum {
    AT_TABLE_TOKENS = 0,        /* SHA-256 of the API token -> token record */
    AT_TABLE_TOKEN_IDS,         /* id -> SHA-256 of the API token */
    AT_TABLE_CLIENTS,           /* id in lower case -> client record */
    AT_TABLE_USERS,             /* username -> user record */
    AT_TABLE_ROLES,             /* name in lower case -> role record */

    AT_TABLES                   /* number of tables */
} at_table_e;

#define AT_KEY_MAX  511         /* bytes; an empty key has no record */

typedef enum {
    AT_STORE_OK = 0,
    AT_STORE_NOT_FOUND,
    AT_STORE_FAILED
} at_store_e;

typedef enum {
    AT_STORE_READ = 0,
    AT_STORE_WRITE
} at_store_mode_e;

typedef struct at_store_s  at_store_t;


/* opens a store that at_store_inspect() accepts; NULL with err set */
at_store_t *at_store_open(const char *path, at_store_mode_e mode,
    at_lmdb_verdict_t *verdict, at_error_t *err);
void at_store_close(at_store_t *store);

/* the size of the map in bytes if the address space is limited, else 0 */
size_t at_store_reduced_map(const at_store_t *store);

/*
 * 1 while the path still has the files that were opened, and they are
 * complete.  Call it from time to time, not inside a transaction.  If data.mdb
 * was replaced and lock.mdb was not, the second call at the latest returns 0.
 */
int at_store_is_current(at_store_t *store);


/*
 * Transactions, one at a time per store.  Return 0, or -1 with err set.  Views
 * of keys and values are valid until the end of the transaction, and in a
 * write transaction until its next change.
 */
int at_store_begin(at_store_t *store, at_store_mode_e mode, at_error_t *err);
int at_store_commit(at_store_t *store, at_error_t *err);
void at_store_end(at_store_t *store);      /* aborts unless committed */

/*
 * Releases an outdated snapshot, so that LMDB can reuse its pages: a snapshot
 * is kept for the next read transaction.  Call it from time to time, between
 * transactions.
 */
void at_store_release_snapshot(at_store_t *store);

/*
 * Returns the transaction number of the last commit, of any process, which may
 * precede its visibility; compare with != only.  at_store_saw_outdated()
 * returns 1 if a transaction after this call read an outdated snapshot: its
 * results must not be cached under the number.
 */
uint64_t at_store_begin_epoch(at_store_t *store);
int at_store_saw_outdated(const at_store_t *store);

/*
 * Without a record at_store_get() leaves *value unchanged.  at_store_put()
 * replaces an existing record.
 */
at_store_e at_store_get(at_store_t *store, at_table_e table, at_str_t key,
    at_str_t *value);
at_store_e at_store_put(at_store_t *store, at_table_e table, at_str_t key,
    at_str_t value);
at_store_e at_store_delete(at_store_t *store, at_table_e table, at_str_t key);

/*
 * Calls handler for each record, in the order of keys, until it returns a
 * value other than 0, which is then returned; -1 if the store failed.
 */
typedef int (*at_store_handler_pt)(void *data, at_str_t key, at_str_t value);

int at_store_foreach(at_store_t *store, at_table_e table,
    at_store_handler_pt handler, void *data);

/* LMDB's text of the last AT_STORE_FAILED, for an operator */
const char *at_store_error(const at_store_t *store);

/* the key of an API token: its SHA-256; 0, or -1 without memory */
int at_store_token_key(at_store_t *store, unsigned char key[AT_SHA256_LEN],
    at_str_t token);

/* a case-insensitive key (client id, role name); empty if text is too long */
at_str_t at_store_lower_key(char buf[AT_KEY_MAX], at_str_t text);


#endif
