/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The policy: authenticate and authorize.
 */

#ifndef NGX_AT_ACCESS_H
#define NGX_AT_ACCESS_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "core/authz/at_endpoint.h"
#include "core/base/at_verdict.h"

#include "http/base/ngx_at_loc_conf.h"
#include "http/request/ngx_at_ctx.h"


ngx_int_t ngx_at_access_handler(ngx_http_request_t *r);
ngx_int_t ngx_at_precontent_handler(ngx_http_request_t *r);

/*
 * Whether it is a preflight, or of a public endpoint, where they pass; *endpoint
 * is the row of the catalogue, or NULL.
 */
ngx_uint_t ngx_at_request_is_public(ngx_http_request_t *r,
    const ngx_at_loc_conf_t *atcf,
    const at_endpoint_t **endpoint);

/* who the credential speaks for under the demands of atcf; a second call is free */
at_verdict_e ngx_at_authenticate(ngx_http_request_t *r,
    const ngx_at_loc_conf_t *atcf, ngx_at_ctx_t *ctx);


#endif
