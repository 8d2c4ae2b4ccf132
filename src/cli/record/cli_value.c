/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <arpa/inet.h>
#include <stdio.h>
#include <time.h>

#include "cli/record/cli_value.h"
#include "cli/terminal/cli.h"


int
cli_name_is_valid(at_str_t text, size_t max)
{
    size_t  i;

    for (i = 0; i < text.len; i++) {
        if (cli_control_len(text, i) != 0) {
            return 0;
        }
    }

    return text.len != 0 && text.len <= max;
}


int
cli_token_is_valid(at_str_t text)
{
    size_t  i;

    if (text.len < CLI_TOKEN_LEN_MIN || text.len > CLI_TOKEN_LEN_MAX) {
        return 0;
    }

    for (i = 0; i < text.len; i++) {
        if (text.data[i] <= ' ' || text.data[i] > '~') {
            return 0;
        }
    }

    return 1;
}


int
cli_text_is_any(at_str_t text)
{
    return at_str_equal_nocase(text, at_str("any"));
}


void
cli_range_format(char text[CLI_VALUE_SIZE], const at_cidr_t *cidr)
{
    char  addr[INET6_ADDRSTRLEN];

    if (inet_ntop(cidr->addr.len == 4 ? AF_INET : AF_INET6, cidr->addr.bytes,
                  addr, sizeof(addr))
        == NULL)
    {
        addr[0] = '\0';
    }

    if (cidr->bits == 8 * cidr->addr.len) {
        (void) snprintf(text, CLI_VALUE_SIZE, "%s", addr);

    } else {
        (void) snprintf(text, CLI_VALUE_SIZE, "%s/%u", addr, cidr->bits);
    }
}


void
cli_time_format(char text[CLI_VALUE_SIZE], int64_t ms)
{
    time_t     seconds;
    struct tm  tm;

    seconds = (time_t) (ms / 1000);

    if (ms < 0 || gmtime_r(&seconds, &tm) == NULL
        || strftime(text, CLI_VALUE_SIZE, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
    {
        (void) snprintf(text, CLI_VALUE_SIZE, "%lld ms", (long long) ms);
    }
}
