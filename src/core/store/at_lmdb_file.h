/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The file data.mdb: checks that LMDB does not make, without opening the
 * environment.
 */

#ifndef AT_LMDB_FILE_H
#define AT_LMDB_FILE_H

#include <limits.h>
#include <sys/stat.h>

#include "core/base/at_error.h"
#include "core/store/at_lmdb_format.h"


typedef enum {
    AT_LMDB_DAMAGED = -2,       /* truncated, or not an LMDB file */
    AT_LMDB_FAILED = -1,
    AT_LMDB_OK = 0,
    AT_LMDB_MISSING = 1
} at_lmdb_e;

/*
 * The result of a check; all zero: none.  It is not repeated for the same
 * file: a sound file is changed by LMDB only, a damaged one by the operator.
 */
typedef struct {
    dev_t            dev;
    ino_t            ino;
    struct timespec  changed;
    at_lmdb_e        result;    /* OK or DAMAGED */
    at_error_t       err;
} at_lmdb_verdict_t;


/* the path of a file in the environment's directory; 0, or -1 with err set */
int at_lmdb_path(char buf[PATH_MAX], const char *path, const char *file,
    at_error_t *err);

/*
 * Checks data.mdb without opening the environment: a regular file of this LMDB
 * version, complete, on a local file system.  Sets err unless it returns
 * AT_LMDB_OK or AT_LMDB_MISSING.  may_be_empty: another process may be
 * creating it.
 */
at_lmdb_e at_lmdb_inspect(const char *path, int may_be_empty, at_error_t *err);

/*
 * Reads the meta page of a transaction, or the newer one if txnid is 0.
 * Returns 0, or -1 if the file has no such meta page or another format.
 */
int at_lmdb_read_meta(at_lmdb_meta_t *meta, int fd, uint64_t txnid);

/*
 * Checks the pages, see at_lmdb_pages.h.  Sets err unless it returns
 * AT_LMDB_OK; AT_LMDB_FAILED means that the file cannot be read.
 */
at_lmdb_e at_lmdb_verify(int fd, const char *file, const at_lmdb_meta_t *meta,
    at_lmdb_verdict_t *verdict, at_error_t *err);

/*
 * Whether the file, or data.mdb in the directory path, is that of the verdict;
 * err is set if it is damaged.
 */
int at_lmdb_fd_is_verified(const at_lmdb_verdict_t *verdict, int fd,
    at_error_t *err);
int at_lmdb_is_verified(const at_lmdb_verdict_t *verdict, const char *path,
    at_error_t *err);

/*
 * Checks the pages of data.mdb in the directory path, in a process that does
 * not open the environment.  *verdict is zero for a file that is rejected by
 * at_lmdb_inspect(), and if other processes commit too often: this has no
 * reader slot.
 */
void at_lmdb_verify_path(at_lmdb_verdict_t *verdict, const char *path);


#endif
