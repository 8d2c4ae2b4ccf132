/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Prints records, without hashes.  A secret is printed only by the command
 * that generated it.
 */

#ifndef CLI_SHOW_H
#define CLI_SHOW_H

#include "cli/record/cli_record.h"
#include "cli/terminal/cli.h"


/*
 * A new reference; NULL if memory allocation failed, or if the use counters
 * could not be read.
 */
json_t *cli_show_json(const cli_t *cli, const cli_record_t *rec);

/* Prints a record, preceded by the secret unless it is NULL. */
int cli_show(cli_t *cli, const cli_record_t *rec, const char *name,
    const char *secret);

/* print the line of a record in a list, and the header of the list */
void cli_show_line(cli_t *cli, cli_record_t *rec);
void cli_show_header(const cli_kind_t *kind);


#endif
