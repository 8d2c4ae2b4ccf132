/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The refusal of a request.  The handler returns its status, and nginx treats
 * it as any other status ("satisfy", "auth_delay", "error_page").  Headers and
 * body are added by filters.
 */

#ifndef NGX_AT_REFUSE_H
#define NGX_AT_REFUSE_H

#include "core/base/at_str.h"
#include "core/base/at_verdict.h"

#include "http/base/ngx_at_loc_conf.h"
#include "http/request/ngx_at_ctx.h"


/* records and logs the refusal; returns the status for nginx */
ngx_int_t ngx_at_refuse(ngx_http_request_t *r, ngx_at_ctx_t *ctx,
    at_verdict_e verdict);

/* 1: another module may grant what this one refuses */
ngx_uint_t ngx_at_satisfy_is_any(ngx_http_request_t *r);

/*
 * Adds the header and body filters.  They replace nginx's error page for a
 * refused request.  They keep a page of "error_page" and add the challenge if
 * the page has the status of the refusal (RFC 9110 section 15.5.2).
 */
ngx_int_t ngx_at_filter_init(ngx_conf_t *cf);

/* add one field: WWW-Authenticate with the realm, or a number */
ngx_int_t ngx_at_add_scheme(ngx_http_request_t *r, const ngx_at_ctx_t *ctx,
    const char *scheme, const char *parameters);
ngx_int_t ngx_at_add_number(ngx_http_request_t *r, const char *name,
    time_t number);

/* the challenges of "auth_token_challenge" (RFC 6750 section 3, RFC 7617) */
ngx_int_t ngx_at_add_challenge(ngx_http_request_t *r, const ngx_at_ctx_t *ctx);

/* Cache-Control, and by status Allow, Retry-After, X-RateLimit-* */
ngx_int_t ngx_at_add_error_headers(ngx_http_request_t *r,
    const ngx_at_ctx_t *ctx);

/* the "auth_token_error" for the code of the verdict; zeros: none */
const ngx_at_error_override_t *ngx_at_error_override(const ngx_at_ctx_t *ctx);


#endif
