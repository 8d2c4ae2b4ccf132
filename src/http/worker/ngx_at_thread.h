/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The thread pools of nginx that the module uses.
 */

#ifndef NGX_AT_THREAD_H
#define NGX_AT_THREAD_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "http/base/ngx_at_main_conf.h"


char *ngx_at_set_thread_pool(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/*
 * Once the http block was read: sets atmcf->thread_pool if a directive needs
 * it, and atmcf->hash_pool, of one thread, if passwords are checked.
 */
ngx_int_t ngx_at_resolve_thread_pools(ngx_conf_t *cf,
    ngx_at_main_conf_t *atmcf);


#endif
