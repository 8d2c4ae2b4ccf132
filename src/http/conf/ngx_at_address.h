/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The directive "auth_token_allow": address ranges.
 */

#ifndef NGX_AT_ADDRESS_H
#define NGX_AT_ADDRESS_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "http/base/ngx_at_loc_conf.h"


char *ngx_at_set_allow(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* inherits or compiles the ranges of conf */
ngx_int_t ngx_at_merge_allow(ngx_conf_t *cf, ngx_at_loc_conf_t *prev,
    ngx_at_loc_conf_t *conf);


#endif
