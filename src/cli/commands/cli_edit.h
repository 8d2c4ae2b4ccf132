/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Creating and changing a record by options.  They become members of its JSON
 * object, which is then read as strictly as an import's.
 */

#ifndef CLI_EDIT_H
#define CLI_EDIT_H

#include "cli/terminal/cli_options.h"
#include "cli/record/cli_record.h"
#include "cli/record/cli_store.h"


/* what a subcommand does not have is left out of its table, and zero here */
typedef struct {
    char        *operand;       /* the record's name */

    char        *id;
    char        *description;
    char        *name;
    char        *user;
    char        *role;
    char        *expires;
    cli_list_t   scopes;
    cli_list_t   ranges;
    cli_list_t   issuers;
    cli_list_t   grant;
    cli_list_t   deny;
    cli_list_t   blocked;
    int          disabled;
    int          admin;
    int          replace;       /* a record of that name, if there is one */

    int          no_user;
    int          no_role;
    int          no_scope;
    int          no_issuer;
    int          no_admin;
} cli_edit_t;

void cli_edit_free(cli_edit_t *edit);


/*
 * Sets the members that the options name, and returns how many; -1 with the
 * status set.
 */
int cli_edit_apply(cli_t *cli, const cli_edit_t *edit, json_t *object);

/* sets one member to a text; 0, or -1 with the status set */
int cli_edit_set(cli_t *cli, json_t *object, const char *member,
    const char *text);

/*
 * Says what cli_edit_create() would say of the options: before something is
 * asked for that they do not need.
 */
int cli_edit_check(cli_t *cli, const cli_edit_t *edit, const cli_kind_t *kind,
    json_t *object);

/*
 * Reads object, which the options make complete, into a new record of the
 * store, and prints it; before it, by name, the secret where there is one.
 */
int cli_edit_create(cli_t *cli, const cli_edit_t *edit,
    const cli_kind_t *kind, json_t *object, const char *name,
    const char *secret);

/*
 * Changes the record named by the operand: by the options, then by hook, which
 * may be NULL.
 */
typedef int (*cli_edit_hook_pt)(cli_t *cli, json_t *object, void *data);

int cli_edit_update(cli_t *cli, const cli_edit_t *edit,
    const cli_kind_t *kind, cli_edit_hook_pt hook, void *data, const char *name,
    const char *secret);


#endif
