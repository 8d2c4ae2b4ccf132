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


#define NGX_AT_NAME_LEN          64
#define NGX_AT_ESCAPED_NAME_LEN  (NGX_AT_NAME_LEN * 4 + 3)

/*
 * Makes a name safe for a log line, because users may choose their names: line
 * breaks, quotes and bytes beyond ASCII are escaped, a long name is truncated.
 */
ngx_str_t ngx_at_escape_name(u_char buf[NGX_AT_ESCAPED_NAME_LEN],
    at_str_t name);


#endif
