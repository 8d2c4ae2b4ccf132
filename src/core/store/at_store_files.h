/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The files of the store: creation, ownership and permissions.
 *
 *     PATH/            2750, the operator's user, group of the workers
 *     PATH/data.mdb    0640
 *     PATH/lock.mdb    0660: readers register in it
 */

#ifndef AT_STORE_FILES_H
#define AT_STORE_FILES_H

#include <sys/types.h>

#include "core/base/at_error.h"


/* see at_lmdb.h, which brings in the header of LMDB */
extern const struct at_lmdb_schema_s  at_store_schema;

/* the user of the worker processes, with read access only */
typedef struct {
    uid_t         uid;
    size_t        n_gids;
    const gid_t  *gids;         /* the first is the group of its files */
    int           single_user;  /* nginx has no other user */
} at_store_worker_t;


/*
 * Creates an empty store.  The directory is created if it is missing, and must
 * contain neither of the files.  A uid or gid of -1 stands for that of the
 * process.  Returns 0, or -1 with err set; an existing store is not changed.
 */
int at_store_init(const char *path, uid_t uid, gid_t gid, at_error_t *err);

/*
 * Checks the files without opening the environment: existing, complete, of
 * this LMDB version, on a local file system, readable for the worker (may be
 * NULL) and writable for the owner only.  Returns 0; 1 with err set for a
 * warning; -1 with err set, which says how to fix it.
 */
int at_store_inspect(const char *path, const at_store_worker_t *worker,
    at_error_t *err);

/* appends how to fix a damaged file */
void at_store_add_remedy(at_error_t *err);


#endif
