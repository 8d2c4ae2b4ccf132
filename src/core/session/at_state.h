/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The state directory of a server: a key that no worker can replace, and a
 * directory of the workers with files that are authenticated by HMAC-SHA256
 * (RFC 2104) with that key.
 *
 *     PATH/           owned by the master's user, 0755
 *     PATH/key        owned by the master's user, 0600: random bytes
 *     PATH/data/      owned by the workers' user, 0700
 */

#ifndef AT_STATE_H
#define AT_STATE_H

#include <sys/types.h>

#include "core/base/at_crypto.h"
#include "core/base/at_error.h"
#include "core/base/at_str.h"


#define AT_STATE_KEY_LEN  32

typedef struct {
    unsigned char  bytes[AT_STATE_KEY_LEN];
} at_state_key_t;


/*
 * A dry run of at_state_open(): makes all checks and writes nothing.  uid is
 * that of the workers, or -1 if it is not known yet.  Returns 0, or -1 with a
 * message in err that says how to fix the problem.
 */
int at_state_inspect(const char *path, uid_t uid, at_error_t *err);

/*
 * Creates missing parts of the directory, durably, and reads the key; called
 * by the master before it forks.  The parent directory must exist.  uid and
 * gid name the workers' user, or are -1 for the user of the process.  Returns
 * 0, or -1 with err set, also for a key or a directory that another user could
 * have written.
 */
int at_state_open(at_state_key_t *key, const char *path, uid_t uid, gid_t gid,
    at_error_t *err);

/*
 * Reads the key and writes nothing.  Returns 0, or -1 with err set, also if
 * there is no key yet.
 */
int at_state_read_only(at_state_key_t *key, const char *path, at_error_t *err);

/*
 * HMAC-SHA256 of text, with a key derived for the purpose: the MACs of two
 * purposes differ.  Returns 0, or -1 without memory.
 */
int at_state_mac(unsigned char mac[AT_SHA256_LEN], const at_state_key_t *key,
    at_str_t purpose, at_str_t text);

/*
 * Writes an authenticated file, atomically and durably.  Returns 0, or -1 with
 * err set.
 */
int at_state_write(const at_state_key_t *key, const char *path,
    at_str_t purpose, at_str_t content, at_error_t *err);

/*
 * Reads an authenticated file of at most max bytes of content.  Returns 0 and
 * the caller frees *content (of *len bytes); 1 if the file does not exist; -1
 * with err set, also for a file that is truncated, changed, or written with
 * another key or for another purpose.
 */
int at_state_read(const at_state_key_t *key, const char *path,
    at_str_t purpose, size_t max, char **content, size_t *len,
    at_error_t *err);


#endif
