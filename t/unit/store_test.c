/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Requirements: import-atomic, store-files, store-removed, store-size,
 *   store-change-is-immediate.
 */

#define _GNU_SOURCE             /* RTLD_NEXT */

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <lmdb.h>

#include "core/authz/at_record.h"
#include "core/store/at_lmdb.h"
#include "core/store/at_lmdb_format.h"
#include "core/store/at_store.h"
#include "core/store/at_store_files.h"
#include "core/store/at_store_stats.h"
#include "dir.h"
#include "tap.h"

#define PAGE      4096
#define NOT_LMDB  "is not a database of this version of LMDB"


static at_error_t  err;         /* of the last call that failed */

/* as if address space were limited: a larger map cannot be opened, if not 0 */
static size_t  largest_map;
static size_t  map_size;        /* of the last environment */


static int  full_disk;          /* as if no block of the disk were free */
static int  allocates_all;      /* fallocate() from the beginning of a file */


int
fallocate(int fd, int mode, off_t offset, off_t len)
{
    if (full_disk) {
        errno = full_disk;
        return -1;
    }

    allocates_all = mode == 0 && offset == 0;

    return (int) syscall(SYS_fallocate, fd, mode, offset, len);
}


int
fstatvfs(int fd, struct statvfs *fs)
{
    (void) fd;

    fs->f_frsize = PAGE;
    fs->f_bavail = full_disk ? 10 : 1000000;

    return 0;
}


int
mdb_env_set_mapsize(MDB_env *env, size_t size)
{
    int  (*real)(MDB_env *, size_t);

    *(void **) &real = dlsym(RTLD_NEXT, "mdb_env_set_mapsize");
    map_size = size;

    return real(env, size);
}


int
mdb_env_open(MDB_env *env, const char *path, unsigned flags, mdb_mode_t mode)
{
    int  (*real)(MDB_env *, const char *, unsigned, mdb_mode_t);

    *(void **) &real = dlsym(RTLD_NEXT, "mdb_env_open");

    return largest_map && map_size > largest_map
           ? ENOMEM : real(env, path, flags, mode);
}


static int
init(const char *path)
{
    return at_store_init(path, (uid_t) -1, (gid_t) -1, &err);
}


/* a new store in place of the last one */
static void
make(void)
{
    drop("s");
    must(init(in_dir("s")) == 0, err.text);
}


static int
inspect(const at_store_worker_t *reader)
{
    return at_store_inspect(in_dir("s"), reader, &err);
}


static at_store_t *
open_store(at_store_mode_e mode)
{
    at_store_t  *store = at_store_open(in_dir("s"), mode, NULL, &err);

    must(store != NULL, err.text);

    return store;
}


static void
begin(at_store_t *store, at_store_mode_e mode)
{
    must(at_store_begin(store, mode, &err) == 0, err.text);
}


/* opens the store and begins a transaction */
static at_store_t *
begin_store(at_store_mode_e mode)
{
    at_store_t  *store = open_store(mode);

    begin(store, mode);

    return store;
}


static int
commit(at_store_t *store)
{
    return at_store_commit(store, &err);
}


static at_store_e
put(at_store_t *store, const char *key, const char *value)
{
    return at_store_put(store, AT_TABLE_USERS, str(key), str(value));
}


static at_store_e
get(at_store_t *store, const char *key, at_str_t *value)
{
    return at_store_get(store, AT_TABLE_USERS, str(key), value);
}


static void
is_refused(const at_store_worker_t *reader, const char *says, const char *name)
{
    at_store_t  *store;

    err.text[0] = '\0';
    is_int(inspect(reader), -1, "%s is rejected", name);

    if (!ok(strstr(err.text, says) != NULL,
           "%s: the error names the cause", name)) {
        printf("# %s\n", err.text);
    }

    if (reader == NULL) {
        store = at_store_open(in_dir("s"), AT_STORE_READ, NULL, &err);
        ok(store == NULL, "%s is not opened", name);
        at_store_close(store);
    }
}


/* --- the files ----------------------------------------------------------- */


static const struct { const char *path, *name; int mode; } files[] = {
    { "s", "the directory", 02750 }, { "s/data.mdb", "data.mdb", 0640 },
    { "s/lock.mdb", "lock.mdb", 0660 },
};


static void
check_modes(const char *name)
{
    size_t  i;

    for (i = 0; i < N(files); i++) {
        is_int(mode_of(in_dir(files[i].path)), files[i].mode, "%s %s", name,
               files[i].name);
    }
}


