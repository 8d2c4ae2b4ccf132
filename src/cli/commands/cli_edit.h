/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Creates and changes a record by options.  An option with a member in the
 * table of the command sets this member of the record's JSON object, which is
 * then checked as an imported one is.
 */

#ifndef CLI_EDIT_H
#define CLI_EDIT_H

#include "cli/record/cli_record.h"
#include "cli/record/cli_store.h"
#include "cli/terminal/cli_options.h"


typedef struct {
    json_t       *object;       /* of a new record, before the options */
    int           replace;      /* replace an existing record of this name */

    /* further changes of an update, or NULL: 0, or -1 with the status set */
    int         (*hook)(cli_t *cli, json_t *object, void *data);
    void         *data;

    /* printed before the record, or NULL */
    const char   *secret_name;
    const char   *secret;
} cli_edit_t;


/* the kind of record that the noun of the command names */
const cli_kind_t *cli_command_kind(const cli_t *cli);

/* Sets a member to a string.  Returns 0, or -1 with the status set. */
int cli_edit_set(cli_t *cli, json_t *object, const char *member,
    const char *text);

/*
 * Sets the members that the options name, and checks the record: reports the
 * errors of the command line before a password is prompted for.  Returns 0, or
 * -1 with the status set.
 */
int cli_edit_check(cli_t *cli, json_t *object);

/*
 * Calls make with an empty object, which is released afterwards.  Returns what
 * make returns, or -1 with the status set.
 */
int cli_edit_new(cli_t *cli, int (*make)(cli_t *cli, json_t *object));

/* Writes a new record and prints it.  Returns 0, or -1 with the status set. */
int cli_edit_create(cli_t *cli, const cli_edit_t *edit);

/* Changes the record named by the operand and prints it.  Returns as above. */
int cli_edit_update(cli_t *cli, const cli_edit_t *edit);


#endif
