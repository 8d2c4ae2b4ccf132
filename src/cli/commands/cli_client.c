/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * auth-token client create, rotate-secret
 */

#include "core/base/at_crypto.h"
#include "cli/commands/cli_commands.h"
#include "cli/commands/cli_edit.h"
#include "cli/terminal/cli_password.h"
#include "cli/terminal/cli_secret.h"


/* Sets edit->secret, which the caller cleanses, and its hash in the record. */
static int
cli_client_set_secret(cli_t *cli, cli_edit_t *edit,
    char secret[CLI_SECRET_LEN + 1])
{
    char  hash[AT_PASSWORD_HASH_LEN];

    edit->secret_name = "secret";
    edit->secret = secret;

    if (cli_secret_make(cli, secret) != 0
        || cli_password_hash(cli, cli_str(secret), hash) != 0
        || cli_edit_put(cli, "secret_hashes", json_pack("[s]", hash)) != 0)
    {
        return -1;
    }

    return 0;
}


int
cli_client_create(cli_t *cli)
{
    int          rc;
    char         guid[CLI_GUID_LEN + 1], secret[CLI_SECRET_LEN + 1];
    cli_edit_t   edit = { .secret = NULL };
    const char  *id;

    id = cli->operand;

    if ((id == NULL) == !cli_given(cli, "generate")) {
        return cli_usage(cli, "use either an ID or \"--generate\"");
    }

    if (id == NULL) {
        if (cli_guid_make(cli, guid) != 0) {
            return -1;
        }

        id = guid;
    }

    rc = cli_edit_set(cli, "id", id) == 0
         && (!cli_given(cli, "secret")
             || cli_client_set_secret(cli, &edit, secret) == 0)
         ? cli_edit_create(cli, &edit) : -1;

    at_crypto_cleanse(secret, sizeof(secret));

    return rc;
}


/* hashing is slow, so it precedes the transaction */
int
cli_client_rotate_secret(cli_t *cli)
{
    int         rc;
    char        secret[CLI_SECRET_LEN + 1];
    cli_edit_t  edit = { .keep_secret = !cli_given(cli, "drop-old") };

    rc = cli_client_set_secret(cli, &edit, secret) == 0
         ? cli_edit_update(cli, &edit) : -1;

    at_crypto_cleanse(secret, sizeof(secret));

    return rc;
}
