/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The variables of the module.  Those of the identity are not found for a
 * refused request.  A value that is not safe in a header is not found.
 */

#ifndef NGX_AT_VARIABLES_H
#define NGX_AT_VARIABLES_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


ngx_int_t ngx_at_add_variables(ngx_conf_t *cf);

/* whether the configuration uses $auth_token_verify_time */
ngx_uint_t ngx_at_uses_verify_time(ngx_cycle_t *cycle);

/* "auth_token_claim $VARIABLE [ISSUER] PATH" */
char *ngx_at_set_claim(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);


#endif
