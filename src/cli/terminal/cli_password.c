/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "core/base/at_crypto.h"
#include "cli/terminal/cli_password.h"
#include "cli/terminal/cli_terminal.h"


#define CLI_PASSWORD_FILE_MAX  4096  /* of a file, at most */


typedef struct {
    size_t  len;
    char    text[AT_PASSWORD_MAX + 2];  /* a line end, and what is too long */
} cli_password_input_t;


static int
cli_password_hash(cli_t *cli, at_str_t password,
    char hash[AT_PASSWORD_HASH_LEN])
{
    at_error_t  err;

    return at_password_hash(hash, password, &err) == 0
           ? 0 : cli_failure(cli, "%s", err.text);
}


/* --- a terminal ---------------------------------------------------------- */


static int
cli_password_prompt(cli_t *cli, const char *prompt, cli_password_input_t *typed)
{
    return cli_terminal_prompt(cli, prompt, typed->text, sizeof(typed->text),
                               &typed->len);
}


static int
cli_password_read_terminal(cli_t *cli, char hash[AT_PASSWORD_HASH_LEN])
{
    int                   rc;
    at_str_t              text;
    cli_password_input_t  first, second;

    rc = cli_password_prompt(cli, "New password: ", &first);

    if (rc == 0) {
        rc = cli_password_prompt(cli, "Retype new password: ", &second);
    }

    if (rc == 0) {
        text = (at_str_t) { first.text, first.len };

        rc = at_str_equal(text, (at_str_t) { second.text, second.len })
             ? cli_password_hash(cli, text, hash)
             : cli_failure(cli, "the two passwords differ; nothing was "
                           "changed");
    }

    at_crypto_cleanse(&first, sizeof(first));
    at_crypto_cleanse(&second, sizeof(second));

    return rc;
}


/* --- a file -------------------------------------------------------------- */


/* more than a line is a file that was not meant, or two passwords */
static int
cli_password_hash_line(cli_t *cli, const at_file_t *file,
    char hash[AT_PASSWORD_HASH_LEN])
{
    at_str_t  line;

    line = cli_file_line(file);

    if (line.len != 0 && memchr(line.data, '\n', line.len) != NULL) {
        return cli_failure(cli, "a password is one line, and there are more");
    }

    return cli_password_hash(cli, line, hash);
}


int
cli_password_read(cli_t *cli, const char *path,
    char hash[AT_PASSWORD_HASH_LEN])
{
    int        rc;
    at_file_t  file;

    if (path == NULL) {
        path = "-";
    }

    if (strcmp(path, "-") == 0 && cli_terminal_is_stdin()) {
        return cli_password_read_terminal(cli, hash);
    }

    if (cli_file_read(cli, &file, path, CLI_PASSWORD_FILE_MAX) != 0) {
        return -1;
    }

    rc = cli_password_hash_line(cli, &file, hash);
    at_file_free(&file);

    return rc;
}
