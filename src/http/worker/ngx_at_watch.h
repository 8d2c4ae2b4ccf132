/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * What is looked at at intervals, by a worker that stays.
 */

#ifndef NGX_AT_WATCH_H
#define NGX_AT_WATCH_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "core/store/at_store_digest.h"


typedef void (*ngx_at_watch_pt)(void *data, ngx_log_t *log);

/* exiting: by one that is about to end, too, which it does not keep from that */
ngx_int_t ngx_at_watch(ngx_cycle_t *cycle, ngx_msec_t interval,
    ngx_uint_t exiting, ngx_at_watch_pt handler, void *data);


#endif
