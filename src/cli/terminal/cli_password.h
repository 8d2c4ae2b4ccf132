/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Hashes passwords and client secrets.  The hash is yescrypt, which is slow:
 * not to be called during a transaction.
 */

#ifndef CLI_PASSWORD_H
#define CLI_PASSWORD_H

#include "core/session/at_password.h"
#include "cli/terminal/cli.h"


int cli_password_hash(cli_t *cli, at_str_t password,
    char hash[AT_PASSWORD_HASH_LEN]);

/*
 * Reads a password of one line from the file at path, or from standard input
 * if path is NULL or "-"; a terminal is prompted twice.  The bytes are used as
 * they are.
 */
int cli_password_read(cli_t *cli, const char *path,
    char hash[AT_PASSWORD_HASH_LEN]);


#endif
