/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * auth-token token create
 */

#include "core/base/at_crypto.h"
#include "core/base/at_hex.h"
#include "cli/commands/cli_commands.h"
#include "cli/commands/cli_edit.h"
#include "cli/record/cli_value.h"
#include "cli/terminal/cli_file.h"
#include "cli/terminal/cli_secret.h"


static int
cli_token_set_digest(cli_t *cli, json_t *object, at_str_t token)
{
    char           hex[2 * AT_SHA256_LEN + 1];
    unsigned char  digest[AT_SHA256_LEN];

    if (at_sha256(digest, token) != 0) {
        return cli_no_memory(cli);
    }

    at_hex_encode(hex, digest, AT_SHA256_LEN);
    hex[2 * AT_SHA256_LEN] = '\0';

    return cli_edit_set(cli, object, "sha256", hex);
}


static int
cli_token_read_file(cli_t *cli, json_t *object, const char *path)
{
    int        rc;
    at_str_t   text;
    at_file_t  file;

    if (cli_file_read(cli, &file, path, CLI_TOKEN_FILE_MAX) != 0) {
        return -1;
    }

    text = cli_file_line(&file);

    rc = cli_token_is_valid(text)
         ? cli_token_set_digest(cli, object, text)
         : cli_failure(cli, "the file in \"--token-file\" is not a token of "
                       "%d to %d printable characters without spaces",
                       CLI_TOKEN_LEN_MIN, CLI_TOKEN_LEN_MAX);
    at_file_free(&file);

    return rc;
}


static int
cli_token_make(cli_t *cli, json_t *object)
{
    int          rc;
    char         guid[CLI_GUID_LEN + 1], secret[CLI_SECRET_LEN + 1];
    cli_edit_t   edit = { .object = object };
    const char  *path;

    if (cli_guid_make(cli, guid) != 0
        || cli_edit_set(cli, object, "id", guid) != 0)
    {
        return -1;
    }

    path = cli_text(cli, "token-file");

    if (path != NULL) {
        return cli_token_read_file(cli, object, path) == 0
               ? cli_edit_create(cli, &edit) : -1;
    }

    edit.secret_name = "token";
    edit.secret = secret;

    rc = cli_secret_make(cli, secret) == 0
         && cli_token_set_digest(cli, object, cli_str(secret)) == 0
         ? cli_edit_create(cli, &edit) : -1;

    at_crypto_cleanse(secret, sizeof(secret));

    return rc;
}


int
cli_token_create(cli_t *cli)
{
    return cli_edit_new(cli, cli_token_make);
}
