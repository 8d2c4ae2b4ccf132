/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/at_file.h"
#include "core/store/at_lmdb.h"


#define AT_LMDB_MAX_READERS  4096

/* bytes of the file beyond its last page: see at_lmdb_extend_file() */
#define AT_LMDB_SLACK        (1 << 20)

/* bytes; see at_lmdb_open_env() */
#define AT_LMDB_MIN_MAP      (1 << 26)

#define AT_META_MAGIC        0xbeefc0deu
#define AT_META_VERSION      1


/* the meta page of LMDB 0.9 */
typedef struct {
    uint64_t  page_header[2];
    uint32_t  magic;
    uint32_t  version;
    uint64_t  address;
    uint64_t  map_size;
    uint32_t  page_size;        /* md_pad of the free list's table */
    uint32_t  free_rest;
    uint64_t  free_numbers[5];
    uint64_t  main_table[6];
    uint64_t  last_page;
    uint64_t  txnid;
} at_meta_t;


/* --- files --------------------------------------------------------------- */


int
at_lmdb_path(char buf[PATH_MAX], const char *path, const char *file,
    at_error_t *err)
{
    int  n;

    n = snprintf(buf, PATH_MAX, "%s/%s", path, file);

    return n > 0 && n < PATH_MAX ? 0 : at_error(err, "the path is too long");
}


static int
at_meta_read(at_meta_t *meta, int fd, off_t offset)
{
    return pread(fd, meta, sizeof(at_meta_t), offset)
           == (ssize_t) sizeof(at_meta_t)
           && meta->magic == AT_META_MAGIC && meta->version == AT_META_VERSION
           && meta->page_size >= 512 && meta->page_size <= 65536 ? 0 : -1;
}


/* the newer of the two meta pages determines the minimum file size */
static int
at_lmdb_check_content(int fd, const char *file, off_t size, at_error_t *err)
{
    off_t      needed;
    at_meta_t  first, second;

    if (at_meta_read(&first, fd, 0) != 0
        || at_meta_read(&second, fd, first.page_size) != 0)
    {
        return at_error(err, "\"%s\" is not a database of this version of "
                        "LMDB", file);
    }

    if (second.txnid > first.txnid) {
        first = second;
    }

    needed = (off_t) (first.last_page + 1) * first.page_size;

    return size >= needed
           ? 0 : at_error(err, "\"%s\" is truncated to %lld of %lld bytes: "
                          "restore it from a backup", file, (long long) size,
                          (long long) needed);
}


int
at_lmdb_inspect(const char *path, int may_be_empty, at_error_t *err)
{
    int          fd, rc;
    char         file[PATH_MAX];
    struct stat  st;

    if (at_lmdb_path(file, path, "data.mdb", err) != 0) {
        return -1;
    }

    /* a FIFO or a terminal must not block the process */
    fd = open(file, O_RDONLY|O_CLOEXEC|O_NONBLOCK|O_NOCTTY);

    if (fd == -1 && errno != ENOENT) {
        return at_error(err, "\"%s\": %s", file, strerror(errno));
    }

    rc = at_file_check_local(fd == -1 ? path : file, err);

    if (fd == -1) {
        return rc == 0 ? 1 : -1;
    }

    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        rc = at_error(err, "\"%s\" is not a regular file", file);

    } else if (rc == 0 && !(may_be_empty && st.st_size == 0)) {
        rc = at_lmdb_check_content(fd, file, st.st_size, err);
    }

    (void) close(fd);

    return rc;
}


/* --- opening ------------------------------------------------------------- */


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
    rc = at_lmdb_open_map(lmdb, path, mode, size);

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
    int          rc, fd;
    struct stat  data, lock;

    rc = mdb_env_get_fd(lmdb->env, &fd);

    if (rc != 0) {
        return rc;
    }

    if (fstat(fd, &data) != 0 || stat(lmdb->lock.path, &lock) != 0) {
        return errno;
    }

    lmdb->data.dev = data.st_dev;
    lmdb->data.ino = data.st_ino;
    lmdb->lock.dev = lock.st_dev;
    lmdb->lock.ino = lock.st_ino;

    lmdb->metas = mmap(NULL, 2 * (size_t) lmdb->page_size, PROT_READ,
                       MAP_SHARED, fd, 0);

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


