/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#define _XOPEN_SOURCE  700      /* strptime() */
#define _DEFAULT_SOURCE         /* timegm() */

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/authz/at_record.h"
#include "core/jose/at_key.h"
#include "cli/terminal/cli_options.h"


#define CLI_EXPIRES_MIN  1000000000  /* in 2001 */


/* what getopt_long() returns: indices of its table, from a start of our own */
enum {
    CLI_GETOPT_JSON = 256,
    CLI_GETOPT_HELP,
    CLI_GETOPT_STORE,
    CLI_GETOPT_FIRST                   /* options[0] */
};


typedef struct {
    char     name;
    int64_t  seconds;
} cli_unit_t;


/* as nginx has them, the greatest first */
static const cli_unit_t  cli_units[] = {
    { 'y', 60 * 60 * 24 * 365 },
    { 'M', 60 * 60 * 24 * 30 },
    { 'w', 60 * 60 * 24 * 7 },
    { 'd', 60 * 60 * 24 },
    { 'h', 60 * 60 },
    { 'm', 60 },
    { 's', 1 }
};

#define CLI_UNITS  (sizeof(cli_units) / sizeof(cli_units[0]))


static int
cli_command_print_help(cli_t *cli)
{
    const cli_command_t  *command;

    command = cli->command;

    (void) printf("usage: auth-token %s[--json] %s%s%s %s",
                  command->store ? "[--store lmdb:PATH] " : "",
                  command->noun, *command->verb ? " " : "", command->verb,
                  command->usage);

    if (cli_flush(cli) == 0) {
        cli->status = CLI_OK;
    }

    return -1;
}


static int
cli_list_add(cli_t *cli, cli_list_t *list, char *item)
{
    char  **items;

    items = realloc(list->items, (list->n + 1) * sizeof(char *));

    if (items == NULL) {
        return cli_no_memory(cli);
    }

    list->items = items;
    list->items[list->n++] = item;

    return 0;
}


static int
cli_option_set(cli_t *cli, const cli_option_t *option)
{
    char  **text;

    switch (option->type) {

    case CLI_FLAG:
        *(int *) option->value = 1;
        break;

    case CLI_TEXT:
        text = option->value;

        if (*text != NULL) {
            return cli_usage(cli, "--%s is given twice", option->name);
        }

        *text = optarg;
        break;

    case CLI_LIST:
        return cli_list_add(cli, option->value, optarg);
    }

    return 0;
}


/* what stands behind "=" may be a secret, and a lone argument too */
static int
cli_option_unknown(cli_t *cli, const struct option *longs, const char *arg)
{
    if (optopt >= CLI_GETOPT_JSON) {
        return cli_usage(cli, "--%s takes no value",
                         longs[optopt - CLI_GETOPT_JSON].name);
    }

    if (optopt != 0) {
        return cli_usage(cli, "options are spelled out, with two dashes");
    }

    return cli_usage(cli, "unknown or ambiguous option %.*s",
                     (int) strcspn(arg, "="), arg);
}


static int
cli_option_handle(cli_t *cli, int c, const cli_option_t *options,
    const struct option *longs, char **argv)
{
    switch (c) {

    case ':':
        return cli_usage(cli, "--%s needs a value",
                         longs[optopt - CLI_GETOPT_JSON].name);

    case '?':
        return cli_option_unknown(cli, longs, argv[optind - 1]);

    case CLI_GETOPT_JSON:
        cli->json = 1;
        return 0;

    case CLI_GETOPT_HELP:
        return cli_command_print_help(cli);

    case CLI_GETOPT_STORE:
        cli->store = optarg;
        return 0;

    default:
        return cli_option_set(cli, &options[c - CLI_GETOPT_FIRST]);
    }
}


/* every index is used; an option that does not fit the command has no name */
static void
cli_options_convert(struct option *longs, const cli_option_t *options,
    int store)
{
    int             i;
    struct option  *opt;

    opt = longs;

    *opt++ = (struct option) { "json", no_argument, NULL, CLI_GETOPT_JSON };
    *opt++ = (struct option) { "help", no_argument, NULL, CLI_GETOPT_HELP };
    *opt++ = (struct option) { store ? "store" : "help", store, NULL,
                               store ? CLI_GETOPT_STORE : CLI_GETOPT_HELP };

    for (i = 0; i < CLI_OPTIONS_MAX && options[i].name != NULL; i++) {
        *opt++ = (struct option) {
            options[i].name,
            options[i].type == CLI_FLAG ? no_argument : required_argument,
            NULL, CLI_GETOPT_FIRST + i
        };
    }

    *opt = (struct option) { NULL, 0, NULL, 0 };
}


static int
cli_operand_unexpected(cli_t *cli)
{
    const cli_command_t  *command;

    command = cli->command;

    if (command->operand == NULL) {
        return cli_usage(cli, "%s%s%s takes options only", command->noun,
                         *command->verb ? " " : "", command->verb);
    }

    return cli_usage(cli, "%s%s%s takes one %s at most", command->noun,
                     *command->verb ? " " : "", command->verb,
                     command->operand);
}


int
cli_options(cli_t *cli, int argc, char **argv, const cli_option_t *options,
    char **operand)
{
    int            c;
    struct option  longs[CLI_OPTIONS_MAX + 4];

    cli_options_convert(longs, options, cli->command->store);

    optind = 1;
    opterr = 0;

    while ((c = getopt_long(argc, argv, ":", longs, NULL)) != -1) {
        if (cli_option_handle(cli, c, options, longs, argv) != 0) {
            return -1;
        }
    }

    if (optind < argc && operand != NULL) {
        *operand = argv[optind++];
    }

    return optind < argc ? cli_operand_unexpected(cli) : 0;
}


