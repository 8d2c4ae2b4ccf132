/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The session database: an LMDB environment of the workers beside the store,
 * so that a refresh does not invalidate snapshots of the store.
 *
 * Functions that write wait for other writers, and their changes are durable
 * when they return: call them in a thread, one at a time for an
 * at_session_db_t.  Functions that read never wait and may run on the event
 * loop at the same time.
 */

#ifndef AT_SESSION_DB_H
#define AT_SESSION_DB_H

#include <stdint.h>

#include "core/base/at_error.h"
#include "core/session/at_state.h"
#include "core/store/at_lmdb_file.h"


typedef struct at_session_db_s  at_session_db_t;


/*
 * Opens the environment in path, once in a process, after its last fork, and
 * checks its pages first as at_lmdb_open() does.  With a key, it must run as
 * the workers' user, creates missing files, and renames a damaged database to
 * PATH.damaged and creates a new one.  Without a key (NULL) the files must
 * exist, and only at_token_use_get() works.  Returns NULL with err set on
 * error.  On success err is empty, or tells of the damaged database.
 */
at_session_db_t *at_session_db_open(const char *path,
    const at_state_key_t *key, at_lmdb_verdict_t *verdict, at_error_t *err);
void at_session_db_close(at_session_db_t *db);

/* bytes of the map if the address space is limited, else 0 */
size_t at_session_db_reduced_map(const at_session_db_t *db);

/*
 * Returns 0 if its files were removed, replaced or truncated, or if LMDB found
 * them damaged, else 1.
 */
int at_session_db_is_current(const at_session_db_t *db);
int at_session_db_is_damaged(const at_session_db_t *db);

/*
 * Makes one transaction, and one sync, of all writes until the end of the
 * group.  Their results are valid once at_session_db_end_group() returns 0.
 * Otherwise nothing was written: repeat each write without a group.
 */
int at_session_db_begin_group(at_session_db_t *db, at_error_t *err);
int at_session_db_end_group(at_session_db_t *db, at_error_t *err);

/*
 * Removes at most max records in one transaction: used refresh tokens whose
 * grace period ended before now, and sessions and access tokens that expired
 * before expired.  Returns their number, or -1 with err set.
 */
int at_session_db_clean(at_session_db_t *db, int64_t now, int64_t expired,
    int max, at_error_t *err);

/*
 * Percent of the map that is in use, or -1: a function that reads.  New tokens
 * are not stored if it is AT_SESSION_DB_FULL or more: the rest is for logouts
 * and for cleaning, which copy the pages that they change.
 */
#define AT_SESSION_DB_FULL  90

int at_session_db_usage(at_session_db_t *db);

/*
 * Writes the name of the user with most sessions to name, terminated, maybe
 * truncated to size, and returns their number; 0 without sessions, -1 with err
 * set.  It visits all sessions: call it in the writing thread.
 */
int64_t at_session_db_largest_user(at_session_db_t *db, char *name,
    size_t size, at_error_t *err);

/*
 * Returns the number of sessions that are neither expired nor revoked, or -1
 * with err set.  It visits all sessions, too.
 */
int64_t at_session_db_count_live(at_session_db_t *db, int64_t now,
    at_error_t *err);


#endif
