/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * auth-token client
 */

#include <stdlib.h>

#include "cli/commands/cli_edit.h"
#include "cli/terminal/cli_secret.h"
#include "core/base/at_crypto.h"


typedef struct {
    cli_edit_t  edit;
    int         generate;
    int         with_secret;
    int         drop_old;
} cli_client_t;

/* a secret and its hash, which is a member of the record */
typedef struct {
    char   text[CLI_SECRET_LEN + 1];
    char  *hash;
    int    drop_old;
} cli_rotation_t;


static int
cli_rotation_make(cli_t *cli, cli_rotation_t *rotation)
{
    if (cli_secret_make(cli, rotation->text) != 0) {
        return -1;
    }

    rotation->hash = cli_secret_hash(cli, rotation->text);

    return rotation->hash != NULL ? 0 : -1;
}


static void
cli_rotation_free(cli_rotation_t *rotation)
{
    at_crypto_cleanse(rotation->text, sizeof(rotation->text));
    free(rotation->hash);
}


/* the new one first, and of the old ones the latest at most */
static int
cli_rotation_apply(cli_t *cli, json_t *object, void *data)
{
    json_t          *hashes;
    cli_rotation_t  *rotation = data;

    hashes = json_object_get(object, "secret_hashes");

    if (hashes == NULL) {
        hashes = json_array();

        if (json_object_set_new(object, "secret_hashes", hashes) != 0) {
            return cli_no_memory(cli);
        }
    }

    if (rotation->drop_old) {
        (void) json_array_clear(hashes);
    }

    if (json_array_insert_new(hashes, 0, json_string(rotation->hash)) != 0) {
        return cli_no_memory(cli);
    }

    while (json_array_size(hashes) > AT_CLIENT_SECRETS_MAX) {
        (void) json_array_remove(hashes, json_array_size(hashes) - 1);
    }

    return 0;
}


static int
cli_client_set_id(cli_t *cli, const cli_client_t *client, json_t *object)
{
    char  guid[CLI_GUID_LEN + 1];

    if (client->edit.operand == NULL && !client->generate) {
        return cli_usage(cli, "the id is missing; --generate makes one");
    }

    if (client->edit.operand != NULL && client->generate) {
        return cli_usage(cli, "an id and --generate exclude each other");
    }

    if (!client->generate) {
        return cli_edit_set(cli, object, "id", client->edit.operand);
    }

    return cli_guid_make(cli, guid) == 0
           ? cli_edit_set(cli, object, "id", guid) : -1;
}


static int
cli_client_make(cli_t *cli, const cli_client_t *client, json_t *object)
{
    int             rc;
    cli_rotation_t  rotation = { .hash = NULL };

    rc = cli_client_set_id(cli, client, object);

    if (rc == 0 && client->with_secret) {
        rc = cli_rotation_make(cli, &rotation) == 0
             ? cli_rotation_apply(cli, object, &rotation) : -1;
    }

    if (rc == 0) {
        rc = cli_edit_create(cli, &client->edit,
                             cli_kind_find(at_str("client")), object,
                             "secret",
                             client->with_secret ? rotation.text : NULL);
    }

    cli_rotation_free(&rotation);

    return rc;
}


int
cli_client_create(cli_t *cli, int argc, char **argv)
{
    int           rc;
    json_t       *object;
    cli_client_t  client = { .generate = 0 };

    const cli_option_t  table[] = {
        { "generate", CLI_FLAG, &client.generate },
        { "name",     CLI_TEXT, &client.edit.name },
        { "issuer",   CLI_LIST, &client.edit.issuers },
        { "role",     CLI_TEXT, &client.edit.role },
        { "allow",    CLI_LIST, &client.edit.ranges },
        { "secret",   CLI_FLAG, &client.with_secret },
        { "disabled", CLI_FLAG, &client.edit.disabled },
        { NULL,       CLI_FLAG, NULL }
    };

    rc = cli_options(cli, argc, argv, table, &client.edit.operand);

    if (rc == 0) {
        object = json_object();
        rc = object != NULL ? cli_client_make(cli, &client, object)
                            : cli_no_memory(cli);
        json_decref(object);
    }

    cli_edit_free(&client.edit);

    return rc;
}


int
cli_client_update(cli_t *cli, int argc, char **argv)
{
    int         rc;
    cli_edit_t  edit = { .operand = NULL };

    const cli_option_t  table[] = {
        { "name",      CLI_TEXT, &edit.name },
        { "issuer",    CLI_LIST, &edit.issuers },
        { "no-issuer", CLI_FLAG, &edit.no_issuer },
        { "role",      CLI_TEXT, &edit.role },
        { "no-role",   CLI_FLAG, &edit.no_role },
        { "allow",     CLI_LIST, &edit.ranges },
        { NULL,        CLI_FLAG, NULL }
    };

    rc = cli_options(cli, argc, argv, table, &edit.operand);

    if (rc == 0) {
        rc = cli_edit_update(cli, &edit, cli_kind_find(at_str("client")), NULL,
                             NULL, NULL, NULL);
    }

    cli_edit_free(&edit);

    return rc;
}


/* hashing is slow, and is done before the store is locked */
int
cli_client_rotate_secret(cli_t *cli, int argc, char **argv)
{
    int             rc;
    cli_edit_t      edit = { .operand = NULL };
    cli_rotation_t  rotation = { .hash = NULL };

    const cli_option_t  table[] = {
        { "drop-old", CLI_FLAG, &rotation.drop_old },
        { NULL,       CLI_FLAG, NULL }
    };

    rc = cli_options(cli, argc, argv, table, &edit.operand);

    if (rc == 0) {
        rc = cli_rotation_make(cli, &rotation);
    }

    if (rc == 0) {
        rc = cli_edit_update(cli, &edit, cli_kind_find(at_str("client")),
                             cli_rotation_apply, &rotation, "secret",
                             rotation.text);
    }

    cli_rotation_free(&rotation);

    return rc;
}
