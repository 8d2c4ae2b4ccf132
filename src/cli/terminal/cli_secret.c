/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdio.h>
#include <unistd.h>

#include "core/base/at_crypto.h"
#include "core/session/at_token_claims.h"
#include "cli/terminal/cli_file.h"
#include "cli/terminal/cli_secret.h"
#include "cli/terminal/cli_terminal.h"


#define CLI_PASSWORD_FILE_MAX  4096  /* bytes */


typedef struct {
    size_t  len;
    char    text[AT_PASSWORD_MAX + 2];  /* one byte more than is accepted, and
                                           the line end */
} cli_password_input_t;


static int
cli_no_random(cli_t *cli)
{
    return cli_failure(cli, "the random number generator failed");
}


int
cli_secret_make(cli_t *cli, char secret[CLI_SECRET_LEN + 1])
{
    secret[CLI_SECRET_LEN] = '\0';

    return at_random_text(secret, CLI_SECRET_LEN) == 0 ? 0
                                                       : cli_no_random(cli);
}


int
cli_guid_make(cli_t *cli, char guid[CLI_GUID_LEN + 1])
{
    unsigned char  b[16];

    if (at_random(b, sizeof(b)) != 0) {
        return cli_no_random(cli);
    }

    b[6] = (b[6] & 0x0f) | 0x40;
    b[8] = (b[8] & 0x3f) | 0x80;

    (void) snprintf(guid, CLI_GUID_LEN + 1, "%02x%02x%02x%02x-%02x%02x-"
                    "%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
                    b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8],
                    b[9], b[10], b[11], b[12], b[13], b[14], b[15]);

    return 0;
}


int
cli_secret_hash(cli_t *cli, const char *secret,
    char hash[AT_PASSWORD_HASH_LEN])
{
    at_error_t  err;

    return at_password_hash(hash, cli_str(secret), &err) == 0
           ? 0 : cli_failure(cli, "cannot hash the secret: %s", err.text);
}


/* --- passwords ----------------------------------------------------------- */


static int
cli_password_hash(cli_t *cli, at_str_t password,
    char hash[AT_PASSWORD_HASH_LEN])
{
    at_error_t  err;

    return at_password_hash(hash, password, &err) == 0
           ? 0 : cli_failure(cli, "%s", err.text);
}


static int
cli_password_prompt(cli_t *cli, char hash[AT_PASSWORD_HASH_LEN])
{
    int                   rc;
    at_str_t              text;
    cli_password_input_t  first, second;

    rc = cli_terminal_prompt(cli, "New password: ", first.text,
                             sizeof(first.text), &first.len);

    if (rc == 0) {
        rc = cli_terminal_prompt(cli, "Retype new password: ", second.text,
                                 sizeof(second.text), &second.len);
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


int
cli_password_read(cli_t *cli, const char *path,
    char hash[AT_PASSWORD_HASH_LEN])
{
    int        rc;
    at_str_t   line;
    at_file_t  file;

    if (path == NULL) {
        path = "-";
    }

    if (strcmp(path, "-") == 0 && isatty(STDIN_FILENO)) {
        return cli_password_prompt(cli, hash);
    }

    if (cli_file_read(cli, &file, path, CLI_PASSWORD_FILE_MAX) != 0) {
        return -1;
    }

    line = cli_file_line(&file);

    /* two lines may be two passwords, or a file given by mistake */
    rc = line.len != 0 && memchr(line.data, '\n', line.len) != NULL
         ? cli_failure(cli, "a password is one line, but there are more")
         : cli_password_hash(cli, line, hash);

    at_file_free(&file);

    return rc;
}
