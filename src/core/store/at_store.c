/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <lmdb.h>

#include "core/base/at_crypto.h"
#include "core/store/at_lmdb.h"
#include "core/store/at_store.h"
#include "core/store/at_store_digest.h"


/* address space, not memory: the same for all openers, so that none is asked */
#define AT_STORE_MAP_SIZE     ((size_t) 64 << 30)

#define AT_STORE_FORMAT       "3"

#define AT_STORE_WRONG_FORMAT                                                 \
    "a store of another format: export it with the command that made it, "    \
    "and import that into a new one"


typedef struct {
    dev_t  dev;
    ino_t  ino;
} at_store_file_t;

struct at_store_s {
    MDB_env          *env;
    at_sha256_t      *sha256;
    MDB_txn          *txn;      /* of the transaction, or NULL */
    MDB_txn          *reader;   /* kept and renewed, of a process that reads */
    uint64_t          snapshot; /* the reader's transaction; 0: it rests */
    unsigned          behind:1; /* it was not the last one when it began */
    MDB_dbi           tables[AT_TABLES];
    at_digest_table_t tokens;   /* AT_TABLE_TOKENS, as it is kept */
    at_lmdb_metas_t   metas;
    int               rc;       /* LMDB's last failure */
    at_store_file_t   data;     /* as they were opened */
    at_store_file_t   lock;
    unsigned          page_size;
    uint64_t          uncounted;        /* one that lock.mdb did not know of */
    char              data_path[PATH_MAX];
    char              lock_path[PATH_MAX];
};

static const char *const  at_table_names[AT_TABLES] = {
    "tokens", "token_ids", "clients", "users", "roles"
};


static int at_store_check_txnid(at_store_t *store);
static int at_store_fail_replaced(at_error_t *err);


/* --- files --------------------------------------------------------------- */


/* LMDB takes no locks there, and a writer elsewhere would not wait for readers */
static int
at_store_warn_read_only(int fd, const char *path, at_error_t *err)
{
    struct statfs  fs;

    if (fstatfs(fd, &fs) != 0 || !(fs.f_flags & ST_RDONLY)) {
        return 0;
    }

    (void) at_error(err, "\"%s\" is on a read-only file system, where it is "
                    "read without locks: nobody may change it elsewhere "
                    "meanwhile", path);

    return 1;
}


/* which of the three groups of mode bits are reader's: 6, 3 or 0 */
static unsigned
at_mode_shift(const struct stat *st, const at_store_worker_t *reader)
{
    size_t  i;

    if (st->st_uid == reader->uid) {
        return 6;
    }

    for (i = 0; i < reader->n_gids; i++) {
        if (st->st_gid == reader->gids[i]) {
            return 3;
        }
    }

    return 0;
}


static int
at_mode_allows(const struct stat *st, const at_store_worker_t *reader,
    unsigned bits)
{
    return reader->uid == 0
           || ((st->st_mode >> at_mode_shift(st, reader)) & bits) == bits;
}


/* the directories above need to let reader through */
static int
at_store_check_parents(const char *path, const at_store_worker_t *reader,
    at_error_t *err)
{
    char         real[PATH_MAX], *slash;
    struct stat  st;

    if (realpath(path, real) == NULL) {
        return at_error(err, "\"%s\": %s", path, strerror(errno));
    }

    while ((slash = strrchr(real, '/')) != NULL && slash != real) {
        *slash = '\0';

        if (stat(real, &st) != 0 || !at_mode_allows(&st, reader, 01)) {
            return at_error(err, "worker processes (user %ld) cannot reach "
                            "\"%s\" through the directory above, \"%s\"; "
                            "mend it with: chmod o+x %s", (long) reader->uid,
                            path, real, real);
        }
    }

    return 0;
}


