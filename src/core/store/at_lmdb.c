/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#define _GNU_SOURCE             /* fallocate() */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "core/base/at_file.h"
#include "core/store/at_lmdb.h"


#define AT_LMDB_MAX_READERS  4096

/* bytes of the file beyond its last page: see at_lmdb_extend_file() */
#define AT_LMDB_SLACK        (1 << 20)

/* of lock.mdb, for all readers */
#define AT_LMDB_LOCK_SIZE    (AT_LMDB_MAX_READERS * 64 + 4096)

/* LMDB writes as much at once: see at_lmdb_strerror() */
#define AT_LMDB_WRITE_SIZE   (1 << 20)

#define AT_LMDB_TRIES        100

#define AT_LMDB_REPLACED                                                      \
    "%s: data.mdb was replaced while other processes have the old one open; " \
    "try again in a few seconds"

/* bytes; see at_lmdb_open_env() */
#define AT_LMDB_MIN_MAP      (1 << 26)


/* --- opening ------------------------------------------------------------- */


/*
 * Readers write to lock.mdb through a map: without disk space for a page of it
 * they would get SIGBUS.  Other errors are reported by LMDB.
 */
static int
at_lmdb_allocate_lock(const at_lmdb_t *lmdb)
{
    int  fd, rc;

    fd = open(lmdb->lock.path, O_RDWR|O_CREAT|O_CLOEXEC|O_NONBLOCK|O_NOCTTY,
              lmdb->schema->mode);

    if (fd == -1) {
        return 0;
    }

    rc = fallocate(fd, 0, 0, AT_LMDB_LOCK_SIZE) != 0
         && (errno == ENOSPC || errno == EDQUOT) ? errno : 0;

    (void) close(fd);

    return rc;
}


static int
at_lmdb_open_map(at_lmdb_t *lmdb, const char *path, at_lmdb_mode_e mode,
    size_t map_size)
{
    int  rc;

    mdb_env_close(lmdb->env);
    lmdb->env = NULL;
    lmdb->map_size = map_size;

    rc = mdb_env_create(&lmdb->env);

    if (rc == 0) {
        rc = mdb_env_set_mapsize(lmdb->env, map_size);
    }

    if (rc == 0) {
        rc = mdb_env_set_maxreaders(lmdb->env, AT_LMDB_MAX_READERS);
    }

    if (rc == 0) {
        rc = mdb_env_set_maxdbs(lmdb->env, AT_LMDB_MAX_TABLES);
    }

    if (rc == 0) {
        rc = mdb_env_open(lmdb->env, path, MDB_NOTLS
                          | (mode == AT_LMDB_READ ? MDB_RDONLY : 0),
                          lmdb->schema->mode);
    }

    return rc;
}


/*
 * The address space of a process may be limited, for example by RLIMIT_AS or
 * by an emulator.  Then half of the largest possible map is used, because the
 * process needs address space for other purposes, too.
 */
static int
at_lmdb_open_env(at_lmdb_t *lmdb, const char *path, at_lmdb_mode_e mode)
{
    int       rc, dead;
    size_t    size;
    MDB_stat  st;

    size = lmdb->schema->map_size;
    rc = at_lmdb_allocate_lock(lmdb);

    if (rc == 0) {
        rc = at_lmdb_open_map(lmdb, path, mode, size);
    }

    if (rc == ENOMEM) {
        do {
            size /= 2;
            rc = at_lmdb_open_map(lmdb, path, mode, size);
        } while (rc == ENOMEM && size > AT_LMDB_MIN_MAP);

        if (rc == 0) {
            rc = at_lmdb_open_map(lmdb, path, mode, size / 2);
        }
    }

    if (rc == 0) {
        rc = mdb_env_stat(lmdb->env, &st);
    }

    if (rc != 0) {
        return rc;
    }

    lmdb->page_size = st.ms_psize;

    /* reader slots of killed processes prevent the reuse of old pages */
    (void) mdb_reader_check(lmdb->env, &dead);

    return 0;
}


