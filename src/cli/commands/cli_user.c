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


/* a note for people, after the output of a command that returned rc */
static int
cli_user_print_note(cli_t *cli, int rc, const char *text)
{
    if (rc != 0) {
        return -1;
    }

    if (!cli->json) {
        (void) printf("\n%s\n", text);
    }

    return 0;
}


/* data tells whether the user is to be created */
static int
cli_user_check_name(cli_t *cli, at_store_t *store, void *data)
{
    int                create = *(int *) data;
    at_str_t           name;
    cli_record_t       rec = { .kind = NULL };
    const cli_kind_t  *kind;

    kind = cli_command_kind(cli);
    name = cli_str(cli->operand);

    return create ? cli_store_check_new(cli, store, kind, name)
                  : cli_store_get(cli, store, kind, name, &rec);
}


/* reports a wrong username before a password is prompted for */
static int
cli_user_set_password(cli_t *cli, int create)
{
    int   rc;
    char  hash[AT_PASSWORD_HASH_LEN];

    if (cli_given(cli, "no-password")) {
        return cli_edit_put(cli, "password_hash", json_null());
    }

    rc = cli_store_run(cli, AT_STORE_READ, cli_user_check_name, &create) == 0
         && cli_password_read(cli, cli_text(cli, "password-file"), hash) == 0
         ? cli_edit_set(cli, "password_hash", hash) : -1;

    at_crypto_cleanse(hash, sizeof(hash));

    return rc;
}


int
cli_user_create(cli_t *cli)
{
    char        guid[CLI_GUID_LEN + 1];
    cli_edit_t  edit = { .secret = NULL };

    return cli_exclusive(cli, "password-file", "no-password") == 0
           && cli_guid_make(cli, guid) == 0
           && cli_edit_set(cli, "id", guid) == 0
           && cli_edit_set(cli, "username", cli->operand) == 0
           && cli_edit_check(cli) == 0
           && cli_user_set_password(cli, 1) == 0
           ? cli_edit_create(cli, &edit) : -1;
}


int
cli_user_passwd(cli_t *cli)
{
    int         rc;
    cli_edit_t  edit = { .secret = NULL };

    rc = cli_exclusive(cli, "password-file", "no-password") == 0
         && cli_user_set_password(cli, 0) == 0
         ? cli_edit_update(cli, &edit) : -1;

    return cli_user_print_note(cli, rc, "Sessions of the user end at their "
                               "next refresh.");
}


#define CLI_USER_REFUSED                                                      \
    "API tokens and logins of the user are refused from now on.\n"            \
    "Sessions end at their next refresh, access tokens when they expire."

int
cli_user_disable(cli_t *cli)
{
    return cli_user_print_note(cli, cli_generic_enable(cli),
                               CLI_USER_REFUSED);
}


int
cli_user_delete(cli_t *cli)
{
    return cli_user_print_note(cli, cli_generic_delete(cli), CLI_USER_REFUSED);
}
