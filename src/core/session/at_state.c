/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/at_crypto.h"
#include "core/base/at_file.h"
#include "core/session/at_state.h"


#define AT_STATE_NO_USER  ((uid_t) -1)


/* --- checks -------------------------------------------------------------- */


static int
at_state_owner_is_trusted(const struct stat *st)
{
    return st->st_uid == 0 || st->st_uid == geteuid();
}


static int
at_state_check_dir(int dir, const char *path, at_error_t *err)
{
    struct stat  st;

    if (fstat(dir, &st) == -1) {
        return at_error(err, "cannot stat \"%s\": %m", path);
    }

    if (!at_state_owner_is_trusted(&st)) {
        return at_error(err, "\"%s\" belongs to another user (uid %u), who "
                        "could replace the key in it; fix with: chown %u %s",
                        path, (unsigned) st.st_uid, (unsigned) geteuid(),
                        path);
    }

    if (st.st_mode & (S_IWGRP|S_IWOTH)) {
        return at_error(err, "\"%s\" can be written by other users, who could "
                        "replace the key in it; fix with: chmod go-w %s",
                        path, path);
    }

    return 0;
}


static int
at_state_check_key(const struct stat *st, const char *path, at_error_t *err)
{
    if (!S_ISREG(st->st_mode) || st->st_size != AT_STATE_KEY_LEN) {
        return at_error(err, "\"%s/key\" is not a file of %d bytes: remove it "
                        "to get a new one", path, AT_STATE_KEY_LEN);
    }

    if (!at_state_owner_is_trusted(st) || (st->st_mode & (S_IRWXG|S_IRWXO))) {
        return at_error(err, "\"%s/key\" does not belong to the user that "
                        "starts the server, or its mode is not 0600, so "
                        "others may know it: remove it to get a new one",
                        path);
    }

    return 0;
}


/* root creates the directory, and then gives it to the workers' user */
static int
at_state_check_data(const struct stat *st, const char *path, uid_t owner,
    at_error_t *err)
{
    if (st->st_mode & (S_IWGRP|S_IWOTH)) {
        return at_error(err, "\"%s/data\" can be written by other users; fix "
                        "with: chmod 700 %s/data", path, path);
    }

    if (st->st_uid != owner && !(geteuid() == 0 && st->st_uid == 0)) {
        return at_error(err, "\"%s/data\" belongs to uid %u, not to the user "
                        "of the worker processes; fix with: chown -R %u "
                        "%s/data", path, (unsigned) st->st_uid,
                        (unsigned) owner, path);
    }

    return 0;
}


static int
at_state_check_writable(int dir, const char *name, const char *path,
    at_error_t *err)
{
    return faccessat(dir, name, W_OK|X_OK, AT_EACCESS) == 0
           ? 0 : at_error(err, "cannot write to \"%s\": %m", path);
}


/* --- durable writing ----------------------------------------------------- */


static int
at_state_write_all(int fd, const void *data, size_t len)
{
    ssize_t      n;
    const char  *p = data;

    while (len) {
        n = write(fd, p, len);

        if (n == -1 && errno == EINTR) {
            continue;
        }

        if (n <= 0) {
            return -1;
        }

        p += n;
        len -= (size_t) n;
    }

    return 0;
}


/* a random name, because another process may write the same file */
static int
at_state_open_temp(int dir, const char *name, char temp[PATH_MAX])
{
    uint64_t  random;

    if (at_random(&random, sizeof(random)) != 0) {
        errno = EAGAIN;
        return -1;
    }

    if (snprintf(temp, PATH_MAX, "%s.%016" PRIx64, name, random) >= PATH_MAX) {
        errno = ENAMETOOLONG;
        return -1;
    }

    return openat(dir, temp, O_WRONLY|O_CREAT|O_EXCL|O_CLOEXEC|O_NOFOLLOW,
                  0600);
}


/* writes both parts, syncs and closes */
static int
at_state_write_synced(int fd, at_str_t first, at_str_t second)
{
    int  rc;

    rc = at_state_write_all(fd, first.data, first.len);

    if (rc == 0) {
        rc = at_state_write_all(fd, second.data, second.len);
    }

    if (rc == 0) {
        rc = fsync(fd);
    }

    if (close(fd) == -1) {
        rc = -1;
    }

    return rc;
}


/* --- the key ------------------------------------------------------------- */


/* 0; 1 if the file does not exist; -1 */
static int
at_state_read_key(at_state_key_t *key, int dir, const char *path,
    at_error_t *err)
{
    int          fd, rc;
    ssize_t      n;
    struct stat  st;

    fd = openat(dir, "key",
                O_RDONLY|O_CLOEXEC|O_NOFOLLOW|O_NONBLOCK|O_NOCTTY);
    if (fd == -1) {
        return errno == ENOENT
               ? 1 : at_error(err, "cannot open \"%s/key\": %m", path);
    }

    rc = fstat(fd, &st) == 0
         ? at_state_check_key(&st, path, err)
         : at_error(err, "cannot stat \"%s/key\": %m", path);

    if (rc == 0) {
        do {
            n = read(fd, key->bytes, AT_STATE_KEY_LEN);
        } while (n == -1 && errno == EINTR);

        if (n != AT_STATE_KEY_LEN) {
            rc = at_error(err, "cannot read \"%s/key\"", path);
        }
    }

    (void) close(fd);

    return rc;
}