/*
 * Digits at *text, which is moved behind them; -1 without a digit or beyond
 * max.
 */
static int64_t
cli_digits_parse(const char **text, int64_t max)
{
    int          digit;
    int64_t      value;
    const char  *p;

    value = 0;

    for (p = *text; *p >= '0' && *p <= '9'; p++) {
        digit = *p - '0';

        if (value > (max - digit) / 10) {
            return -1;
        }

        value = value * 10 + digit;
    }

    if (p == *text) {
        return -1;
    }

    *text = p;

    return value;
}


int
cli_number(cli_t *cli, const char *option, const char *text, int64_t max,
    int64_t *value)
{
    int64_t  number;

    if (text == NULL) {
        return 0;
    }

    number = cli_digits_parse(&text, max);

    if (number == -1 || *text != '\0') {
        return cli_usage(cli, "--%s is no number from 0 to %lld", option,
                         (long long) max);
    }

    *value = number;

    return 0;
}


/* the unit at *text, which is smaller than all before it; CLI_UNITS if none */
static size_t
cli_unit_find(const char **text, size_t first)
{
    size_t  i;

    if (**text == '\0') {
        return first < CLI_UNITS ? CLI_UNITS - 1 : CLI_UNITS;
    }

    for (i = first; i < CLI_UNITS; i++) {
        if (cli_units[i].name == **text) {
            (*text)++;
            break;
        }
    }

    return i;
}


/* Returns -1 for what is no duration. */
static int64_t
cli_duration_parse(const char *text)
{
    size_t   unit, next;
    int64_t  value, total;

    total = 0;
    next = 0;

    do {
        value = cli_digits_parse(&text, CLI_TIME_MAX);
        unit = cli_unit_find(&text, next);

        if (value == -1 || unit == CLI_UNITS
            || value > (CLI_TIME_MAX - total) / cli_units[unit].seconds)
        {
            return -1;
        }

        total += value * cli_units[unit].seconds;
        next = unit + 1;
        text += strspn(text, " ");

    } while (*text != '\0');

    return total;
}


int
cli_duration(cli_t *cli, const char *option, const char *text, int64_t *value)
{
    int64_t  seconds;

    if (text == NULL) {
        return 0;
    }

    seconds = cli_duration_parse(text);

    if (seconds == -1) {
        return cli_usage(cli, "--%s is no duration such as 90, 30m or 1h30m",
                         option);
    }

    *value = seconds;

    return 0;
}


/* Returns -1 for what is no time. */
static int64_t
cli_time_parse(const char *text, int64_t now)
{
    int64_t  seconds;

    if (strncmp(text, "now", 3) != 0) {
        seconds = cli_digits_parse(&text, CLI_TIME_MAX);
        return *text == '\0' ? seconds : -1;
    }

    text += 3;

    if (*text == '\0') {
        return now;
    }

    seconds = *text == '+' || *text == '-' ? cli_duration_parse(text + 1) : -1;

    if (seconds == -1) {
        return -1;
    }

    if (*text == '-') {
        return seconds <= now ? now - seconds : -1;
    }

    return seconds <= CLI_TIME_MAX - now ? now + seconds : -1;
}


int
cli_time(cli_t *cli, const char *option, const char *text, int64_t *value)
{
    int64_t  seconds;

    if (text == NULL) {
        return 0;
    }

    seconds = cli_time_parse(text, cli->now);

    if (seconds == -1) {
        return cli_usage(cli, "--%s is no time such as 1767225600, now or "
                         "now-30m", option);
    }

    *value = seconds;

    return 0;
}


/* Returns -1 for what is neither a date of RFC 3339 nor one with a time, in UTC. */
static int64_t
cli_date_parse(const char *text)
{
    const char  *rest;
    struct tm    tm;

    memset(&tm, 0, sizeof(tm));
    rest = strptime(text, "%Y-%m-%d", &tm);

    if (rest != NULL && *rest == 'T') {
        rest = strptime(rest, "T%H:%M:%SZ", &tm);
    }

    return rest != NULL && *rest == '\0' && text[4] == '-'
           ? (int64_t) timegm(&tm) : -1;
}


/* Returns seconds since the epoch, or -1. */
static int64_t
cli_expires_parse(const char *text, int64_t now)
{
    int64_t  seconds;

    if (strncmp(text, "now", 3) == 0
        || text[strspn(text, "0123456789")] == '\0')
    {
        seconds = cli_time_parse(text, now);

        /* "90" is meant for a duration, and is a time of 1970 */
        return seconds >= CLI_EXPIRES_MIN ? seconds : -1;
    }

    if (strchr(text, '-') != NULL) {
        return cli_date_parse(text);
    }

    seconds = cli_duration_parse(text);

    return seconds != -1 && seconds <= CLI_TIME_MAX - now ? now + seconds : -1;
}


int
cli_expires(cli_t *cli, const char *option, const char *text, int64_t *value)
{
    int64_t  seconds;

    if (strcmp(text, "never") == 0) {
        *value = AT_NEVER;
        return 0;
    }

    seconds = cli_expires_parse(text, cli->now);

    if (seconds < 0 || seconds > CLI_TIME_MAX) {
        return cli_usage(cli, "--%s is neither a duration such as 90d, nor a "
                         "time such as 2030-12-31 or 1924905600, nor never",
                         option);
    }

    *value = seconds * 1000;

    return 0;
}


at_str_t
cli_str(const char *text)
{
    return (at_str_t) { text, text != NULL ? strlen(text) : 0 };
}


at_alg_e
cli_default_alg(unsigned algs)
{
    unsigned  alg;

    for (alg = 0; alg < AT_ALGS; alg++) {
        if (algs & at_alg_bit(alg)) {
            break;
        }
    }

    return alg;
}
