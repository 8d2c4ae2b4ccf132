/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The state directory: what is made, what is refused, and files under a MAC.
 */

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/err.h>

#include "core/base/at_file.h"
#include "core/session/at_state.h"
#include "tap.h"


#define NOBODY  65534
#define MINE    ((uid_t) -1)


static char  root[] = "/tmp/at-state-XXXXXX";


static const char *
in_root(const char *name)
{
    static char      paths[4][512];
    static unsigned  n;

    (void) snprintf(paths[n % 4], sizeof(paths[0]), "%s/%s", root, name);

    return paths[n++ % 4];
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


static mode_t
mode_of(const char *path)
{
    struct stat  st;

    return stat(path, &st) == 0 ? st.st_mode & 07777 : 0;
}


/* a directory that is whole, made anew */
static const char *
fresh(at_state_key_t *key)
{
    at_error_t   err;
    const char  *path;

    path = in_root("state");
    (void) run("rm -rf %s", path);

    if (at_state_open(key, path, MINE, (gid_t) -1, &err) != 0) {
        printf("Bail out! %s\n", err.text);
        exit(1);
    }

    return path;
}


static void
test_open(void)
{
    at_error_t      err;
    const char     *path;
    at_state_key_t  key, again;
    static at_state_key_t  zeros;

    path = in_root("new");

    (void) umask(0077);
    is_int(at_state_inspect(path, MINE, &err), 0, "nothing is there: it can be made");
    ok(access(path, F_OK) == -1, "to look makes nothing");

    is_int(at_state_open(&key, path, MINE, (gid_t) -1, &err), 0, "it is made");
    is_int(mode_of(path), 0755, "the directory's mode, whatever the umask");
    is_int(mode_of(in_root("new/key")), 0600, "the key's");
    is_int(mode_of(in_root("new/data")), 0700, "the mode of data");
    ok(memcmp(&key, &zeros, sizeof(key)) != 0, "there is a key");
    is_int(run("test $(ls %s | wc -l) = 2", path), 0, "nothing else is there");

    is_int(at_state_inspect(path, MINE, &err), 0, "it is looked at");
    is_int(at_state_inspect(path, geteuid(), &err), 0, "for this user");
    is_int(at_state_open(&again, path, MINE, (gid_t) -1, &err), 0, "it is opened again");
    ok(memcmp(&key, &again, sizeof(key)) == 0, "with the same key");

    is_int(at_state_open(&again, in_root("other/"), MINE, (gid_t) -1, &err), 0,
           "a path with a slash behind it");
    ok(memcmp(&key, &again, sizeof(key)) != 0, "another directory has another key");

    is_int(at_state_inspect(in_root("none/state"), MINE, &err), -1, "its parent must be there");
    ok(strstr(err.text, "none") != NULL, "and is named: %s", err.text);
    is_int(at_state_open(&again, in_root("none/state"), MINE, (gid_t) -1, &err), -1,
           "it is not made");
}


/* refused by both functions, which say which path is meant */
static void
is_refused(const char *path, const char *says, const char *name)
{
    at_error_t             err;
    at_state_key_t         key;
    static at_state_key_t  zeros;

    memset(&err, 0, sizeof(err));
    is_int(at_state_inspect(path, MINE, &err), -1, "inspect: %s", name);
    ok(strstr(err.text, says) != NULL, "inspect says why: %s", err.text);

    memset(&err, 0, sizeof(err));
    memset(&key, 1, sizeof(key));
    is_int(at_state_open(&key, path, MINE, (gid_t) -1, &err), -1, "open: %s", name);
    ok(strstr(err.text, says) != NULL, "open says why: %s", err.text);
    ok(memcmp(&key, &zeros, sizeof(key)) == 0, "open leaves no key");
}


static void
test_refused(void)
{
    at_state_key_t  key;
    const char     *path;

    path = in_root("file");
    (void) run("touch %s", path);
    is_refused(path, "file", "a file in its place");

    path = fresh(&key);
    (void) chmod(path, 0775);
    is_refused(path, "chmod go-w", "a directory that the group can write");

    path = fresh(&key);
    (void) chmod(path, 0757);
    is_refused(path, "chmod go-w", "a directory that all can write");

    path = fresh(&key);
    (void) chmod(in_root("state/key"), 0640);
    is_refused(path, "0600", "a key that the group can read");

    path = fresh(&key);
    (void) run("truncate -s 31 %s/key", path);
    is_refused(path, "32 bytes", "a key that was cut");

    path = fresh(&key);
    (void) run("truncate -s 0 %s/key", path);
    is_refused(path, "32 bytes", "an empty key");

    path = fresh(&key);
    (void) run("mv %s/key %s/k && ln -s k %s/key", path, path, path);
    is_refused(path, "key", "a key that is a link");

    path = fresh(&key);
    (void) run("rm %s/key && mkfifo -m 600 %s/key", path, path);
    (void) alarm(10);
    is_refused(path, "32 bytes", "a key that is a FIFO, without waiting");
    (void) alarm(0);

    path = fresh(&key);
    (void) chmod(in_root("state/data"), 0770);
    is_refused(path, "chmod 700", "data that the group can write");

    path = fresh(&key);
    (void) run("rmdir %s/data && ln -s /tmp %s/data", path, path);
    is_refused(path, "data", "data that is a link");
}


static void
test_owners(void)
{
    struct stat     st;
    at_error_t      err;
    at_state_key_t  key;
    const char     *path;

    if (geteuid() != 0) {
        skip("only root has others");
        return;
    }

    path = in_root("given");
    is_int(at_state_open(&key, path, NOBODY, NOBODY, &err), 0, "made for another user");
    ok(stat(in_root("given/data"), &st) == 0 && st.st_uid == NOBODY && st.st_gid == NOBODY,
       "who has data");
    ok(stat(in_root("given/key"), &st) == 0 && st.st_uid == 0, "the key is the master's");
    is_int(at_state_open(&key, path, NOBODY, NOBODY, &err), 0, "opened again");

    is_int(at_state_inspect(path, 1, &err), -1, "data of another user is looked at");
    ok(strstr(err.text, "chown -R 1 ") != NULL, "and it says: %s", err.text);
    is_int(at_state_open(&key, path, 1, 1, &err), -1, "it is refused");

    (void) run("chown 0:0 %s/data", path);
    is_int(at_state_open(&key, path, NOBODY, NOBODY, &err), 0,
           "data that was not yet given away is");
    ok(stat(in_root("given/data"), &st) == 0 && st.st_uid == NOBODY, "its owner");

    path = fresh(&key);
    (void) run("chown %d %s", NOBODY, path);
    is_refused(path, "chown 0", "a directory of another user");

    path = fresh(&key);
    (void) run("chown %d %s/key", NOBODY, path);
    is_refused(path, "0600", "a key of another user");
}


static void
test_race(void)
{
    int              i, status, fds[2];
    at_error_t       err;
    const char      *path;
    at_state_key_t   key, other;

    path = in_root("race");

    if (pipe(fds) != 0) {
        printf("Bail out! pipe\n");
        exit(1);
    }

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
        is_int(status, 0, "one of eight that open at once: %d", i);
    }

    ok(read(fds[0], &key, sizeof(key)) == sizeof(key), "the first one's key");

    for (i = 1; i < 8; i++) {
        ok(read(fds[0], &other, sizeof(other)) == sizeof(other)
           && memcmp(&key, &other, sizeof(key)) == 0, "is the key of all: %d", i);
    }

    (void) close(fds[0]);
    (void) close(fds[1]);
}


