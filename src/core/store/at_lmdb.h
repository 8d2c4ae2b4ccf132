/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * What every user of LMDB's files has to look after, as LMDB does not: a file
 * that was cut ends the process that reads it (SIGBUS), and on a network file
 * system the locks do not hold.
 */

#ifndef AT_LMDB_H
#define AT_LMDB_H

#include <limits.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/base/at_error.h"


struct MDB_env;

#define AT_LMDB_MAX_READERS  4096


/* the path of a file in the directory of an environment; 0, or -1 */
int at_lmdb_path(char buf[PATH_MAX], const char *path, const char *file,
    at_error_t *err);

/*
 * Whether a data.mdb is of this version of LMDB, and as long as its newer meta
 * page says: 0, or -1 with err set.  fd is left open.
 */
int at_lmdb_check_content(int fd, const char *path, at_error_t *err);

/* the same, for the file system of a file, or of a directory */
int at_lmdb_check_file_system(int fd, const char *path, at_error_t *err);

/*
 * The two meta pages, one of which each commit writes: in a mapping of their own,
 * as to ask LMDB for its last transaction takes some looks at other places.
 */
typedef struct {
    void    *map;               /* NULL: none */
    size_t   page_size;
} at_lmdb_metas_t;

/* 0, or errno */
int at_lmdb_metas_map(at_lmdb_metas_t *metas, int fd, size_t page_size);
void at_lmdb_metas_unmap(at_lmdb_metas_t *metas);

/* the number of the last transaction that was committed */
uint64_t at_lmdb_last_txnid(const at_lmdb_metas_t *metas);

/* what the file must have for its last page; asking touches its first two */
off_t at_lmdb_min_file_size(struct MDB_env *env, unsigned page_size);

/*
 * Pages that a transaction takes from the end of the file and gives back are
 * counted by LMDB, and never written, so that a whole file may look as one that
 * was cut.  So there is always more of it, which takes no place on the disk.
 * Only the holder of the writers' lock may do that: the size must not shrink.
 */
void at_lmdb_extend_file(struct MDB_env *env, unsigned page_size);


#endif
