/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "http/base/ngx_at_str.h"


ngx_str_t
ngx_at_escape_name(u_char buf[NGX_AT_ESCAPED_NAME_LEN], at_str_t name)
{
    u_char      c, *p;
    size_t      i;
    ngx_str_t   escaped;

    p = buf;

    for (i = 0; i < name.len && i < NGX_AT_NAME_LEN; i++) {
        c = name.data[i];

        if (c < 0x20 || c > 0x7e || c == '"' || c == '\\') {
            p = ngx_sprintf(p, "\\x%02xd", (ngx_uint_t) c);

        } else {
            *p++ = c;
        }
    }

    if (i < name.len) {
        p = ngx_cpymem(p, "...", 3);
    }

    escaped.data = buf;
    escaped.len = p - buf;

    return escaped;
}
