/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#define _XOPEN_SOURCE  700      /* strptime() */
#define _DEFAULT_SOURCE         /* timegm() */

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/authz/at_record.h"
#include "cli/terminal/cli_options.h"


#define CLI_EXPIRES_MIN  1000000000  /* in 2001 */


/* as in nginx, from the greatest to the smallest */
static const struct {
    char     name;
    int64_t  seconds;
} cli_units[] = {
    { 'y', 60 * 60 * 24 * 365 },
    { 'M', 60 * 60 * 24 * 30 },
    { 'w', 60 * 60 * 24 * 7 },
    { 'd', 60 * 60 * 24 },
    { 'h', 60 * 60 },
    { 'm', 60 },
    { 's', 1 }
};

#define CLI_UNITS  (sizeof(cli_units) / sizeof(cli_units[0]))


const cli_list_t *
cli_list(const cli_t *cli, const char *option)
{
    size_t  i;

    for (i = 0; cli->command->options[i].name != NULL; i++) {
        if (strcmp(cli->command->options[i].name, option) == 0) {
            return &cli->values[i];
        }
    }

    /* a bug: the table of the command lacks the option */
    abort();
}


int
cli_given(const cli_t *cli, const char *option)
{
    return cli_list(cli, option)->n != 0;
}


const char *
cli_text(const cli_t *cli, const char *option)
{
    const cli_list_t  *list;

    list = cli_list(cli, option);

    return list->n != 0 ? list->items[0].data : NULL;
}


int
cli_invalid(cli_t *cli, const char *option, const char *hint)
{
    return cli_usage(cli, "invalid value \"%s\" in \"--%s\": %s",
                     cli_text(cli, option), option, hint);
}


int
cli_exclusive(cli_t *cli, const char *option, const char *other)
{
    return cli_given(cli, option) && cli_given(cli, other)
           ? cli_usage(cli, "\"--%s\" and \"--%s\" are mutually exclusive",
                       option, other)
           : 0;
}


/* Moves *text past the digits.  Returns -1 without a digit or beyond max. */
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
cli_number(cli_t *cli, const char *option, int64_t max, int64_t *value)
{
    int64_t      number;
    const char  *text;

    text = cli_text(cli, option);

    if (text == NULL) {
        return 0;
    }

    number = cli_digits_parse(&text, max);

    if (number == -1 || *text != '\0') {
        return cli_usage(cli, "invalid value \"%s\" in \"--%s\": use a number "
                         "from 0 to %lld", cli_text(cli, option), option,
                         (long long) max);
    }

    *value = number;

    return 0;
}


/* The unit at *text, smaller than the previous one; CLI_UNITS on error. */
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


/* Returns seconds, or -1 if text is not a duration. */
static int64_t
cli_duration_parse(const char *text, int64_t now)
{
    size_t   unit, next;
    int64_t  value, total;

    (void) now;
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


/* Returns seconds since the epoch, or -1 if text is not a time. */
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

    seconds = *text == '+' || *text == '-'
              ? cli_duration_parse(text + 1, now) : -1;

    if (seconds == -1) {
        return -1;
    }

    if (*text == '-') {
        return seconds <= now ? now - seconds : -1;
    }

    return seconds <= CLI_TIME_MAX - now ? now + seconds : -1;
}


/* parse() returns seconds, or -1 if the value is invalid */
static int
cli_seconds(cli_t *cli, const char *option, int64_t *value,
    int64_t (*parse)(const char *text, int64_t now), const char *hint)
{
    int64_t  seconds;

    if (!cli_given(cli, option)) {
        return 0;
    }

    seconds = parse(cli_text(cli, option), cli->now);

    if (seconds == -1) {
        return cli_invalid(cli, option, hint);
    }

    *value = seconds;

    return 0;
}


int
cli_duration(cli_t *cli, const char *option, int64_t *value)
{
    return cli_seconds(cli, option, value, cli_duration_parse,
                       "use a duration such as 90, 30m or 1h30m");
}


int
cli_time(cli_t *cli, const char *option, int64_t *value)
{
    return cli_seconds(cli, option, value, cli_time_parse,
                       "use a time such as 1767225600, now or now-30m");
}


/* a date, or a date and time in UTC, of RFC 3339; -1 for anything else */
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

        /* "90" is meant as a duration; as a time it would be in 1970 */
        return seconds >= CLI_EXPIRES_MIN ? seconds : -1;
    }

    if (strchr(text, '-') != NULL) {
        return cli_date_parse(text);
    }

    seconds = cli_duration_parse(text, now);

    return seconds != -1 && seconds <= CLI_TIME_MAX - now ? now + seconds : -1;
}


int
cli_expires(cli_t *cli, const char *option, int64_t *value)
{
    int64_t      seconds;
    const char  *text;

    text = cli_text(cli, option);

    if (text == NULL) {
        return 0;
    }

    if (strcmp(text, "never") == 0) {
        *value = AT_NEVER;
        return 0;
    }

    seconds = cli_expires_parse(text, cli->now);

    if (seconds < 0 || seconds > CLI_TIME_MAX) {
        return cli_invalid(cli, option, "use a duration such as 90d, a time "
                           "such as 2030-12-31 or 1924905600, or never");
    }

    *value = seconds * 1000;

    return 0;
}


void
cli_time_format(char text[CLI_TIME_SIZE], int64_t ms)
{
    time_t     seconds;
    struct tm  tm;

    seconds = (time_t) (ms / 1000);

    if (ms < 0 || gmtime_r(&seconds, &tm) == NULL
        || strftime(text, CLI_TIME_SIZE, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
    {
        (void) snprintf(text, CLI_TIME_SIZE, "%lld ms", (long long) ms);
    }
}
