/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "core/store/at_lmdb.h"
#include "core/store/at_store.h"
#include "core/store/at_store_files.h"


static const char *const  at_table_names[AT_TABLES] = {
    "tokens", "token_ids", "clients", "users", "roles"
};

const at_lmdb_schema_t  at_store_schema = {
    .name = "store",
    .tables = at_table_names,
    .n_tables = AT_TABLES,
    .format = "4",
    .format_hint = "export it with the command that created it, and import "
                   "that into a new store",
    .map_size = (size_t) 64 << 30,
    .mode = 0640
};


/* --- permissions --------------------------------------------------------- */


static int
at_mode_allows(const struct stat *st, const at_store_worker_t *worker,
    unsigned bits)
{
    size_t    i;
    unsigned  shift;

    if (worker->uid == 0) {
        return 1;
    }

    shift = st->st_uid == worker->uid ? 6 : 0;

    for (i = 0; shift == 0 && i < worker->n_gids; i++) {
        shift = st->st_gid == worker->gids[i] ? 3 : 0;
    }

    return ((st->st_mode >> shift) & bits) == bits;
}


static int
at_store_check_parents(const char *path, const at_store_worker_t *worker,
    at_error_t *err)
{
    char         real[PATH_MAX], *slash;
    struct stat  st;

    if (realpath(path, real) == NULL) {
        return at_error(err, "\"%s\": %s", path, strerror(errno));
    }

    while ((slash = strrchr(real, '/')) != NULL && slash != real) {
        *slash = '\0';

        if (stat(real, &st) != 0 || !at_mode_allows(&st, worker, 01)) {
            return at_error(err, "worker processes (user %ld) cannot reach "
                            "\"%s\" through its parent directory \"%s\"; "
                            "fix with: chmod o+x %s", (long) worker->uid,
                            path, real, real);
        }
    }

    return 0;
}


static int
at_store_check_worker(const char *path, const struct stat *dir,
    const struct stat *data, const struct stat *lock,
    const at_store_worker_t *worker, at_error_t *err)
{
    if (!at_mode_allows(dir, worker, 01) || !at_mode_allows(data, worker, 04)
        || !at_mode_allows(lock, worker, 06))
    {
        return at_error(err, "worker processes (user %ld, group %ld) cannot "
                        "use \"%s\"; fix with: chgrp -R %ld %s; "
                        "chmod 2750 %s; chmod 640 %s/data.mdb; "
                        "chmod 660 %s/lock.mdb",
                        (long) worker->uid, (long) worker->gids[0], path,
                        (long) worker->gids[0], path, path, path, path);
    }

    if (at_store_check_parents(path, worker, err) != 0) {
        return -1;
    }

    if (worker->uid == 0
        || (!at_mode_allows(data, worker, 02)
            && !at_mode_allows(dir, worker, 02)))
    {
        return 0;
    }

    if (worker->single_user) {
        (void) at_error(err, "worker processes could write "
                        "\"%s/data.mdb\": nginx runs as a single user (%ld)",
                        path, (long) worker->uid);
        return 1;
    }

    return at_error(err, "worker processes (user %ld) could write "
                    "\"%s/data.mdb\"; fix with: chown 0 %s %s/data.mdb; "
                    "chmod 2750 %s; chmod 640 %s/data.mdb",
                    (long) worker->uid, path, path, path, path, path);
}


/* the option of a command that names the group of the worker, if any */
static const char *
at_store_group_option(char buf[32], const char *option,
    const at_store_worker_t *worker)
{
    if (worker == NULL) {
        return "";
    }

    (void) snprintf(buf, 32, " %s %ld", option, (long) worker->gids[0]);

    return buf;
}


void
at_store_add_remedy(at_error_t *err)
{
    size_t  len;

    len = strlen(err->text);

    (void) snprintf(err->text + len, sizeof(err->text) - len,
                    ": restore it from a backup");
}


