/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/terminal/cli_file.h"


int
cli_arg_is_secret(const char *arg)
{
    return strncmp(arg, "eyJ", 3) == 0
           || strncmp(arg, "-----BEGIN", 10) == 0
           || arg[0] == '{';
}


static int
cli_file_check_path(cli_t *cli, const char *path)
{
    if (strcmp(path, "-") == 0) {
        if (cli->stdin_used) {
            return cli_usage(cli, "standard input can be read only once");
        }

        cli->stdin_used = 1;
        return 0;
    }

    return cli_arg_is_secret(path)
           ? cli_usage(cli, "the name of a file is expected, not a key, a "
                       "token or claims: arguments must not hold secrets")
           : 0;
}


static int
cli_file_read_stdin(cli_t *cli, at_file_t *file, size_t max)
{
    ssize_t  n;

    /* the extra byte shows whether there is more, and holds the terminator */
    file->data = malloc(max + 1);

    if (file->data == NULL) {
        return cli_no_memory(cli);
    }

    do {
        n = read(STDIN_FILENO, file->data + file->len, max + 1 - file->len);
        file->len += n > 0 ? (size_t) n : 0;
    } while ((n > 0 && file->len <= max) || (n == -1 && errno == EINTR));

    if (n == -1) {
        return cli_failure(cli, "cannot read standard input: %m");
    }

    if (file->len > max) {
        return cli_failure(cli, "standard input is larger than %zu bytes",
                           max);
    }

    file->data[file->len] = '\0';

    return 0;
}


int
cli_file_read(cli_t *cli, at_file_t *file, const char *path, size_t max)
{
    at_error_t  err;

    memset(file, 0, sizeof(at_file_t));

    if (cli_file_check_path(cli, path) != 0) {
        return -1;
    }

    if (strcmp(path, "-") == 0) {
        if (cli_file_read_stdin(cli, file, max) != 0) {
            at_file_free(file);
            return -1;
        }

        return 0;
    }

    return at_file_read(file, path, max, &err) == 0
           ? 0 : cli_failure(cli, "%s", err.text);
}


at_str_t
cli_file_line(const at_file_t *file)
{
    at_str_t  text;

    text = (at_str_t) { file->data, file->len };

    if (text.len != 0 && text.data[text.len - 1] == '\n') {
        text.len--;

        if (text.len != 0 && text.data[text.len - 1] == '\r') {
            text.len--;
        }
    }

    return text;
}


int
cli_file_open(cli_t *cli, const char *path)
{
    int  fd;

    if (cli_file_check_path(cli, path) != 0) {
        return -1;
    }

    if (strcmp(path, "-") == 0) {
        fd = dup(STDIN_FILENO);

        return fd != -1
               ? fd : cli_failure(cli, "cannot read standard input: %m");
    }

    fd = open(path, O_RDONLY|O_CLOEXEC|O_NOCTTY);

    return fd != -1 ? fd : cli_failure(cli, "cannot open \"%s\": %m", path);
}
