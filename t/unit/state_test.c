/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The state directory: creation, checks, lock, and authenticated files; with
 * failing allocations and calls.
 */

#define _GNU_SOURCE             /* RTLD_NEXT */

#include <dirent.h>
#include <libgen.h>
#include <limits.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#include <openssl/err.h>

#include "core/base/at_file.h"
#include "core/session/at_state.h"
#include "core/session/at_state_lock.h"
#include "dir.h"
#include "fail_calls.h"
#include "tap.h"


#define OTHER  65534            /* another user and group */
#define MINE   ((uid_t) -1)


static const char  *nfs_path;   /* as if an NFS were mounted on it */


/* replaces the function of the C library */
int
statfs(const char *path, struct statfs *fs)
{
    if (syscall(SYS_statfs, path, fs) != 0) {
        return -1;
    }

    if (nfs_path != NULL && strcmp(path, nfs_path) == 0) {
        fs->f_type = 0x6969;
    }

    return 0;
}


static int
run(const char *fmt, ...)
{
    char     command[1024];
    va_list  args;

    va_start(args, fmt);
    (void) vsnprintf(command, sizeof(command), fmt, args);
    va_end(args);

    return system(command);
}


/* a new state directory */
static const char *
fresh(at_state_key_t *key)
{
    at_error_t   err;
    const char  *path = in_dir("state");

    (void) run("rm -rf %s", path);

    must(at_state_open(key, path, MINE, (gid_t) -1, &err) == 0, err.text);

    return path;
}


static void
test_open(void)
{
    at_error_t      err;
    at_state_key_t  key, again;
    static at_state_key_t  zeros;
    const char     *path = in_dir("new");

    (void) umask(0077);
    is_int(at_state_inspect(path, MINE, &err), 0,
           "inspect accepts a missing directory");
    is_int(at_state_read_only(&key, path, &err), -1,
           "read_only fails without a directory");
    ok(access(path, F_OK) == -1, "inspect and read_only create nothing");

    is_int(at_state_open(&key, path, MINE, (gid_t) -1, &err), 0,
           "open creates the directory");
    is_int(mode_of(path), 0755, "the directory has mode 0755, with any umask");
    is_int(mode_of(in_dir("new/key")), 0600, "the key has mode 0600");
    is_int(mode_of(in_dir("new/data")), 0700, "data has mode 0700");
    ok(memcmp(&key, &zeros, sizeof(key)) != 0, "the key is random");
    is_int(run("test $(ls %s | wc -l) = 2", path), 0,
           "the directory has no other files");

    is_int(at_state_inspect(path, MINE, &err), 0,
           "inspect accepts a complete directory");
    is_int(at_state_inspect(path, geteuid(), &err), 0,
           "inspect accepts a directory of this user");
    is_int(at_state_open(&again, path, MINE, (gid_t) -1, &err), 0,
           "open accepts a complete directory");
    ok(memcmp(&key, &again, sizeof(key)) == 0, "the key is kept");

    memset(&again, 0, sizeof(again));
    is_int(at_state_read_only(&again, path, &err), 0,
           "read_only reads a complete directory");
    ok(memcmp(&key, &again, sizeof(key)) == 0, "read_only reads the key");

    is_int(at_state_open(&again, in_dir("other/"), MINE, (gid_t) -1, &err), 0,
           "a path may end with a slash");
    ok(memcmp(&key, &again, sizeof(key)) != 0,
       "another directory has another key");

    is_int(at_state_inspect(in_dir("none/state"), MINE, &err), -1,
           "its parent must be there");
    ok(strstr(err.text, "none") != NULL,
       "inspect names the missing parent: %s", err.text);
    is_int(at_state_open(&again, in_dir("none/state"), MINE, (gid_t) -1, &err),
           -1, "open does not create the parent");
}


