/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The command `auth-token`: what its subcommands share.  A noun is a file
 * cli_NOUN*.c and rows in the table of auth_token.c.
 *
 * Secrets come from a file or standard input, never from an argument.  What
 * goes wrong is said in one sentence on standard error, which names files and
 * options and never holds a key, a token or a password.
 */

#ifndef CLI_H
#define CLI_H

#include <stdint.h>

#include <jansson.h>

#include "at_file.h"
#include "at_str.h"


#define CLI_VERSION   "0.1.0"

#define CLI_TIME_MAX  253402300799    /* the last second of the year 9999 */

/* exit codes */
#define CLI_OK        0
#define CLI_FAILURE   1
#define CLI_USAGE     2


typedef struct cli_s  cli_t;

typedef struct {
    const char  *noun;
    const char  *verb;
    int        (*run)(cli_t *cli, int argc, char **argv);
    const char  *summary;       /* one line */
    const char  *usage;         /* the arguments, then a line for each option */
} cli_command_t;

/*
 * run() gets the arguments behind the verb, argv[0] being the verb itself.  It
 * returns 0; or -1 once status is set, which is by the functions below or by
 * --help.
 */
struct cli_s {
    const cli_command_t  *command;
    int64_t               now;
    int                   status;       /* the exit code after -1 */
    int                   json;         /* --json */
    int                   stdin_used;
};


/* Print the sentence and set the status; always return -1. */
__attribute__((format(printf, 3, 4)))
int cli_fail(cli_t *cli, int status, const char *fmt, ...);

#define cli_failure(cli, ...)  cli_fail(cli, CLI_FAILURE, __VA_ARGS__)
#define cli_usage(cli, ...)    cli_fail(cli, CLI_USAGE, __VA_ARGS__)

int cli_no_memory(cli_t *cli);


/* what is expected of a file, at most */
#define CLI_KEY_SIZE    (1024 * 1024)
#define CLI_TOKEN_SIZE  (128 * 1024)

/*
 * Reads the file at path, or standard input, once, where path is "-".
 * Returns 0, and the caller frees it with at_file_free(); -1 as above.
 * A path that looks like a token or a key is not repeated in the sentence.
 */
int cli_read(cli_t *cli, at_file_t *file, const char *path, size_t max);


/* to standard output, control characters as question marks */
void cli_print(at_str_t text);

/* Takes the reference; NULL is an object that could not be made. */
int cli_print_json(cli_t *cli, json_t *object);

/* writes out what was printed: the last thing before a subcommand succeeds */
int cli_flush(cli_t *cli);


/* the subcommands */
int cli_key_generate(cli_t *cli, int argc, char **argv);
int cli_jwt_sign(cli_t *cli, int argc, char **argv);
int cli_jwt_verify(cli_t *cli, int argc, char **argv);


#endif
