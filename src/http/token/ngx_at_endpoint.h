/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The content handlers of token endpoints.
 */

#ifndef NGX_AT_ENDPOINT_H
#define NGX_AT_ENDPOINT_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


ngx_int_t ngx_at_login_handler(ngx_http_request_t *r);
ngx_int_t ngx_at_refresh_handler(ngx_http_request_t *r);
ngx_int_t ngx_at_logout_handler(ngx_http_request_t *r);
ngx_int_t ngx_at_oauth_handler(ngx_http_request_t *r);
ngx_int_t ngx_at_jwks_handler(ngx_http_request_t *r);


#endif
