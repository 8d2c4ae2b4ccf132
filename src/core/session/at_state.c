/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/at_crypto.h"
#include "core/base/at_file.h"
#include "core/session/at_state.h"


#define AT_STATE_KEY_FILE      "key"
#define AT_STATE_DATA_DIR      "data"
#define AT_STATE_CURRENT_USER  ((uid_t) -1)


/* --- what is there ------------------------------------------------------- */


/* root may always, and so may this process */
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
                        "could replace the key in it; mend it with: "
                        "chown %u %s", path, (unsigned) st.st_uid,
                        (unsigned) geteuid(), path);
    }

    if (st.st_mode & (S_IWGRP|S_IWOTH)) {
        return at_error(err, "\"%s\" can be written by others, who could "
                        "replace the key in it; mend it with: chmod go-w %s",
                        path, path);
    }

    return 0;
}


static int
at_state_check_key(const struct stat *st, const char *path, at_error_t *err)
{
    if (!S_ISREG(st->st_mode) || st->st_size != AT_STATE_KEY_LEN) {
        return at_error(err, "\"%s/" AT_STATE_KEY_FILE "\" is not a file of %d "
                        "bytes; remove it, and a new one is made", path,
                        AT_STATE_KEY_LEN);
    }

    if (!at_state_owner_is_trusted(st) || (st->st_mode & (S_IRWXG|S_IRWXO))) {
        return at_error(err, "\"%s/" AT_STATE_KEY_FILE "\" must be of the user that "
                        "starts the server, and of mode 0600: others may know "
                        "it; remove it, and a new one is made", path);
    }

    return 0;
}


/* a new directory is still the master's; then it is given away */
static int
at_state_check_data(const struct stat *st, const char *path, uid_t uid,
    at_error_t *err)
{
    if (!S_ISDIR(st->st_mode)) {
        return at_error(err, "\"%s/" AT_STATE_DATA_DIR "\" is not a directory",
                        path);
    }

    if (st->st_mode & (S_IWGRP|S_IWOTH)) {
        return at_error(err, "\"%s/" AT_STATE_DATA_DIR "\" can be written by "
                        "others; mend it with: chmod 700 %s/" AT_STATE_DATA_DIR,
                        path, path);
    }

    if (st->st_uid != uid && !(geteuid() == 0 && st->st_uid == 0)) {
        return at_error(err, "\"%s/" AT_STATE_DATA_DIR "\" belongs to uid %u, not "
                        "to the user of the worker processes; mend it with: "
                        "chown -R %u %s/" AT_STATE_DATA_DIR, path,
                        (unsigned) st->st_uid, (unsigned) uid, path);
    }

    return 0;
}


/* may this process make a file there? */
static int
at_state_check_writable(int dir, const char *name, const char *path,
    at_error_t *err)
{
    if (faccessat(dir, name, W_OK|X_OK, AT_EACCESS) == -1) {
        return at_error(err, "cannot write to \"%s\": %m", path);
    }

    return 0;
}


/* the directory that path is in, for free() */
static char *
at_state_parent(const char *path)
{
    char    *parent, *slash;
    size_t   len;

    len = strlen(path);

    while (len > 1 && path[len - 1] == '/') {
        len--;
    }

    parent = strndup(path, len);

    if (parent == NULL) {
        return NULL;
    }

    slash = strrchr(parent, '/');

    if (slash) {
        slash[slash == parent] = '\0';
        return parent;
    }

    free(parent);

    return strdup(".");
}


static int
at_state_inspect_parent(const char *path, at_error_t *err)
{
    int    rc;
    char  *parent;

    parent = at_state_parent(path);
    if (parent == NULL) {
        return at_error(err, "no memory");
    }

    rc = at_state_check_writable(AT_FDCWD, parent, parent, err);
    free(parent);

    return rc;
}


static int
at_state_inspect_key(int dir, const char *path, at_error_t *err)
{
    struct stat  st;

    if (fstatat(dir, AT_STATE_KEY_FILE, &st, AT_SYMLINK_NOFOLLOW) == -1) {
        return errno == ENOENT
               ? at_state_check_writable(dir, ".", path, err)
               : at_error(err, "cannot stat \"%s/" AT_STATE_KEY_FILE "\": %m",
                          path);
    }

    if (at_state_check_key(&st, path, err) != 0) {
        return -1;
    }

    if (faccessat(dir, AT_STATE_KEY_FILE, R_OK, AT_EACCESS) == -1) {
        return at_error(err, "cannot read \"%s/" AT_STATE_KEY_FILE "\": %m", path);
    }

    return 0;
}


static int
at_state_inspect_data(int dir, const char *path, uid_t uid, at_error_t *err)
{
    struct stat  st;

    if (fstatat(dir, AT_STATE_DATA_DIR, &st, AT_SYMLINK_NOFOLLOW) == -1) {
        return errno == ENOENT
               ? at_state_check_writable(dir, ".", path, err)
               : at_error(err, "cannot stat \"%s/" AT_STATE_DATA_DIR "\": %m",
                          path);
    }

    return at_state_check_data(&st, path,
                               uid == AT_STATE_CURRENT_USER ? st.st_uid : uid, err);
}


