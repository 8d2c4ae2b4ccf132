/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * auth-token role set
 */

#include "cli/commands/cli_commands.h"
#include "cli/commands/cli_edit.h"


static int
cli_role_make(cli_t *cli, json_t *object)
{
    const cli_edit_t  edit = { .object = object, .replace = 1 };

    return cli_edit_set(cli, object, "name", cli->operand) == 0
           ? cli_edit_create(cli, &edit) : -1;
}


int
cli_role_set(cli_t *cli)
{
    return cli_edit_new(cli, cli_role_make);
}
