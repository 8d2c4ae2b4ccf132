/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The origin of a request: which pages may use credentials that browsers
 * attach, and which may read responses (CORS, Fetch standard section 3.2).
 */

#ifndef NGX_AT_ORIGIN_H
#define NGX_AT_ORIGIN_H

#include "http/base/ngx_at_loc_conf.h"


/*
 * Protects cookies and Basic, which browsers attach by themselves, against
 * requests that other sites make (CSRF).  The cookie attribute SameSite=Strict
 * does not stop sibling domains.  Origin must name this origin or a listed
 * one; without a listed one Sec-Fetch-Site must be "same-origin".  A request
 * without both fields is not made by a browser.
 */
ngx_uint_t ngx_at_origin_allowed(ngx_http_request_t *r,
    const ngx_at_loc_conf_t *atcf);

/* 1 for a CORS-preflight request */
ngx_uint_t ngx_at_is_preflight(ngx_http_request_t *r);

/*
 * Answers a preflight of an origin in "auth_token_cors": adds the header and
 * returns 204, or NGX_ERROR.  NGX_DECLINED: the request is another one.  The
 * answer says nothing about the request that follows, which is checked as any
 * other, so no address list applies.
 */
ngx_int_t ngx_at_answer_preflight(ngx_http_request_t *r,
    const ngx_at_loc_conf_t *atcf);

/*
 * Adds the fields that let a page of a listed origin read the response.  If
 * the upstream has sent Access-Control-Allow-Origin, its fields are kept.
 */
ngx_int_t ngx_at_add_cors(ngx_http_request_t *r,
    const ngx_at_loc_conf_t *atcf);


#endif
