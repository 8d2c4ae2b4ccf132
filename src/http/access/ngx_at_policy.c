/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "http/access/ngx_at_access.h"

#include "core/authz/at_path.h"

#include "http/base/ngx_at_str.h"
#include "http/request/ngx_at_origin.h"


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

    if (atcf->preflight && ngx_at_is_preflight(r)) {
        return 1;
    }

    if (atcf->endpoints) {
        *endpoint = ngx_at_find_endpoint(r, atcf);
    }

    return *endpoint && (*endpoint)->kind == AT_ENDPOINT_PUBLIC;
}
