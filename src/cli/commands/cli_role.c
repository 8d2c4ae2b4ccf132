/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * auth-token role
 */

#include <stdlib.h>

#include "cli/commands/cli_edit.h"


static int
cli_role_make(cli_t *cli, const cli_edit_t *edit)
{
    int      rc;
    json_t  *object;

    if (edit->operand == NULL) {
        return cli_usage(cli, "the name is missing");
    }

    object = json_object();

    if (object == NULL) {
        return cli_no_memory(cli);
    }

    rc = cli_edit_set(cli, object, "name", edit->operand) == 0
         ? cli_edit_create(cli, edit, cli_kind_find(at_str("role")), object,
                           NULL, NULL)
         : -1;
    json_decref(object);

    return rc;
}


int
cli_role_set(cli_t *cli, int argc, char **argv)
{
    int         rc;
    cli_edit_t  edit = { .replace = 1 };

    const cli_option_t  table[] = {
        { "grant", CLI_LIST, &edit.grant },
        { "deny",  CLI_LIST, &edit.deny },
        { "block", CLI_LIST, &edit.blocked },
        { NULL,    CLI_FLAG, NULL }
    };

    rc = cli_options(cli, argc, argv, table, &edit.operand);

    if (rc == 0) {
        rc = cli_role_make(cli, &edit);
    }

    cli_edit_free(&edit);

    return rc;
}
