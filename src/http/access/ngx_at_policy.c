/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "http/access/ngx_at_access.h"

#include "core/authz/at_path.h"
#include "core/base/at_header.h"

#include "http/base/ngx_at_str.h"
#include "http/request/ngx_at_header.h"


ngx_uint_t
ngx_at_client_address(ngx_http_request_t *r, at_addr_t *addr)
{
    struct sockaddr  *sa;

    sa = r->connection->sockaddr;

    switch (sa->sa_family) {

    case AF_INET:
        at_addr_set(addr, &((struct sockaddr_in *) sa)->sin_addr, 4);
        return 1;

#if (NGX_HAVE_INET6)
    case AF_INET6:
        at_addr_set(addr, &((struct sockaddr_in6 *) sa)->sin6_addr, 16);
        return 1;
#endif

    default:
        return 0;
    }
}


ngx_uint_t
ngx_at_address_allowed(ngx_http_request_t *r, const ngx_at_loc_conf_t *atcf,
    const at_identity_t *identity)
{
    at_addr_t  addr;

    if (atcf->allow == NULL && !at_identity_has_ranges(identity)) {
        return 1;
    }

    return ngx_at_client_address(r, &addr)
           && (atcf->allow == NULL || at_cidr_set_match(atcf->allow, &addr))
           && at_identity_allows_address(identity, &addr);
}


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
ngx_at_is_listed_origin(const ngx_array_t *origins, ngx_str_t *origin)
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
    ngx_at_headers_t   sites = ngx_at_headers(r);

    /* a WebSocket begins with a GET, but can do anything afterwards */

    if ((r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD|NGX_HTTP_OPTIONS))
        && ngx_at_find_header(r, "upgrade") == NULL)
    {
        return 1;
    }

    listed = 0;

    while ((value = ngx_at_next_header(&origins, at_str("origin"))) != NULL) {

        if (ngx_at_is_listed_origin(atcf->origins, value)) {
            listed = 1;

        } else if (!ngx_at_is_same_origin(r, value)) {
            return 0;
        }
    }

    if (listed) {
        return 1;
    }

    while ((value = ngx_at_next_header(&sites, at_str("sec-fetch-site")))
           != NULL)
    {
        if (!ngx_at_str_is(value, "same-origin")) {
            return 0;
        }
    }

    return 1;
}


/* NULL: not listed, or an ambiguous path */

static const at_endpoint_t *
ngx_at_find_endpoint(ngx_http_request_t *r, const ngx_at_loc_conf_t *atcf)
{
    u_char    *query;
    at_str_t   raw, uri;

    raw = ngx_at_view(r->unparsed_uri);
    uri = ngx_at_view(r->uri);

    query = ngx_strlchr(r->unparsed_uri.data,
                        r->unparsed_uri.data + r->unparsed_uri.len, '?');
    if (query) {
        raw.len = query - r->unparsed_uri.data;
    }

    if (at_path_is_ambiguous(raw, uri)) {
        return NULL;
    }

    return at_endpoint_list_match(atcf->endpoints,
                                  ngx_at_view(r->method_name), uri);
}


ngx_uint_t
ngx_at_request_is_public(ngx_http_request_t *r, const ngx_at_loc_conf_t *atcf,
    const at_endpoint_t **endpoint)
{
    *endpoint = NULL;

    /* a CORS-preflight request (Fetch standard, section 3.2.2) */

    if (atcf->preflight && r->method == NGX_HTTP_OPTIONS
        && ngx_at_find_header(r, "origin")
        && ngx_at_find_header(r, "access-control-request-method"))
    {
        return 1;
    }

    if (atcf->endpoints) {
        *endpoint = ngx_at_find_endpoint(r, atcf);
    }

    return *endpoint && (*endpoint)->kind == AT_ENDPOINT_PUBLIC;
}
