/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * auth-token role set
 */

#include "cli/commands/cli_commands.h"
#include "cli/commands/cli_edit.h"


int
cli_role_set(cli_t *cli)
{
    int         rc;
    cli_edit_t  edit = { .replace = 1 };

    edit.object = json_object();

    if (edit.object == NULL) {
        return cli_no_memory(cli);
    }

    rc = cli_edit_set(cli, edit.object, "name", cli->operand) == 0
         ? cli_edit_create(cli, &edit) : -1;
    json_decref(edit.object);

    return rc;
}
