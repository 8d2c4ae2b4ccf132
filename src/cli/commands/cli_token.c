/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * auth-token token create
 */

#include "core/base/at_crypto.h"
#include "cli/commands/cli_commands.h"
#include "cli/commands/cli_edit.h"
#include "cli/record/cli_type.h"
#include "cli/terminal/cli_file.h"
#include "cli/terminal/cli_secret.h"


static int
cli_token_read_file(cli_t *cli, const char *path)
{
    int        rc;
    at_str_t   text;
    at_file_t  file;

    if (cli_file_read(cli, &file, path, CLI_TOKEN_FILE_MAX) != 0) {
        return -1;
    }

    text = cli_file_line(&file);

    if (cli_token_is_valid(text)) {
        file.data[text.len] = '\0';
        rc = cli_edit_set(cli, "token", text.data);

    } else {
        rc = cli_failure(cli, "the file in \"--token-file\" is not a token of "
                         "%d to %d printable characters without spaces",
                         CLI_TOKEN_LEN_MIN, CLI_TOKEN_LEN_MAX);
    }

    at_file_free(&file);

    return rc;
}


int
cli_token_create(cli_t *cli)
{
    int          rc;
    char         guid[CLI_GUID_LEN + 1], secret[CLI_SECRET_LEN + 1];
    cli_edit_t   edit = { .secret_name = "token" };
    const char  *path;

    if (cli_guid_make(cli, guid) != 0 || cli_edit_set(cli, "id", guid) != 0) {
        return -1;
    }

    path = cli_text(cli, "token-file");

    if (path != NULL) {
        return cli_token_read_file(cli, path) == 0
               ? cli_edit_create(cli, &edit) : -1;
    }

    edit.secret = secret;

    rc = cli_secret_make(cli, secret) == 0
         && cli_edit_set(cli, "token", secret) == 0
         ? cli_edit_create(cli, &edit) : -1;

    at_crypto_cleanse(secret, sizeof(secret));

    return rc;
}
