/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * auth-token token
 */

#include <stdlib.h>

#include "cli/commands/cli_edit.h"
#include "cli/terminal/cli_secret.h"
#include "cli/record/cli_value.h"
#include "core/base/at_crypto.h"
#include "core/base/at_hex.h"


typedef struct {
    cli_edit_t  edit;
    char       *file;           /* --token-file */
} cli_token_t;


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
         : cli_failure(cli, "--token-file has no token of %d to %d printable "
                       "characters without spaces", CLI_TOKEN_LEN_MIN,
                       CLI_TOKEN_LEN_MAX);
    at_file_free(&file);

    return rc;
}


static int
cli_token_make(cli_t *cli, const cli_token_t *token, json_t *object)
{
    int   rc;
    char  guid[CLI_GUID_LEN + 1], secret[CLI_SECRET_LEN + 1];

    if (cli_guid_make(cli, guid) != 0
        || cli_edit_set(cli, object, "id", guid) != 0)
    {
        return -1;
    }

    if (token->file != NULL) {
        return cli_token_read_file(cli, object, token->file) == 0
               ? cli_edit_create(cli, &token->edit,
                                 cli_kind_find(at_str("token")), object,
                                 NULL, NULL)
               : -1;
    }

    rc = cli_secret_make(cli, secret) == 0
         && cli_token_set_digest(cli, object, cli_str(secret)) == 0
         ? cli_edit_create(cli, &token->edit, cli_kind_find(at_str("token")),
                           object, "token", secret)
         : -1;

    at_crypto_cleanse(secret, sizeof(secret));

    return rc;
}


int
cli_token_create(cli_t *cli, int argc, char **argv)
{
    int          rc;
    json_t      *object;
    cli_token_t  token = { .file = NULL };

    const cli_option_t  table[] = {
        { "id",          CLI_TEXT, &token.edit.id },
        { "description", CLI_TEXT, &token.edit.description },
        { "user",        CLI_TEXT, &token.edit.user },
        { "role",        CLI_TEXT, &token.edit.role },
        { "scope",       CLI_LIST, &token.edit.scopes },
        { "allow",       CLI_LIST, &token.edit.ranges },
        { "expires",     CLI_TEXT, &token.edit.expires },
        { "disabled",    CLI_FLAG, &token.edit.disabled },
        { "token-file",  CLI_TEXT, &token.file },
        { NULL,          CLI_FLAG, NULL }
    };

    rc = cli_options(cli, argc, argv, table, NULL);

    if (rc == 0) {
        object = json_object();
        rc = object != NULL ? cli_token_make(cli, &token, object)
                            : cli_no_memory(cli);
        json_decref(object);
    }

    cli_edit_free(&token.edit);

    return rc;
}


int
cli_token_update(cli_t *cli, int argc, char **argv)
{
    int         rc;
    cli_edit_t  edit = { .operand = NULL };

    const cli_option_t  table[] = {
        { "description", CLI_TEXT, &edit.description },
        { "user",        CLI_TEXT, &edit.user },
        { "no-user",     CLI_FLAG, &edit.no_user },
        { "role",        CLI_TEXT, &edit.role },
        { "no-role",     CLI_FLAG, &edit.no_role },
        { "scope",       CLI_LIST, &edit.scopes },
        { "no-scope",    CLI_FLAG, &edit.no_scope },
        { "allow",       CLI_LIST, &edit.ranges },
        { "expires",     CLI_TEXT, &edit.expires },
        { NULL,          CLI_FLAG, NULL }
    };

    rc = cli_options(cli, argc, argv, table, &edit.operand);

    if (rc == 0) {
        rc = cli_edit_update(cli, &edit, cli_kind_find(at_str("token")), NULL,
                             NULL, NULL, NULL);
    }

    cli_edit_free(&edit);

    return rc;
}
