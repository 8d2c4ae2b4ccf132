/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Reads a user's password and returns its hash only.
 */

#ifndef CLI_PASSWORD_H
#define CLI_PASSWORD_H

#include "core/session/at_password.h"
#include "cli/terminal/cli.h"


/*
 * Reads a password of one line from the file at path, or from standard input
 * if path is NULL or "-"; a terminal is prompted twice.  The bytes are used as
 * they are.  Returns 0 with the hash, or -1 with the status set.  Hashing is
 * slow: not to be called during a transaction.
 */
int cli_password_read(cli_t *cli, const char *path,
    char hash[AT_PASSWORD_HASH_LEN]);


#endif
