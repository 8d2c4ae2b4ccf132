/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "http/request/ngx_at_header.h"

#include "http/base/ngx_at_str.h"


ngx_str_t *
ngx_at_next_header(ngx_at_headers_t *headers, at_str_t name)
{
    ngx_table_elt_t  *h;

    for ( ;; ) {

        if (headers->i >= headers->part->nelts) {
            if (headers->part->next == NULL) {
                return NULL;
            }

            headers->part = headers->part->next;
            headers->i = 0;
            continue;
        }

        h = (ngx_table_elt_t *) headers->part->elts + headers->i++;

        if (h->key.len == name.len
            && ngx_memcmp(h->lowcase_key, name.data, name.len) == 0)
        {
            return &h->value;
        }
    }
}


ngx_str_t *
ngx_at_find_header(ngx_http_request_t *r, const char *name)
{
    ngx_at_headers_t  headers = ngx_at_headers(r);

    return ngx_at_next_header(&headers, (at_str_t) { name, ngx_strlen(name) });
}


ngx_uint_t
ngx_at_headers_are(ngx_http_request_t *r, at_str_t name, at_str_t value)
{
    ngx_str_t         *field;
    ngx_at_headers_t   headers = ngx_at_headers(r);

    while ((field = ngx_at_next_header(&headers, name)) != NULL) {

        if (!at_str_equal(ngx_at_view(*field), value)) {
            return 0;
        }
    }

    return 1;
}


ngx_uint_t
ngx_at_response_has_header(ngx_http_request_t *r, const char *name)
{
    size_t            len;
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    len = ngx_strlen(name);

    for (part = &r->headers_out.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (h[i].hash && h[i].key.len == len
                && ngx_strncasecmp(h[i].key.data, (u_char *) name, len) == 0)
            {
                return 1;
            }
        }
    }

    return 0;
}


ngx_int_t
ngx_at_add_header(ngx_http_request_t *r, const char *name, ngx_str_t *value)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    h->hash = 1;
#if (nginx_version >= 1023000)
    h->next = NULL;
#endif
    h->key.data = (u_char *) name;
    h->key.len = ngx_strlen(name);
    h->value = *value;

    return NGX_OK;
}
