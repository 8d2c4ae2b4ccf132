/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * A server's own state, of which it must believe what it reads: a directory of
 * the master's with a key that no worker can replace, and in it one of the
 * workers' with files under an HMAC (RFC 2104) of that key.
 *
 *     PATH/           the master's user, 0755
 *     PATH/key        the master's user, 0600: AT_STATE_KEY_LEN random bytes
 *     PATH/data/      the workers' user, 0700
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
 * Whether at_state_open() would succeed, as far as that can be told without
 * writing: 0, or -1 with err set, which says how to mend it.  uid is the
 * workers', or -1 where it is not known yet.
 */
int at_state_inspect(const char *path, uid_t uid, at_error_t *err);

/*
 * Makes what is missing of the directory (its parent must be there), durably,
 * and reads the key; by the master, before it forks.  uid and gid are the
 * workers', or -1 for the process' own.  A key, or a directory, that another
 * user could have written is refused: 0, or -1 with err set.
 */
int at_state_open(at_state_key_t *key, const char *path, uid_t uid, gid_t gid,
    at_error_t *err);

/*
 * HMAC-SHA256 of text.  purpose says what for: a MAC for one purpose is none
 * for another.  Returns 0, or -1 where memory failed.
 */
int at_state_mac(unsigned char mac[AT_SHA256_LEN], const at_state_key_t *key,
    at_str_t purpose, at_str_t text);

/*
 * A file that only a holder of the key can have written, for that purpose:
 * written aside, synced, renamed.  Returns 0, or -1 with err set.
 */
int at_state_write(const at_state_key_t *key, const char *path,
    at_str_t purpose, at_str_t content, at_error_t *err);

/*
 * Reads such a file of at most max bytes of content.  Returns 0 and the caller
 * frees *content (of *len bytes) with free(); 1 if there is no such file; -1
 * with err set, for one that was cut, changed, or written with another key or
 * for another purpose, too.
 */
int at_state_read(const at_state_key_t *key, const char *path,
    at_str_t purpose, size_t max, char **content, size_t *len,
    at_error_t *err);


#endif
