/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The command `auth-token`: what its subcommands share.  A noun is a file
 * cli_NOUN*.c and rows in the table of auth_token.c; verbs that are the same
 * for all kinds of records are in cli_verb.c.
 *
 * Secrets come from a file or standard input, never from an argument.  What
 * goes wrong is said in one sentence on standard error, which names files and
 * options and never holds a key, a token or a password.
 */

#ifndef CLI_H
#define CLI_H

#include <stdint.h>

#include <jansson.h>

#include "core/base/at_file.h"
#include "core/base/at_str.h"


#define CLI_VERSION   "0.1.0"

#define CLI_TIME_MAX  253402300799    /* the last second of the year 9999 */

/* exit codes */
#define CLI_OK        0
#define CLI_FAILURE   1
#define CLI_USAGE     2


typedef struct cli_s  cli_t;

typedef struct {
    const char  *noun;
    const char  *verb;          /* empty: the noun is all of it */
    int        (*run)(cli_t *cli, int argc, char **argv);
    const char  *summary;       /* one line */
    const char  *usage;         /* the arguments, then a line for each option */
    const char  *operand;       /* what the one is that there may be, or NULL */
    int          store;         /* works on the store */
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
    int                   said;         /* a sentence was printed */
    int                   json;         /* --json */
    const char           *store;        /* --store */
    int                   stdin_used;
    int                   changed;      /* the store was: not to be undone */
    struct at_session_db_s *sessions;     /* where uses of tokens are, or NULL */
};


/*
 * Print the sentence and set the status; always return -1.  The first of several
 * is the one: what follows is often its consequence.
 */
__attribute__((format(printf, 3, 4)))
int cli_fail(cli_t *cli, int status, const char *fmt, ...);

#define cli_failure(cli, ...)  cli_fail(cli, CLI_FAILURE, __VA_ARGS__)
#define cli_usage(cli, ...)    cli_fail(cli, CLI_USAGE, __VA_ARGS__)

int cli_no_memory(cli_t *cli);


/* what is expected of a file, at most */
#define CLI_KEY_FILE_MAX    (1024 * 1024)
#define CLI_TOKEN_FILE_MAX  (128 * 1024)

/*
 * Reads the file at path, or standard input, once, where path is "-".
 * Returns 0, and the caller frees it with at_file_free(); -1 as above.
 * A path that looks like a token or a key is not repeated in the sentence.
 */
int cli_file_read(cli_t *cli, at_file_t *file, const char *path, size_t max);

/* what the file has, without a line end behind it */
at_str_t cli_file_line(const at_file_t *file);

/*
 * Opens the file at path, or standard input for "-", which may be of any size
 * and kind.  Returns the descriptor, which the caller closes; -1 as above.
 */
int cli_file_open(cli_t *cli, const char *path);


/* to standard output, control characters as question marks */
void cli_print(at_str_t text);

/* Takes the reference; NULL is an object that could not be made. */
int cli_print_json(cli_t *cli, json_t *object);

/* writes out what was printed: the last thing before a subcommand succeeds */
int cli_flush(cli_t *cli);


/* the subcommands */
int cli_check(cli_t *cli, int argc, char **argv);
int cli_client_create(cli_t *cli, int argc, char **argv);
int cli_client_rotate_secret(cli_t *cli, int argc, char **argv);
int cli_client_update(cli_t *cli, int argc, char **argv);
int cli_export(cli_t *cli, int argc, char **argv);
int cli_import(cli_t *cli, int argc, char **argv);
int cli_init(cli_t *cli, int argc, char **argv);
int cli_jwt_sign(cli_t *cli, int argc, char **argv);
int cli_jwt_verify(cli_t *cli, int argc, char **argv);
int cli_key_generate(cli_t *cli, int argc, char **argv);
int cli_role_set(cli_t *cli, int argc, char **argv);
int cli_token_create(cli_t *cli, int argc, char **argv);
int cli_token_update(cli_t *cli, int argc, char **argv);
int cli_user_create(cli_t *cli, int argc, char **argv);
int cli_user_delete(cli_t *cli, int argc, char **argv);
int cli_user_disable(cli_t *cli, int argc, char **argv);
int cli_user_passwd(cli_t *cli, int argc, char **argv);
int cli_user_update(cli_t *cli, int argc, char **argv);

/* of the kind of record that the noun names */
int cli_generic_delete(cli_t *cli, int argc, char **argv);
int cli_generic_disable(cli_t *cli, int argc, char **argv);
int cli_generic_enable(cli_t *cli, int argc, char **argv);
int cli_generic_list(cli_t *cli, int argc, char **argv);
int cli_generic_show(cli_t *cli, int argc, char **argv);


#endif
