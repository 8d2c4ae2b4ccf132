/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The token endpoints.
 */

#ifndef NGX_AT_ENDPOINT_H
#define NGX_AT_ENDPOINT_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "http/base/ngx_at_main_conf.h"


ngx_int_t ngx_at_login_handler(ngx_http_request_t *r);
ngx_int_t ngx_at_refresh_handler(ngx_http_request_t *r);
ngx_int_t ngx_at_logout_handler(ngx_http_request_t *r);
ngx_int_t ngx_at_oauth_handler(ngx_http_request_t *r);
ngx_int_t ngx_at_jwks_handler(ngx_http_request_t *r);

ngx_int_t ngx_at_token_endpoint_check_conf(ngx_conf_t *cf,
    ngx_at_main_conf_t *atmcf);
ngx_int_t ngx_at_token_endpoint_init(ngx_cycle_t *cycle,
    const ngx_at_main_conf_t *atmcf);
void ngx_at_token_endpoint_exit(void);


#endif