/* both functions reject it and name the cause */
static void
is_refused(const char *path, const char *says, const char *name)
{
    at_error_t             err;
    at_state_key_t         key;
    static at_state_key_t  zeros;

    memset(&err, 0, sizeof(err));
    is_int(at_state_inspect(path, MINE, &err), -1, "inspect rejects %s", name);
    ok(strstr(err.text, says) != NULL,
       "the error names the cause: %s", err.text);

    memset(&err, 0, sizeof(err));
    memset(&key, 1, sizeof(key));
    is_int(at_state_open(&key, path, MINE, (gid_t) -1, &err), -1,
           "open rejects %s", name);
    ok(strstr(err.text, says) != NULL,
       "the error names the cause: %s", err.text);
    ok(memcmp(&key, &zeros, sizeof(key)) == 0, "the key is cleansed");
}


static void
test_refused(void)
{
    size_t          i;
    const char     *path;
    at_state_key_t  key;

    /* commands in a complete directory */
    static const struct { const char *change, *says, *name; } cases[] = {
        { "chmod 775 .", "chmod go-w",
          "a directory that the group can write" },
        { "chmod 757 .", "chmod go-w", "a directory that all can write" },
        { "chmod 640 key", "0600", "a key that the group can read" },
        { "truncate -s 31 key", "32 bytes", "a truncated key" },
        { "truncate -s 0 key", "32 bytes", "an empty key" },
        { "mv key k && ln -s k key", "key", "a symbolic link as key" },
        { "rm key && mkfifo -m 600 key", "32 bytes",
          "a FIFO as key, without blocking" },
        { "chmod 770 data", "chmod 700", "data that the group can write" },
        { "rmdir data && ln -s /tmp data", "data", "a symbolic link as data" },
    };

    path = in_dir("file");
    (void) run("touch %s", path);
    is_refused(path, "file", "a file in place of the directory");

    (void) alarm(10);

    for (i = 0; i < N(cases); i++) {
        path = fresh(&key);
        must(run("cd %s && %s", path, cases[i].change) == 0, "change");
        is_refused(path, cases[i].says, cases[i].name);
    }

    (void) alarm(0);
}


static void
test_network_file_system(void)
{
    at_error_t      err;
    char            copy[PATH_MAX];
    at_state_key_t  key;
    const char     *path = fresh(&key);

    nfs_path = path;
    is_refused(path, "network file system", "a directory on NFS");

    (void) snprintf(copy, sizeof(copy), "%s", path);
    nfs_path = dirname(copy);
    (void) run("rm -rf %s", path);
    is_int(at_state_inspect(path, MINE, &err), -1,
           "inspect rejects a directory that would be created on NFS");
    ok(strstr(err.text, "network file system") != NULL,
       "the error names the cause: %s", err.text);
    nfs_path = NULL;
}


static void
test_owners(void)
{
    struct stat     st;
    at_error_t      err;
    at_state_key_t  key;
    const char     *path;

    if (geteuid() != 0) {
        skip("only root can change owners");
        return;
    }

    path = in_dir("given");
    is_int(at_state_open(&key, path, OTHER, OTHER, &err), 0,
           "open creates the directory for another user");
    ok(stat(in_dir("given/data"), &st) == 0
       && st.st_uid == OTHER && st.st_gid == OTHER, "that user owns data");
    ok(stat(in_dir("given/key"), &st) == 0 && st.st_uid == 0,
       "root owns the key");
    is_int(at_state_open(&key, path, OTHER, OTHER, &err), 0,
           "open accepts the directory of another user");

    is_int(at_state_inspect(path, 1, &err), -1,
           "inspect rejects data of another user");
    ok(strstr(err.text, "chown -R 1 ") != NULL,
       "the error says how to fix it: %s", err.text);
    is_int(at_state_open(&key, path, 1, 1, &err), -1,
           "open rejects data of another user");
    ok(stat(in_dir("given/data"), &st) == 0 && st.st_uid == OTHER,
       "and does not take it over");

    (void) run("chown 0:0 %s/data", path);
    is_int(at_state_open(&key, path, OTHER, OTHER, &err), 0,
           "open gives data that root owns to the user");
    ok(stat(in_dir("given/data"), &st) == 0 && st.st_uid == OTHER,
       "the user owns it");

    path = fresh(&key);
    (void) run("chown %d %s", OTHER, path);
    is_refused(path, "chown 0", "a directory of another user");

    path = fresh(&key);
    (void) run("chown %d %s/key", OTHER, path);
    is_refused(path, "0600", "a key of another user");
}


