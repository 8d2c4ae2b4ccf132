/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Conversion between at_str_t (core) and ngx_str_t.  The bytes are not copied.
 */

#ifndef NGX_AT_STR_H
#define NGX_AT_STR_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "core/base/at_str.h"


static ngx_inline at_str_t
ngx_at_view(ngx_str_t s)
{
    at_str_t  view = { (char *) s.data, s.len };

    return view;
}


static ngx_inline ngx_str_t
ngx_at_from_view(at_str_t view)
{
    ngx_str_t  s = { view.len, (u_char *) view.data };

    return s;
}


/*
 * Makes text safe for a log line, because users and attackers may choose it:
 * line breaks, quotes and bytes beyond ASCII are escaped.  Cuts as much off
 * text as fits between p and last; returns the position after it.
 */
u_char *ngx_at_escape(u_char *p, u_char *last, at_str_t *text);

#define NGX_AT_NAME_LEN          128
#define NGX_AT_ESCAPED_NAME_LEN  (NGX_AT_NAME_LEN + 3)

/* A long name is truncated and ends with "...". */
ngx_str_t ngx_at_escape_name(u_char buf[NGX_AT_ESCAPED_NAME_LEN],
    at_str_t name);


#endif
