/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "core/base/at_host.h"


void
at_host_split(at_str_t text, at_str_t *host, at_str_t *port)
{
    size_t  i;

    *host = text;
    *port = (at_str_t) { NULL, 0 };

    for (i = text.len; i > 0 && text.data[i - 1] != ']'; i--) {

        if (text.data[i - 1] == ':') {
            host->len = i - 1;
            *port = (at_str_t) { text.data + i, text.len - i };
            return;
        }
    }
}


unsigned
at_port_parse(at_str_t digits)
{
    size_t    i;
    unsigned  port;

    if (digits.len == 0 || digits.len > 5) {
        return 0;
    }

    port = 0;

    for (i = 0; i < digits.len; i++) {
        if (digits.data[i] < '0' || digits.data[i] > '9') {
            return 0;
        }

        port = port * 10 + (unsigned) (digits.data[i] - '0');
    }

    return port <= 65535 ? port : 0;
}
