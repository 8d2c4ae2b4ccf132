/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Metrics of all worker processes, for Prometheus.  A request is counted once,
 * in the log phase, with the same outcome as in the access log.
 */

#ifndef NGX_AT_METRICS_H
#define NGX_AT_METRICS_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "http/base/ngx_at_main_conf.h"


#define NGX_AT_METRICS_CLIENTS      100
#define NGX_AT_METRICS_CLIENTS_MAX  1000


/* the content handler of "auth_token_metrics" */
ngx_int_t ngx_at_metrics_handler(ngx_http_request_t *r);

/* once the http block was read, if it has a location with metrics */
ngx_int_t ngx_at_metrics_add_zone(ngx_conf_t *cf, ngx_at_main_conf_t *atmcf);

/* before workers are forked: from now on the zone of this configuration */
void ngx_at_metrics_use_zone(const ngx_at_main_conf_t *atmcf);

/* the handler of the log phase */
ngx_int_t ngx_at_metrics_log_handler(ngx_http_request_t *r);

/*
 * In a worker: publishes its share of the gauges every second.  One worker
 * counts sessions, and API tokens that expire soon, in threads.
 */
ngx_int_t ngx_at_metrics_watch(ngx_cycle_t *cycle,
    const ngx_at_main_conf_t *atmcf);
void ngx_at_metrics_exit(void);


#endif