static void
test_mac(void)
{
    unsigned char          a[AT_SHA256_LEN], b[AT_SHA256_LEN];
    static at_state_key_t  key, other = { { 1 } };

    is_int(at_state_mac(a, &key, at_str("p"), at_str("text")), 0, "a MAC");
    is_int(at_state_mac(b, &key, at_str("p"), at_str("text")), 0, "once more");
    ok(memcmp(a, b, sizeof(a)) == 0, "is the same");

    (void) at_state_mac(b, &key, at_str("q"), at_str("text"));
    ok(memcmp(a, b, sizeof(a)) != 0, "another purpose, another MAC");
    (void) at_state_mac(b, &key, at_str("pt"), at_str("ext"));
    ok(memcmp(a, b, sizeof(a)) != 0, "the purpose has an end");
    (void) at_state_mac(b, &other, at_str("p"), at_str("text"));
    ok(memcmp(a, b, sizeof(a)) != 0, "another key, another MAC");
    (void) at_state_mac(b, &key, at_str("p"), at_str("Text"));
    ok(memcmp(a, b, sizeof(a)) != 0, "another text, another MAC");
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

    is_int(at_hmac_sha256(mac, at_str("Jefe"), at_str("what do ya want for nothing?")), 0,
           "RFC 4231");
    is_bytes((at_str_t) { (char *) mac, sizeof(mac) },
             (at_str_t) { (char *) expected, sizeof(expected) }, "its MAC");
    ok(at_crypto_equal(mac, expected, sizeof(mac)), "equal");
    expected[31] ^= 1;
    ok(!at_crypto_equal(mac, expected, sizeof(mac)), "not equal");
}