/*
 * The meta pages are mapped separately: reading the transaction number from
 * them touches one cache line, mdb_env_info() touches several.
 */
static int
at_lmdb_save_files(at_lmdb_t *lmdb)
{
    int          rc;
    struct stat  data, lock;

    rc = mdb_env_get_fd(lmdb->env, &lmdb->fd);

    if (rc != 0) {
        return rc;
    }

    if (fstat(lmdb->fd, &data) != 0 || stat(lmdb->lock.path, &lock) != 0) {
        return errno;
    }

    lmdb->data.dev = data.st_dev;
    lmdb->data.ino = data.st_ino;
    lmdb->size = data.st_size;
    lmdb->lock.dev = lock.st_dev;
    lmdb->lock.ino = lock.st_ino;

    lmdb->metas = mmap(NULL, 2 * (size_t) lmdb->page_size, PROT_READ,
                       MAP_SHARED, lmdb->fd, 0);

    if (lmdb->metas == MAP_FAILED) {
        lmdb->metas = NULL;
        return errno;
    }

    return 0;
}


static int
at_lmdb_open_tables(at_lmdb_t *lmdb, MDB_txn *txn, unsigned flags)
{
    int       rc;
    MDB_dbi   meta;
    MDB_val   key, format, value;
    unsigned  i;

    for (i = 0; i < lmdb->schema->n_tables; i++) {
        rc = mdb_dbi_open(txn, lmdb->schema->tables[i], flags,
                          &lmdb->tables[i]);
        if (rc != 0) {
            return rc;
        }
    }

    rc = mdb_dbi_open(txn, "meta", flags, &meta);

    if (rc != 0) {
        return rc;
    }

    key = (MDB_val) { sizeof("format") - 1, (void *) "format" };
    format = (MDB_val) { strlen(lmdb->schema->format),
                         (void *) (uintptr_t) lmdb->schema->format };

    rc = mdb_get(txn, meta, &key, &value);

    if (rc == MDB_NOTFOUND && flags & MDB_CREATE) {
        return mdb_put(txn, meta, &key, &format, 0);
    }

    if (rc == 0 && (value.mv_size != format.mv_size
                    || memcmp(value.mv_data, format.mv_data, format.mv_size)
                       != 0))
    {
        return MDB_VERSION_MISMATCH;
    }

    return rc;
}


/*
 * A reader keeps the pages of its transaction, but not the meta page, which is
 * read before two later commits.
 */
static at_lmdb_e
at_lmdb_verify_snapshot(at_lmdb_t *lmdb, at_lmdb_verdict_t *verdict,
    at_error_t *err)
{
    int              rc, tries;
    MDB_txn         *txn;
    at_lmdb_e        result;
    at_lmdb_meta_t   meta;

    if (at_lmdb_fd_is_verified(verdict, lmdb->fd, err)) {
        return verdict->result;
    }

    for (tries = 0; tries < AT_LMDB_TRIES; tries++) {
        rc = mdb_txn_begin(lmdb->env, NULL, MDB_RDONLY, &txn);

        if (rc != 0) {
            (void) at_lmdb_fail(lmdb, rc, err);
            return AT_LMDB_FAILED;
        }

        if (at_lmdb_read_meta(&meta, lmdb->fd, mdb_txn_id(txn)) == 0) {
            result = at_lmdb_verify(lmdb->fd, lmdb->data.path, &meta, verdict,
                                    err);
            mdb_txn_abort(txn);
            return result;
        }

        mdb_txn_abort(txn);
    }

    (void) at_error(err, AT_LMDB_REPLACED, lmdb->schema->name);

    return AT_LMDB_FAILED;
}


static int
at_lmdb_begin_tables(at_lmdb_t *lmdb, int create)
{
    int       rc;
    MDB_txn  *txn;

    rc = mdb_txn_begin(lmdb->env, NULL, create ? 0 : MDB_RDONLY, &txn);

    if (rc != 0) {
        return rc;
    }

    rc = at_lmdb_open_tables(lmdb, txn, create ? MDB_CREATE : 0);

    if (rc == 0) {
        return mdb_txn_commit(txn);
    }

    mdb_txn_abort(txn);

    return rc;
}


