/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Variables.
 */

#ifndef NGX_AT_VARIABLES_H
#define NGX_AT_VARIABLES_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


ngx_int_t ngx_at_add_variables(ngx_conf_t *cf);
ngx_uint_t ngx_at_uses_verify_time(ngx_cycle_t *cycle);
char *ngx_at_set_claim(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);


#endif