/* link() does not replace a file: concurrent processes use the first key */
static int
at_state_save_key(const at_state_key_t *key, int dir)
{
    int       fd, rc, error;
    char      temp[PATH_MAX];
    at_str_t  bytes = { (const char *) key->bytes, AT_STATE_KEY_LEN };

    fd = at_state_open_temp(dir, "key", temp);
    if (fd == -1) {
        return -1;
    }

    rc = at_state_write_synced(fd, bytes, at_str(""));

    if (rc == 0 && linkat(dir, temp, dir, "key", 0) == -1 && errno != EEXIST) {
        rc = -1;
    }

    error = errno;
    (void) unlinkat(dir, temp, 0);
    errno = error;

    return rc == 0 ? fsync(dir) : -1;
}


/* --- the directory ------------------------------------------------------- */


static int
at_state_visit_key(at_state_key_t *key, int dir, const char *path, int dry_run,
    at_error_t *err)
{
    int  rc;

    rc = at_state_read_key(key, dir, path, err);

    if (rc <= 0) {
        return rc;
    }

    if (dry_run) {
        return at_state_check_writable(dir, ".", path, err);
    }

    if (at_random(key->bytes, AT_STATE_KEY_LEN) != 0) {
        return at_error(err, "no random bytes for \"%s/key\"", path);
    }

    if (at_state_save_key(key, dir) != 0) {
        return at_error(err, "cannot write \"%s/key\": %m", path);
    }

    rc = at_state_read_key(key, dir, path, err);

    return rc <= 0 ? rc : at_error(err, "\"%s/key\" was removed by another "
                                   "process", path);
}


static int
at_state_visit_data(int dir, const char *path, uid_t uid, gid_t gid,
    int dry_run, at_error_t *err)
{
    int          data, rc;
    struct stat  st;

    if (!dry_run && mkdirat(dir, "data", 0700) == -1 && errno != EEXIST) {
        return at_error(err, "cannot create \"%s/data\": %m", path);
    }

    data = openat(dir, "data", O_RDONLY|O_DIRECTORY|O_CLOEXEC|O_NOFOLLOW);

    if (data == -1) {
        return dry_run && errno == ENOENT
               ? at_state_check_writable(dir, ".", path, err)
               : at_error(err, "cannot open \"%s/data\": %m", path);
    }

    if (fstat(data, &st) == -1) {
        rc = at_error(err, "cannot stat \"%s/data\": %m", path);

    } else {
        if (uid == AT_STATE_NO_USER) {
            uid = dry_run ? st.st_uid : geteuid();
        }

        rc = at_state_check_data(&st, path, uid, err);
    }

    if (rc == 0 && !dry_run) {

        if (st.st_uid != uid && fchown(data, uid, gid) == -1) {
            rc = at_error(err, "cannot chown \"%s/data\": %m", path);

        } else if (fsync(data) == -1 || fsync(dir) == -1) {
            rc = at_error(err, "cannot sync \"%s/data\": %m", path);
        }
    }

    (void) close(data);

    return rc;
}


/* checks existing files; creates missing ones, unless it is a dry run */
static int
at_state_visit(at_state_key_t *key, const char *path, uid_t uid, gid_t gid,
    int dry_run, at_error_t *err)
{
    int    dir, rc, created;
    char  *parent, copy[PATH_MAX];

    created = !dry_run && mkdir(path, 0700) == 0;

    if (!dry_run && !created && errno != EEXIST) {
        return at_error(err, "cannot create \"%s\": %m", path);
    }

    dir = open(path, O_RDONLY|O_DIRECTORY|O_CLOEXEC);

    if (dir == -1 && dry_run && errno == ENOENT) {
        (void) snprintf(copy, PATH_MAX, "%s", path);
        parent = dirname(copy);
        rc = at_state_check_writable(AT_FDCWD, parent, parent, err);

        if (rc == 0) {
            rc = at_file_check_local(parent, err);
        }

        return rc;
    }

    if (dir == -1) {
        return at_error(err, "cannot open \"%s\": %m", path);
    }

    /* independent of the umask: the workers must reach data/ */
    rc = created && fchmod(dir, 0755) == -1
         ? at_error(err, "cannot chmod \"%s\": %m", path)
         : at_state_check_dir(dir, path, err);

    if (rc == 0) {
        rc = at_file_check_local(path, err);
    }

    if (rc == 0) {
        rc = at_state_visit_key(key, dir, path, dry_run, err);
    }

    if (rc == 0) {
        rc = at_state_visit_data(dir, path, uid, gid, dry_run, err);
    }

    (void) close(dir);

    return rc;
}