static int
at_state_open_dir(const char *path)
{
    return open(path, O_RDONLY|O_DIRECTORY|O_CLOEXEC);
}


int
at_state_inspect(const char *path, uid_t uid, at_error_t *err)
{
    int  dir, rc;

    dir = at_state_open_dir(path);

    if (dir == -1) {
        return errno == ENOENT
               ? at_state_inspect_parent(path, err)
               : at_error(err, "cannot open \"%s\": %m", path);
    }

    rc = at_state_check_dir(dir, path, err);

    if (rc == 0) {
        rc = at_state_inspect_key(dir, path, err);
    }

    if (rc == 0) {
        rc = at_state_inspect_data(dir, path, uid, err);
    }

    (void) close(dir);

    return rc;
}


/* --- what is made -------------------------------------------------------- */


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


/* 0; 1 if there is none; -1 */
static int
at_state_read_key(at_state_key_t *key, int dir, const char *path,
    at_error_t *err)
{
    int          fd, rc;
    ssize_t      n;
    struct stat  st;

    fd = openat(dir, AT_STATE_KEY_FILE,
                O_RDONLY|O_CLOEXEC|O_NOFOLLOW|O_NONBLOCK|O_NOCTTY);
    if (fd == -1) {
        return errno == ENOENT
               ? 1 : at_error(err, "cannot open \"%s/" AT_STATE_KEY_FILE "\": %m",
                              path);
    }

    if (fstat(fd, &st) == -1) {
        rc = at_error(err, "cannot stat \"%s/" AT_STATE_KEY_FILE "\": %m", path);

    } else {
        rc = at_state_check_key(&st, path, err);
    }

    if (rc == 0) {
        do {
            n = read(fd, key->bytes, AT_STATE_KEY_LEN);
        } while (n == -1 && errno == EINTR);

        if (n != AT_STATE_KEY_LEN) {
            rc = at_error(err, "cannot read \"%s/" AT_STATE_KEY_FILE "\"", path);
        }
    }

    (void) close(fd);

    return rc;
}


/* a name of its own, as another process may be writing one, too */
static int
at_state_open_temp(int dir, const char *name, char **aside)
{
    int       fd;
    size_t    size;
    uint64_t  random;

    if (at_random(&random, sizeof(random)) != 0) {
        errno = EAGAIN;
        return -1;
    }

    size = strlen(name) + sizeof(".") + 16;

    *aside = malloc(size);
    if (*aside == NULL) {
        return -1;
    }

    (void) snprintf(*aside, size, "%s.%016" PRIx64, name, random);

    fd = openat(dir, *aside, O_WRONLY|O_CREAT|O_EXCL|O_CLOEXEC|O_NOFOLLOW,
                0600);
    if (fd == -1) {
        free(*aside);
    }

    return fd;
}


/* writes both parts durably, and closes */
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


/* it is not there under this name any more; errno stays */
static void
at_state_remove_temp(int dir, char *aside)
{
    int  error;

    error = errno;
    (void) unlinkat(dir, aside, 0);
    free(aside);
    errno = error;
}


/* of two that make one at once, the first link counts for both */
static int
at_state_save_key(const at_state_key_t *key, int dir)
{
    int       fd, rc;
    char     *aside;
    at_str_t  bytes = { (const char *) key->bytes, AT_STATE_KEY_LEN };

    fd = at_state_open_temp(dir, AT_STATE_KEY_FILE, &aside);
    if (fd == -1) {
        return -1;
    }

    rc = at_state_write_synced(fd, bytes, at_str(""));

    if (rc == 0 && linkat(dir, aside, dir, AT_STATE_KEY_FILE, 0) == -1
        && errno != EEXIST)
    {
        rc = -1;
    }

    at_state_remove_temp(dir, aside);

    return rc == 0 ? fsync(dir) : -1;
}


static int
at_state_ensure_key(at_state_key_t *key, int dir, const char *path,
    at_error_t *err)
{
    int  rc;

    rc = at_state_read_key(key, dir, path, err);

    if (rc <= 0) {
        return rc;
    }

    if (at_random(key->bytes, AT_STATE_KEY_LEN) != 0) {
        return at_error(err, "no random bytes for \"%s/" AT_STATE_KEY_FILE "\"",
                        path);
    }

    if (at_state_save_key(key, dir) != 0) {
        return at_error(err, "cannot write \"%s/" AT_STATE_KEY_FILE "\": %m", path);
    }

    rc = at_state_read_key(key, dir, path, err);

    return rc == 1 ? at_error(err, "\"%s/" AT_STATE_KEY_FILE "\" was removed while "
                              "it was made", path)
                   : rc;
}


