/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The header and body filters.  They replace nginx's error page for a refused
 * request.  They keep a page of "error_page" and add the challenge if the page
 * has the status of the refusal (RFC 9110 section 15.5.2).
 */

#ifndef NGX_AT_FILTER_H
#define NGX_AT_FILTER_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


ngx_int_t ngx_at_filter_init(ngx_conf_t *cf);


#endif