static void
test_race(void)
{
    int              i, status, fds[2];
    at_error_t       err;
    at_state_key_t   key, other;
    const char      *path = in_dir("race");

    must(pipe(fds) == 0, "pipe");

    for (i = 0; i < 8; i++) {
        if (fork() == 0) {
            if (at_state_open(&key, path, MINE, (gid_t) -1, &err) != 0
                || write(fds[1], &key, sizeof(key)) != sizeof(key))
            {
                _exit(1);
            }

            _exit(0);
        }
    }

    for (i = 0; i < 8; i++) {
        (void) wait(&status);
        is_int(status, 0, "process %d of eight that open at once succeeds", i);
    }

    ok(read(fds[0], &key, sizeof(key)) == sizeof(key),
       "the first process has a key");

    for (i = 1; i < 8; i++) {
        ok(read(fds[0], &other, sizeof(other)) == sizeof(other)
           && memcmp(&key, &other, sizeof(key)) == 0,
           "process %d has the same key", i);
    }

    (void) close(fds[0]);
    (void) close(fds[1]);
}


static void
test_mac(void)
{
    unsigned char          a[AT_SHA256_LEN], b[AT_SHA256_LEN];
    static at_state_key_t  key, other = { { 1 } };

    is_int(at_state_mac(a, &key, at_str("p"), at_str("text")), 0,
           "a MAC is computed");
    is_int(at_state_mac(b, &key, at_str("p"), at_str("text")), 0,
           "the MAC is computed again");
    ok(memcmp(a, b, sizeof(a)) == 0, "equal inputs have equal MACs");

    (void) at_state_mac(b, &key, at_str("q"), at_str("text"));
    ok(memcmp(a, b, sizeof(a)) != 0, "another purpose has another MAC");
    (void) at_state_mac(b, &key, at_str("pt"), at_str("ext"));
    ok(memcmp(a, b, sizeof(a)) != 0, "purpose and text are separated");
    (void) at_state_mac(b, &other, at_str("p"), at_str("text"));
    ok(memcmp(a, b, sizeof(a)) != 0, "another key has another MAC");
    (void) at_state_mac(b, &key, at_str("p"), at_str("Text"));
    ok(memcmp(a, b, sizeof(a)) != 0, "another text has another MAC");
}


/* RFC 4231, test case 2 */
static void
test_hmac(void)
{
    unsigned char         mac[AT_SHA256_LEN];
    static unsigned char  expected[] = {
        0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e, 0x6a, 0x04, 0x24,
        0x26, 0x08, 0x95, 0x75, 0xc7, 0x5a, 0x00, 0x3f, 0x08, 0x9d, 0x27,
        0x39, 0x83, 0x9d, 0xec, 0x58, 0xb9, 0x64, 0xec, 0x38, 0x43
    };

    is_int(at_hmac_sha256(mac, at_str("Jefe"),
                          at_str("what do ya want for nothing?")), 0,
           "RFC 4231");
    is_bytes((at_str_t) { (char *) mac, sizeof(mac) },
             (at_str_t) { (char *) expected, sizeof(expected) },
             "HMAC-SHA256 of RFC 4231, test case 2");
    ok(at_crypto_equal(mac, expected, sizeof(mac)), "equal");
    expected[31] ^= 1;
    ok(!at_crypto_equal(mac, expected, sizeof(mac)),
       "MACs that differ in a bit are not equal");
}