static int
at_store_check_worker(const char *path, const struct stat *dir,
    const struct stat *data, const struct stat *lock,
    const at_store_worker_t *reader, at_error_t *err)
{
    if (!at_mode_allows(dir, reader, 01) || !at_mode_allows(data, reader, 04)
        || !at_mode_allows(lock, reader, 06))
    {
        return at_error(err, "worker processes (user %ld, group %ld) cannot "
                        "use \"%s\"; mend it with: chgrp -R %ld %s; "
                        "chmod 2750 %s; chmod 640 %s/data.mdb; "
                        "chmod 660 %s/lock.mdb",
                        (long) reader->uid, (long) reader->gids[0], path,
                        (long) reader->gids[0], path, path, path, path);
    }

    if (at_store_check_parents(path, reader, err) != 0) {
        return -1;
    }

    if (reader->uid == 0
        || (!at_mode_allows(data, reader, 02) && !at_mode_allows(dir, reader, 02)))
    {
        return 0;
    }

    if (reader->alone) {
        (void) at_error(err, "nginx runs as one user (%ld), so that its worker "
                        "processes could write \"%s/data.mdb\"",
                        (long) reader->uid, path);
        return 1;
    }

    return at_error(err, "worker processes (user %ld) could write "
                    "\"%s/data.mdb\"; mend it with: chown 0 %s "
                    "%s/data.mdb; chmod 2750 %s; chmod 640 %s/data.mdb",
                    (long) reader->uid, path, path, path, path, path);
}


/* the command as an operator of that reader would type it */
static int
at_store_fail_missing(const char *file, const char *path,
    const at_store_worker_t *reader, at_error_t *err)
{
    char  group[32];

    group[0] = '\0';

    if (reader != NULL) {
        (void) snprintf(group, sizeof(group), " --group %ld",
                        (long) reader->gids[0]);
    }

    return at_error(err, "\"%s\": %s; a store is made with: auth-token init "
                    "--store lmdb:%s%s", file, strerror(errno), path, group);
}


/* an empty one will do, but init does not touch what is there */
static int
at_store_fail_lock_missing(const char *file, const at_store_worker_t *reader,
    at_error_t *err)
{
    char  group[32];

    group[0] = '\0';

    if (reader != NULL) {
        (void) snprintf(group, sizeof(group), " -g %ld",
                        (long) reader->gids[0]);
    }

    return at_error(err, "\"%s\": %s; mend it with: install -m 660%s "
                    "/dev/null %s", file, strerror(errno), group, file);
}


static int
at_store_check_modes(const char *path, int data_fd,
    const at_store_worker_t *reader, at_error_t *err)
{
    char         lock_path[PATH_MAX];
    struct stat  dir, data, lock;

    if (at_lmdb_path(lock_path, path, "lock.mdb", err) != 0) {
        return -1;
    }

    if (stat(lock_path, &lock) != 0) {
        return at_store_fail_lock_missing(lock_path, reader, err);
    }

    if (stat(path, &dir) != 0 || fstat(data_fd, &data) != 0) {
        return at_error(err, "\"%s\": %s", path, strerror(errno));
    }

    if (((dir.st_mode | data.st_mode | lock.st_mode) & S_IWOTH)
        || ((dir.st_mode | data.st_mode) & S_IWGRP))
    {
        return at_error(err, "\"%s\" can be written by others than its "
                        "owner; mend it with: chmod 2750 %s; "
                        "chmod 640 %s/data.mdb; chmod 660 %s/lock.mdb",
                        path, path, path, path);
    }

    return reader == NULL ? 0 : at_store_check_worker(path, &dir, &data, &lock,
                                                      reader, err);
}


