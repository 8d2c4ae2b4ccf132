/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Reads key files at configuration, watches them in a worker.
 */

#ifndef NGX_AT_KEYS_H
#define NGX_AT_KEYS_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "http/base/ngx_at_issuer.h"
#include "http/base/ngx_at_main_conf.h"


char *ngx_at_keys_load(ngx_conf_t *cf, ngx_at_issuer_t *issuer);
char *ngx_at_key_file_add(ngx_conf_t *cf,
    ngx_at_issuer_t *issuer, ngx_str_t *path);
ngx_int_t ngx_at_keys_watch(ngx_cycle_t *cycle,
    const ngx_at_main_conf_t *atmcf);


#endif
