/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Tokens, secrets and ids that are made here, and the hashes that are kept of
 * secrets.
 */

#ifndef CLI_SECRET_H
#define CLI_SECRET_H

#include "cli/terminal/cli.h"


#define CLI_SECRET_LEN  32      /* letters and digits: 190 bits */
#define CLI_GUID_LEN    36


/* Terminated; 0, or -1 with the status set.  To be cleansed by the caller. */
int cli_secret_make(cli_t *cli, char secret[CLI_SECRET_LEN + 1]);

/* a random GUID, RFC 4122 version 4; the same */
int cli_guid_make(cli_t *cli, char guid[CLI_GUID_LEN + 1]);

/* its yescrypt hash, which the caller frees; NULL with the status set */
char *cli_secret_hash(cli_t *cli, const char *secret);


#endif
