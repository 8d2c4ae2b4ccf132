/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Access of the commands to the store, one transaction each.  Records are
 * found by kind and name; for API tokens this hides that their records are
 * stored under the SHA-256, and that a second table maps the id to it.
 */

#ifndef CLI_STORE_H
#define CLI_STORE_H

#include "core/store/at_store.h"
#include "cli/terminal/cli.h"
#include "cli/record/cli_record.h"


#define CLI_STORE_DEFAULT  "lmdb:/var/lib/auth-token"


/* the path after "lmdb:", or NULL with the status set */
const char *cli_store_path(cli_t *cli);

/*
 * Runs handler in a transaction and commits if it returns 0.  Output printed
 * by a handler that fails is discarded.
 */
typedef int (*cli_store_pt)(cli_t *cli, at_store_t *store, void *data);

int cli_store_run(cli_t *cli, at_store_mode_e mode, cli_store_pt handler,
    void *data);

/* Reports the error of the store.  Always returns -1. */
int cli_store_fail(cli_t *cli, const at_store_t *store);


/* Decodes a record, which is valid until the next change. */
int cli_store_get(cli_t *cli, at_store_t *store, const cli_kind_t *kind,
    at_str_t name, cli_record_t *rec);

/* write a new record, or any record */
int cli_store_add(cli_t *cli, at_store_t *store, cli_record_t *rec);
int cli_store_write(cli_t *cli, at_store_t *store, cli_record_t *rec);

/* fails if there is a record of this name */
int cli_store_check_new(cli_t *cli, at_store_t *store, const cli_kind_t *kind,
    at_str_t name);

/*
 * Calls handler for each record of the kind, tokens in the order of their ids,
 * until it returns -1.
 */
typedef int (*cli_store_each_pt)(cli_t *cli, cli_record_t *rec, void *data);

int cli_store_each(cli_t *cli, at_store_t *store, const cli_kind_t *kind,
    cli_store_each_pt handler, void *data);


/* the effect of a command on one record */
typedef enum {
    CLI_FAILED = -1,
    CLI_ADDED,
    CLI_CHANGED,
    CLI_UNCHANGED,
    CLI_REMOVED,

    CLI_EFFECTS
} cli_effect_e;

/*
 * Adds a record, or replaces the record of that name.  A record without
 * "created" keeps the time of the one it replaces, or gets now.  The sessions
 * of a user who is disabled or gets another password end.
 *
 * A token may get another id only with replace, as this removes the old id.
 * Returns CLI_FAILED with err set.
 */
cli_effect_e cli_store_put(at_store_t *store, cli_record_t *rec, int64_t now,
    int replace, at_error_t *err);

/* Deletes by the key in the table.  Returns 0, or -1 with err set. */
int cli_store_remove(at_store_t *store, const cli_kind_t *kind, at_str_t key,
    at_error_t *err);


#endif