static int
read_back(const at_state_key_t *key, const char *path, const char *purpose,
    size_t max, const char *expected)
{
    int         rc;
    char       *content;
    size_t      len;
    at_error_t  err = { 0 };

    rc = at_state_read(key, path, str(purpose), max, &content, &len, &err);

    if (rc == 0) {
        is_bytes((at_str_t) { content, len }, str(expected),
                 "the content is the written one");
        is_int(content[len], 0, "the content is terminated");

    } else {
        ok(content == NULL && len == 0, "a failed read returns no content");
    }

    if (rc == -1) {
        ok(strstr(err.text, path) != NULL,
           "the error names the file: %s", err.text);
    }

    free(content);

    return rc;
}


/* changes a bit of a byte of a file */
static void
flip(const char *path, size_t i)
{
    char  byte;
    int   fd = open(path, O_RDWR);

    must(pread(fd, &byte, 1, (off_t) i) == 1, "cannot read a file");

    byte ^= 1;

    must(pwrite(fd, &byte, 1, (off_t) i) == 1, "cannot write a file");

    (void) close(fd);
}


static void
test_files(void)
{
    size_t          i;
    at_error_t      err;
    const char     *path, *file;
    at_state_key_t  key, other;

    path = fresh(&key);
    other = key;
    other.bytes[31] ^= 1;
    file = in_dir("state/data/x");

    is_int(read_back(&key, file, "p", 100, ""), 1,
           "a missing file is not an error");
    is_int(at_state_write(&key, file, at_str("p"), at_str("hello"), &err), 0,
           "written");
    is_int(mode_of(file), 0600, "the file has mode 0600");
    is_int(run("test $(ls %s/data | wc -l) = 1", path), 0,
           "no temporary file is left");
    is_int(read_back(&key, file, "p", 5, "hello"), 0,
           "the content may have the maximal size");
    is_int(read_back(&key, file, "p", 4, ""), -1,
           "a larger content is rejected");
    is_int(read_back(&key, file, "q", 100, ""), -1,
           "a file for another purpose is rejected");
    is_int(read_back(&other, file, "p", 100, ""), -1,
           "a file of another key is rejected");

    is_int(at_state_write(&key, file, at_str("p"), at_str("other"), &err), 0,
           "written again");
    is_int(read_back(&key, file, "p", 100, "other"), 0,
           "the new content is read");

    for (i = 0; i < AT_SHA256_LEN + 5; i++) {
        flip(file, i);
        is_int(read_back(&key, file, "p", 100, ""), -1,
               "a file with a change in byte %zu is rejected", i);
        flip(file, i);
    }

    is_int(read_back(&key, file, "p", 100, "other"), 0,
           "the restored file is accepted");

    for (i = AT_SHA256_LEN + 5; i > 0; i--) {
        (void) run("truncate -s %zu %s", i - 1, file);
        is_int(read_back(&key, file, "p", 100, ""), -1,
               "a file truncated to %zu bytes is rejected", i - 1);
    }

    is_int(at_state_write(&key, file, at_str("p"), at_str(""), &err), 0,
           "without content");
    is_int(read_back(&key, file, "p", 100, ""), 0, "an empty content is read");

    is_int(at_state_write(&key, in_dir("none/x"), at_str("p"), at_str("x"),
                          &err), -1, "a missing directory is an error");
    ok(strstr(err.text, "none/x") != NULL, "the error names it: %s", err.text);

    file = in_dir("state/data");
    is_int(at_state_write(&key, file, at_str("p"), at_str("x"), &err), -1,
           "a directory in place of the file is an error");
    is_int(run("test $(ls %s | wc -l) = 2", path), 0,
           "no temporary file is left after an error");
    is_int(ERR_peek_error(), 0, "the OpenSSL error queue is empty");
}


