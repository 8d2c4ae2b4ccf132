/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Looked at with the configuration, opened by each worker.
 */

#ifndef NGX_AT_STORE_H
#define NGX_AT_STORE_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "core/store/at_store.h"

#include "http/base/ngx_at_main_conf.h"


char *ngx_at_set_store(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
ngx_int_t ngx_at_check_store(ngx_conf_t *cf, ngx_at_main_conf_t *atmcf);
ngx_int_t ngx_at_store_watch(ngx_cycle_t *cycle,
    const ngx_at_main_conf_t *atmcf);
void ngx_at_store_exit(void);

/*
 * Differs after any change of it, one that took the place of another included;
 * 0 where there is none that can be used.
 */
uint64_t ngx_at_store_generation(const ngx_at_main_conf_t *atmcf);

/*
 * Ask after the store was read: the generation may precede the visibility of its
 * commit.  If 1, the records are older than that: do not cache what they say.
 */
ngx_uint_t ngx_at_store_snapshot_is_stale(const ngx_at_main_conf_t *atmcf);

/* the open store, or NULL while it cannot be used */
at_store_t *ngx_at_store_get(const ngx_at_main_conf_t *atmcf);


#endif
