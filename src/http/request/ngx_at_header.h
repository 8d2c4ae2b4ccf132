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

#include "core/base/at_str.h"


/*
 * Iterates over the list of request fields: the pointers in r->headers_in hold
 * only the first of several fields, and differ between versions of nginx.
 */
typedef struct {
    ngx_list_part_t  *part;
    ngx_uint_t        i;
} ngx_at_headers_t;

#define ngx_at_headers(r)  { &(r)->headers_in.headers.part, 0 }

/* the value of the next field of that lower-case name, or NULL */
ngx_str_t *ngx_at_next_header(ngx_at_headers_t *headers, at_str_t name);

/* the value of the first one */
ngx_str_t *ngx_at_find_header(ngx_http_request_t *r, const char *name);

/* 1 if each field of that lower-case name has this value, or there is none */
ngx_uint_t ngx_at_headers_are(ngx_http_request_t *r, at_str_t name,
    at_str_t value);

/* the response, so far; the name is compared without case */
ngx_uint_t ngx_at_response_has_header(ngx_http_request_t *r,
    const char *name);

/* adds a field to the response; name and value must live as long as it does */
ngx_int_t ngx_at_add_header(ngx_http_request_t *r, const char *name,
    ngx_str_t *value);


#endif
