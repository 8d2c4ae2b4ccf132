/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The description of a command.  The parser of the command line, the help, the
 * manual page and the completion for bash are all made from it.
 */

#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include "cli/terminal/cli.h"


#define CLI_MANY      0x01      /* may be repeated */
#define CLI_REQUIRED  0x02
#define CLI_EMPTY     0x04      /* may be empty */
#define CLI_WHEN      0x08      /* an expiry, see cli_expires() */

typedef struct {
    const char  *name;          /* without dashes; NULL ends a table */
    const char  *value;         /* "FILE", or choices "a|b"; NULL for a flag */
    unsigned     flags;
    const char  *help;          /* one sentence or more, without the first
                                   capital letter and the last period */

    /* for options that set a member of a record, see cli_edit.h */
    const char  *member;
    const char  *literal;       /* JSON that a flag sets it to */
} cli_option_t;

struct cli_command_s {
    const char          *noun;
    const char          *verb;          /* empty: the noun is the command */
    int                (*run)(cli_t *cli);
    const char          *operand;       /* "ID", optional "[ID]", or NULL */
    int                  store;         /* it uses the store */
    const char          *summary;
    const cli_option_t  *options;       /* at most CLI_OPTIONS_MAX */
    const char          *text;          /* a paragraph */
};

/* --store, --json and --help, which belong to every command */
extern const cli_option_t  cli_global_options[];

/* of these, --store belongs to commands that use the store */
#define cli_option_applies(option, command)                                   \
    ((command)->store || strcmp((option)->name, "store") != 0)


/* help on cli->command; else on the commands of a noun, or on all for NULL */
void cli_help_print(const cli_t *cli, const char *noun);

/* the section COMMANDS of the manual page, in mdoc(7) */
void cli_help_print_man(const cli_t *cli);

/* a shell array for docs/auth-token.bash: "COMMAND:--OPTION --OPTION=VALUE" */
void cli_help_print_bash(const cli_t *cli);


#endif
