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


typedef struct at_session_db_s  at_session_db_t;


/*
 * Opens the environment in path, once in a process, after its last fork.  With
 * a key, it must run as the workers' user and creates missing files.  Without
 * a key (NULL) the files must exist, and only at_token_use_get() works.
 * Returns NULL with err set on error.
 */
at_session_db_t *at_session_db_open(const char *path,
    const at_state_key_t *key, at_error_t *err);
void at_session_db_close(at_session_db_t *db);

/* bytes of the map if the address space is limited, else 0 */
size_t at_session_db_reduced_map(const at_session_db_t *db);

/* Returns 0 if its files were removed, replaced or truncated, else 1. */
int at_session_db_is_current(const at_session_db_t *db);

/*
 * Removes at most max expired records in one transaction; now is milliseconds
 * since the epoch.  Returns their number, or -1 with err set.
 */
int at_session_db_clean(at_session_db_t *db, int64_t now, int max,
    at_error_t *err);


#endif