at_lmdb_e
at_lmdb_open(at_lmdb_t *lmdb, const char *path, const at_lmdb_schema_t *schema,
    at_lmdb_mode_e mode, at_lmdb_verdict_t *verdict, at_error_t *err)
{
    int        rc;
    at_lmdb_e  result;

    memset(lmdb, 0, sizeof(at_lmdb_t));
    lmdb->schema = schema;

    if (at_lmdb_path(lmdb->data.path, path, "data.mdb", err) != 0
        || at_lmdb_path(lmdb->lock.path, path, "lock.mdb", err) != 0)
    {
        return AT_LMDB_FAILED;
    }

    if (verdict != NULL && verdict->result == AT_LMDB_DAMAGED
        && at_lmdb_is_verified(verdict, path, err))
    {
        return AT_LMDB_DAMAGED;
    }

    result = AT_LMDB_OK;
    rc = at_lmdb_open_env(lmdb, path, mode);

    if (rc == 0) {
        rc = at_lmdb_save_files(lmdb);
    }

    if (rc == 0 && verdict != NULL) {
        result = at_lmdb_verify_snapshot(lmdb, verdict, err);
    }

    if (rc == 0 && result == AT_LMDB_OK) {
        rc = at_lmdb_begin_tables(lmdb, mode == AT_LMDB_CREATE);
    }

    if (rc == 0 && result == AT_LMDB_OK) {
        return AT_LMDB_OK;
    }

    if (rc == MDB_NOTFOUND) {
        (void) at_error(err, "\"%s\" is not a %s of this program", path,
                        schema->name);

    } else if (rc == MDB_VERSION_MISMATCH) {
        (void) at_error(err, "\"%s\" is a %s of another format: %s", path,
                        schema->name, schema->format_hint);

    } else if (rc != 0) {
        (void) at_error(err, "\"%s\": %s", path, mdb_strerror(rc));
    }

    at_lmdb_close(lmdb);

    return result == AT_LMDB_DAMAGED || rc == MDB_INVALID ? AT_LMDB_DAMAGED
                                                          : AT_LMDB_FAILED;
}


void
at_lmdb_close(at_lmdb_t *lmdb)
{
    if (lmdb->env != NULL) {
        mdb_env_close(lmdb->env);
        lmdb->env = NULL;
    }

    if (lmdb->metas != NULL) {
        (void) munmap(lmdb->metas, 2 * (size_t) lmdb->page_size);
        lmdb->metas = NULL;
    }
}


/* --- replaced and truncated files ---------------------------------------- */


static off_t
at_lmdb_min_file_size(const at_lmdb_t *lmdb)
{
    MDB_envinfo  info;

    return mdb_env_info(lmdb->env, &info) == 0
           ? (off_t) (info.me_last_pgno + 1) * lmdb->page_size : INT64_MAX;
}


int
at_lmdb_files_are_current(const at_lmdb_t *lmdb)
{
    struct stat  data, lock;

    if (lmdb->outgrown
        || __atomic_load_n(&lmdb->truncated, __ATOMIC_RELAXED)
        || __atomic_load_n(&lmdb->damaged, __ATOMIC_RELAXED))
    {
        return 0;
    }

    if (stat(lmdb->lock.path, &lock) != 0 || stat(lmdb->data.path, &data) != 0)
    {
        return errno == ENOENT || errno == ENOTDIR ? 0 : -1;
    }

    /* at_lmdb_min_file_size() reads the meta pages: check that they exist */
    return lock.st_dev == lmdb->lock.dev && lock.st_ino == lmdb->lock.ino
           && data.st_dev == lmdb->data.dev && data.st_ino == lmdb->data.ino
           && data.st_size >= 2 * (off_t) lmdb->page_size
           && data.st_size >= at_lmdb_min_file_size(lmdb);
}


