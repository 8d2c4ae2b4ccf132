/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * auth-token export
 */

#include <stdio.h>

#include "cli/commands/cli_commands.h"
#include "cli/record/cli_jsonl.h"
#include "cli/record/cli_store.h"


static int
cli_export_count(void *data, at_str_t key, at_str_t value)
{
    int64_t  *n = data;

    (void) key;
    (void) value;

    (*n)++;

    return 0;
}


static int
cli_export_record(cli_t *cli, cli_record_t *rec, void *data)
{
    (void) data;

    if (cli_jsonl_write_record(stdout, rec) != 0) {
        return cli_no_memory(cli);
    }

    return ferror(stdout) ? cli_flush(cli) : 0;
}


static int
cli_export_run(cli_t *cli, at_store_t *store, void *data)
{
    size_t   i;
    int64_t  n;

    (void) data;
    n = 0;

    for (i = 0; i < CLI_KINDS; i++) {
        if (at_store_foreach(store, cli_kinds[i].names, cli_export_count, &n)
            != 0)
        {
            return cli_store_fail(cli, store);
        }
    }

    if (cli_jsonl_write_header(stdout, n) != 0) {
        return cli_no_memory(cli);
    }

    for (i = 0; i < CLI_KINDS; i++) {
        if (cli_store_each(cli, store, &cli_kinds[i], cli_export_record, NULL)
            != 0)
        {
            return -1;
        }
    }

    return 0;
}


int
cli_export(cli_t *cli)
{
    return cli_store_run(cli, AT_STORE_READ, cli_export_run, NULL);
}