int
at_lmdb_open(at_lmdb_t *lmdb, const char *path, const at_lmdb_schema_t *schema,
    at_lmdb_mode_e mode, at_error_t *err)
{
    int       rc;
    MDB_txn  *txn = NULL;

    memset(lmdb, 0, sizeof(at_lmdb_t));
    lmdb->schema = schema;

    if (at_lmdb_path(lmdb->data.path, path, "data.mdb", err) != 0
        || at_lmdb_path(lmdb->lock.path, path, "lock.mdb", err) != 0)
    {
        return -1;
    }

    rc = at_lmdb_open_env(lmdb, path, mode);

    if (rc == 0) {
        rc = at_lmdb_save_files(lmdb);
    }

    if (rc == 0) {
        rc = mdb_txn_begin(lmdb->env, NULL,
                           mode == AT_LMDB_CREATE ? 0 : MDB_RDONLY, &txn);
    }

    if (rc == 0) {
        rc = at_lmdb_open_tables(lmdb, txn,
                                 mode == AT_LMDB_CREATE ? MDB_CREATE : 0);
        if (rc == 0) {
            rc = mdb_txn_commit(txn);

        } else {
            mdb_txn_abort(txn);
        }
    }

    if (rc == 0) {
        return 0;
    }

    if (rc == MDB_NOTFOUND) {
        (void) at_error(err, "\"%s\" is not a %s of this program", path,
                        schema->name);

    } else if (rc == MDB_VERSION_MISMATCH) {
        (void) at_error(err, "\"%s\" is a %s of another format: %s", path,
                        schema->name, schema->format_hint);

    } else {
        (void) at_error(err, "\"%s\": %s", path, mdb_strerror(rc));
    }

    at_lmdb_close(lmdb);

    return -1;
}


void
at_lmdb_close(at_lmdb_t *lmdb)
{
    mdb_env_close(lmdb->env);
    lmdb->env = NULL;

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

    if (lmdb->unusable) {
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


static uint64_t
at_lmdb_meta_txnid(const void *page)
{
    return __atomic_load_n(&((const at_meta_t *) page)->txnid,
                           __ATOMIC_ACQUIRE);
}


uint64_t
at_lmdb_last_txnid(const at_lmdb_t *lmdb)
{
    uint64_t  first, second;

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
    int          fd;
    off_t        needed;
    struct stat  st;

    needed = at_lmdb_min_file_size(lmdb);

    if (needed != INT64_MAX
        && mdb_env_get_fd(lmdb->env, &fd) == 0
        && fstat(fd, &st) == 0
        && st.st_size < needed + AT_LMDB_SLACK / 2)
    {
        (void) !ftruncate(fd, needed + AT_LMDB_SLACK);
    }
}


int
at_lmdb_begin(at_lmdb_t *lmdb, unsigned flags, MDB_txn **txn)
{
    int  rc, tries;

    for (tries = 0; /* void */; tries++) {
        rc = *txn ? mdb_txn_renew(*txn)
                  : mdb_txn_begin(lmdb->env, NULL, flags, txn);

        if (rc == MDB_PANIC) {
            lmdb->unusable = 1;
        }

        if (rc != MDB_MAP_RESIZED || tries) {
            return rc;
        }

        /*
         * Another process has enlarged the map: LMDB must adopt its size.  If
         * it cannot, it has no map any more, so a smaller map is not enlarged.
         */
        if (lmdb->map_size < lmdb->schema->map_size) {
            lmdb->unusable = 1;
            return rc;
        }

        (void) mdb_env_set_mapsize(lmdb->env, 0);
    }
}


int
at_lmdb_begin_write(at_lmdb_t *lmdb, MDB_txn **txn, at_error_t *err)
{
    int  rc, dead;

    (void) mdb_reader_check(lmdb->env, &dead);

    *txn = NULL;
    rc = at_lmdb_begin(lmdb, 0, txn);

    if (rc != 0) {
        return at_lmdb_fail(lmdb, rc, err);
    }

    /* the write lock excludes a commit in progress: see the header */
    if (mdb_txn_id(*txn) != at_lmdb_last_txnid(lmdb) + 1) {
        mdb_txn_abort(*txn);
        *txn = NULL;
        return at_error(err, "%s: data.mdb was replaced while other processes "
                        "have the old one open; try again in a few seconds",
                        lmdb->schema->name);
    }

    at_lmdb_extend_file(lmdb);

    return 0;
}


int
at_lmdb_end_write(at_lmdb_t *lmdb, MDB_txn *txn, int rc, at_error_t *err)
{
    int          fd;
    struct stat  st;

    if (rc != 0) {
        mdb_txn_abort(txn);

    } else {
        rc = mdb_txn_commit(txn);
    }

    if (rc != 0) {
        return at_lmdb_fail(lmdb, rc, err);
    }

    /* the transaction may have used more than the slack */
    if (mdb_env_get_fd(lmdb->env, &fd) == 0 && fstat(fd, &st) == 0
        && st.st_size < at_lmdb_min_file_size(lmdb)
        && mdb_txn_begin(lmdb->env, NULL, 0, &txn) == 0)
    {
        at_lmdb_extend_file(lmdb);
        mdb_txn_abort(txn);
    }

    return 0;
}


const char *
at_lmdb_strerror(const at_lmdb_t *lmdb, int rc)
{
    return rc == MDB_MAP_FULL && lmdb->map_size < lmdb->schema->map_size
           ? "no space in the map, address space is limited"
           : rc == MDB_CORRUPTED
           ? "record is damaged or was not written by this server"
           : mdb_strerror(rc);
}


int
at_lmdb_fail(const at_lmdb_t *lmdb, int rc, at_error_t *err)
{
    return at_error(err, "%s: %s", lmdb->schema->name,
                    at_lmdb_strerror(lmdb, rc));
}