int
at_store_inspect(const char *path, const at_store_worker_t *reader,
    at_error_t *err)
{
    int          fd, rc;
    char         data_path[PATH_MAX];
    struct stat  st;

    if (at_lmdb_path(data_path, path, "data.mdb", err) != 0) {
        return -1;
    }

    fd = open(data_path, O_RDONLY|O_CLOEXEC|O_NONBLOCK|O_NOCTTY);

    if (fd == -1 && errno == ENOENT) {
        return at_store_fail_missing(data_path, path, reader, err);
    }

    if (fd == -1) {
        return at_error(err, "\"%s\": %s", data_path, strerror(errno));
    }

    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        rc = at_error(err, "\"%s\" is no regular file", data_path);

    } else if (at_lmdb_check_file_system(fd, path, err) != 0
               || at_lmdb_check_content(fd, data_path, err) != 0)
    {
        rc = -1;

    } else {
        rc = at_store_check_modes(path, fd, reader, err);

        if (rc == 0) {
            rc = at_store_warn_read_only(fd, path, err);
        }
    }

    (void) close(fd);

    return rc;
}


/* --- opening ------------------------------------------------------------- */


static int
at_store_fail(at_store_t *store, int rc, at_error_t *err)
{
    store->rc = rc;

    return at_error(err, "the store: %s", mdb_strerror(rc));
}


/* an environment without tables of its own yet; NULL on error */
static at_store_t *
at_store_open_env(const char *path, unsigned flags, at_error_t *err)
{
    int          rc;
    at_store_t  *store;

    store = calloc(1, sizeof(at_store_t));

    if (store == NULL) {
        (void) at_error(err, "no memory for the store");
        return NULL;
    }

    if (at_lmdb_path(store->data_path, path, "data.mdb", err) != 0
        || at_lmdb_path(store->lock_path, path, "lock.mdb", err) != 0)
    {
        free(store);
        return NULL;
    }

    rc = mdb_env_create(&store->env);

    if (rc == 0) {
        rc = mdb_env_set_mapsize(store->env, AT_STORE_MAP_SIZE);
    }

    if (rc == 0) {
        rc = mdb_env_set_maxreaders(store->env, AT_LMDB_MAX_READERS);
    }

    if (rc == 0) {
        rc = mdb_env_set_maxdbs(store->env, AT_TABLES + 1);
    }

    if (rc == 0) {
        rc = mdb_env_open(store->env, path, flags, 0640);
    }

    if (rc != 0) {
        (void) at_error(err, "\"%s\": %s", path, mdb_strerror(rc));
        at_store_close(store);
        return NULL;
    }

    return store;
}


static int
at_store_open_tables(at_store_t *store, unsigned flags)
{
    int       rc, i;
    MDB_dbi   meta;
    MDB_val   key, value;
    MDB_txn  *txn;

    rc = mdb_txn_begin(store->env, NULL,
                       flags & MDB_CREATE ? 0 : MDB_RDONLY, &txn);

    if (rc != 0) {
        return rc;
    }

    for (i = 0; rc == 0 && i < AT_TABLES; i++) {
        rc = mdb_dbi_open(txn, at_table_names[i], flags, &store->tables[i]);
    }

    if (rc == 0) {
        rc = mdb_dbi_open(txn, "meta", flags, &meta);
    }

    store->tokens.dbi = store->tables[AT_TABLE_TOKENS];

    key = (MDB_val) { sizeof("format") - 1, (void *) "format" };
    value = (MDB_val) { sizeof(AT_STORE_FORMAT) - 1,
                        (void *) AT_STORE_FORMAT };

    if (rc == 0 && (flags & MDB_CREATE)) {
        rc = mdb_put(txn, meta, &key, &value, 0);

    } else if (rc == 0) {
        rc = mdb_get(txn, meta, &key, &value);

        if (rc == 0 && (value.mv_size != sizeof(AT_STORE_FORMAT) - 1
                        || memcmp(value.mv_data, AT_STORE_FORMAT,
                                  value.mv_size)
                           != 0))
        {
            rc = MDB_VERSION_MISMATCH;
        }
    }

    if (rc != 0) {
        mdb_txn_abort(txn);
        return rc;
    }

    return mdb_txn_commit(txn);
}


