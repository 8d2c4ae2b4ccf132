/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Password and client secret hashes, by libxcrypt (crypt(5)).  All functions
 * but at_password_hash_is_valid() take milliseconds: call them in a thread.
 */

#ifndef AT_PASSWORD_H
#define AT_PASSWORD_H

#include "core/base/at_error.h"
#include "core/base/at_str.h"


#define AT_PASSWORD_MAX       511       /* bytes, the limit of crypt() */
#define AT_PASSWORD_HASH_LEN  384       /* bytes, with the terminator */

typedef enum {
    AT_PASSWORD_FAILED = 0,             /* no memory */
    AT_PASSWORD_RIGHT,
    AT_PASSWORD_WRONG
} at_password_e;


/*
 * Hashes with yescrypt and a random salt.  Returns 0, or -1 with err set and
 * an empty hash.
 */
int at_password_hash(char hash[AT_PASSWORD_HASH_LEN], at_str_t password,
    at_error_t *err);

/*
 * Whether hash is a complete hash of yescrypt ($y$), bcrypt ($2a$, $2b$, $2y$)
 * or sha512crypt ($6$), with a cost of some seconds at most.  crypt() would
 * take other texts as a DES setting.
 */
int at_password_hash_is_valid(at_str_t hash);

/*
 * Compares a password with a hash.  An empty or invalid hash (no such user)
 * takes the same time as a new yescrypt hash, and is always wrong; so is a
 * password that is empty, too long, or contains a NUL.
 */
at_password_e at_password_verify(at_str_t hash, at_str_t password);


#endif
