/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Calls of the system and of LMDB that fail, counted with the allocations of
 * fail.h; with a sanitizer only these calls fail.  They replace the functions
 * in the whole process, so LMDB's own calls of the system fail as well.  The
 * test defines _GNU_SOURCE.
 */

#ifndef FAIL_CALLS_H
#define FAIL_CALLS_H

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lmdb.h>
#include <openssl/rand.h>

#define FAIL_PROCESS

#include "fail.h"


static int  fail_errno = EIO;       /* errno of a failed call */


#define FAIL_REAL(name)                                                       \
    if (real == NULL) {                                                       \
        *(void **) &real = dlsym(RTLD_NEXT, #name);                           \
    }

#define FAIL_CALL(type, failure, name, params, args)                          \
    type                                                                      \
    name params                                                               \
    {                                                                         \
        static type  (*real) params;                                          \
                                                                              \
        FAIL_REAL(name)                                                       \
                                                                              \
        if (fail_next()) {                                                    \
            errno = fail_errno;                                               \
            return failure;                                                   \
        }                                                                     \
                                                                              \
        return real args;                                                     \
    }

/* an LMDB function returns its error */
#define FAIL_LMDB(name, params, args)                                         \
    FAIL_CALL(int, fail_errno, name, params, args)


/* --- system -------------------------------------------------------------- */


FAIL_CALL(int, -1, stat, (const char *path, struct stat *st), (path, st))
FAIL_CALL(int, -1, fstat, (int fd, struct stat *st), (fd, st))
FAIL_CALL(int, -1, access, (const char *path, int mode), (path, mode))
FAIL_CALL(int, -1, mkdir, (const char *path, mode_t mode), (path, mode))
FAIL_CALL(int, -1, mkdirat, (int dir, const char *path, mode_t mode),
          (dir, path, mode))
FAIL_CALL(int, -1, rename, (const char *from, const char *to), (from, to))
FAIL_CALL(int, -1, linkat, (int dir, const char *from, int to_dir,
                            const char *to, int flags),
          (dir, from, to_dir, to, flags))
FAIL_CALL(int, -1, chown, (const char *path, uid_t uid, gid_t gid),
          (path, uid, gid))
FAIL_CALL(int, -1, chmod, (const char *path, mode_t mode), (path, mode))
FAIL_CALL(int, -1, fchown, (int fd, uid_t uid, gid_t gid), (fd, uid, gid))
FAIL_CALL(int, -1, fchmod, (int fd, mode_t mode), (fd, mode))
FAIL_CALL(int, -1, flock, (int fd, int operation), (fd, operation))
FAIL_CALL(int, -1, fsync, (int fd), (fd))
FAIL_CALL(int, -1, fallocate, (int fd, int mode, off_t offset, off_t len),
          (fd, mode, offset, len))
FAIL_CALL(ssize_t, -1, read, (int fd, void *data, size_t n), (fd, data, n))
FAIL_CALL(ssize_t, -1, pread, (int fd, void *data, size_t n, off_t offset),
          (fd, data, n, offset))
FAIL_CALL(ssize_t, -1, write, (int fd, const void *data, size_t n),
          (fd, data, n))
FAIL_CALL(void *, MAP_FAILED, mmap, (void *p, size_t n, int protection,
                                     int flags, int fd, off_t offset),
          (p, n, protection, flags, fd, offset))
FAIL_CALL(int, 0, RAND_priv_bytes, (unsigned char *data, int n), (data, n))


/* the descriptor is closed all the same */
int
close(int fd)
{
    static int  (*real)(int);
    int           rc;

    FAIL_REAL(close)

    rc = real(fd);

    if (fail_next()) {
        errno = fail_errno;
        return -1;
    }

    return rc;
}


int
openat(int dir, const char *path, int flags, ...)
{
    static int  (*real)(int, const char *, int, ...);
    mode_t        mode;
    va_list       args;

    FAIL_REAL(openat)

    if (fail_next()) {
        errno = fail_errno;
        return -1;
    }

    va_start(args, flags);
    mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
    va_end(args);

    /* the test needs no data after a failure of the machine */
    return real(dir, path, flags & ~O_DSYNC, mode);
}


int
open(const char *path, int flags, ...)
{
    mode_t   mode;
    va_list  args;

    va_start(args, flags);
    mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
    va_end(args);

    return openat(AT_FDCWD, path, flags, mode);
}


/* --- LMDB ---------------------------------------------------------------- */


FAIL_LMDB(mdb_env_create, (MDB_env **env), (env))
FAIL_LMDB(mdb_env_set_maxreaders, (MDB_env *env, unsigned n), (env, n))
FAIL_LMDB(mdb_env_set_maxdbs, (MDB_env *env, MDB_dbi n), (env, n))
FAIL_LMDB(mdb_env_stat, (MDB_env *env, MDB_stat *st), (env, st))
FAIL_LMDB(mdb_env_info, (MDB_env *env, MDB_envinfo *info), (env, info))
FAIL_LMDB(mdb_env_get_fd, (MDB_env *env, mdb_filehandle_t *fd), (env, fd))
FAIL_LMDB(mdb_txn_begin, (MDB_env *env, MDB_txn *parent, unsigned flags,
                          MDB_txn **txn), (env, parent, flags, txn))
FAIL_LMDB(mdb_txn_renew, (MDB_txn *txn), (txn))
FAIL_LMDB(mdb_dbi_open, (MDB_txn *txn, const char *name, unsigned flags,
                         MDB_dbi *dbi), (txn, name, flags, dbi))
FAIL_LMDB(mdb_stat, (MDB_txn *txn, MDB_dbi dbi, MDB_stat *st), (txn, dbi, st))
FAIL_LMDB(mdb_get, (MDB_txn *txn, MDB_dbi dbi, MDB_val *key, MDB_val *value),
          (txn, dbi, key, value))
FAIL_LMDB(mdb_put, (MDB_txn *txn, MDB_dbi dbi, MDB_val *key, MDB_val *value,
                    unsigned flags), (txn, dbi, key, value, flags))
FAIL_LMDB(mdb_del, (MDB_txn *txn, MDB_dbi dbi, MDB_val *key, MDB_val *value),
          (txn, dbi, key, value))
FAIL_LMDB(mdb_cursor_open, (MDB_txn *txn, MDB_dbi dbi, MDB_cursor **cursor),
          (txn, dbi, cursor))
FAIL_LMDB(mdb_cursor_get, (MDB_cursor *cursor, MDB_val *key, MDB_val *value,
                           MDB_cursor_op op), (cursor, key, value, op))
FAIL_LMDB(mdb_cursor_del, (MDB_cursor *cursor, unsigned flags),
          (cursor, flags))


/* a failed commit ends the transaction */
int
mdb_txn_commit(MDB_txn *txn)
{
    static int  (*real)(MDB_txn *);

    FAIL_REAL(mdb_txn_commit)

    if (fail_next()) {
        mdb_txn_abort(txn);
        return fail_errno;
    }

    return real(txn);
}


#endif
