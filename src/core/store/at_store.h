/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The store: an LMDB environment in a directory, with a table for each kind of
 * record.  Any number of processes read and one at a time writes; a committed
 * change counts for the next transaction of every reader.
 *
 * A process opens a path once, and after its last fork: LMDB's locks do not
 * survive a second environment of the same files, nor a fork.
 */

#ifndef AT_STORE_H
#define AT_STORE_H

#include <stdint.h>
#include <sys/types.h>

#include "core/base/at_crypto.h"
#include "core/base/at_error.h"
#include "core/base/at_str.h"


typedef enum {
    AT_TABLE_TOKENS = 0,        /* SHA-256 of the token -> token record */
    AT_TABLE_TOKEN_IDS,         /* id -> SHA-256 of the token */
    AT_TABLE_CLIENTS,           /* id in lower case -> client record */
    AT_TABLE_USERS,             /* username -> user record */
    AT_TABLE_ROLES,             /* name in lower case -> role record */

    AT_TABLES                   /* how many there are */
} at_table_e;

#define AT_KEY_MAX  511         /* bytes of a key; an empty one is found nowhere */

typedef enum {
    AT_STORE_OK = 0,
    AT_STORE_NOT_FOUND,
    AT_STORE_EXISTS,            /* at_store_add() alone */
    AT_STORE_FAILED
} at_store_e;

typedef enum {
    AT_STORE_READ = 0,
    AT_STORE_WRITE
} at_store_mode_e;

/* whom the files must serve: a worker's user, which may read and not write */
typedef struct {
    uid_t         uid;
    size_t        n_gids;
    const gid_t  *gids;         /* the first one is that of its files */
    int           alone;        /* nginx has no other user: it may own the store */
} at_store_worker_t;

typedef struct at_store_s  at_store_t;


/*
 * Makes the files of an empty store, as nobody else does, in a directory that
 * is made too or has neither of them: directory 2750, data.mdb 0640, lock.mdb
 * 0660, all of that owner and group, or of the process' own for -1.  Returns 0,
 * or -1 with err set; a store that was there is left alone.
 */
int at_store_init(const char *path, uid_t uid, gid_t gid, at_error_t *err);

/*
 * Looks at the files without opening the environment: there, whole, of LMDB's
 * version, on a local file system, and with modes that let reader read and
 * nobody but the owner write.  reader may be NULL.  Returns 0; 1 with err set
 * for what deserves a warning; -1 with err set, which says how to mend it.
 */
int at_store_inspect(const char *path, const at_store_worker_t *reader,
    at_error_t *err);

/*
 * Opens an existing store that at_store_inspect() would take.  NULL on error,
 * with err set.
 */
at_store_t *at_store_open(const char *path, at_store_mode_e mode,
    at_error_t *err);
void at_store_close(at_store_t *store);

/*
 * 1 while the files under the path are those that were opened, and whole.  To be
 * asked between transactions, and now and then: a data.mdb that took the place
 * of another under one lock.mdb is seen at the second time at the latest.
 */
int at_store_is_current(at_store_t *store);

/* differs after every commit of any process; compare with != only */
uint64_t at_store_generation(const at_store_t *store);


/*
 * Transactions: one at a time of a store.  What at_store_get() and the cursor
 * return are views that end with the transaction, and those of a write
 * transaction with its next change.
 */
int at_store_begin(at_store_t *store, at_store_mode_e mode, at_error_t *err);
int at_store_commit(at_store_t *store, at_error_t *err);
void at_store_end(at_store_t *store);      /* aborts what is not committed */

/*
 * What was read stays a snapshot, so that the next one who reads is spared the
 * way to it, until something has changed.  From then on no page of it can be
 * written anew: so who reads now and then lets go of an old one, by this, between
 * transactions.
 */
void at_store_release_snapshot(at_store_t *store);

/*
 * A commit has its number once it is written, and is read once it is on the disk:
 * whether anything was read, since at_store_begin_epoch() gave the number of the last
 * one, that was not that far.
 */
uint64_t at_store_begin_epoch(at_store_t *store);
int at_store_saw_newer(const at_store_t *store);

/* the value is left as it is where there is none */
at_store_e at_store_get(at_store_t *store, at_table_e table, at_str_t key,
    at_str_t *value);

/* replaces; AT_STORE_EXISTS never */
at_store_e at_store_put(at_store_t *store, at_table_e table, at_str_t key,
    at_str_t value);

/* an API token: its digest, its record */
typedef struct {
    at_str_t  key;
    at_str_t  value;
} at_store_item_t;

/* as many puts, of keys that ascend: each bucket of them is written once */
at_store_e at_store_put_tokens(at_store_t *store, const at_store_item_t *items,
    size_t n);

/* AT_STORE_EXISTS where the key is there already */
at_store_e at_store_add(at_store_t *store, at_table_e table, at_str_t key,
    at_str_t value);

at_store_e at_store_delete(at_store_t *store, at_table_e table, at_str_t key);

/*
 * Calls handler for each record, in the order of keys but for some of the
 * tokens, until it returns not 0, which is then returned; -1 where the store
 * failed.  The key is the handler's until it returns.
 */
typedef int (*at_store_handler_pt)(void *data, at_str_t key, at_str_t value);

int at_store_foreach(at_store_t *store, at_table_e table, at_store_handler_pt handler,
    void *data);

/* what LMDB said of the last AT_STORE_FAILED, for an operator */
const char *at_store_error(const at_store_t *store);


/* The key of an API token: its SHA-256.  Returns 0, or -1 where memory failed. */
int at_store_token_key(at_store_t *store, unsigned char key[AT_SHA256_LEN],
    at_str_t token);

/*
 * Keys that do not distinguish case (client ids, role names): writes at most
 * AT_KEY_MAX bytes to buf; the empty view for a text that is longer.
 */
at_str_t at_store_lower_key(char buf[AT_KEY_MAX], at_str_t text);


#endif