static int
at_store_save_file_ids(at_store_t *store)
{
    int          rc, fd;
    MDB_stat     env;
    struct stat  st, lock;

    rc = mdb_env_get_fd(store->env, &fd);

    if (rc == 0) {
        rc = mdb_env_stat(store->env, &env);
    }

    if (rc != 0) {
        return rc;
    }

    if (fstat(fd, &st) != 0 || stat(store->lock_path, &lock) != 0) {
        return errno;
    }

    store->data = (at_store_file_t) { st.st_dev, st.st_ino };
    store->lock = (at_store_file_t) { lock.st_dev, lock.st_ino };
    store->page_size = env.ms_psize;

    return at_lmdb_metas_map(&store->metas, fd, store->page_size);
}


at_store_t *
at_store_open(const char *path, at_store_mode_e mode, at_error_t *err)
{
    int          rc, dead;
    at_store_t  *store;

    if (at_store_inspect(path, NULL, err) < 0) {
        return NULL;
    }

    store = at_store_open_env(path, MDB_NOTLS
                              | (mode == AT_STORE_READ ? MDB_RDONLY : 0), err);
    if (store == NULL) {
        return NULL;
    }

    /* slots of killed processes would pin old pages for ever */
    (void) mdb_reader_check(store->env, &dead);

    rc = at_store_save_file_ids(store);

    if (rc == 0) {
        rc = at_store_open_tables(store, 0);
    }

    if (rc != 0) {
        (void) at_error(err, "\"%s\": %s", path,
                        rc == MDB_NOTFOUND ? "no store of this program"
                        : rc == MDB_VERSION_MISMATCH ? AT_STORE_WRONG_FORMAT
                        : mdb_strerror(rc));
        at_store_close(store);
        return NULL;
    }

    rc = mode == AT_STORE_READ ? at_store_check_txnid(store) : 1;

    if (rc <= 0) {
        (void) (rc < 0 ? at_error(err, "no memory for the store")
                       : at_store_fail_replaced(err));
        at_store_close(store);
        return NULL;
    }

    return store;
}


void
at_store_close(at_store_t *store)
{
    if (store == NULL) {
        return;
    }

    at_store_end(store);
    mdb_txn_abort(store->reader);
    mdb_env_close(store->env);
    at_lmdb_metas_unmap(&store->metas);
    at_digest_free(&store->tokens);
    at_sha256_free(store->sha256);
    free(store);
}


int
at_store_token_key(at_store_t *store, unsigned char key[AT_SHA256_LEN],
    at_str_t token)
{
    /* by its first use: whoever asks for no token needs none of it */
    if (store->sha256 == NULL) {
        store->sha256 = at_sha256_create();
    }

    return store->sha256 ? at_sha256_reuse(store->sha256, key, token) : -1;
}


static int
at_store_set_modes(const char *path, uid_t uid, gid_t gid)
{
    char         file[PATH_MAX];
    size_t       i;
    at_error_t   err;

    static const struct {
        const char  *name;
        mode_t       mode;
    } files[] = { { "data.mdb", 0640 }, { "lock.mdb", 0660 } };

    for (i = 0; i < 2; i++) {
        if (at_lmdb_path(file, path, files[i].name, &err) != 0
            || chown(file, uid, gid) != 0
            || chmod(file, files[i].mode) != 0)
        {
            return -1;
        }
    }

    return chown(path, uid, gid) != 0 || chmod(path, 02750) != 0 ? -1 : 0;
}


static int
at_store_has_files(const char *path)
{
    char         data[PATH_MAX], lock[PATH_MAX];
    at_error_t   err;
    struct stat  st;

    return at_lmdb_path(data, path, "data.mdb", &err) != 0
           || at_lmdb_path(lock, path, "lock.mdb", &err) != 0
           || lstat(data, &st) == 0
           || lstat(lock, &st) == 0;
}


static void
at_store_remove_files(const char *path, int made)
{
    char        file[PATH_MAX];
    at_error_t  err;

    if (at_lmdb_path(file, path, "data.mdb", &err) == 0) {
        (void) unlink(file);
    }

    if (at_lmdb_path(file, path, "lock.mdb", &err) == 0) {
        (void) unlink(file);
    }

    if (made) {
        (void) rmdir(path);
    }
}


