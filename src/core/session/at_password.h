/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Passwords and client secrets, hashed by libxcrypt (crypt(5)), whose only
 * user this is.  Everything here takes milliseconds: it runs in a thread.
 */

#ifndef AT_PASSWORD_H
#define AT_PASSWORD_H

#include "core/base/at_error.h"
#include "core/base/at_str.h"


#define AT_PASSWORD_MAX       511       /* bytes; crypt() takes no more */
#define AT_PASSWORD_HASH_LEN  384       /* room for a hash and its end */

typedef enum {
    AT_PASSWORD_FAILED = 0,             /* no memory: nothing is known */
    AT_PASSWORD_RIGHT,
    AT_PASSWORD_WRONG
} at_password_e;


/*
 * yescrypt, with a salt of its own; terminated.  0, or -1 with err set and an
 * empty hash.
 */
int at_password_hash(char hash[AT_PASSWORD_HASH_LEN], at_str_t password,
    at_error_t *err);

/*
 * Whether a record may hold it: yescrypt ($y$), bcrypt ($2a$, $2b$, $2y$) or
 * sha512crypt ($6$), whole, and of a cost of some seconds at most.  crypt()
 * takes anything else for DES.
 */
int at_password_hash_is_valid(at_str_t hash);

/*
 * A hash that is not valid, an empty one too, is compared with one of nobody's
 * password: the same work as for a new yescrypt hash, and always wrong.  So is
 * a password that is empty, too long, or holds a NUL.
 */
at_password_e at_password_verify(at_str_t hash, at_str_t password);


#endif
