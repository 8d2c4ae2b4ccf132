/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The store, as subcommands use it: one transaction each.  What it holds is
 * reached by kinds of cli_record.h, so that the two tables of tokens are one
 * thing here.
 */

#ifndef CLI_STORE_H
#define CLI_STORE_H

#include "core/store/at_store.h"
#include "cli/terminal/cli.h"
#include "cli/record/cli_record.h"


#define CLI_STORE_DEFAULT  "lmdb:/var/lib/auth-token"


/* the path behind "lmdb:", or NULL with the status set */
const char *cli_store_path(cli_t *cli);

/*
 * Runs handler in a transaction, which is committed once that returned 0.
 * Returns 0, or -1 with the status set, by the handler too.
 */
typedef int (*cli_store_pt)(cli_t *cli, at_store_t *store, void *data);

int cli_store_run(cli_t *cli, at_store_mode_e mode, cli_store_pt handler,
    void *data);

/* says what LMDB said; always -1 */
int cli_store_fail(cli_t *cli, const at_store_t *store);


/*
 * Decodes the record of that name: 1; 0 if there is none; -1 with the status
 * set.  It lives until the next change.
 */
int cli_store_find(cli_t *cli, at_store_t *store, const cli_kind_t *kind,
    at_str_t name, cli_record_t *rec);

/* the same, where none is a failure; 0 or -1 */
int cli_store_get(cli_t *cli, at_store_t *store, const cli_kind_t *kind,
    at_str_t name, cli_record_t *rec);

/* Encodes and writes a new record: 0, or -1 with the status set. */
int cli_store_add(cli_t *cli, at_store_t *store, cli_record_t *rec);

/* the same for one whose name, and token, are there already */
int cli_store_replace(cli_t *cli, at_store_t *store, cli_record_t *rec);

/* rec may be one of cli_store_find(); 0, or -1 with the status set */
int cli_store_delete(cli_t *cli, at_store_t *store, cli_record_t *rec);

/* calls handler for each record of the kind, tokens by id, until it returns -1 */
typedef int (*cli_store_each_pt)(cli_t *cli, cli_record_t *rec, void *data);

int cli_store_each(cli_t *cli, at_store_t *store, const cli_kind_t *kind,
    cli_store_each_pt handler, void *data);


#endif
