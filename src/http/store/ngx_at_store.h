/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The store: its files are checked with the configuration, each worker process
 * opens it.
 */

#ifndef NGX_AT_STORE_H
#define NGX_AT_STORE_H

#include "core/store/at_store.h"

#include "http/base/ngx_at_main_conf.h"


char *ngx_at_set_store(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
ngx_int_t ngx_at_check_store(ngx_conf_t *cf, ngx_at_main_conf_t *atmcf);

/* opens the store, and again whenever its files are replaced */
ngx_int_t ngx_at_store_watch(ngx_cycle_t *cycle,
    const ngx_at_main_conf_t *atmcf);
void ngx_at_store_exit(void);

/* changes on commits, and when the files are replaced; 0: no open store */
uint64_t ngx_at_store_generation(const ngx_at_main_conf_t *atmcf);

/*
 * The generation may change before its commit is visible.  If this returns 1
 * after records were read, they may be older: do not cache them.
 */
ngx_uint_t ngx_at_store_snapshot_is_stale(const ngx_at_main_conf_t *atmcf);

/* NULL: not configured, or not available */
at_store_t *ngx_at_store_get(const ngx_at_main_conf_t *atmcf);


#endif