/* threads of a process may call this at the same time */
int
at_lmdb_is_truncated(at_lmdb_t *lmdb)
{
    off_t        size;
    struct stat  st;

    size = __atomic_load_n(&lmdb->size, __ATOMIC_RELAXED);

    if (fstat(lmdb->fd, &st) != 0 || st.st_size < size) {
        __atomic_store_n(&lmdb->truncated, 1, __ATOMIC_RELAXED);

    } else if (st.st_size > size) {
        __atomic_store_n(&lmdb->size, st.st_size, __ATOMIC_RELAXED);
    }

    return __atomic_load_n(&lmdb->truncated, __ATOMIC_RELAXED);
}


static uint64_t
at_lmdb_meta_txnid(const void *page)
{
    return __atomic_load_n(&((const at_lmdb_meta_t *) page)->txnid,
                           __ATOMIC_ACQUIRE);
}


uint64_t
at_lmdb_last_txnid(const at_lmdb_t *lmdb)
{
    uint64_t  first, second;

    if (__atomic_load_n(&lmdb->truncated, __ATOMIC_RELAXED)) {
        return 0;
    }

    first = at_lmdb_meta_txnid(lmdb->metas);
    second = at_lmdb_meta_txnid((const char *) lmdb->metas + lmdb->page_size);

    return first > second ? first : second;
}


int
at_lmdb_txnid_is_current(at_lmdb_t *lmdb)
{
    int        rc, tries;
    uint64_t   counted, last;
    MDB_txn   *txn;

    for (tries = 0; tries < 3; tries++) {

        rc = mdb_txn_begin(lmdb->env, NULL, MDB_RDONLY, &txn);

        if (rc != 0) {
            return rc == ENOMEM ? -1 : 0;
        }

        counted = mdb_txn_id(txn);
        mdb_txn_abort(txn);

        last = at_lmdb_last_txnid(lmdb);

        if (counted == last) {
            lmdb->uncounted = 0;
            return 1;
        }

        if (counted + 1 == last) {
            if (lmdb->uncounted == last) {
                return 0;
            }

            lmdb->uncounted = last;
            return 1;
        }
    }

    return 0;
}


/* --- transactions -------------------------------------------------------- */


/*
 * LMDB counts pages that a transaction allocates at the end of the file and
 * frees again, but never writes them: a complete file may look truncated.
 * Therefore the file is kept longer, with a hole that takes no disk space.
 * Only the holder of the write lock may call this: the file must not shrink.
 */
static void
at_lmdb_extend_file(at_lmdb_t *lmdb)
{
    off_t        needed;
    struct stat  st;

    needed = at_lmdb_min_file_size(lmdb);

    if (needed != INT64_MAX && fstat(lmdb->fd, &st) == 0
        && st.st_size < needed + AT_LMDB_SLACK / 2)
    {
        (void) !ftruncate(lmdb->fd, needed + AT_LMDB_SLACK);
    }
}


int
at_lmdb_begin(at_lmdb_t *lmdb, unsigned flags, MDB_txn **txn)
{
    int  rc, tries;

    if (at_lmdb_is_truncated(lmdb)) {
        return MDB_INVALID;
    }

    if (lmdb->outgrown) {
        return MDB_MAP_RESIZED;
    }

    for (tries = 0; /* void */; tries++) {
        rc = *txn ? mdb_txn_renew(*txn)
                  : mdb_txn_begin(lmdb->env, NULL, flags, txn);

        at_lmdb_note_damage(lmdb, rc);

        if (rc != MDB_MAP_RESIZED || tries || lmdb->pinned) {
            return rc;
        }

        /*
         * Another process has enlarged the map: LMDB must adopt its size.  If
         * it cannot, it has no map any more, so a smaller map is not enlarged.
         */
        if (lmdb->map_size < lmdb->schema->map_size
            || mdb_env_set_mapsize(lmdb->env, 0) != 0)
        {
            lmdb->outgrown = 1;
            return rc;
        }
    }
}