/* --- the lock ------------------------------------------------------------ */


static void
test_lock(void)
{
    int             i, fd, fds[2], ready[2], status;
    char            is_in_use[64], file[PATH_MAX], byte = 0;
    pid_t           pid;
    at_error_t      err;
    at_state_key_t  key;
    const char     *path = fresh(&key);

    static const char *const  others[] = { "", "x y\n", "1 \001\n" };

    must(pipe(fds) == 0 && pipe(ready) == 0, "pipe");
    (void) fflush(stdout);
    pid = fork();

    if (pid == 0) {
        (void) close(fds[1]);
        byte = (char) at_state_lock(&fd, path, &err);
        (void) !write(ready[1], &byte, 1);
        _exit(read(fds[0], &byte, 1) != 0);
    }

    (void) !read(ready[0], &byte, 1);
    is_int(byte, AT_STATE_LOCKED, "a process locks the directory");

    (void) snprintf(is_in_use, sizeof(is_in_use), "process %ld on host ",
                    (long) pid);
    is_int(at_state_lock(&fd, path, &err), AT_STATE_IN_USE,
           "another process cannot lock it");
    ok(strstr(err.text, is_in_use) != NULL, "the error names the first: %s",
       err.text);
    (void) close(fd);

    (void) snprintf(file, sizeof(file), "%s/lock", path);

    for (i = 0; i < (int) N(others); i++) {
        fd = open(file, O_WRONLY|O_TRUNC);
        (void) !write(fd, others[i], strlen(others[i]));
        (void) close(fd);
        is_int(at_state_lock(&fd, path, &err), AT_STATE_IN_USE,
               "the lock file has other content");
        ok(strstr(err.text, "another server: use") != NULL,
           "the error does not repeat it");
        (void) close(fd);
    }

    (void) close(fds[1]);
    (void) waitpid(pid, &status, 0);
    is_int(at_state_lock(&fd, path, &err), AT_STATE_LOCKED,
           "the lock ends with the process");
    (void) close(fd);

    (void) run("rm %s && ln -s key %s", file, file);
    is_int(at_state_lock(&fd, path, &err), AT_STATE_LOCK_FAILED,
           "a symbolic link as lock");

    memset(file, 'x', PATH_MAX - 5);
    file[PATH_MAX - 5] = '\0';
    is_int(at_state_lock(&fd, file, &err), AT_STATE_LOCK_FAILED,
           "a path that is too long");
}


/* --- failing allocations and calls --------------------------------------- */


static at_error_t  failed;      /* of the call that may fail */


/* no temporary file is left */
static int
entries_are(const char *path, int n)
{
    int             found = -2;         /* "." and ".." */
    DIR            *dir = opendir(path);
    struct dirent  *entry;

    must(dir != NULL, path);

    while ((entry = readdir(dir)) != NULL) {
        found++;
    }

    (void) closedir(dir);

    return found == n;
}


/* creates the directory, which the next attempt completes */
static int
fail_create(FAIL_UNUSED void *data, FAIL_UNUSED unsigned n)
{
    int                    rc;
    uid_t                  uid = geteuid() == 0 ? OTHER : MINE;
    at_state_key_t         key, again;
    const char            *path = in_dir("fail");
    static at_state_key_t  zeros;

    (void) unlink(in_dir("fail/key"));
    (void) rmdir(in_dir("fail/data"));
    (void) rmdir(path);
    failed.text[0] = '\0';

    rc = at_state_open(&key, path, uid, (gid_t) -1, &failed);
    (void) fail_end();

    return (rc == 0 || (failed.text[0] != '\0'
                        && memcmp(&key, &zeros, sizeof(key)) == 0))
           && at_state_open(&again, path, uid, (gid_t) -1, &failed) == 0
           && (rc != 0 || memcmp(&key, &again, sizeof(key)) == 0)
           && entries_are(path, 2);
}


