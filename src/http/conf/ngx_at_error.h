/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The directive "auth_token_error": status and message of an error code.
 */

#ifndef NGX_AT_ERROR_H
#define NGX_AT_ERROR_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


char *ngx_at_set_error(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);


#endif
