/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "http/base/ngx_at_str.h"


u_char *
ngx_at_escape(u_char *p, u_char *last, at_str_t *text)
{
    u_char      c;
    ngx_uint_t  escape;

    for ( /* void */ ; text->len; text->data++, text->len--) {
        c = *text->data;
        escape = c < 0x20 || c > 0x7e || c == '"' || c == '\\';

        if (last - p < (escape ? 4 : 1)) {
            break;
        }

        if (escape) {
            p = ngx_sprintf(p, "\\x%02xd", (ngx_uint_t) c);

        } else {
            *p++ = c;
        }
    }

    return p;
}


ngx_str_t
ngx_at_escape_name(u_char buf[NGX_AT_ESCAPED_NAME_LEN], at_str_t name)
{
    u_char     *p;
    ngx_str_t   escaped;

    p = ngx_at_escape(buf, buf + NGX_AT_NAME_LEN, &name);

    if (name.len) {
        p = ngx_cpymem(p, "...", 3);
    }

    escaped.data = buf;
    escaped.len = p - buf;

    return escaped;
}
