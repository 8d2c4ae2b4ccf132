/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Generated tokens, client secrets and ids; the passwords of users.
 */

#ifndef CLI_SECRET_H
#define CLI_SECRET_H

#include "core/session/at_password.h"
#include "cli/terminal/cli.h"


#define CLI_SECRET_LEN  32      /* letters and digits: 190 bits */
#define CLI_GUID_LEN    36


/*
 * Generates a terminated secret, which the caller cleanses.  Returns 0, or -1
 * with the status set.
 */
int cli_secret_make(cli_t *cli, char secret[CLI_SECRET_LEN + 1]);

/* Generates a GUID (RFC 9562, version 4).  Returns as above. */
int cli_guid_make(cli_t *cli, char guid[CLI_GUID_LEN + 1]);

/* Hashes with yescrypt, which is slow: not during a transaction. */
int cli_secret_hash(cli_t *cli, const char *secret,
    char hash[AT_PASSWORD_HASH_LEN]);

/*
 * Reads a password of one line from the file at path, or from standard input
 * if path is NULL or "-"; a terminal is prompted twice.  The bytes are used as
 * they are.  Returns 0 with the hash, or -1 with the status set.
 */
int cli_password_read(cli_t *cli, const char *path,
    char hash[AT_PASSWORD_HASH_LEN]);


#endif
