/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * A user's password, of which only the hash leaves this file.
 */

#ifndef CLI_PASSWORD_H
#define CLI_PASSWORD_H

#include "core/session/at_password.h"
#include "cli/terminal/cli.h"


/*
 * Takes a password from the file at path, which is one line; from standard
 * input for NULL and "-", where a terminal is asked twice.  Its bytes are taken
 * as they are.  Returns 0 with its hash, or -1 with the status set.  It is slow,
 * and is not done while the store is locked.
 */
int cli_password_read(cli_t *cli, const char *path,
    char hash[AT_PASSWORD_HASH_LEN]);


#endif
