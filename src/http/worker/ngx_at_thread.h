/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The pool for what takes its time.
 */

#ifndef NGX_AT_THREAD_H
#define NGX_AT_THREAD_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "http/base/ngx_at_main_conf.h"


char *ngx_at_set_thread_pool(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* in a setter: the directive that is being read needs the pool */
void ngx_at_require_thread_pool(ngx_conf_t *cf, ngx_at_main_conf_t *atmcf);
ngx_int_t ngx_at_resolve_thread_pool(ngx_conf_t *cf,
    ngx_at_main_conf_t *atmcf);


#endif
