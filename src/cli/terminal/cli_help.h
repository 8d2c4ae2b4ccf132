/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Help and documentation, made from the table of commands.
 */

#ifndef CLI_HELP_H
#define CLI_HELP_H

#include "cli/terminal/cli.h"


/* help on cli->command; else on the commands of a noun, or on all for NULL */
void cli_help_print(const cli_t *cli, const char *noun);

/* the section COMMANDS of the manual page, in mdoc(7) */
void cli_help_print_man(const cli_t *cli);

/* a shell array for docs/auth-token.bash: "COMMAND:--OPTION --OPTION=VALUE" */
void cli_help_print_bash(const cli_t *cli);


#endif
