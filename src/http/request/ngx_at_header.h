/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Header fields of requests and responses.
 */

#ifndef NGX_AT_HEADER_H
#define NGX_AT_HEADER_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


/*
 * Iterates over the list of request fields: the pointers in r->headers_in hold
 * only the first of several fields, and differ between versions of nginx.
 */
typedef struct {
    ngx_list_part_t  *part;
    ngx_uint_t        i;
} ngx_at_headers_t;

#define ngx_at_headers(r)  { &(r)->headers_in.headers.part, 0 }

/* name is in lower case; NULL: no further field of that name */
ngx_table_elt_t *ngx_at_next_header(ngx_at_headers_t *headers,
    const char *name, size_t len);

/* the value of the first field of that name, or NULL */
ngx_str_t *ngx_at_find_header(ngx_http_request_t *r, const char *name);

/* adds a field to the response; name and value must live as long as it does */
ngx_int_t ngx_at_add_header(ngx_http_request_t *r, const char *name,
    ngx_str_t *value);


#endif
