/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Periodic checks of a worker process.
 */

#include "http/worker/ngx_at_watch.h"


typedef struct {
    ngx_connection_t           connection;      /* for ngx_event_ident() */
    ngx_event_t                event;
    ngx_msec_t                 interval;
    ngx_uint_t                 exiting;
    ngx_at_watch_pt            handler;
    const ngx_at_main_conf_t  *atmcf;
} ngx_at_watch_t;


static void
ngx_at_watch_handler(ngx_event_t *ev)
{
    ngx_at_watch_t  *watch;

    watch = ((ngx_connection_t *) ev->data)->data;

    if (ngx_terminate || (ngx_exiting && !watch->exiting)) {
        return;
    }

    watch->handler(watch->atmcf, ev->log);

    ngx_add_timer(ev, watch->interval);
}


ngx_int_t
ngx_at_watch(ngx_cycle_t *cycle, ngx_msec_t interval,
    ngx_uint_t exiting, ngx_at_watch_pt handler,
    const ngx_at_main_conf_t *atmcf)
{
    ngx_at_watch_t  *watch;

    watch = ngx_pcalloc(cycle->pool, sizeof(ngx_at_watch_t));
    if (watch == NULL) {
        return NGX_ERROR;
    }

    watch->interval = interval;
    watch->exiting = exiting;
    watch->handler = handler;
    watch->atmcf = atmcf;

    watch->connection.fd = (ngx_socket_t) -1;
    watch->connection.data = watch;

    watch->event.handler = ngx_at_watch_handler;
    watch->event.data = &watch->connection;
    watch->event.log = cycle->log;
    watch->event.cancelable = 1;

    ngx_add_timer(&watch->event, interval);

    return NGX_OK;
}
