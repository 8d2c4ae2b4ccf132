/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Generated tokens, client secrets and ids.
 */

#ifndef CLI_SECRET_H
#define CLI_SECRET_H

#include "cli/terminal/cli.h"


#define CLI_SECRET_LEN  32      /* letters and digits: 190 bits */
#define CLI_GUID_LEN    36


/* Generates a terminated secret, which the caller cleanses. */
int cli_secret_make(cli_t *cli, char secret[CLI_SECRET_LEN + 1]);

/* Generates a GUID (RFC 9562, version 4). */
int cli_guid_make(cli_t *cli, char guid[CLI_GUID_LEN + 1]);


#endif
