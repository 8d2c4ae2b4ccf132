/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdio.h>

#include "core/base/at_crypto.h"
#include "core/session/at_token_claims.h"
#include "cli/terminal/cli_secret.h"


int
cli_secret_make(cli_t *cli, char secret[CLI_SECRET_LEN + 1])
{
    secret[CLI_SECRET_LEN] = '\0';

    return at_random_text(secret, CLI_SECRET_LEN) == 0
           ? 0 : cli_failure(cli, "the random number generator failed");
}


int
cli_guid_make(cli_t *cli, char guid[CLI_GUID_LEN + 1])
{
    unsigned char  b[16];

    if (at_random(b, sizeof(b)) != 0) {
        return cli_failure(cli, "the random number generator failed");
    }

    b[6] = (b[6] & 0x0f) | 0x40;
    b[8] = (b[8] & 0x3f) | 0x80;

    (void) snprintf(guid, CLI_GUID_LEN + 1, "%02x%02x%02x%02x-%02x%02x-"
                    "%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
                    b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8],
                    b[9], b[10], b[11], b[12], b[13], b[14], b[15]);

    return 0;
}
