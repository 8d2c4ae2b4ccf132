/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * auth-token client create, rotate-secret
 */

#include <stdlib.h>

#include "core/base/at_crypto.h"
#include "cli/commands/cli_commands.h"
#include "cli/commands/cli_edit.h"
#include "cli/terminal/cli_secret.h"


typedef struct {
    char   text[CLI_SECRET_LEN + 1];
    char  *hash;
} cli_client_secret_t;


static int
cli_client_secret_make(cli_t *cli, cli_client_secret_t *secret)
{
    if (cli_secret_make(cli, secret->text) != 0) {
        return -1;
    }

    secret->hash = cli_secret_hash(cli, secret->text);

    return secret->hash != NULL ? 0 : -1;
}


static void
cli_client_secret_free(cli_client_secret_t *secret)
{
    at_crypto_cleanse(secret->text, sizeof(secret->text));
    free(secret->hash);
}


/* puts the new hash first; the latest old one stays valid */
static int
cli_client_secret_add(cli_t *cli, json_t *object, void *data)
{
    json_t               *hashes;
    cli_client_secret_t  *secret = data;

    hashes = json_object_get(object, "secret_hashes");

    if (hashes == NULL) {
        hashes = json_array();

        if (json_object_set_new(object, "secret_hashes", hashes) != 0) {
            return cli_no_memory(cli);
        }
    }

    if (json_array_insert_new(hashes, 0, json_string(secret->hash)) != 0) {
        return cli_no_memory(cli);
    }

    while (json_array_size(hashes) > AT_CLIENT_SECRETS_MAX) {
        (void) json_array_remove(hashes, json_array_size(hashes) - 1);
    }

    return 0;
}


/* for --drop-old: the new hash replaces all old ones */
static int
cli_client_secret_set(cli_t *cli, json_t *object, void *data)
{
    (void) json_object_del(object, "secret_hashes");

    return cli_client_secret_add(cli, object, data);
}


static int
cli_client_make(cli_t *cli, json_t *object)
{
    int                  rc;
    char                 guid[CLI_GUID_LEN + 1];
    cli_edit_t           edit = { .object = object };
    const char          *id;
    cli_client_secret_t  secret = { .hash = NULL };

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

    rc = cli_edit_set(cli, object, "id", id);

    if (rc == 0 && cli_given(cli, "secret")) {
        edit.secret_name = "secret";
        edit.secret = secret.text;

        rc = cli_client_secret_make(cli, &secret) == 0
             ? cli_client_secret_add(cli, object, &secret) : -1;
    }

    if (rc == 0) {
        rc = cli_edit_create(cli, &edit);
    }

    cli_client_secret_free(&secret);

    return rc;
}


int
cli_client_create(cli_t *cli)
{
    return cli_edit_new(cli, cli_client_make);
}


/* hashing is slow, so it precedes the transaction */
int
cli_client_rotate_secret(cli_t *cli)
{
    int                  rc;
    cli_client_secret_t  secret = { .hash = NULL };

    const cli_edit_t  edit = {
        .hook = cli_given(cli, "drop-old") ? cli_client_secret_set
                                           : cli_client_secret_add,
        .data = &secret, .secret_name = "secret", .secret = secret.text
    };

    rc = cli_client_secret_make(cli, &secret) == 0
         ? cli_edit_update(cli, &edit) : -1;
    cli_client_secret_free(&secret);

    return rc;
}
