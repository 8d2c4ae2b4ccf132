/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The directive "auth_token_claim": a variable with the value of a claim.
 */

#ifndef NGX_AT_CLAIM_H
#define NGX_AT_CLAIM_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


char *ngx_at_set_claim(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);


#endif