static int
read_back(const at_state_key_t *key, const char *path, const char *purpose, size_t max,
    const char *expected)
{
    int         rc;
    char       *content;
    size_t      len;
    at_error_t  err;

    memset(&err, 0, sizeof(err));
    rc = at_state_read(key, path, str(purpose), max, &content, &len, &err);

    if (rc == 0) {
        is_bytes((at_str_t) { content, len }, str(expected), "the content");
        is_int(content[len], 0, "terminated");

    } else {
        ok(content == NULL && len == 0, "no content");
    }

    if (rc == -1) {
        ok(strstr(err.text, path) != NULL, "the reason names the file: %s", err.text);
    }

    free(content);

    return rc;
}


/* changes a bit of a byte of a file */
static void
flip(const char *path, size_t i)
{
    int   fd;
    char  byte;

    fd = open(path, O_RDWR);

    if (pread(fd, &byte, 1, (off_t) i) != 1) {
        printf("Bail out! cannot read %s\n", path);
        exit(1);
    }

    byte ^= 1;

    if (pwrite(fd, &byte, 1, (off_t) i) != 1) {
        printf("Bail out! cannot write %s\n", path);
        exit(1);
    }

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
    file = in_root("state/data/x");

    is_int(read_back(&key, file, "p", 100, ""), 1, "no such file");
    is_int(at_state_write(&key, file, at_str("p"), at_str("hello"), &err), 0, "written");
    is_int(mode_of(file), 0600, "its mode");
    is_int(run("test $(ls %s/data | wc -l) = 1", path), 0, "nothing beside it");
    is_int(read_back(&key, file, "p", 5, "hello"), 0, "read");
    is_int(read_back(&key, file, "p", 4, ""), -1, "larger than it may be");
    is_int(read_back(&key, file, "q", 100, ""), -1, "for another purpose");
    is_int(read_back(&other, file, "p", 100, ""), -1, "with another key");

    is_int(at_state_write(&key, file, at_str("p"), at_str("other"), &err), 0, "written again");
    is_int(read_back(&key, file, "p", 100, "other"), 0, "read again");

    for (i = 0; i < AT_SHA256_LEN + 5; i++) {
        flip(file, i);
        is_int(read_back(&key, file, "p", 100, ""), -1, "byte %zu was changed", i);
        flip(file, i);
    }

    is_int(read_back(&key, file, "p", 100, "other"), 0, "and is as it was");

    for (i = AT_SHA256_LEN + 5; i > 0; i--) {
        (void) run("truncate -s %zu %s", i - 1, file);
        is_int(read_back(&key, file, "p", 100, ""), -1, "cut at %zu", i - 1);
    }

    is_int(at_state_write(&key, file, at_str("p"), at_str(""), &err), 0, "without content");
    is_int(read_back(&key, file, "p", 100, ""), 0, "read");

    is_int(at_state_write(&key, in_root("none/x"), at_str("p"), at_str("x"), &err), -1,
           "where there is no directory");
    ok(strstr(err.text, "none/x") != NULL, "is named: %s", err.text);

    file = in_root("state/data");
    is_int(at_state_write(&key, file, at_str("p"), at_str("x"), &err), -1,
           "over a directory");
    is_int(run("test $(ls %s | wc -l) = 2", path), 0, "leaves nothing beside it");
    is_int((long long) ERR_peek_error(), 0, "OpenSSL's queue is empty");
}


int
main(void)
{
    if (mkdtemp(root) == NULL) {
        printf("Bail out! cannot make %s\n", root);
        return 1;
    }

    (void) chmod(root, 0755);

    test_open();
    test_refused();
    test_owners();
    test_race();
    test_hmac();
    test_mac();
    test_files();

    (void) run("rm -rf %s", root);

    return tap_done();
}
