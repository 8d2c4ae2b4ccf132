/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Creates and changes a record by options.  cli->object has the members that
 * the command and its options set; the record is then checked as an imported
 * one is.
 */

#ifndef CLI_EDIT_H
#define CLI_EDIT_H

#include "cli/record/cli_record.h"
#include "cli/record/cli_store.h"
#include "cli/terminal/cli_options.h"


/* zeroed, except for: */
typedef struct {
    int            replace;         /* create: an existing record, too */
    int            keep_secret;     /* update: the latest client secret */

    /* printed before the record, or NULL */
    const char    *secret_name;
    const char    *secret;

    cli_record_t   rec;
} cli_edit_t;


/* the kind of record that the noun of the command names */
const cli_kind_t *cli_command_kind(const cli_t *cli);

/* sets a member; takes the reference, which is NULL without memory */
int cli_edit_put(cli_t *cli, const char *member, json_t *value);

/* sets a member to a string */
int cli_edit_set(cli_t *cli, const char *member, const char *text);

/* reports invalid options before a password is prompted for */
int cli_edit_check(cli_t *cli);

/* writes a new record and prints it */
int cli_edit_create(cli_t *cli, cli_edit_t *edit);

/* changes the record that the operand names, and prints it */
int cli_edit_update(cli_t *cli, cli_edit_t *edit);


#endif
