/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The directives of token endpoints: "auth_token_login" and its siblings.
 */

#ifndef NGX_AT_TOKEN_ENDPOINT_H
#define NGX_AT_TOKEN_ENDPOINT_H

#include "http/base/ngx_at_loc_conf.h"
#include "http/base/ngx_at_main_conf.h"


char *ngx_at_set_token_endpoint(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* finds and checks the issuer of the location's token endpoint */
ngx_int_t ngx_at_resolve_token_endpoint(ngx_conf_t *cf,
    const ngx_at_main_conf_t *atmcf, ngx_at_loc_conf_t *conf);

/* adds the resources that token endpoints and use counters need */
ngx_int_t ngx_at_check_token_endpoints(ngx_conf_t *cf,
    ngx_at_main_conf_t *atmcf);


#endif