/*
 * Writers wait for the lock of data.mdb, and not in LMDB: if a writer dies
 * from a truncated file, LMDB would make the next one read that file as well.
 */
static void
at_lmdb_lock(const at_lmdb_t *lmdb)
{
    while (flock(lmdb->fd, LOCK_EX) == -1 && errno == EINTR) { /* void */ }
}


int
at_lmdb_begin_write(at_lmdb_t *lmdb, MDB_txn **txn, at_error_t *err)
{
    int  rc, dead;

    (void) mdb_reader_check(lmdb->env, &dead);

    *txn = NULL;
    at_lmdb_lock(lmdb);
    rc = at_lmdb_begin(lmdb, 0, txn);

    if (rc != 0) {
        (void) flock(lmdb->fd, LOCK_UN);
        return at_lmdb_fail(lmdb, rc, err);
    }

    /* the write lock excludes a commit in progress: see the header */
    if (mdb_txn_id(*txn) != at_lmdb_last_txnid(lmdb) + 1) {
        at_lmdb_abort_write(lmdb, *txn);
        *txn = NULL;
        return at_error(err, AT_LMDB_REPLACED, lmdb->schema->name);
    }

    at_lmdb_extend_file(lmdb);

    return 0;
}


void
at_lmdb_abort_write(const at_lmdb_t *lmdb, MDB_txn *txn)
{
    mdb_txn_abort(txn);
    (void) flock(lmdb->fd, LOCK_UN);
}


int
at_lmdb_end_write(at_lmdb_t *lmdb, MDB_txn *txn, int rc, at_error_t *err)
{
    struct stat  st;

    if (rc != 0) {
        at_lmdb_abort_write(lmdb, txn);
        return at_lmdb_fail(lmdb, rc, err);
    }

    rc = mdb_txn_commit(txn);

    /* the transaction may have used more than the slack */
    if (rc == 0 && !at_lmdb_is_truncated(lmdb) && fstat(lmdb->fd, &st) == 0
        && st.st_size < at_lmdb_min_file_size(lmdb)
        && mdb_txn_begin(lmdb->env, NULL, 0, &txn) == 0)
    {
        at_lmdb_extend_file(lmdb);
        mdb_txn_abort(txn);
    }

    (void) flock(lmdb->fd, LOCK_UN);

    return rc == 0 ? 0 : at_lmdb_fail(lmdb, rc, err);
}


/* LMDB returns MDB_BAD_TXN if it found a damaged page but ignored the error */
void
at_lmdb_note_damage(at_lmdb_t *lmdb, int rc)
{
    if (rc == MDB_CORRUPTED || rc == MDB_PAGE_NOTFOUND || rc == MDB_PANIC
        || rc == MDB_BAD_TXN)
    {
        __atomic_store_n(&lmdb->damaged, 1, __ATOMIC_RELAXED);
    }
}


const char *
at_lmdb_strerror(const at_lmdb_t *lmdb, int rc)
{
    struct statvfs  fs;

    if (rc == MDB_MAP_FULL && lmdb->map_size < lmdb->schema->map_size) {
        return "no space in the map, address space is limited";
    }

    if (rc == AT_LMDB_BAD_RECORD) {
        return "record is damaged or was not written by this server";
    }

    if (rc == MDB_INVALID) {
        return "data.mdb is truncated";
    }

    /* LMDB returns EIO if only a part of a write fits on the disk */
    if (rc == EIO && fstatvfs(lmdb->fd, &fs) == 0
        && fs.f_bavail < AT_LMDB_WRITE_SIZE / fs.f_frsize)
    {
        rc = ENOSPC;
    }

    return mdb_strerror(rc);
}


int
at_lmdb_fail(at_lmdb_t *lmdb, int rc, at_error_t *err)
{
    at_lmdb_note_damage(lmdb, rc);

    return at_error(err, "%s: %s", lmdb->schema->name,
                    at_lmdb_strerror(lmdb, rc));
}
