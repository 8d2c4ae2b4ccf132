/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The command `auth-token`: the state of one run, its errors and its output.
 *
 * Secrets are read from a file or from standard input, never from an argument,
 * which every user of the machine can see.  An error is one sentence on
 * standard error that names files and options, and never a key, a token or a
 * password.
 */

#ifndef CLI_H
#define CLI_H

#include <stdint.h>

#include <jansson.h>

#include "core/base/at_str.h"


#define CLI_TIME_MAX  253402300799    /* the last second of the year 9999 */

/* exit codes */
#define CLI_OK        0
#define CLI_FAILURE   1
#define CLI_USAGE     2
#define CLI_REFUSED   3         /* by "explain" */

#define CLI_OPTIONS_MAX  16     /* options of one command */


typedef struct cli_command_s    cli_command_t;
typedef struct at_session_db_s  at_session_db_t;

/* the values of an option, in order and terminated; that of a flag is empty */
typedef struct {
    size_t     n;
    at_str_t  *items;
} cli_list_t;

typedef struct {
    const cli_command_t  *commands;     /* the table; a NULL noun ends it */
    const cli_command_t  *command;      /* to be run */
    const char           *operand;      /* its argument, or NULL */
    cli_list_t            values[CLI_OPTIONS_MAX];    /* of its options */
    json_t               *object;       /* see cli_edit.h, or NULL */

    const char           *store;        /* --store */
    int                   json;         /* --json */
    int64_t               now;          /* seconds since the epoch */
    int                   status;       /* exit code of a failure */
    int                   reported;     /* an error was printed */
    int                   stdin_used;
    int                   changed;      /* the store has been changed */
    at_session_db_t      *sessions;     /* use counters of tokens, or NULL */
} cli_t;


/*
 * Functions of the command that take a cli_t return 0, or -1 with the status
 * set and the error reported, unless they say otherwise.
 */

/*
 * Print an error and set the exit code; always return -1.  Only the first
 * error is reported: later ones are often its consequences.
 */
__attribute__((format(printf, 3, 4)))
int cli_fail(cli_t *cli, int status, const char *fmt, ...);

/* Prints one of several errors; cli_fail() must follow. */
__attribute__((format(printf, 1, 2)))
void cli_error(const char *fmt, ...);

#define cli_failure(cli, ...)  cli_fail(cli, CLI_FAILURE, __VA_ARGS__)
#define cli_usage(cli, ...)    cli_fail(cli, CLI_USAGE, __VA_ARGS__)

int cli_no_memory(cli_t *cli);


/* a view of a terminated string; empty for NULL */
at_str_t cli_str(const char *text);

/* Length of the control character at i, of ASCII or U+0080 to U+009F, or 0. */
size_t cli_control_len(at_str_t text, size_t i);

/* Prints to standard output, control characters as question marks. */
void cli_print(at_str_t text);

/* takes the reference; NULL is reported as an error */
int cli_print_json(cli_t *cli, json_t *object);

/* the same, but without --json a line for each member or item of an array */
int cli_print_report(cli_t *cli, json_t *object);

/*
 * Flushes standard output; a failure is an error of the command.  Called after
 * every command, and by a command that must know whether all was written.
 */
int cli_flush(cli_t *cli);


#endif