/* of a directory that exists, or not */
static int
fail_inspect(void *data, FAIL_UNUSED unsigned n)
{
    failed.text[0] = '\0';

    return at_state_inspect(data, MINE, &failed) == 0
           || failed.text[0] != '\0';
}


static const at_state_key_t  zero_key;


static int
content_is(const char *expected)
{
    int         equal;
    char       *text;
    size_t      len;

    equal = at_state_read(&zero_key, in_dir("fail/data/x"), at_str("p"), 100,
                          &text, &len, &failed) == 0
            && at_str_equal((at_str_t) { text, len }, str(expected));
    free(text);

    return equal;
}


/* a file that cannot be replaced keeps its content */
static int
fail_write(FAIL_UNUSED void *data, FAIL_UNUSED unsigned n)
{
    int          rc;
    const char  *file = in_dir("fail/data/x");

    failing.paused = 1;
    (void) at_state_write(&zero_key, file, at_str("p"), at_str("old"),
                          &failed);
    failed.text[0] = '\0';
    failing.paused = 0;

    rc = at_state_write(&zero_key, file, at_str("p"), at_str("new"), &failed);
    (void) fail_end();

    return (rc == 0 ? content_is("new")
                    : failed.text[0] != '\0'
                      && (content_is("old") || content_is("new")))
           && entries_are(in_dir("fail/data"), 1);
}


static int
fail_read(FAIL_UNUSED void *data, FAIL_UNUSED unsigned n)
{
    failed.text[0] = '\0';

    return content_is("new") || failed.text[0] != '\0';
}


static int
fail_lock(FAIL_UNUSED void *data, FAIL_UNUSED unsigned n)
{
    int              fd = -1;
    at_state_lock_e  result;

    failed.text[0] = '\0';
    result = at_state_lock(&fd, in_dir("fail"), &failed);
    (void) fail_end();

    if (result != AT_STATE_LOCK_FAILED) {
        (void) close(fd);
    }

    return result == AT_STATE_LOCKED
           || (result == AT_STATE_LOCK_FAILED && failed.text[0] != '\0');
}


static const struct {
    const char  *name;
    int        (*attempt)(void *data, unsigned n);
    const char  *path;
} attempts[] = {
    { "creating the directory", fail_create, NULL },
    { "inspecting it", fail_inspect, "fail" },
    { "inspecting a missing one", fail_inspect, "missing" },
    { "writing a file", fail_write, NULL },
    { "reading a file", fail_read, NULL },
    { "locking", fail_lock, NULL },
};


static void
test_failures(void)
{
    size_t    i;
    unsigned  n, wrong;

    for (i = 0; i < N(attempts); i++) {
        char  path[512];

        (void) snprintf(path, sizeof(path), "%s",
                        attempts[i].path != NULL ? in_dir(attempts[i].path)
                                                 : "");
        fail_each(attempts[i].name, attempts[i].attempt, path);

        /* a signal interrupts one call */
        fail_errno = EINTR;
        wrong = 0;

        for (n = 1; n < FAIL_POINTS; n++) {
            fail_begin(n, 0);
            wrong += !attempts[i].attempt(path, n);

            if (fail_end() == 0) {
                break;
            }
        }

        is_int(wrong, 0, "%s, with a signal", attempts[i].name);
        fail_errno = EIO;
    }
}


static void
test_long_path(void)
{
    char        path[PATH_MAX - 5];
    at_error_t  err;

    memset(path, 'x', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';

    is_int(at_state_write(&zero_key, path, at_str("p"), at_str("x"), &err), -1,
           "a path that is too long for the temporary file");
    ok(strstr(err.text, "cannot write") != NULL, "the error says what failed");
}


int
main(void)
{
    RUN(test_open, test_refused, test_network_file_system, test_owners,
        test_race, test_hmac, test_mac, test_files, test_lock, test_failures,
        test_long_path);

    return tap_done();
}
