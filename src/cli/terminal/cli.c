/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/terminal/cli.h"


#define CLI_ERROR_SIZE  1024


/* a sentence is one line, whatever the names in it are made of */
int
cli_fail(cli_t *cli, int status, const char *fmt, ...)
{
    char            text[CLI_ERROR_SIZE];
    va_list         args;
    unsigned char  *p;

    if (cli->said) {
        return -1;
    }

    va_start(args, fmt);
    (void) vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);

    for (p = (unsigned char *) text; *p != '\0'; p++) {
        if (*p < ' ' || *p == 0x7f) {
            *p = '?';
        }
    }

    (void) fprintf(stderr, "auth-token: %s\n", text);

    cli->status = status;
    cli->said = 1;

    return -1;
}


int
cli_no_memory(cli_t *cli)
{
    return cli_failure(cli, "no memory");
}


/* somebody took "FILE" for the thing itself */
static int
cli_path_is_secret(const char *path)
{
    return strncmp(path, "eyJ", 3) == 0
           || strncmp(path, "-----BEGIN", 10) == 0
           || path[0] == '{';
}


/* Returns the number of bytes read until the end or size, or -1. */
static ssize_t
cli_stdin_fill(char *buf, size_t size)
{
    size_t   len;
    ssize_t  n;

    for (len = 0; len < size; len += (size_t) n) {
        do {
            n = read(STDIN_FILENO, buf + len, size - len);
        } while (n == -1 && errno == EINTR);

        if (n <= 0) {
            break;
        }
    }

    return len < size && n == -1 ? -1 : (ssize_t) len;
}


static int
cli_stdin_claim(cli_t *cli)
{
    if (cli->stdin_used) {
        return cli_usage(cli, "standard input can be read only once");
    }

    cli->stdin_used = 1;

    return 0;
}


static int
cli_path_check(cli_t *cli, const char *path)
{
    return cli_path_is_secret(path)
           ? cli_usage(cli, "a key, a token or claims in place of the name "
                       "of a file: secrets are not taken as arguments")
           : 0;
}


static int
cli_stdin_read(cli_t *cli, at_file_t *file, size_t max)
{
    ssize_t  n;

    if (cli_stdin_claim(cli) != 0) {
        return -1;
    }

    /* one byte more tells what is too long; then it is the terminator's */

    file->data = malloc(max + 1);

    if (file->data == NULL) {
        return cli_no_memory(cli);
    }

    n = cli_stdin_fill(file->data, max + 1);

    if (n == -1) {
        return cli_failure(cli, "cannot read standard input: %m");
    }

    file->len = (size_t) n;

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

    if (strcmp(path, "-") == 0) {
        if (cli_stdin_read(cli, file, max) != 0) {
            at_file_free(file);
            return -1;
        }

        return 0;
    }

    if (cli_path_check(cli, path) != 0) {
        return -1;
    }

    if (at_file_read(file, path, max, &err) != 0) {
        return cli_failure(cli, "%s", err.text);
    }

    return 0;
}


at_str_t
cli_file_line(const at_file_t *file)
{
    at_str_t  text;

    text = (at_str_t) { file->data, file->len };

    if (text.len != 0 && text.data[text.len - 1] == '\n') {
        text.len--;
    }

    if (text.len != 0 && text.data[text.len - 1] == '\r') {
        text.len--;
    }

    return text;
}


int
cli_file_open(cli_t *cli, const char *path)
{
    int  fd;

    if (strcmp(path, "-") == 0) {
        if (cli_stdin_claim(cli) != 0) {
            return -1;
        }

        fd = dup(STDIN_FILENO);

        return fd != -1
               ? fd : cli_failure(cli, "cannot read standard input: %m");
    }

    if (cli_path_check(cli, path) != 0) {
        return -1;
    }

    fd = open(path, O_RDONLY|O_CLOEXEC|O_NOCTTY);

    return fd != -1 ? fd : cli_failure(cli, "cannot open \"%s\": %m", path);
}


void
cli_print(at_str_t text)
{
    size_t         i;
    unsigned char  c;

    for (i = 0; i < text.len; i++) {
        c = (unsigned char) text.data[i];

        /* U+0080 to U+009F are control characters too, c2 80 to c2 9f */
        if (c == 0xc2 && i + 1 < text.len
            && (unsigned char) text.data[i + 1] < 0xa0)
        {
            i++;
            c = '?';
        }

        (void) putchar(c < ' ' || c == 0x7f ? '?' : c);
    }
}


int
cli_print_json(cli_t *cli, json_t *object)
{
    char  *text;

    text = object != NULL ? json_dumps(object, JSON_INDENT(2)) : NULL;
    json_decref(object);

    if (text == NULL) {
        return cli_failure(cli, "cannot print JSON: a name is not UTF-8, or "
                           "memory failed");
    }

    (void) puts(text);
    free(text);

    return 0;
}


int
cli_flush(cli_t *cli)
{
    if (fflush(stdout) != 0 || ferror(stdout)) {
        return cli_failure(cli, "cannot write to standard output: %m%s",
                           cli->changed ? "; the change was made" : "");
    }

    return 0;
}