int
at_store_inspect(const char *path, const at_store_worker_t *worker,
    at_error_t *err)
{
    int            rc;
    char           data_path[PATH_MAX], lock_path[PATH_MAX], group[32];
    struct stat    dir, data, lock;
    struct statfs  fs;

    rc = at_lmdb_inspect(path, 0, err);

    if (rc == AT_LMDB_DAMAGED) {
        at_store_add_remedy(err);
        return -1;
    }

    if (rc == AT_LMDB_MISSING) {
        return at_error(err, "\"%s/data.mdb\": %s; create a store with: "
                        "auth-token init --store lmdb:%s%s", path,
                        strerror(ENOENT), path,
                        at_store_group_option(group, "--group", worker));
    }

    if (rc < 0 || at_lmdb_path(data_path, path, "data.mdb", err) != 0
        || at_lmdb_path(lock_path, path, "lock.mdb", err) != 0)
    {
        return -1;
    }

    /* an empty file suffices; at_store_init() changes no existing store */

    if (stat(lock_path, &lock) != 0) {
        return at_error(err, "\"%s\": %s; fix with: install -m 660%s "
                        "/dev/null %s", lock_path, strerror(errno),
                        at_store_group_option(group, "-g", worker), lock_path);
    }

    if (stat(path, &dir) != 0 || stat(data_path, &data) != 0
        || statfs(data_path, &fs) != 0)
    {
        return at_error(err, "\"%s\": %s", path, strerror(errno));
    }

    if (((dir.st_mode | data.st_mode | lock.st_mode) & S_IWOTH)
        || ((dir.st_mode | data.st_mode) & S_IWGRP))
    {
        return at_error(err, "\"%s\" can be written by users other than its "
                        "owner; fix with: chmod 2750 %s; chmod 640 "
                        "%s/data.mdb; chmod 660 %s/lock.mdb", path, path, path,
                        path);
    }

    rc = worker == NULL ? 0 : at_store_check_worker(path, &dir, &data, &lock,
                                                    worker, err);

    if (rc == 0 && fs.f_flags & ST_RDONLY) {
        (void) at_error(err, "\"%s\" is on a read-only file system, where "
                        "LMDB reads without locks: do not change it elsewhere "
                        "while nginx runs", path);
        return 1;
    }

    return rc;
}


/* --- creation ------------------------------------------------------------ */


int
at_store_init(const char *path, uid_t uid, gid_t gid, at_error_t *err)
{
    int          rc, created;
    char         data[PATH_MAX], lock[PATH_MAX];
    at_lmdb_t    lmdb;
    struct stat  st;

    if (at_lmdb_path(data, path, "data.mdb", err) != 0
        || at_lmdb_path(lock, path, "lock.mdb", err) != 0)
    {
        return -1;
    }

    created = mkdir(path, 0700) == 0;

    if (!created && errno != EEXIST) {
        return at_error(err, "\"%s\": %s", path, strerror(errno));
    }

    if (lstat(data, &st) == 0 || lstat(lock, &st) == 0) {
        return at_error(err, "\"%s\" already contains a store", path);
    }

    rc = at_lmdb_inspect(path, 0, err) < 0
         || at_lmdb_open(&lmdb, path, &at_store_schema, AT_LMDB_CREATE, NULL,
                         err) != AT_LMDB_OK
         ? -1 : 0;

    if (rc == 0) {
        at_lmdb_close(&lmdb);

        /* chown() clears the set-group-ID bit: chmod() comes last */
        if (chown(data, uid, gid) != 0 || chmod(data, 0640) != 0
            || chown(lock, uid, gid) != 0 || chmod(lock, 0660) != 0
            || chown(path, uid, gid) != 0 || chmod(path, 02750) != 0)
        {
            rc = at_error(err, "\"%s\": %s", path, strerror(errno));
        }
    }

    if (rc != 0) {
        (void) unlink(data);
        (void) unlink(lock);

        if (created) {
            (void) rmdir(path);
        }
    }

    return rc;
}
