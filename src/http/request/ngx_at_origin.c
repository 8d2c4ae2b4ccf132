/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "http/request/ngx_at_origin.h"

#include "core/base/at_header.h"

#include "http/base/ngx_at_str.h"
#include "http/request/ngx_at_header.h"


static ngx_uint_t
ngx_at_is_same_origin(ngx_http_request_t *r, ngx_str_t *origin)
{
    int       secure;
    at_str_t  host;

    host = (at_str_t) { NULL, 0 };

    if (r->headers_in.host) {
        host = ngx_at_view(r->headers_in.host->value);

    } else if (r->host_start) {             /* :authority of HTTP/3 */
        host.data = (char *) r->host_start;
        host.len = r->host_end - r->host_start;
    }

#if (NGX_HTTP_SSL)
    secure = r->connection->ssl != NULL;
#else
    secure = 0;
#endif

    return host.len
           && at_header_is_same_origin(ngx_at_view(*origin), secure,
                                       ngx_at_view(r->headers_in.server),
                                       host);
}


static ngx_uint_t
ngx_at_is_listed_origin(const ngx_array_t *origins, const ngx_str_t *origin)
{
    ngx_str_t   *o;
    ngx_uint_t   i;

    if (origins == NULL) {
        return 0;
    }

    o = origins->elts;

    for (i = 0; i < origins->nelts; i++) {
        if (o[i].len == origin->len
            && ngx_strncasecmp(o[i].data, origin->data, origin->len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


ngx_uint_t
ngx_at_origin_allowed(ngx_http_request_t *r, const ngx_at_loc_conf_t *atcf)
{
    ngx_str_t         *value;
    ngx_uint_t         listed;
    ngx_at_headers_t   origins = ngx_at_headers(r);

    /* a WebSocket begins with a GET, but can do anything afterwards */

    if ((r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD|NGX_HTTP_OPTIONS))
        && ngx_at_find_header(r, "upgrade") == NULL)
    {
        return 1;
    }

    listed = 0;

    while ((value = ngx_at_next_header(&origins, at_str("origin"))) != NULL) {

        if (ngx_at_is_listed_origin(atcf->origins, value)
            || ngx_at_is_listed_origin(atcf->cors, value))
        {
            listed = 1;

        } else if (!ngx_at_is_same_origin(r, value)) {
            return 0;
        }
    }

    return listed || ngx_at_headers_are(r, at_str("sec-fetch-site"),
                                        at_str("same-origin"));
}


/* --- CORS ---------------------------------------------------------------- */


ngx_uint_t
ngx_at_is_preflight(ngx_http_request_t *r)
{
    return r->method == NGX_HTTP_OPTIONS
           && ngx_at_find_header(r, "origin")
           && ngx_at_find_header(r, "access-control-request-method");
}


/* the Origin field, if it is the only one and listed; else NULL */

static ngx_str_t *
ngx_at_cors_origin(ngx_http_request_t *r, const ngx_at_loc_conf_t *atcf)
{
    ngx_str_t         *origin;
    ngx_at_headers_t   headers = ngx_at_headers(r);

    origin = ngx_at_next_header(&headers, at_str("origin"));

    return origin && ngx_at_next_header(&headers, at_str("origin")) == NULL
           && ngx_at_is_listed_origin(atcf->cors, origin) ? origin : NULL;
}


ngx_int_t
ngx_at_answer_preflight(ngx_http_request_t *r, const ngx_at_loc_conf_t *atcf)
{
    ngx_str_t  *method, *fields;
    ngx_str_t   max_age = ngx_string("600");

    if (atcf->cors == NULL || !ngx_at_is_preflight(r)
        || ngx_at_cors_origin(r, atcf) == NULL)
    {
        return NGX_DECLINED;
    }

    /* with credentials "*" is not a wildcard: repeat what the page asks for */

    method = ngx_at_find_header(r, "access-control-request-method");
    fields = ngx_at_find_header(r, "access-control-request-headers");

    if (ngx_at_add_header(r, "Access-Control-Allow-Methods", method) != NGX_OK
        || (fields
            && ngx_at_add_header(r, "Access-Control-Allow-Headers", fields)
               != NGX_OK)
        || ngx_at_add_header(r, "Access-Control-Max-Age", &max_age) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_HTTP_NO_CONTENT;
}


ngx_int_t
ngx_at_add_cors(ngx_http_request_t *r, const ngx_at_loc_conf_t *atcf)
{
    ngx_str_t  *origin;
    ngx_str_t   vary = ngx_string("Origin");
    ngx_str_t   credentials = ngx_string("true");
    ngx_str_t   exposed = ngx_string("Date, Retry-After, WWW-Authenticate");

    if (atcf->cors == NULL
        || ngx_at_response_has_header(r, "Access-Control-Allow-Origin"))
    {
        return NGX_OK;
    }

    /* caches must not give the response for one origin to another */

    if (ngx_at_add_header(r, "Vary", &vary) != NGX_OK) {
        return NGX_ERROR;
    }

    origin = ngx_at_cors_origin(r, atcf);

    if (origin == NULL) {
        return NGX_OK;
    }

    if (ngx_at_add_header(r, "Access-Control-Allow-Origin", origin) != NGX_OK
        || ngx_at_add_header(r, "Access-Control-Expose-Headers", &exposed)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_at_response_has_header(r, "Access-Control-Allow-Credentials")
           ? NGX_OK
           : ngx_at_add_header(r, "Access-Control-Allow-Credentials",
                               &credentials);
}