static int
at_store_create_tables(const char *path, at_error_t *err)
{
    int          rc;
    at_store_t  *store;

    store = at_store_open_env(path, 0, err);

    if (store == NULL) {
        return -1;
    }

    rc = at_store_open_tables(store, MDB_CREATE);
    at_store_close(store);

    return rc == 0 ? 0 : at_error(err, "\"%s\": %s", path, mdb_strerror(rc));
}


int
at_store_init(const char *path, uid_t uid, gid_t gid, at_error_t *err)
{
    int  rc, made;

    made = mkdir(path, 0700) == 0;

    if (!made && errno != EEXIST) {
        return at_error(err, "\"%s\": %s", path, strerror(errno));
    }

    if (at_store_has_files(path)) {
        return at_error(err, "\"%s\" holds a store already", path);
    }

    rc = at_store_create_tables(path, err);

    if (rc == 0 && at_store_set_modes(path, uid, gid) != 0) {
        rc = at_error(err, "\"%s\": %s", path, strerror(errno));
    }

    if (rc != 0) {
        at_store_remove_files(path, made);
    }

    return rc;
}


static int
at_store_file_is_same(const char *path, const at_store_file_t *file,
    struct stat *st)
{
    return stat(path, st) == 0
           && st->st_dev == file->dev && st->st_ino == file->ino;
}


static int
at_store_files_are_intact(const at_store_t *store)
{
    struct stat  st;

    return at_store_file_is_same(store->lock_path, &store->lock, &st)
           && at_store_file_is_same(store->data_path, &store->data, &st)
           && st.st_size >= 2 * (off_t) store->page_size
           && st.st_size >= at_lmdb_min_file_size(store->env, store->page_size);
}


/*
 * LMDB takes the number of the last transaction from lock.mdb.  Where data.mdb
 * took the place of another, an older copy perhaps, that number is the other
 * one's until all have closed the store: what is read may then be what was
 * there before the last transaction, and what is written would undo that.  A
 * commit is in the file before it is counted, so that one more is no sign of
 * that, unless it stays.  -1 where there is no memory to ask.
 */
static int
at_store_check_txnid(at_store_t *store)
{
    int        rc, tries;
    uint64_t   counted, last;
    MDB_txn   *txn;

    for (tries = 0; tries < 3; tries++) {

        rc = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &txn);

        if (rc != 0) {
            return rc == ENOMEM ? -1 : 0;
        }

        counted = mdb_txn_id(txn);
        mdb_txn_abort(txn);

        last = at_store_generation(store);

        if (counted == last) {
            store->uncounted = 0;
            return 1;
        }

        if (counted + 1 == last) {
            if (store->uncounted == last) {
                return 0;
            }

            store->uncounted = last;
            return 1;
        }
    }

    return 0;
}


/*
 * For want of memory a store is not given up whose number was seen to be right: it
 * is asked again soon.
 */
int
at_store_is_current(at_store_t *store)
{
    int  rc;

    if (!at_store_files_are_intact(store)) {
        return 0;
    }

    rc = at_store_check_txnid(store);

    return rc > 0 || (rc < 0 && store->uncounted == 0);
}


uint64_t
at_store_generation(const at_store_t *store)
{
    return at_lmdb_last_txnid(&store->metas);
}


/* --- transactions -------------------------------------------------------- */


static void
at_store_drop_snapshot(at_store_t *store)
{
    if (store->snapshot != 0) {
        at_digest_reset_directory(&store->tokens);
        mdb_txn_reset(store->reader);
        store->snapshot = 0;
    }
}


static int
at_store_snapshot_is_latest(const at_store_t *store)
{
    return store->snapshot != 0
           && store->snapshot == at_store_generation(store);
}


void
at_store_release_snapshot(at_store_t *store)
{
    if (!at_store_snapshot_is_latest(store)) {
        at_store_drop_snapshot(store);
    }
}


