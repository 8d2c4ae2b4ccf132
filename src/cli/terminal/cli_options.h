/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The command line, and the values of options.
 */

#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include "core/jose/at_key.h"
#include "cli/terminal/cli.h"
#include "cli/terminal/cli_command.h"


typedef enum {
    CLI_RUN = 0,                /* run cli->command */
    CLI_HELP,                   /* of cli->command, of a noun, or of all */
    CLI_MAN,
    CLI_BASH,
    CLI_PRINT_VERSION
} cli_action_e;

/*
 * Finds the command in cli->commands, and sets operand and values.  args ends
 * with NULL and does not begin with the program; *noun is the first word, or
 * NULL.  Returns a cli_action_e, or -1.
 */
int cli_parse(cli_t *cli, char **args, const char **noun);


/*
 * The values of an option that the command has in its table, by its name.  Of
 * an option that is not given: an empty list, 0 and NULL.
 */
const cli_list_t *cli_list(const cli_t *cli, const char *option);
int cli_given(const cli_t *cli, const char *option);
const char *cli_text(const cli_t *cli, const char *option);

/* `invalid value "x" in "--option": hint`; always -1 */
int cli_invalid(cli_t *cli, const char *option, const char *hint);

/* fails if both options are given */
int cli_exclusive(cli_t *cli, const char *option, const char *other);

/* Set *value, or leave it as it is if the option is not given. */

/* a decimal number of at most max */
int cli_number(cli_t *cli, const char *option, int64_t max, int64_t *value);

/* seconds, written as in nginx: "90", "30m", "1h 30m" */
int cli_duration(cli_t *cli, const char *option, int64_t *value);

/* seconds since the epoch: a number, "now", "now+30m" or "now-30m" */
int cli_time(cli_t *cli, const char *option, int64_t *value);

/*
 * Milliseconds since the epoch, or AT_NEVER: "never", a time as above, a date
 * or a time of RFC 3339 in UTC, or a duration with a unit from now on.
 */
int cli_expires(cli_t *cli, const char *option, int64_t *value);

/* Writes milliseconds since the epoch as RFC 3339 in UTC. */
#define CLI_TIME_SIZE  32
void cli_time_format(char text[CLI_TIME_SIZE], int64_t ms);


#endif
