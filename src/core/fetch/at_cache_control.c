/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "core/fetch/at_cache_control.h"


#define AT_MAX_AGE_CAP  INT32_MAX  /* RFC 9111 section 1.2.2 */


/* cuts off the first directive; a comma in a quoted value does not end it */
static at_str_t
at_directive_cut(at_str_t *rest)
{
    int       quoted;
    size_t    i;
    at_str_t  directive;

    quoted = 0;

    for (i = 0; i < rest->len && (quoted || rest->data[i] != ','); i++) {

        if (rest->data[i] == '"') {
            quoted = !quoted && i > 0 && rest->data[i - 1] == '=';

        } else if (quoted && rest->data[i] == '\\' && i + 1 < rest->len) {
            i++;
        }
    }

    directive = (at_str_t) { rest->data, i };
    i += i < rest->len;
    rest->data += i;
    rest->len -= i;

    return directive;
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
    int64_t   max_age, seconds, elapsed;
    at_str_t  name, argument;

    max_age = -1;

    while (cache_control.len) {
        argument = at_directive_cut(&cache_control);
        name = at_str_trim(at_str_cut(&argument, '='));
        argument = at_str_trim(argument);

        if (at_str_cut_prefix(&argument, at_str("\""))) {
            argument = at_str_cut(&argument, '"');
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
