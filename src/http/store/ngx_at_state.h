/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * A directory of our own, with a key that the master reads.
 */

#ifndef NGX_AT_STATE_H
#define NGX_AT_STATE_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "core/session/at_state.h"

#include "http/base/ngx_at_main_conf.h"


char *ngx_at_set_state_path(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* in a setter: the directive that is being read needs the state */
void ngx_at_require_state(ngx_conf_t *cf, ngx_at_main_conf_t *atmcf);

ngx_int_t ngx_at_check_state(ngx_conf_t *cf, ngx_at_main_conf_t *atmcf);
ngx_int_t ngx_at_open_state(ngx_cycle_t *cycle, ngx_at_main_conf_t *atmcf);

/*
 * From init_module on; NULL where nothing needs it, or where it could not be
 * had: who needs it then fails closed.
 */
const at_state_key_t *ngx_at_state_key(const ngx_at_main_conf_t *atmcf);

/*
 * The path, terminated, of a file of the workers': PATH/data/NAME.  Once the
 * configuration was read; data is NULL where memory failed.
 */
ngx_str_t ngx_at_state_file(ngx_pool_t *pool,
    const ngx_at_main_conf_t *atmcf, const char *name);


#endif
