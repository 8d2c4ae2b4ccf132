/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * auth-token user create, passwd, disable, delete
 */

#include <stdio.h>

#include "core/base/at_crypto.h"
#include "cli/commands/cli_commands.h"
#include "cli/commands/cli_edit.h"
#include "cli/terminal/cli_password.h"
#include "cli/terminal/cli_secret.h"


/* a note for people, after the output */
static int
cli_user_print_note(cli_t *cli, const char *text)
{
    if (!cli->json) {
        (void) printf("\n%s\n", text);
    }

    return cli_flush(cli);
}


/* --- the password -------------------------------------------------------- */


/* data is the hash */
static int
cli_user_set_password(cli_t *cli, json_t *object, void *data)
{
    if (!cli_given(cli, "no-password")) {
        return cli_edit_set(cli, object, "password_hash", data);
    }

    return json_object_set_new(object, "password_hash", json_null()) == 0
           ? 0 : cli_no_memory(cli);
}


/* data: 1 if the user must not exist, 0 if it must */
static int
cli_user_check_exists(cli_t *cli, at_store_t *store, void *data)
{
    int           rc, *create = data;
    at_str_t      name;
    cli_record_t  rec;

    name = cli_str(cli->operand);
    memset(&rec, 0, sizeof(rec));

    if (*create) {
        rc = cli_store_find(cli, store, cli_command_kind(cli), name, &rec);
        rc = rc != 1 ? rc : cli_failure(cli, "user \"%s\" already exists",
                                        cli->operand);

    } else {
        rc = cli_store_get(cli, store, cli_command_kind(cli), name, &rec);
    }

    cli_record_free(&rec);

    return rc;
}


/* reports an existing or a missing user before it prompts for a password */
static int
cli_user_read_password(cli_t *cli, int create, char hash[AT_PASSWORD_HASH_LEN])
{
    if (cli_given(cli, "no-password")) {
        return 0;
    }

    return cli_store_run(cli, AT_STORE_READ, cli_user_check_exists, &create)
           == 0
           ? cli_password_read(cli, cli_text(cli, "password-file"), hash) : -1;
}


/* --- commands ------------------------------------------------------------ */


static int
cli_user_make(cli_t *cli, json_t *object)
{
    int               rc;
    char              guid[CLI_GUID_LEN + 1], hash[AT_PASSWORD_HASH_LEN];
    const cli_edit_t  edit = { .object = object };

    rc = cli_exclusive(cli, "password-file", "no-password") == 0
         && cli_guid_make(cli, guid) == 0
         && cli_edit_set(cli, object, "id", guid) == 0
         && cli_edit_set(cli, object, "username", cli->operand) == 0
         && cli_edit_check(cli, object) == 0
         && cli_user_read_password(cli, 1, hash) == 0
         && cli_user_set_password(cli, object, hash) == 0
         ? cli_edit_create(cli, &edit) : -1;

    at_crypto_cleanse(hash, sizeof(hash));

    return rc;
}


int
cli_user_create(cli_t *cli)
{
    return cli_edit_new(cli, cli_user_make);
}


int
cli_user_passwd(cli_t *cli)
{
    int               rc;
    char              hash[AT_PASSWORD_HASH_LEN];
    const cli_edit_t  edit = { .hook = cli_user_set_password, .data = hash };

    rc = cli_exclusive(cli, "password-file", "no-password") == 0
         && cli_user_read_password(cli, 0, hash) == 0
         ? cli_edit_update(cli, &edit) : -1;

    at_crypto_cleanse(hash, sizeof(hash));

    return rc == 0 ? cli_user_print_note(cli, "Sessions of the user end at "
                                         "their next refresh.") : -1;
}


static int
cli_user_print_effect(cli_t *cli)
{
    return cli_user_print_note(cli, "API tokens and logins of the user are "
                               "refused from now on.\nSessions end at their "
                               "next refresh, access tokens when they "
                               "expire.");
}


int
cli_user_disable(cli_t *cli)
{
    return cli_generic_disable(cli) == 0 ? cli_user_print_effect(cli) : -1;
}


int
cli_user_delete(cli_t *cli)
{
    return cli_generic_delete(cli) == 0 ? cli_user_print_effect(cli) : -1;
}
