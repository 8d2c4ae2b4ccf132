/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The header fields of a refusal: WWW-Authenticate, and when to retry.
 */

#ifndef NGX_AT_CHALLENGE_H
#define NGX_AT_CHALLENGE_H

#include "http/request/ngx_at_ctx.h"


/* add one field: WWW-Authenticate with the realm, or a number */
ngx_int_t ngx_at_add_scheme(ngx_http_request_t *r, const ngx_at_ctx_t *ctx,
    const char *scheme, const char *parameters);
ngx_int_t ngx_at_add_number(ngx_http_request_t *r, const char *name,
    time_t number);

/* a challenge for each accepted scheme (RFC 6750 section 3, RFC 7617) */
ngx_int_t ngx_at_add_challenge(ngx_http_request_t *r, const ngx_at_ctx_t *ctx);

/* Cache-Control, and by status Allow, Retry-After, X-RateLimit-* */
ngx_int_t ngx_at_add_error_headers(ngx_http_request_t *r,
    const ngx_at_ctx_t *ctx);


#endif
