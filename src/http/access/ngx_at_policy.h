/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The conditions of a location that a request is checked against: the address
 * of its client, its origin, its endpoint.
 */

#ifndef NGX_AT_POLICY_H
#define NGX_AT_POLICY_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "core/authz/at_cidr.h"
#include "core/authz/at_endpoint_list.h"
#include "core/authz/at_identity.h"

#include "http/base/ngx_at_loc_conf.h"


/* 1 with *addr; 0: a client of a unix socket, which has no address */
ngx_uint_t ngx_at_client_address(ngx_http_request_t *r, at_addr_t *addr);

/* 1 if the location and the identity both allow the client address */
ngx_uint_t ngx_at_address_allowed(ngx_http_request_t *r,
    const ngx_at_loc_conf_t *atcf, const at_identity_t *identity);

/*
 * Protects cookies against requests that other sites make (CSRF).  The cookie
 * attribute SameSite=Strict does not stop sibling domains.  Origin must name
 * this origin or a listed one; without a listed one Sec-Fetch-Site must be
 * "same-origin".  A request without both fields is not made by a browser.
 */
ngx_uint_t ngx_at_origin_allowed(ngx_http_request_t *r,
    const ngx_at_loc_conf_t *atcf);

/* a CORS-preflight request (Fetch standard, section 3.2.2) */
ngx_uint_t ngx_at_is_preflight(ngx_http_request_t *r);

/* the entry of the endpoint list; NULL: not listed, or an ambiguous path */
const at_endpoint_t *ngx_at_find_endpoint(ngx_http_request_t *r,
    const ngx_at_loc_conf_t *atcf);


#endif