static int
at_state_chown_data(int data, const char *path, uid_t uid, gid_t gid,
    at_error_t *err)
{
    uid_t        owner;
    struct stat  st;

    if (fstat(data, &st) == -1) {
        return at_error(err, "cannot stat \"%s/" AT_STATE_DATA_DIR "\": %m", path);
    }

    owner = uid == AT_STATE_CURRENT_USER ? geteuid() : uid;

    if (at_state_check_data(&st, path, owner, err) != 0) {
        return -1;
    }

    if (st.st_uid != owner && fchown(data, owner, gid) == -1) {
        return at_error(err, "cannot chown \"%s/" AT_STATE_DATA_DIR "\": %m",
                        path);
    }

    if (fsync(data) == -1) {
        return at_error(err, "cannot sync \"%s/" AT_STATE_DATA_DIR "\": %m", path);
    }

    return 0;
}


static int
at_state_ensure_data(int dir, const char *path, uid_t uid, gid_t gid,
    at_error_t *err)
{
    int  data, rc;

    if (mkdirat(dir, AT_STATE_DATA_DIR, 0700) == -1 && errno != EEXIST) {
        return at_error(err, "cannot make \"%s/" AT_STATE_DATA_DIR "\": %m", path);
    }

    data = openat(dir, AT_STATE_DATA_DIR,
                  O_RDONLY|O_DIRECTORY|O_CLOEXEC|O_NOFOLLOW);
    if (data == -1) {
        return at_error(err, "cannot open \"%s/" AT_STATE_DATA_DIR "\": %m", path);
    }

    rc = at_state_chown_data(data, path, uid, gid, err);

    (void) close(data);

    if (rc == 0 && fsync(dir) == -1) {
        return at_error(err, "cannot sync \"%s\": %m", path);
    }

    return rc;
}


int
at_state_open(at_state_key_t *key, const char *path, uid_t uid, gid_t gid,
    at_error_t *err)
{
    int  dir, rc, made;

    memset(key, 0, sizeof(at_state_key_t));

    made = mkdir(path, 0700) == 0;

    if (!made && errno != EEXIST) {
        return at_error(err, "cannot make \"%s\": %m", path);
    }

    dir = at_state_open_dir(path);
    if (dir == -1) {
        return at_error(err, "cannot open \"%s\": %m", path);
    }

    /* whatever the umask is, workers must get through */
    rc = made && fchmod(dir, 0755) == -1
         ? at_error(err, "cannot chmod \"%s\": %m", path)
         : at_state_check_dir(dir, path, err);

    if (rc == 0) {
        rc = at_state_ensure_key(key, dir, path, err);
    }

    if (rc == 0) {
        rc = at_state_ensure_data(dir, path, uid, gid, err);
    }

    (void) close(dir);

    if (rc != 0) {
        at_crypto_cleanse(key, sizeof(at_state_key_t));
    }

    return rc;
}


/* --- what is believed ---------------------------------------------------- */


/* a key for each purpose, and the MAC by that */
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


/* renames what was synced over path, durably */
static int
at_state_replace(const char *path, const char *aside)
{
    int    dir, rc;
    char  *parent;

    if (rename(aside, path) == -1) {
        return -1;
    }

    parent = at_state_parent(path);
    if (parent == NULL) {
        return -1;
    }

    dir = at_state_open_dir(parent);
    free(parent);

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
    char          *aside;
    unsigned char  mac[AT_SHA256_LEN];

    if (at_state_mac(mac, key, purpose, content) != 0) {
        return at_error(err, "no memory to write \"%s\"", path);
    }

    fd = at_state_open_temp(AT_FDCWD, path, &aside);
    if (fd == -1) {
        return at_error(err, "cannot write \"%s\": %m", path);
    }

    rc = at_state_write_synced(fd, (at_str_t) { (const char *) mac, sizeof(mac) },
                               content);

    if (rc == 0) {
        rc = at_state_replace(path, aside);
    }

    if (rc != 0) {
        (void) at_error(err, "cannot write \"%s\": %m", path);
    }

    at_state_remove_temp(AT_FDCWD, aside);

    return rc;
}


int
at_state_read(const at_state_key_t *key, const char *path, at_str_t purpose,
    size_t max, char **content, size_t *len, at_error_t *err)
{
    at_file_t      file;
    at_str_t       text;
    unsigned char  mac[AT_SHA256_LEN];

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
        return at_error(err, "\"%s\" was cut", path);
    }

    text.data = file.data + AT_SHA256_LEN;
    text.len = file.len - AT_SHA256_LEN;

    if (at_state_mac(mac, key, purpose, text) != 0) {
        at_file_free(&file);
        return at_error(err, "no memory to read \"%s\"", path);
    }

    if (!at_crypto_equal(mac, file.data, AT_SHA256_LEN)) {
        at_file_free(&file);
        return at_error(err, "\"%s\" was not written by this server, or was "
                        "changed since", path);
    }

    /* the terminator comes along */
    memmove(file.data, text.data, text.len + 1);

    *content = file.data;
    *len = text.len;

    return 0;
}
