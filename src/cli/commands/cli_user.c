/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * auth-token user
 */

#include <stdio.h>
#include <stdlib.h>

#include "cli/commands/cli_edit.h"
#include "cli/terminal/cli_password.h"
#include "cli/terminal/cli_secret.h"
#include "core/base/at_crypto.h"


typedef struct {
    cli_edit_t  edit;
    char       *file;           /* --password-file */
    char       *given;          /* --password, which there is not */
    int         no_password;
    int         is_new;
    char        hash[AT_PASSWORD_HASH_LEN];
} cli_user_t;


static const cli_kind_t *
cli_user_kind(void)
{
    return cli_kind_find(at_str("user"));
}


/* a sentence for people behind what was printed */
static int
cli_user_print_note(cli_t *cli, const char *text)
{
    if (!cli->json) {
        (void) printf("\n%s\n", text);
    }

    return cli_flush(cli);
}


/* --- the password -------------------------------------------------------- */


static int
cli_user_set_password(cli_t *cli, json_t *object, void *data)
{
    cli_user_t  *user = data;

    if (user->no_password) {
        return json_object_set_new(object, "password_hash", json_null()) == 0
               ? 0 : cli_no_memory(cli);
    }

    return cli_edit_set(cli, object, "password_hash", user->hash);
}


/* without one of its own, --password would be short for --password-file */
static int
cli_user_check(cli_t *cli, const cli_user_t *user)
{
    if (user->given != NULL) {
        return cli_usage(cli, "there is no --password: passwords are not taken "
                         "as arguments, which every user of the machine can "
                         "see");
    }

    if (user->edit.operand == NULL) {
        return cli_usage(cli, "the username is missing");
    }

    if (user->no_password && user->file != NULL) {
        return cli_usage(cli, "--password-file and --no-password exclude each "
                         "other");
    }

    return 0;
}


/* who is not there, or is there already, is told before something is typed */
static int
cli_user_check_exists(cli_t *cli, at_store_t *store, void *data)
{
    int           rc;
    at_str_t      name;
    cli_user_t   *user = data;
    cli_record_t  rec;

    name = cli_str(user->edit.operand);
    memset(&rec, 0, sizeof(rec));

    if (!user->is_new) {
        rc = cli_store_get(cli, store, cli_user_kind(), name, &rec);

    } else {
        rc = cli_store_find(cli, store, cli_user_kind(), name, &rec);
        rc = rc != 1 ? rc : cli_failure(cli, "user \"%s\" already exists",
                                        user->edit.operand);
    }

    cli_record_free(&rec);

    return rc;
}


static int
cli_user_read_password(cli_t *cli, cli_user_t *user)
{
    if (user->no_password) {
        return 0;
    }

    return cli_store_run(cli, AT_STORE_READ, cli_user_check_exists, user) == 0
           ? cli_password_read(cli, user->file, user->hash) : -1;
}


/* --- commands ------------------------------------------------------------ */


static int
cli_user_make(cli_t *cli, cli_user_t *user, json_t *object)
{
    char  guid[CLI_GUID_LEN + 1];

    if (cli_guid_make(cli, guid) != 0
        || cli_edit_set(cli, object, "id", guid) != 0
        || cli_edit_set(cli, object, "username", user->edit.operand) != 0
        || cli_edit_check(cli, &user->edit, cli_user_kind(), object) != 0
        || cli_user_read_password(cli, user) != 0
        || cli_user_set_password(cli, object, user) != 0)
    {
        return -1;
    }

    return cli_edit_create(cli, &user->edit, cli_user_kind(), object, NULL,
                           NULL);
}


int
cli_user_create(cli_t *cli, int argc, char **argv)
{
    int         rc;
    json_t     *object;
    cli_user_t  user = { .is_new = 1 };

    const cli_option_t  table[] = {
        { "id",            CLI_TEXT, &user.edit.id },
        { "issuer",        CLI_LIST, &user.edit.issuers },
        { "scope",         CLI_LIST, &user.edit.scopes },
        { "admin",         CLI_FLAG, &user.edit.admin },
        { "disabled",      CLI_FLAG, &user.edit.disabled },
        { "password-file", CLI_TEXT, &user.file },
        { "password",      CLI_TEXT, &user.given },
        { "no-password",   CLI_FLAG, &user.no_password },
        { NULL,            CLI_FLAG, NULL }
    };

    rc = cli_options(cli, argc, argv, table, &user.edit.operand);

    if (rc == 0) {
        rc = cli_user_check(cli, &user);
    }

    if (rc == 0) {
        object = json_object();
        rc = object != NULL ? cli_user_make(cli, &user, object)
                            : cli_no_memory(cli);
        json_decref(object);
    }

    at_crypto_cleanse(user.hash, sizeof(user.hash));
    cli_edit_free(&user.edit);

    return rc;
}


int
cli_user_passwd(cli_t *cli, int argc, char **argv)
{
    int         rc;
    cli_user_t  user = { .is_new = 0 };

    const cli_option_t  table[] = {
        { "password-file", CLI_TEXT, &user.file },
        { "password",      CLI_TEXT, &user.given },
        { "no-password",   CLI_FLAG, &user.no_password },
        { NULL,            CLI_FLAG, NULL }
    };

    rc = cli_options(cli, argc, argv, table, &user.edit.operand);

    if (rc == 0) {
        rc = cli_user_check(cli, &user);
    }

    if (rc == 0) {
        rc = cli_user_read_password(cli, &user);
    }

    if (rc == 0) {
        rc = cli_edit_update(cli, &user.edit, cli_user_kind(),
                             cli_user_set_password, &user, NULL, NULL);
    }

    at_crypto_cleanse(user.hash, sizeof(user.hash));

    return rc == 0 ? cli_user_print_note(cli, "Sessions of the user end at their "
                                         "next refresh.") : -1;
}


int
cli_user_update(cli_t *cli, int argc, char **argv)
{
    int         rc;
    cli_edit_t  edit = { .operand = NULL };

    const cli_option_t  table[] = {
        { "id",        CLI_TEXT, &edit.id },
        { "issuer",    CLI_LIST, &edit.issuers },
        { "no-issuer", CLI_FLAG, &edit.no_issuer },
        { "scope",     CLI_LIST, &edit.scopes },
        { "no-scope",  CLI_FLAG, &edit.no_scope },
        { "admin",     CLI_FLAG, &edit.admin },
        { "no-admin",  CLI_FLAG, &edit.no_admin },
        { NULL,        CLI_FLAG, NULL }
    };

    rc = cli_options(cli, argc, argv, table, &edit.operand);

    if (rc == 0) {
        rc = cli_edit_update(cli, &edit, cli_user_kind(), NULL, NULL, NULL,
                             NULL);
    }

    cli_edit_free(&edit);

    return rc;
}


/* what is in force at once, and what is not */
static int
cli_user_print_effect(cli_t *cli)
{
    return cli_user_print_note(cli, "API tokens of the user are refused from now "
                               "on, and so are logins; sessions\nend at their next "
                               "refresh, access tokens when they expire.");
}


int
cli_user_disable(cli_t *cli, int argc, char **argv)
{
    return cli_generic_disable(cli, argc, argv) == 0 ? cli_user_print_effect(cli) : -1;
}


int
cli_user_delete(cli_t *cli, int argc, char **argv)
{
    return cli_generic_delete(cli, argc, argv) == 0 ? cli_user_print_effect(cli) : -1;
}