uint64_t
at_store_begin_epoch(at_store_t *store)
{
    store->behind = 0;

    return at_store_generation(store);
}


int
at_store_saw_newer(const at_store_t *store)
{
    return store->behind;
}


/* by the snapshot of before, if nothing has changed since */
static int
at_store_begin_read(at_store_t *store)
{
    int  rc;

    if (at_store_snapshot_is_latest(store)) {
        store->txn = store->reader;
        return 0;
    }

    at_store_drop_snapshot(store);

    rc = store->reader
         ? mdb_txn_renew(store->reader)
         : mdb_txn_begin(store->env, NULL, MDB_RDONLY, &store->reader);

    if (rc == 0) {
        store->txn = store->reader;
        store->snapshot = mdb_txn_id(store->reader);
        store->behind |= !at_store_snapshot_is_latest(store);
    }

    return rc;
}


static int
at_store_fail_replaced(at_error_t *err)
{
    return at_error(err, "the store: data.mdb took the place of another one "
                    "that is still in use; it can be used in some seconds");
}


int
at_store_begin(at_store_t *store, at_store_mode_e mode, at_error_t *err)
{
    int  rc, dead, tries;

    if (mode == AT_STORE_WRITE) {
        at_store_drop_snapshot(store);
        (void) mdb_reader_check(store->env, &dead);
    }

    rc = 0;

    for (tries = 0; tries < 2; tries++) {

        rc = mode == AT_STORE_READ
             ? at_store_begin_read(store)
             : mdb_txn_begin(store->env, NULL, 0, &store->txn);

        /* somebody else's map is larger: take that size */
        if (rc != MDB_MAP_RESIZED) {
            break;
        }

        (void) mdb_env_set_mapsize(store->env, 0);
    }

    if (rc != 0) {
        store->txn = NULL;
        return at_store_fail(store, rc, err);
    }

    if (mode == AT_STORE_READ) {
        return 0;
    }

    /* no other writer is there: nothing is being counted */
    if (mdb_txn_id(store->txn) != at_store_generation(store) + 1) {
        at_store_end(store);
        return at_store_fail_replaced(err);
    }

    at_lmdb_extend_file(store->env, store->page_size);

    return 0;
}


/* a transaction that took more than the slack */
static void
at_store_extend_large(at_store_t *store)
{
    MDB_txn  *txn;

    if (!at_store_files_are_intact(store)
        && mdb_txn_begin(store->env, NULL, 0, &txn) == 0)
    {
        at_lmdb_extend_file(store->env, store->page_size);
        mdb_txn_abort(txn);
    }
}


int
at_store_commit(at_store_t *store, at_error_t *err)
{
    int  rc;

    if (store->txn == store->reader) {
        at_store_end(store);
        return 0;
    }

    rc = mdb_txn_commit(store->txn);
    store->txn = NULL;

    if (rc != 0) {
        return at_store_fail(store, rc, err);
    }

    at_store_extend_large(store);

    return 0;
}


void
at_store_end(at_store_t *store)
{
    if (store->txn == NULL) {
        return;
    }

    /* a snapshot is kept for the next one who reads */
    if (store->txn != store->reader) {
        mdb_txn_abort(store->txn);
    }

    store->txn = NULL;
}


/* --- records ------------------------------------------------------------- */


static int
at_store_set_key(MDB_val *val, at_str_t key)
{
    if (key.len == 0 || key.len > AT_KEY_MAX) {
        return -1;
    }

    val->mv_size = key.len;
    val->mv_data = (void *) (uintptr_t) key.data;

    return 0;
}


static at_store_e
at_store_result(at_store_t *store, int rc)
{
    switch (rc) {

    case 0:
        return AT_STORE_OK;

    case MDB_NOTFOUND:
        return AT_STORE_NOT_FOUND;

    case MDB_KEYEXIST:
        return AT_STORE_EXISTS;

    default:
        store->rc = rc;
        return AT_STORE_FAILED;
    }
}


