/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "core/fetch/at_cache_control.h"


#define AT_MAX_AGE_CAP  INT32_MAX  /* RFC 9111 section 1.2.2 */


/* the part of the header value that is not parsed yet */
typedef struct {
    const char  *p;
    const char  *end;
} at_directives_t;


static int
at_directives_at(const at_directives_t *d, const char *set)
{
    return d->p < d->end && *d->p != '\0' && strchr(set, *d->p) != NULL;
}


static void
at_directives_skip(at_directives_t *d, const char *set)
{
    while (at_directives_at(d, set)) {
        d->p++;
    }
}


/* up to a delimiter, without the white space around it */
static at_str_t
at_directives_token(at_directives_t *d, const char *delimiters)
{
    at_str_t  token;

    at_directives_skip(d, " \t");
    token.data = d->p;

    while (d->p < d->end && !at_directives_at(d, delimiters)) {
        d->p++;
    }

    token.len = (size_t) (d->p - token.data);

    while (token.len && (token.data[token.len - 1] == ' '
                         || token.data[token.len - 1] == '\t'))
    {
        token.len--;
    }

    return token;
}


/* a token, or the content of a quoted string; escapes stay as they are */
static at_str_t
at_directives_argument(at_directives_t *d)
{
    at_str_t  argument;

    at_directives_skip(d, " \t");

    if (!at_directives_at(d, "\"")) {
        return at_directives_token(d, ",");
    }

    d->p++;
    argument.data = d->p;

    while (d->p < d->end && *d->p != '"') {
        d->p += *d->p == '\\' && d->p + 1 < d->end ? 2 : 1;
    }

    argument.len = (size_t) (d->p - argument.data);
    (void) at_directives_token(d, ",");

    return argument;
}


/* delta-seconds (RFC 9111 section 1.2.2), or -1 */
static int64_t
at_delta_seconds_parse(at_str_t text)
{
    size_t   i;
    int64_t  n;

    n = 0;

    for (i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return -1;
        }

        n = n * 10 + (text.data[i] - '0');

        if (n > AT_MAX_AGE_CAP) {
            n = AT_MAX_AGE_CAP;
        }
    }

    return text.len ? n : -1;
}


int64_t
at_cache_control_max_age(at_str_t cache_control, at_str_t age)
{
    int64_t          max_age, seconds, elapsed;
    at_str_t         name, argument;
    at_directives_t  d = { cache_control.data,
                           cache_control.data + cache_control.len };

    max_age = -1;

    for ( ;; ) {
        at_directives_skip(&d, ", \t");

        if (d.p == d.end) {
            break;
        }

        name = at_directives_token(&d, "=,");
        argument = (at_str_t) { NULL, 0 };

        if (at_directives_at(&d, "=")) {
            d.p++;
            argument = at_directives_argument(&d);
        }

        if (at_str_equal_nocase(name, at_str("no-store"))
            || at_str_equal_nocase(name, at_str("no-cache")))
        {
            return 0;
        }

        seconds = at_str_equal_nocase(name, at_str("max-age"))
                  ? at_delta_seconds_parse(argument) : -1;

        if (seconds >= 0 && (max_age < 0 || seconds < max_age)) {
            max_age = seconds;
        }
    }

    elapsed = at_delta_seconds_parse(age);

    if (max_age < 0 || elapsed <= 0) {
        return max_age;
    }

    return elapsed < max_age ? max_age - elapsed : 0;
}
