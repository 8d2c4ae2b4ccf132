/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Options of a subcommand, as a table, and the values that they take.
 */

#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include "core/jose/at_key.h"
#include "cli/terminal/cli.h"


#define CLI_OPTIONS_MAX  24  /* of one subcommand at most */


typedef struct {
    size_t   n;
    char   **items;             /* views of the arguments; free() it */
} cli_list_t;

typedef enum {
    CLI_FLAG,                   /* int: becomes 1 */
    CLI_TEXT,                   /* char *: at most once */
    CLI_LIST                    /* cli_list_t: any number of times */
} cli_option_e;

typedef struct {
    const char    *name;        /* without its dashes; NULL ends the table */
    cli_option_e   type;
    void          *value;
} cli_option_t;


/*
 * Takes the options from argv, --json, --help and of a command on the store
 * --store too.  What is no option is the operand, which there may be one of;
 * where operand is NULL, none.
 * Returns 0, or -1 with the status set, then too with lists to be freed.
 */
int cli_options(cli_t *cli, int argc, char **argv,
    const cli_option_t *options, char **operand);


/*
 * Values.  option is the name for the sentence, text what was given, or NULL:
 * then *value stays as it is.  Return 0, or -1 with the status set.
 */

/* an unsigned decimal number, at most max */
int cli_number(cli_t *cli, const char *option, const char *text, int64_t max,
    int64_t *value);

/* seconds, from nginx's syntax: "90", "30m", "1h 30m" */
int cli_duration(cli_t *cli, const char *option, const char *text,
    int64_t *value);

/* seconds since the epoch: a number, "now", "now+30m" or "now-30m" */
int cli_time(cli_t *cli, const char *option, const char *text, int64_t *value);

/*
 * Milliseconds since the epoch or AT_NEVER: "never", a time as above or of RFC
 * 3339 in UTC, its date alone, or a duration from now, which has a unit.
 */
int cli_expires(cli_t *cli, const char *option, const char *text,
    int64_t *value);

/* a view of text, empty where that is NULL */
at_str_t cli_str(const char *text);

/* the default of algs, which are one or more */
at_alg_e cli_default_alg(unsigned algs);


#endif
