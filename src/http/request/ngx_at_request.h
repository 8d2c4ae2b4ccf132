/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Everything that is read of a request.
 */

#ifndef NGX_AT_REQUEST_H
#define NGX_AT_REQUEST_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "core/authz/at_endpoint.h"
#include "core/authz/at_identity.h"
#include "core/base/at_verdict.h"
#include "core/json/at_value.h"

#include "http/base/ngx_at_loc_conf.h"
#include "http/request/ngx_at_ctx.h"


ngx_at_ctx_t *ngx_at_find_ctx(ngx_http_request_t *r);
ngx_at_ctx_t *ngx_at_get_ctx(ngx_http_request_t *r);

/* makes its identity nobody */
void ngx_at_ctx_clear_identity(ngx_at_ctx_t *ctx);

/* the claims of its verified token, or NULL; the ctx has them */
const at_value_t *ngx_at_claims(ngx_at_ctx_t *ctx);

/* the row of the catalogue for the request; NULL for a path that is odd, too */
const at_endpoint_t *ngx_at_find_endpoint(ngx_http_request_t *r,
    const ngx_at_loc_conf_t *atcf);

/* the last one of a kind, and how many there are */
ngx_uint_t ngx_at_read_cookie(ngx_http_request_t *r,
    const ngx_str_t *name, ngx_str_t *value);
ngx_uint_t ngx_at_read_bearer(ngx_http_request_t *r, ngx_str_t *token);
ngx_uint_t ngx_at_read_basic(ngx_http_request_t *r, ngx_str_t *credential);

/* AT_OK with kind and credential set, or why there is none to judge */
at_verdict_e ngx_at_read_credential(ngx_http_request_t *r,
    const ngx_at_loc_conf_t *atcf, ngx_uint_t *kind,
    ngx_str_t *credential);

/* a header of that lower-case name, the first one, or NULL */
ngx_str_t *ngx_at_find_header(ngx_http_request_t *r, const char *name);

/* by the ranges of the location and by the identity's own */
ngx_uint_t ngx_at_address_allowed(ngx_http_request_t *r,
    const ngx_at_loc_conf_t *atcf,
    const at_identity_t *identity);
ngx_uint_t ngx_at_origin_allowed(ngx_http_request_t *r,
    const ngx_at_loc_conf_t *atcf);
ngx_uint_t ngx_at_is_preflight(ngx_http_request_t *r);

/* the first 12 hex digits of the SHA-256 of the credential, or empty */
#define NGX_AT_FINGERPRINT_LEN  12

ngx_str_t ngx_at_fingerprint(
    const ngx_at_ctx_t *ctx,
    u_char buf[NGX_AT_FINGERPRINT_LEN]);

ngx_str_t ngx_at_kind_name(ngx_uint_t kind);


#endif
