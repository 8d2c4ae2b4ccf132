/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/terminal/cli.h"


#define CLI_ERROR_SIZE  1024


/* names of files and records may hold control characters */
static void
cli_print_error(const char *fmt, va_list args)
{
    char            text[CLI_ERROR_SIZE];
    unsigned char  *p;

    (void) vsnprintf(text, sizeof(text), fmt, args);

    for (p = (unsigned char *) text; *p != '\0'; p++) {
        if (*p < ' ' || *p == 0x7f) {
            *p = '?';
        }
    }

    (void) fprintf(stderr, "auth-token: %s\n", text);
}


void
cli_error(const char *fmt, ...)
{
    va_list  args;

    va_start(args, fmt);
    cli_print_error(fmt, args);
    va_end(args);
}


int
cli_fail(cli_t *cli, int status, const char *fmt, ...)
{
    va_list  args;

    if (cli->reported) {
        return -1;
    }

    va_start(args, fmt);
    cli_print_error(fmt, args);
    va_end(args);

    cli->status = status;
    cli->reported = 1;

    return -1;
}


int
cli_no_memory(cli_t *cli)
{
    return cli_failure(cli, "memory allocation failed");
}


at_str_t
cli_str(const char *text)
{
    return (at_str_t) { text, text != NULL ? strlen(text) : 0 };
}


size_t
cli_control_len(at_str_t text, size_t i)
{
    unsigned char  c;

    c = (unsigned char) text.data[i];

    if (c < ' ' || c == 0x7f) {
        return 1;
    }

    return c == 0xc2 && i + 1 < text.len
           && (unsigned char) text.data[i + 1] < 0xa0 ? 2 : 0;
}


void
cli_print(at_str_t text)
{
    size_t  i, len;

    for (i = 0; i < text.len; i += len != 0 ? len : 1) {
        len = cli_control_len(text, i);
        (void) putchar(len != 0 ? '?' : text.data[i]);
    }
}


int
cli_print_json(cli_t *cli, json_t *object)
{
    char  *text;

    text = object != NULL ? json_dumps(object, JSON_INDENT(2)) : NULL;
    json_decref(object);

    if (text == NULL) {
        return cli_failure(cli, "cannot print JSON: memory allocation failed, "
                           "or a name is not UTF-8");
    }

    (void) puts(text);
    free(text);

    return 0;
}


static void
cli_print_value(const json_t *value)
{
    char  *text;

    switch (json_typeof(value)) {

    case JSON_STRING:
        cli_print((at_str_t) { json_string_value(value),
                               json_string_length(value) });
        break;

    case JSON_TRUE:
    case JSON_FALSE:
        (void) fputs(json_is_true(value) ? "yes" : "no", stdout);
        break;

    case JSON_NULL:
        (void) putchar('-');
        break;

    default:
        text = json_dumps(value, JSON_COMPACT|JSON_ENCODE_ANY);
        cli_print(cli_str(text));
        free(text);
    }

    (void) putchar('\n');
}


int
cli_print_report(cli_t *cli, json_t *object)
{
    size_t       i;
    json_t      *value, *item;
    const char  *name;

    if (cli->json || object == NULL) {
        return cli_print_json(cli, object);
    }

    json_object_foreach(object, name, value) {
        if (!json_is_array(value)) {
            (void) printf("%-18s ", name);
            cli_print_value(value);
            continue;
        }

        if (json_array_size(value) == 0) {
            (void) printf("%-18s -\n", name);
        }

        json_array_foreach(value, i, item) {
            (void) printf("%-18s ", i == 0 ? name : "");
            cli_print_value(item);
        }
    }

    json_decref(object);

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
