/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Records for people and for scripts: never a hash, and a secret only in the
 * very command that made it.
 */

#ifndef CLI_SHOW_H
#define CLI_SHOW_H

#include "cli/terminal/cli.h"
#include "cli/record/cli_record.h"


/* a new reference; NULL where memory failed, or the uses could not be read */
json_t *cli_show_json(const cli_t *cli, const cli_record_t *rec);

/*
 * Prints the record; before it, unless secret is NULL, that under its name.
 * Returns 0, or -1 with the status set.
 */
int cli_show(cli_t *cli, const cli_record_t *rec, const char *name,
    const char *secret);

/* one line of a list, and the one above all */
void cli_show_line(cli_t *cli, const cli_record_t *rec);
void cli_show_header(const cli_kind_t *kind);


#endif
