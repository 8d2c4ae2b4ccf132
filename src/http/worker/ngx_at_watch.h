/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Periodic checks of a worker process.
 */

#ifndef NGX_AT_WATCH_H
#define NGX_AT_WATCH_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "http/base/ngx_at_main_conf.h"


typedef void (*ngx_at_watch_pt)(const ngx_at_main_conf_t *atmcf,
    ngx_log_t *log);

/*
 * Calls handler at intervals of milliseconds.  exiting: also in a worker that
 * is shutting down; the timer does not delay its exit.
 */
ngx_int_t ngx_at_watch(ngx_cycle_t *cycle, ngx_msec_t interval,
    ngx_uint_t exiting, ngx_at_watch_pt handler,
    const ngx_at_main_conf_t *atmcf);


#endif
