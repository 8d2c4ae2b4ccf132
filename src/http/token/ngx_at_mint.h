/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Keys that sign, read by the master.
 */

#ifndef NGX_AT_MINT_H
#define NGX_AT_MINT_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "http/base/ngx_at_issuer.h"


char *ngx_at_mint_add_key(ngx_conf_t *cf,
    ngx_at_issuer_t *issuer, ngx_str_t *path, ngx_str_t *kid);
char *ngx_at_mint_load_keys(ngx_conf_t *cf, ngx_at_issuer_t *issuer);


#endif
