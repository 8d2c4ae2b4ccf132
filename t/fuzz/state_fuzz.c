/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Files of the state directory.  The first byte of the input selects a lock
 * file of another server, or an authenticated file with stored keys: with a
 * valid MAC, or with any bytes, which are always rejected.
 */

#include <ctype.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/jose/at_keyset.h"
#include "core/session/at_state.h"
#include "core/session/at_state_lock.h"
#include "fuzz.h"


static char                  dir[] = "/tmp/at-fuzz-XXXXXX";
static char                  keys_path[64], lock_path[64];
static int                   keys_file, lock_file;
static const at_state_key_t  key = { { 1 } };


static void
fuzz_remove(void)
{
    (void) unlink(keys_path);
    (void) unlink(lock_path);
    (void) rmdir(dir);
}


static void
fuzz_init(void)
{
    fuzz_assert(mkdtemp(dir) != NULL);
    (void) atexit(fuzz_remove);

    (void) snprintf(keys_path, sizeof(keys_path), "%s/keys", dir);
    (void) snprintf(lock_path, sizeof(lock_path), "%s/lock", dir);
    keys_file = open(keys_path, O_RDWR|O_CREAT, 0600);
    lock_file = open(lock_path, O_RDWR|O_CREAT, 0600);
    fuzz_assert(keys_file != -1 && lock_file != -1
                && flock(lock_file, LOCK_EX) == 0);
}


static void
fuzz_put(int file, at_str_t text)
{
    fuzz_assert(pwrite(file, text.data, text.len, 0) == (ssize_t) text.len
                && ftruncate(file, (off_t) text.len) == 0);
}


/* the error message of the second server is one line of plain text */
static void
fuzz_lock(at_str_t text)
{
    int          fd;
    at_error_t   err;
    const char  *p;

    fuzz_put(lock_file, text);
    fuzz_assert(at_state_lock(&fd, dir, &err) == AT_STATE_IN_USE);
    (void) close(fd);

    for (p = err.text; *p != '\0'; p++) {
        fuzz_assert(isprint((unsigned char) *p));
    }
}


static void
fuzz_keys(at_str_t text)
{
    unsigned      algs = (1u << AT_ALGS) - 1;
    at_error_t    err = { 0 };
    at_keyset_t  *set;

    set = at_keyset_parse_jwks(text, algs, fuzz_warn, NULL, &err);
    fuzz_assert(set != NULL ? set->n > 0 : err.text[0] != '\0');
    at_keyset_free(set);
}


static void
fuzz_stored(at_str_t text, int authentic)
{
    int             rc;
    char           *content;
    size_t          len;
    at_str_t        purpose = at_str("keys");
    at_error_t      err;
    unsigned char  *mac;

    if (authentic) {
        mac = fuzz_alloc(AT_SHA256_LEN + text.len);
        fuzz_assert(at_state_mac(mac, &key, purpose, text) == 0);
        memcpy(mac + AT_SHA256_LEN, text.data, text.len);
        fuzz_put(keys_file, (at_str_t) { (char *) mac,
                                         AT_SHA256_LEN + text.len });
    } else {
        fuzz_put(keys_file, text);
    }

    rc = at_state_read(&key, keys_path, purpose, 16384, &content, &len, &err);
    fuzz_assert(rc == (authentic ? 0 : -1));

    if (rc == 0) {
        fuzz_assert(at_str_equal((at_str_t) { content, len }, text));
        fuzz_keys((at_str_t) { content, len });
        free(content);
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    at_str_t  text;

    if (keys_path[0] == '\0') {
        fuzz_init();
    }

    if (size) {
        text = fuzz_copy(data + 1, size - 1);

        if (data[0] == 'l') {
            fuzz_lock(text);
        } else {
            fuzz_stored(text, data[0] == 'm');
        }
    }

    return fuzz_end();
}