static void
test_init(void)
{
    FILE        *f;
    char         path[PATH_MAX + 2];

    make();
    check_modes("init sets the mode of");
    is_int(inspect(NULL), 0, "inspect accepts a new store");

    is_int(init(in_dir("s")), -1, "init does not replace a store");
    ok(strstr(err.text, "already") != NULL,
       "the error says that the store exists");
    is_int(inspect(NULL), 0, "the existing store is unchanged");

    (void) unlink(in_dir("s/data.mdb"));
    is_int(init(in_dir("s")), -1, "init does not complete half a store");
    drop("s");

    (void) mkdir(in_dir("s"), 0700);
    is_int(symlink("/nowhere", in_dir("s/data.mdb")), 0,
           "a dangling link in place of data.mdb");
    is_int(init(in_dir("s")), -1, "init does not follow the link");
    drop("s");

    (void) mkdir(in_dir("s"), 0700);
    is_int(init(in_dir("s")), 0, "init accepts an empty directory");
    check_modes("in an empty directory, init sets the mode of");
    drop("s");

    f = fopen(in_dir("s"), "w");
    (void) fclose(f);
    is_int(init(in_dir("s")), -1,
           "a file in place of the directory is an error");
    is_int(init(in_dir("no/such")), -1,
           "a missing parent directory is an error");

    memset(path, 'a', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    is_int(init(path), -1, "init rejects a path that is too long");
    is_int(at_store_inspect(path, NULL, &err), -1,
           "inspect rejects a path that is too long");
}


static void
test_owner(void)
{
    size_t       i;
    struct stat  st;

    if (geteuid() != 0) {
        skip("only root can change owners");
        return;
    }

    drop("s");
    is_int(at_store_init(in_dir("s"), 1, 33, &err), 0, "another owner");

    for (i = 0; i < N(files); i++) {
        ok(stat(in_dir(files[i].path), &st) == 0 && st.st_uid == 1
           && st.st_gid == 33, "init sets the owner of %s", files[i].name);
    }

    check_modes("init with an owner sets the mode of");
}


static void
cut(off_t size)
{
    must(truncate(in_dir("s/data.mdb"), size) == 0, "truncate");
}


static void
test_content(void)
{
    int          fd;
    off_t        size;
    struct stat  st;

    make();
    (void) stat(in_dir("s/data.mdb"), &st);

    for (size = 0; size < st.st_size; size += 512) {
        make();
        cut(size);

        if (inspect(NULL) != -1) {
            break;
        }
    }

    is_int(size, st.st_size, "data.mdb is rejected at each truncated length");
    cut(0);
    is_refused(NULL, NOT_LMDB, "an empty data.mdb");
    cut(2 * PAGE);
    is_refused(NULL, NOT_LMDB, "a data.mdb of zeros");

    make();
    cut(st.st_size - 1);
    is_refused(NULL, "is truncated", "a data.mdb without its last byte");

    make();
    fd = open(in_dir("s/data.mdb"), O_WRONLY);
    ok(pwrite(fd, "garbage!", 8, 16) == 8, "a meta page is overwritten");
    (void) close(fd);
    is_refused(NULL, NOT_LMDB, "a damaged meta page");

    make();
    (void) unlink(in_dir("s/lock.mdb"));
    is_refused(NULL, "install -m 660", "a missing lock.mdb");
    drop("s");
    is_refused(NULL, "auth-token init", "a missing store");

    (void) mkdir(in_dir("s"), 0700);
    (void) mkdir(in_dir("s/data.mdb"), 0700);
    is_refused(NULL, "regular", "a directory as data.mdb");
    (void) rmdir(in_dir("s/data.mdb"));
    (void) mkfifo(in_dir("s/data.mdb"), 0600);
    (void) alarm(10);
    is_refused(NULL, "regular", "a FIFO as data.mdb");
    (void) alarm(0);
}


static void
test_format(void)
{
    MDB_dbi   dbi;
    MDB_env  *env;
    MDB_txn  *txn;
    MDB_val   key = { 6, (void *) "format" }, value = { 1, (void *) "1" };

    drop("s");
    (void) mkdir(in_dir("s"), 0700);
    ok(mdb_env_create(&env) == 0
       && mdb_env_open(env, in_dir("s"), 0, 0600) == 0,
       "another program creates an environment");
    mdb_env_close(env);

    ok(at_store_open(in_dir("s"), AT_STORE_READ, NULL, &err) == NULL,
       "an environment of another program is rejected");

    make();
    ok(mdb_env_create(&env) == 0 && mdb_env_set_maxdbs(env, 8) == 0
       && mdb_env_open(env, in_dir("s"), 0, 0600) == 0
       && mdb_txn_begin(env, NULL, 0, &txn) == 0
       && mdb_dbi_open(txn, "meta", 0, &dbi) == 0
       && mdb_put(txn, dbi, &key, &value, 0) == 0 && mdb_txn_commit(txn) == 0,
       "the format of a store is changed to 1");
    mdb_env_close(env);

    ok(at_store_open(in_dir("s"), AT_STORE_READ, NULL, &err) == NULL
       && strstr(err.text, "is a store of another format: export it") != NULL,
       "a store of another format is rejected, with a hint");
}


/* each change is undone before the next one */
static void
test_modes(void)
{
    size_t             i;
    struct stat        st;
    gid_t              gids[] = { 33, 34 }, others[] = { 35 };
    at_store_worker_t  worker = { 33, 2, gids, 0 },
                       other = { 35, 1, others, 0 },
                       owner = { 1, 1, others, 0 }, root = { 0, 1, others, 0 };

    static const struct {
        const char *path; mode_t mode; const char *says, *name;
    } writable[] = {
        { "s/data.mdb", 0642, "chmod", "a data.mdb that all users can write" },
        { "s/lock.mdb", 0666, "chmod", "a lock.mdb that all users can write" },
        { "s", 02752, "chmod", "a directory that all users can write" },
        { "s", 02770, "chmod", "a directory that the group can write" },
        { "s/data.mdb", 0660, "chmod", "a data.mdb that the group can write" },
    };

    /* of this owner, group 34 */
    static const struct {
        const char *path; uid_t owner; mode_t mode; const char *says, *name;
    } closed[] = {
        { "s/lock.mdb", 1, 0640, "chmod 660",
          "a lock.mdb that workers cannot write" },
        { "s/data.mdb", 1, 0600, "chmod 640",
          "a data.mdb that workers cannot read" },
        { "s", 1, 02700, "chmod 2750",
          "a directory that workers cannot enter" },
        { "s", 33, 02750, "could write", "a directory that a worker owns" },
        { "s/data.mdb", 33, 0640, "could write",
          "a data.mdb that a worker owns" },
    };

    make();

    for (i = 0; i < N(writable); i++) {
        (void) stat(in_dir(writable[i].path), &st);
        must(chmod(in_dir(writable[i].path), writable[i].mode) == 0, "chmod");
        is_refused(NULL, writable[i].says, writable[i].name);
        (void) chmod(in_dir(writable[i].path), st.st_mode & 07777);
    }

    if (geteuid() != 0) {
        skip("only root can change owners");
        return;
    }

    drop("s");
    is_int(at_store_init(in_dir("s"), 1, 34, &err), 0, "of user 1, group 34");
    (void) chmod(dir_path, 0755);

    is_int(inspect(&worker), 0,
           "a worker has access by its second group");
    is_int(inspect(&root), 0, "root");
    is_refused(&other, "chgrp", "a store of another group");
    is_refused(&owner, "could write", "a worker that owns the store");
    owner.single_user = 1;
    is_int(inspect(&owner), 1,
           "a worker may own the store if nginx runs as a single user");
    ok(strstr(err.text, "could write") != NULL, "that is a warning");

    for (i = 0; i < N(closed); i++) {
        (void) stat(in_dir(closed[i].path), &st);
        must(chown(in_dir(closed[i].path), closed[i].owner, 34) == 0, "chown");
        (void) chmod(in_dir(closed[i].path), closed[i].mode);
        is_refused(&worker, closed[i].says, closed[i].name);
        must(chown(in_dir(closed[i].path), 1, 34) == 0, "chown");
        (void) chmod(in_dir(closed[i].path), st.st_mode & 07777);
    }

    (void) chmod(dir_path, 0700);
    is_refused(&worker, "parent directory",
               "a parent directory that the worker cannot pass");
}


/* --- records ------------------------------------------------------------- */


static void
test_records(void)
{
    char         key[AT_KEY_MAX + 1];
    size_t       i;
    at_str_t     value, longest = { key, AT_KEY_MAX }, empty = { "", 0 },
                 invalid[] = { empty, { key, AT_KEY_MAX + 1 } };
    at_store_t  *store;

    make();
    store = open_store(AT_STORE_WRITE);

    memset(key, 'k', sizeof(key));

    begin(store, AT_STORE_WRITE);
    is_int(get(store, "a", &value),
           AT_STORE_NOT_FOUND, "a missing record is not found");
    is_int(put(store, "a", "one"), AT_STORE_OK, "a record is put");
    is_int(put(store, "a", "two"), AT_STORE_OK, "a record is replaced");
    is_int(get(store, "a", &value), AT_STORE_OK, "the record is found");
    is_bytes(value, str("two"), "its value is the last one");
    is_int(at_store_put(store, AT_TABLE_USERS, str("b"), empty), AT_STORE_OK,
           "an empty value is put");
    is_int(get(store, "b", &value), AT_STORE_OK, "an empty value is found");
    is_int(value.len, 0, "it is empty");
    is_int(at_store_get(store, AT_TABLE_CLIENTS, str("a"), &value),
           AT_STORE_NOT_FOUND, "a record is in its table only");

    for (i = 0; i < N(invalid); i++) {
        is_int(at_store_get(store, AT_TABLE_USERS, invalid[i], &value),
               AT_STORE_NOT_FOUND, "a key of %zu bytes is not found",
               invalid[i].len);
        is_int(at_store_delete(store, AT_TABLE_USERS, invalid[i]),
               AT_STORE_NOT_FOUND, "delete does not find it");
        is_int(at_store_put(store, AT_TABLE_USERS, invalid[i], str("x")),
               AT_STORE_FAILED, "it cannot be put");
        ok(strlen(at_store_error(store)) != 0, "the failure has a text");
    }

    is_int(at_store_put(store, AT_TABLE_TOKENS, str("short"), str("x")),
           AT_STORE_FAILED, "the key of an API token must be a SHA-256");
    is_int(at_store_put(store, AT_TABLE_USERS, longest, str("x")), AT_STORE_OK,
           "the longest key can be put");
    is_int(at_store_get(store, AT_TABLE_USERS, longest, &value), AT_STORE_OK,
           "the longest key is found");

    is_int(at_store_delete(store, AT_TABLE_USERS, str("b")), AT_STORE_OK,
           "a record is deleted");
    is_int(at_store_delete(store, AT_TABLE_USERS, str("b")),
           AT_STORE_NOT_FOUND, "a deleted record is not found");
    is_int(commit(store), 0, "commit");
    at_store_close(store);

    store = begin_store(AT_STORE_READ);
    is_int(get(store, "a", &value), AT_STORE_OK,
           "a committed record is found after reopening");
    is_int(put(store, "c", "x"), AT_STORE_FAILED, "a reader cannot write");
    at_store_end(store);
    at_store_end(store);
    at_store_close(store);
    at_store_close(NULL);
}


static void
test_abort(void)
{
    uint64_t     before;
    at_str_t     value;
    at_store_t  *store;

    make();
    store = open_store(AT_STORE_WRITE);
    before = at_store_begin_epoch(store);

    begin(store, AT_STORE_WRITE);
    (void) put(store, "a", "one");
    at_store_end(store);
    ok(at_store_begin_epoch(store) == before,
       "an aborted transaction does not change the generation");

    begin(store, AT_STORE_READ);
    is_int(get(store, "a", &value),
           AT_STORE_NOT_FOUND, "an aborted record is not found");
    is_int(commit(store), 0, "a reader can commit");
    ok(at_store_begin_epoch(store) == before,
       "a reader's commit does not change the generation");

    begin(store, AT_STORE_WRITE);
    (void) put(store, "a", "one");
    is_int(commit(store), 0, "commit");
    ok(at_store_begin_epoch(store) != before,
       "a commit changes the generation");

    at_store_close(store);
}


typedef struct {
    unsigned  n;
    unsigned  stop;
    char      keys[64];
} walk_t;


static int
walk(void *data, at_str_t key, at_str_t value)
{
    walk_t  *w = data;

    (void) value;
    w->keys[w->n] = key.data[0];

    return ++w->n == w->stop ? 7 : 0;
}


static void
test_each(void)
{
    walk_t       w;
    at_store_t  *store;

    make();
    store = begin_store(AT_STORE_WRITE);

    memset(&w, 0, sizeof(w));
    is_int(at_store_foreach(store, AT_TABLE_USERS, walk, &w), 0,
           "foreach visits no record of an empty table");
    is_int(w.n, 0, "the handler was not called");

    (void) put(store, "c", "");
    (void) put(store, "a", "");
    (void) put(store, "b", "");
    is_int(at_store_foreach(store, AT_TABLE_USERS, walk, &w), 0,
           "foreach visits all records");
    is_str(w.keys, "abc", "records come in the order of keys");

    memset(&w, 0, sizeof(w));
    w.stop = 2;
    is_int(at_store_foreach(store, AT_TABLE_USERS, walk, &w), 7,
           "the handler stops foreach");
    is_str(w.keys, "ab", "foreach visited the records before that");

    is_int(commit(store), 0, "commit");
    is_int(at_store_foreach(store, AT_TABLE_USERS, walk, &w), -1,
           "foreach fails without a transaction");
    at_store_close(store);
}


static void
put_token(at_store_t *store, char id, int64_t expires)
{
    char               key[AT_SHA256_LEN];
    at_bytes_t         bytes = { NULL, 0, 0, 0 };
    at_token_record_t  token;

    memset(&token, 0, sizeof(token));
    token.id = (at_str_t) { &id, 1 };
    token.expires = expires;

    memset(key, id, sizeof(key));
    must(at_token_encode(&bytes, &token) == 0, "no memory");
    (void) at_store_put(store, AT_TABLE_TOKENS,
                        (at_str_t) { key, sizeof(key) },
                        (at_str_t) { bytes.data, bytes.len });
    at_bytes_free(&bytes);
}


static void
test_stats(void)
{
    uint64_t           n, revision;
    at_store_t        *store;
    at_store_stats_t   stats;

    make();
    store = open_store(AT_STORE_WRITE);

    is_int(at_store_get_stats(store, &stats), 0, "figures of a new store");
    is_int(stats.records[AT_TABLE_USERS] + stats.records[AT_TABLE_TOKENS], 0,
           "it has no records");
    ok(stats.modified > 1600000000, "the time of its last change");
    revision = stats.revision;

    begin(store, AT_STORE_WRITE);
    (void) put(store, "jane", "x");
    put_token(store, 'a', 1000);
    put_token(store, 'b', 1001);
    put_token(store, 'c', 2000);
    put_token(store, 'd', 2001);
    put_token(store, 'e', AT_NEVER);
    (void) commit(store);

    is_int(at_store_get_stats(store, &stats), 0, "figures after a commit");
    is_int(stats.records[AT_TABLE_USERS], 1, "the number of users");
    is_int(stats.records[AT_TABLE_TOKENS], 5, "the number of API tokens");
    ok(stats.revision == revision + 1, "the revision increases");

    at_store_pin(store, 1);
    ok(at_store_is_pinned(store), "a store is pinned");
    is_int(at_store_count_expiring(store, 1000, 2000, &n), 0,
           "API tokens that expire are counted");
    is_int(n, 2, "those after the first time, up to the second one");
    at_store_pin(store, 0);
    ok(!at_store_is_pinned(store), "a store is released");

    at_store_close(store);
}


static void
test_lower(void)
{
    char      buf[AT_KEY_MAX], text[AT_KEY_MAX + 1];

    is_bytes(at_store_lower_key(buf, str("AbZ-\xc3\x89[@")),
             str("abz-\xc3\x89[@"), "only ASCII letters become lower case");
    memset(text, 'A', sizeof(text));
    is_int(at_store_lower_key(buf, (at_str_t) { text, AT_KEY_MAX }).len,
           AT_KEY_MAX, "the longest key is converted");
    is_int(at_store_lower_key(buf, (at_str_t) { text, AT_KEY_MAX + 1 }).len, 0,
           "a key that is too long becomes empty");
}


static void
is_current(at_store_t *store, int current, const char *name)
{
    is_int(at_store_is_current(store), current, "%s is %s", name,
           current ? "current" : "not current");
}


/* --- other processes ----------------------------------------------------- */


/*
 * Pages that were taken from the end of the file and given back in one
 * transaction are counted, and never written.
 */
static void
test_unwritten_end(void)
{
    char        *large;
    unsigned     i;
    at_store_t  *store;
    struct stat  before, after;

    make();
    store = open_store(AT_STORE_WRITE);
    large = calloc(1, 1 << 20);
    memset(large, 'x', (1 << 20) - 1);

    for (i = 0; i < 5; i++) {
        begin(store, AT_STORE_WRITE);
        (void) put(store, "kept", "x");
        (void) put(store, "large", large);
        (void) at_store_delete(store, AT_TABLE_USERS, str("large"));
        is_int(commit(store), 0,
               "a large record is put and deleted in one transaction");
        is_int(inspect(NULL), 0,
               "the file is not taken for truncated");
        is_current(store, 1, "the open store");
    }

    (void) stat(in_dir("s/data.mdb"), &before);
    begin(store, AT_STORE_WRITE);
    (void) put(store, "another", "x");
    is_int(commit(store), 0, "a small record is put");
    (void) stat(in_dir("s/data.mdb"), &after);
    is_int(after.st_size, before.st_size, "the file had room for it");

    free(large);
    at_store_close(store);
}


/* writes the number into both meta pages */
static void
set_last_transaction(uint64_t number)
{
    int     i, fd = open(in_dir("s/data.mdb"), O_RDWR);
    size_t  at = offsetof(at_lmdb_meta_t, txnid);

    for (i = 0; i < 2; i++) {
        must(pwrite(fd, &number, sizeof(number), (off_t) (i * PAGE + at))
             == sizeof(number), "cannot write a meta page");
    }

    (void) close(fd);
}


static void
test_current(void)
{
    at_store_t  *store;

    make();
    store = open_store(AT_STORE_READ);
    is_current(store, 1, "a new store");

    (void) rename(in_dir("s"), in_dir("away"));
    is_current(store, 0, "a renamed store");
    make();
    is_current(store, 0, "a store that was replaced");
    drop("s");
    (void) rename(in_dir("away"), in_dir("s"));
    is_current(store, 1, "a store that was restored");

    at_store_close(store);

    /* LMDB takes the next number from lock.mdb */
    store = open_store(AT_STORE_WRITE);
    set_last_transaction(1000);
    is_int(at_store_begin(store, AT_STORE_WRITE, &err), -1,
           "data.mdb is overwritten by a later one: no write");
    ok(strstr(err.text, "data.mdb was replaced") != NULL, "the error says so");
    at_store_close(store);

    make();
    store = open_store(AT_STORE_READ);
    cut(3 * PAGE);
    is_current(store, 0, "a truncated store");
    cut(PAGE);
    is_current(store, 0, "a store truncated within its meta pages");
    cut(0);
    is_current(store, 0, "a store truncated to nothing");

    at_store_close(store);
}


static void
test_full_disk(void)
{
    at_lmdb_t  lmdb = { .fd = 0 };

    static const at_lmdb_schema_t  schema = { .name = "store" };

    lmdb.schema = &schema;
    make();

    full_disk = ENOSPC;
    ok(at_store_open(in_dir("s"), AT_STORE_READ, NULL, &err) == NULL
       && strstr(err.text, strerror(ENOSPC)) != NULL,
       "without space for lock.mdb, the store is not opened");
    is_str(at_lmdb_strerror(&lmdb, EIO), strerror(ENOSPC),
           "an incomplete write to a full disk gets the error of a full disk");
    is_str(at_lmdb_strerror(&lmdb, EACCES), strerror(EACCES),
           "another error is kept");

    full_disk = EDQUOT;
    ok(at_store_open(in_dir("s"), AT_STORE_READ, NULL, &err) == NULL
       && strstr(err.text, strerror(EDQUOT)) != NULL,
       "nor with an exceeded quota");

    full_disk = EOPNOTSUPP;
    at_store_close(open_store(AT_STORE_READ));

    full_disk = 0;
    at_store_close(open_store(AT_STORE_READ));
    ok(allocates_all, "lock.mdb has all blocks that readers write to");
    is_str(at_lmdb_strerror(&lmdb, EIO), strerror(EIO),
           "an error of the disk is kept if there is space");
}


/* errors of LMDB that mean damage: the file is checked and opened again */
static void
test_damage_codes(void)
{
    size_t     i;
    at_lmdb_t  lmdb;

    static const struct { int rc, damage; } cases[] = {
        { MDB_CORRUPTED, 1 }, { MDB_PAGE_NOTFOUND, 1 }, { MDB_PANIC, 1 },
        { MDB_BAD_TXN, 1 }, { MDB_NOTFOUND, 0 }, { MDB_MAP_FULL, 0 },
        { ENOSPC, 0 }, { 0, 0 }
    };

    for (i = 0; i < N(cases); i++) {
        memset(&lmdb, 0, sizeof(lmdb));
        at_lmdb_note_damage(&lmdb, cases[i].rc);
        is_int(lmdb.damaged, cases[i].damage, "%s: %s",
               mdb_strerror(cases[i].rc),
               cases[i].damage ? "damaged" : "not damaged");
    }
}


/* the sum of two records is the same in every snapshot */
static int
run_reader(at_store_t *store)
{
    char      text[2][16];
    unsigned  n, last = 0;
    at_str_t  a, b;
    time_t    end = time(NULL) + 60;

    while (last < 300 && time(NULL) < end) {
        begin(store, AT_STORE_READ);

        if (get(store, "a", &a) != AT_STORE_OK
            || get(store, "b", &b) != AT_STORE_OK)
        {
            return 2;
        }

        (void) snprintf(text[0], 16, "%.*s", (int) a.len, a.data);
        (void) snprintf(text[1], 16, "%.*s", (int) b.len, b.data);
        n = (unsigned) atoi(text[0]);
        at_store_end(store);

        /*
         * LMDB reads the number of the last commit and then a meta page: it
         * may see a commit whose number the next transaction does not see yet.
         */
        if (n + 1 < last || n + (unsigned) atoi(text[1]) != 1000) {
            return 3;
        }

        last = n;
    }

    return last == 300 ? 0 : 4;
}


static int
run_process(int writes)
{
    char         a[16], b[16];
    int          rc = 0;
    unsigned     i;
    at_store_t  *store = open_store(writes ? AT_STORE_WRITE : AT_STORE_READ);

    if (!writes) {
        rc = run_reader(store);
    }

    for (i = 0; writes && i <= 300; i++) {
        (void) snprintf(a, sizeof(a), "%u", i);
        (void) snprintf(b, sizeof(b), "%u", 1000 - i);
        begin(store, AT_STORE_WRITE);
        (void) put(store, "a", a);
        (void) put(store, "b", b);
        rc |= commit(store);
    }

    at_store_close(store);

    return rc;
}


static void
test_processes(void)
{
    int          i, status, good;
    at_store_t  *store;

    make();
    store = begin_store(AT_STORE_WRITE);
    (void) put(store, "a", "0");
    (void) put(store, "b", "1000");
    (void) commit(store);
    at_store_close(store);

    for (i = 0; i < 3; i++) {
        if (fork() == 0) {
            _exit(run_process(i == 2));
        }
    }

    good = 0;

    for (i = 0; i < 3; i++) {
        (void) wait(&status);
        good += status == 0;
    }

    is_int(good, 3, "two readers see only complete commits of a writer");
}


/* adds n to the number of the last transaction in data.mdb */
static void
count_transactions(uint64_t n)
{
    int             i, last, fd = open(in_dir("s/data.mdb"), O_RDWR);
    at_lmdb_meta_t  metas[2];

    for (i = 0; i < 2; i++) {
        must(pread(fd, &metas[i], sizeof(metas[i]), i * PAGE)
             == sizeof(metas[i]), "a meta page");
    }

    last = metas[1].txnid > metas[0].txnid;
    metas[last].txnid += n;
    must(pwrite(fd, &metas[last], sizeof(metas[last]), last * PAGE)
         == sizeof(metas[last]), "a meta page");
    (void) close(fd);
}


/*
 * Data of another file in place of the open one: lock.mdb counts other
 * transactions.  One more in data.mdb can be a commit in progress.
 */
static void
test_other_data(void)
{
    int          fds[2];
    char         byte;
    pid_t        pid;
    at_store_t  *store;

    make();
    store = open_store(AT_STORE_READ);
    count_transactions(1);
    is_current(store, 1, "a store with a commit in progress");
    is_current(store, 0, "a store whose commit does not end");
    at_store_close(store);

    make();
    store = open_store(AT_STORE_READ);
    count_transactions(2);
    is_current(store, 0, "a store with the data of another one");
    at_store_close(store);

    make();
    must(pipe(fds) == 0, "pipe");

    pid = fork();

    if (pid == 0) {
        (void) open_store(AT_STORE_READ);
        (void) !write(fds[1], "", 1);
        (void) pause();
    }

    (void) !read(fds[0], &byte, 1);
    count_transactions(2);
    ok(at_store_open(in_dir("s"), AT_STORE_READ, NULL, &err) == NULL
       && strstr(err.text, "was replaced while other processes") != NULL,
       "it is not opened while a process has the old data open");
    (void) kill(pid, SIGKILL);
    (void) waitpid(pid, NULL, 0);
}


/* a killed writer leaves the last commit, and no lock */
static void
test_killed(void)
{
    int          status;
    at_str_t     value;
    at_store_t  *store;

    make();
    if (fork() == 0) {
        store = begin_store(AT_STORE_WRITE);
        (void) put(store, "a", "first");
        (void) commit(store);
        begin(store, AT_STORE_WRITE);
        (void) put(store, "a", "second");
        (void) raise(SIGKILL);
    }

    (void) wait(&status);
    ok(WIFSIGNALED(status), "a writer is killed");

    (void) alarm(20);
    store = begin_store(AT_STORE_WRITE);
    is_int(get(store, "a", &value), AT_STORE_OK,
           "the lock of a killed writer is released");
    is_bytes(value, str("first"), "its last commit is kept");
    is_int(put(store, "a", "third"), AT_STORE_OK, "the next writer can write");
    is_int(commit(store), 0, "the next writer can commit");
    (void) alarm(0);

    at_store_close(store);
}


/* slots of killed readers are reused */
static void
test_dead_readers(void)
{
    int          i;
    at_store_t  *store;

    make();

    for (i = 0; i < 200; i++) {
        if (fork() == 0) {
            store = open_store(AT_STORE_READ);
            begin(store, AT_STORE_READ);
            (void) raise(SIGKILL);
        }

        (void) wait(NULL);
    }

    store = begin_store(AT_STORE_READ);
    ok(1, "200 killed readers leave room for another");
    at_store_end(store);
    at_store_close(store);
}


/* --- snapshots ----------------------------------------------------------- */


static void
test_snapshot(void)
{
    char          text[16];
    unsigned      i, wrong = 0;
    at_str_t      before, value;
    at_store_t   *reader, *writer;

    make();
    reader = open_store(AT_STORE_READ);

    for (i = 0; i < 100; i++) {
        (void) snprintf(text, sizeof(text), "value %u", i);
        before = (at_str_t) { NULL, 0 };

        begin(reader, AT_STORE_READ);
        (void) get(reader, "a", &before);
        wrong += at_str_equal(before, str(text));

        if (fork() == 0) {
            writer = open_store(AT_STORE_WRITE);
            begin(writer, AT_STORE_WRITE);
            (void) put(writer, "a", text);
            _exit(commit(writer) != 0);
        }

        (void) wait(NULL);

        /* the change is visible after the transaction, not within */
        value = (at_str_t) { NULL, 0 };
        (void) get(reader, "a", &value);
        wrong += value.data != before.data;
        at_store_end(reader);

        if (i % 3 == 0) {
            at_store_release_snapshot(reader);
            at_store_release_snapshot(reader);
        }

        begin(reader, AT_STORE_READ);
        wrong += get(reader, "a", &value) != AT_STORE_OK
                 || !at_str_equal(value, str(text));
        at_store_end(reader);
    }

    is_int(wrong, 0, "each of 100 changes is visible to the next transaction");

    at_store_close(reader);
}


/* n commits of another process; returns the size of the file, or -1 */
static off_t
commits(unsigned n)
{
    int           status, failed = 0;
    char          key[16];
    unsigned      i;
    struct stat   st;
    at_store_t   *writer;

    if (fork() == 0) {
        writer = open_store(AT_STORE_WRITE);

        for (i = 0; i < n; i++) {
            begin(writer, AT_STORE_WRITE);
            (void) snprintf(key, sizeof(key), "%u", i % 200);
            (void) put(writer, key, "a value of some length");
            failed |= commit(writer);
        }

        _exit(failed != 0);
    }

    (void) wait(&status);

    return status == 0 && stat(in_dir("s/data.mdb"), &st) == 0 ? st.st_size
                                                               : -1;
}


/* the pages of a snapshot are not reused: then the file grows */
static void
test_pinned(void)
{
    off_t        before, after;
    at_store_t  *reader;

    make();
    before = commits(300);

    reader = begin_store(AT_STORE_READ);
    at_store_end(reader);
    at_store_release_snapshot(reader);

    (void) commits(1);
    at_store_release_snapshot(reader);
    after = commits(300);

    ok(before > 0 && after > 0 && after <= before + (1 << 20),
       "a released snapshot does not keep old pages");

    begin(reader, AT_STORE_READ);
    at_store_end(reader);
    ok(commits(300) > after + (1 << 20), "a kept snapshot keeps old pages");

    at_store_close(reader);
}


/* writes more than the smallest map has room for */
static void
grow(const char *value)
{
    char         key[16];
    unsigned     i;
    at_store_t  *store = begin_store(AT_STORE_WRITE);

    for (i = 0; i < 40; i++) {
        (void) snprintf(key, sizeof(key), "%u", i);
        (void) put(store, key, value);
    }

    _exit(commit(store) != 0);
}


/* the functions that open a store or a session database look at it first */
static void
test_long_path(void)
{
    char       path[PATH_MAX - 5];
    at_lmdb_t  lmdb;

    memset(path, 'x', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';

    is_int(at_lmdb_open(&lmdb, path, &at_store_schema, AT_LMDB_READ, NULL,
                        &err), AT_LMDB_FAILED, "a path that is too long");
    ok(strstr(err.text, "too long") != NULL, "the error says so");
    is_int(at_store_inspect(path, NULL, &err), -1, "inspect rejects it, too");
}


static void
test_limited_map(void)
{
    int          rc;
    char        *value, key[16];
    pid_t        pid;
    unsigned     i;
    at_store_t  *store;

    static const size_t  mib = 1 << 20;

    drop("s");
    largest_map = 3000 * mib;
    ok(init(in_dir("s")) == 0, "limited address space: a store is created");

    store = open_store(AT_STORE_READ);
    is_int(at_store_reduced_map(store), 1024 * mib,
           "the map is half of the largest possible one");
    at_store_close(store);

    largest_map = 64 * mib;
    store = begin_store(AT_STORE_WRITE);
    is_int(at_store_reduced_map(store), 32 * mib, "the smallest map");

    value = calloc(1, mib);
    must(value != NULL, "no memory");
    memset(value, 'x', mib - 1);

    for (i = 0, rc = AT_STORE_OK; i < 40 && rc == AT_STORE_OK; i++) {
        (void) snprintf(key, sizeof(key), "%u", i);
        rc = put(store, key, value);
    }

    ok(i > 24 && i < 40
       && strstr(at_store_error(store), "address space is limited") != NULL,
       "a full map: %s", at_store_error(store));
    at_store_end(store);
    at_store_close(store);

    /* another process has all of the address space */
    store = open_store(AT_STORE_READ);
    pid = fork();

    if (pid == 0) {
        largest_map = 0;
        grow(value);
    }

    (void) waitpid(pid, NULL, 0);
    is_int(at_store_begin(store, AT_STORE_READ, &err), -1,
           "the file has outgrown a limited map");
    is_int(at_store_begin(store, AT_STORE_READ, &err), -1,
           "so it has at the next request");
    is_current(store, 0, "the store");
    at_store_close(store);
    free(value);

    largest_map = 63 * mib;
    store = at_store_open(in_dir("s"), AT_STORE_READ, NULL, &err);
    ok(store == NULL && strstr(err.text, "Cannot allocate memory") != NULL,
       "less address space than that: %s", err.text);

    largest_map = 0;
    store = open_store(AT_STORE_READ);
    is_int(at_store_reduced_map(store), 0, "address space is not limited");
    at_store_close(store);
}


int
main(void)
{
    /* a child process has nothing to write that its parent has printed */
    (void) setvbuf(stdout, NULL, _IOLBF, 0);

    RUN(test_init, test_owner, test_content, test_format, test_modes,
        test_records, test_abort, test_each, test_stats, test_lower,
        test_unwritten_end,
        test_current, test_full_disk, test_damage_codes, test_processes,
        test_other_data, test_killed, test_dead_readers, test_snapshot,
        test_pinned, test_long_path, test_limited_map);

    return tap_done();
}
