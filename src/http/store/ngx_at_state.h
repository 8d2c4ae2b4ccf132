/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The state directory of the module: the state key, which only the master
 * process reads, and files of the workers.
 */

#ifndef NGX_AT_STATE_H
#define NGX_AT_STATE_H

#include "core/session/at_state.h"

#include "http/base/ngx_at_main_conf.h"


char *ngx_at_set_state_path(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* the directive that is being parsed needs the state directory */
void ngx_at_require_state(ngx_conf_t *cf, ngx_at_main_conf_t *atmcf);

/* checks the directory once the configuration was parsed; creates nothing */
ngx_int_t ngx_at_check_state(ngx_conf_t *cf, ngx_at_main_conf_t *atmcf);

/*
 * In the master process: creates missing files, sets atmcf->state_key and
 * locks the directory.  Without a key the features that need it fail closed.
 */
ngx_int_t ngx_at_open_state(ngx_cycle_t *cycle, ngx_at_main_conf_t *atmcf);

/* in each process that the master starts: leaves the lock to the master */
void ngx_at_state_init_process(void);

/*
 * The path of a file that workers write, PATH/data/NAME, with a terminating
 * null.  data is NULL on allocation failure.
 */
ngx_str_t ngx_at_state_file(ngx_pool_t *pool,
    const ngx_at_main_conf_t *atmcf, const char *name);


#endif
