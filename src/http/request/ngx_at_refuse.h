/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The response to a refused request.
 */

#ifndef NGX_AT_REFUSE_H
#define NGX_AT_REFUSE_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "http/request/ngx_at_ctx.h"


ngx_int_t ngx_at_add_header(ngx_http_request_t *r,
    const char *name, ngx_str_t *value);

/* marks the request, logs why, returns the status for nginx's access phase */
ngx_int_t ngx_at_refuse(ngx_http_request_t *r, ngx_at_ctx_t *ctx);
ngx_int_t ngx_at_filter_init(ngx_conf_t *cf);


#endif