int
at_state_inspect(const char *path, uid_t uid, at_error_t *err)
{
    int             rc;
    at_state_key_t  key;

    rc = at_state_visit(&key, path, uid, (gid_t) -1, 1, err);
    at_crypto_cleanse(&key, sizeof(at_state_key_t));

    return rc;
}


int
at_state_open(at_state_key_t *key, const char *path, uid_t uid, gid_t gid,
    at_error_t *err)
{
    int  rc;

    memset(key, 0, sizeof(at_state_key_t));

    rc = at_state_visit(key, path, uid, gid, 0, err);

    if (rc != 0) {
        at_crypto_cleanse(key, sizeof(at_state_key_t));
    }

    return rc;
}


int
at_state_read_only(at_state_key_t *key, const char *path, at_error_t *err)
{
    int  dir, rc;

    dir = open(path, O_RDONLY|O_DIRECTORY|O_CLOEXEC);

    if (dir == -1) {
        return at_error(err, "cannot open \"%s\": %m", path);
    }

    rc = at_state_check_dir(dir, path, err);

    if (rc == 0) {
        rc = at_state_read_key(key, dir, path, err);
    }

    (void) close(dir);

    return rc <= 0 ? rc : at_error(err, "\"%s/key\" does not exist", path);
}


/* --- authenticated files ------------------------------------------------- */


int
at_state_mac(unsigned char mac[AT_SHA256_LEN], const at_state_key_t *key,
    at_str_t purpose, at_str_t text)
{
    int            rc;
    at_str_t       view;
    unsigned char  derived[AT_SHA256_LEN];

    view.data = (const char *) key->bytes;
    view.len = AT_STATE_KEY_LEN;

    rc = at_hmac_sha256(derived, view, purpose);

    if (rc == 0) {
        view.data = (const char *) derived;
        view.len = AT_SHA256_LEN;
        rc = at_hmac_sha256(mac, view, text);
    }

    at_crypto_cleanse(derived, sizeof(derived));

    return rc;
}


/* renames a synced file and syncs the directory */
static int
at_state_replace(const char *path, const char *temp)
{
    int   dir, rc;
    char  copy[PATH_MAX];

    if (rename(temp, path) == -1) {
        return -1;
    }

    (void) snprintf(copy, PATH_MAX, "%s", path);
    dir = open(dirname(copy), O_RDONLY|O_DIRECTORY|O_CLOEXEC);

    if (dir == -1) {
        return -1;
    }

    rc = fsync(dir);
    (void) close(dir);

    return rc;
}


int
at_state_write(const at_state_key_t *key, const char *path, at_str_t purpose,
    at_str_t content, at_error_t *err)
{
    int            fd, rc;
    char           temp[PATH_MAX];
    unsigned char  mac[AT_SHA256_LEN];

    if (at_state_mac(mac, key, purpose, content) != 0) {
        return at_error(err, "no memory to write \"%s\"", path);
    }

    fd = at_state_open_temp(AT_FDCWD, path, temp);
    if (fd == -1) {
        return at_error(err, "cannot write \"%s\": %m", path);
    }

    rc = at_state_write_synced(fd, (at_str_t) { (const char *) mac,
                                                sizeof(mac) },
                               content);

    if (rc == 0) {
        rc = at_state_replace(path, temp);
    }

    if (rc != 0) {
        (void) at_error(err, "cannot write \"%s\": %m", path);
    }

    (void) unlink(temp);

    return rc;
}


int
at_state_read(const at_state_key_t *key, const char *path, at_str_t purpose,
    size_t max, char **content, size_t *len, at_error_t *err)
{
    int            rc;
    at_file_t      file;
    at_str_t       text;
    unsigned char  mac[AT_SHA256_LEN];

    rc = 0;
    *content = NULL;
    *len = 0;

    if (access(path, F_OK) == -1 && errno == ENOENT) {
        return 1;
    }

    if (at_file_read(&file, path, max + AT_SHA256_LEN, err) != 0) {
        return -1;
    }

    if (file.len < AT_SHA256_LEN) {
        at_file_free(&file);
        return at_error(err, "\"%s\" is truncated", path);
    }

    text.data = file.data + AT_SHA256_LEN;
    text.len = file.len - AT_SHA256_LEN;

    if (at_state_mac(mac, key, purpose, text) != 0) {
        rc = at_error(err, "no memory to read \"%s\"", path);

    } else if (!at_crypto_equal(mac, file.data, AT_SHA256_LEN)) {
        rc = at_error(err, "\"%s\" is damaged or was not written with this "
                      "state key", path);
    }

    if (rc != 0) {
        at_file_free(&file);
        return rc;
    }

    /* with the terminator */
    memmove(file.data, text.data, text.len + 1);

    *content = file.data;
    *len = text.len;

    return 0;
}
