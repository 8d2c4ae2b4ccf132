/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * auth-token export
 */

#include <stdio.h>
#include <stdlib.h>

#include "cli/terminal/cli_options.h"
#include "cli/record/cli_store.h"


static int
cli_export_record(cli_t *cli, cli_record_t *rec, void *data)
{
    int     *n = data;
    char    *text;
    json_t  *object;

    object = cli_record_json(rec, 1);
    text = object != NULL ? json_dumps(object, JSON_COMPACT) : NULL;
    json_decref(object);

    if (text == NULL) {
        return cli_no_memory(cli);
    }

    (void) printf("%s\n%s", *n != 0 ? "," : "", text);
    free(text);
    *n = 1;

    return ferror(stdout) ? cli_flush(cli) : 0;
}


static int
cli_export_run(cli_t *cli, at_store_t *store, void *data)
{
    int     n;
    size_t  i;

    (void) data;

    (void) fputs("{\"version\":1", stdout);

    for (i = 0; i < CLI_KINDS; i++) {
        n = 0;
        (void) printf(",\n\"%s\":[", cli_kinds[i].plural);

        if (cli_store_each(cli, store, &cli_kinds[i], cli_export_record, &n)
            != 0)
        {
            return -1;
        }

        (void) putchar(']');
    }

    (void) puts("}");

    return cli_flush(cli);
}


int
cli_export(cli_t *cli, int argc, char **argv)
{
    const cli_option_t  table[] = { { NULL, CLI_FLAG, NULL } };

    return cli_options(cli, argc, argv, table, NULL) == 0
           ? cli_store_run(cli, AT_STORE_READ, cli_export_run, NULL) : -1;
}
