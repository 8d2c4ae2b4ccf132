/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The block "auth_token_issuer".
 */

#ifndef NGX_AT_ISSUER_BLOCK_H
#define NGX_AT_ISSUER_BLOCK_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "http/base/ngx_at_main_conf.h"


char *ngx_at_issuer_block(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* checks that depend on directives which may follow the block */
ngx_int_t ngx_at_check_issuers(ngx_conf_t *cf,
    const ngx_at_main_conf_t *atmcf);


#endif