at_store_e
at_store_get(at_store_t *store, at_table_e table, at_str_t key,
    at_str_t *value)
{
    int      rc;
    MDB_val  k, v;

    if (table == AT_TABLE_TOKENS) {
        return at_store_result(store,
                               at_digest_get(&store->tokens, store->txn,
                                             store->txn == store->reader, key,
                                             value));
    }

    if (at_store_set_key(&k, key) != 0) {
        return AT_STORE_NOT_FOUND;
    }

    rc = mdb_get(store->txn, store->tables[table], &k, &v);

    if (rc == 0) {
        *value = (at_str_t) { v.mv_data, v.mv_size };
    }

    return at_store_result(store, rc);
}


at_store_e
at_store_put(at_store_t *store, at_table_e table, at_str_t key, at_str_t value)
{
    MDB_val  k, v;

    if (table == AT_TABLE_TOKENS) {
        return at_store_result(store, at_digest_put(&store->tokens, store->txn,
                                                    key, value));
    }

    if (at_store_set_key(&k, key) != 0) {
        return at_store_result(store, MDB_BAD_VALSIZE);
    }

    v.mv_size = value.len;
    v.mv_data = (void *) (uintptr_t) value.data;

    return at_store_result(store, mdb_put(store->txn, store->tables[table],
                                          &k, &v, 0));
}


at_store_e
at_store_put_tokens(at_store_t *store, const at_store_item_t *items, size_t n)
{
    return at_store_result(store, at_digest_put_many(&store->tokens, store->txn,
                                                     items, n));
}


at_store_e
at_store_add(at_store_t *store, at_table_e table, at_str_t key, at_str_t value)
{
    at_str_t    old;
    at_store_e  rc;

    rc = at_store_get(store, table, key, &old);

    if (rc == AT_STORE_NOT_FOUND) {
        return at_store_put(store, table, key, value);
    }

    return rc == AT_STORE_OK ? AT_STORE_EXISTS : rc;
}


at_store_e
at_store_delete(at_store_t *store, at_table_e table, at_str_t key)
{
    MDB_val  k;

    if (table == AT_TABLE_TOKENS) {
        return at_store_result(store, at_digest_delete(&store->tokens,
                                                       store->txn, key));
    }

    if (at_store_set_key(&k, key) != 0) {
        return AT_STORE_NOT_FOUND;
    }

    return at_store_result(store, mdb_del(store->txn, store->tables[table],
                                          &k, NULL));
}


int
at_store_foreach(at_store_t *store, at_table_e table, at_store_handler_pt handler,
    void *data)
{
    int          rc, result;
    MDB_val      k, v;
    MDB_cursor  *cursor;

    if (table == AT_TABLE_TOKENS) {
        rc = at_digest_foreach(&store->tokens, store->txn, handler, data,
                               &result);
        (void) at_store_result(store, rc);
        return rc == 0 ? result : -1;
    }

    rc = mdb_cursor_open(store->txn, store->tables[table], &cursor);

    if (rc != 0) {
        (void) at_store_result(store, rc);
        return -1;
    }

    result = 0;

    while (result == 0
           && (rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT)) == 0)
    {
        result = handler(data, (at_str_t) { k.mv_data, k.mv_size },
                         (at_str_t) { v.mv_data, v.mv_size });
    }

    mdb_cursor_close(cursor);

    if (rc != 0 && rc != MDB_NOTFOUND) {
        (void) at_store_result(store, rc);
        return -1;
    }

    return result;
}


const char *
at_store_error(const at_store_t *store)
{
    return mdb_strerror(store->rc);
}


at_str_t
at_store_lower_key(char buf[AT_KEY_MAX], at_str_t text)
{
    size_t  i;

    if (text.len > AT_KEY_MAX) {
        return (at_str_t) { NULL, 0 };
    }

    for (i = 0; i < text.len; i++) {
        buf[i] = at_lower(text.data[i]);
    }

    return (at_str_t) { buf, text.len };
}
