/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * auth-token user
 */

#include <stdlib.h>

#include "cli_edit.h"


static int
cli_user_make(cli_t *cli, const cli_edit_t *edit)
{
    int      rc;
    json_t  *object;

    if (edit->operand == NULL) {
        return cli_usage(cli, "the username is missing");
    }

    object = json_object();

    if (object == NULL) {
        return cli_no_memory(cli);
    }

    rc = cli_edit_set(cli, object, "username", edit->operand) == 0
         ? cli_edit_create(cli, edit, cli_kind_find(at_str("user")), object,
                           NULL, NULL)
         : -1;
    json_decref(object);

    return rc;
}


int
cli_user_create(cli_t *cli, int argc, char **argv)
{
    int         rc;
    cli_edit_t  edit = { .operand = NULL };

    const cli_option_t  table[] = {
        { "id",       CLI_TEXT, &edit.id },
        { "issuer",   CLI_LIST, &edit.issuers },
        { "scope",    CLI_LIST, &edit.scopes },
        { "admin",    CLI_FLAG, &edit.admin },
        { "disabled", CLI_FLAG, &edit.disabled },
        { NULL,       CLI_FLAG, NULL }
    };

    rc = cli_options(cli, argc, argv, table, &edit.operand);

    if (rc == 0) {
        rc = cli_user_make(cli, &edit);
    }

    cli_edit_free(&edit);

    return rc;
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
        rc = cli_edit_update(cli, &edit, cli_kind_find(at_str("user")), NULL,
                             NULL, NULL, NULL);
    }

    cli_edit_free(&edit);

    return rc;
}
