/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The state of a worker process.
 */

#include "http/worker/ngx_at_worker.h"

#include "core/base/at_crypto.h"

#include "http/base/ngx_at_time.h"


#define NGX_AT_CLOCK_STEP   60000  /* ms; less is a correction */
#define NGX_AT_CLOCK_DELAY  3600000  /* ms */


typedef struct {
    ngx_connection_t           connection;      /* for ngx_event_ident() */
    ngx_event_t                event;
    ngx_msec_t                 interval;
    ngx_uint_t                 exiting;
    ngx_at_watch_pt            handler;
    const ngx_at_main_conf_t  *atmcf;
} ngx_at_watch_t;


ngx_at_worker_t  ngx_at_worker;


void
ngx_at_worker_reset(void)
{
    ngx_at_worker.keys_generation++;
    ngx_at_worker.key_files.nelts = 0;
    ngx_at_worker.fetches.nelts = 0;

    ngx_free(ngx_at_worker.no_user_logged);
    ngx_at_worker.no_user_logged = NULL;

    (void) ngx_at_clock_is_trusted();
}


ngx_uint_t
ngx_at_clock_is_trusted(void)
{
    int64_t                 now, steady, step;
    ngx_at_worker_clock_t  *clock;

    clock = &ngx_at_worker.clock;
    now = ngx_at_now();
    steady = ngx_at_steady_now();
    step = (now - clock->now) - (steady - clock->steady);

    if (step > NGX_AT_CLOCK_STEP || step < -NGX_AT_CLOCK_STEP) {
        clock->set = steady;
    }

    clock->now = now;
    clock->steady = steady;

    return steady - clock->set >= NGX_AT_CLOCK_DELAY;
}


/* nginx only logs that the process exits with code 2 */

ngx_int_t
ngx_at_worker_init(ngx_cycle_t *cycle, const ngx_at_main_conf_t *atmcf)
{
    const char  *missing;

    at_jwt_init();

    missing = "random bytes";

    if (at_random(&ngx_at_worker.process_key, sizeof(at_state_key_t)) == 0) {
        ngx_at_worker.verifier = at_verifier_create();
        ngx_at_worker.cache = atmcf->cache_size
                              ? at_cache_create(atmcf->cache_size) : NULL;

        missing = ngx_at_worker.verifier == NULL
                  ? "memory for the verification of tokens"
                  : atmcf->cache_size && ngx_at_worker.cache == NULL
                  ? "memory for \"auth_token_cache\"" : NULL;
    }

    if (missing == NULL) {
        return NGX_OK;
    }

    ngx_log_error(NGX_LOG_EMERG, cycle->log, 0,
                  "auth_token: worker process cannot start: no %s", missing);

    return NGX_ERROR;
}


void
ngx_at_worker_exit(void)
{
    at_cache_free(ngx_at_worker.cache);
    ngx_at_worker.cache = NULL;

    ngx_free(ngx_at_worker.no_user_logged);
    ngx_at_worker.no_user_logged = NULL;

    at_verifier_free(ngx_at_worker.verifier);
    ngx_at_worker.verifier = NULL;

    at_crypto_cleanse(&ngx_at_worker.process_key, sizeof(at_state_key_t));
}


/* nginx keeps the status of a process until its slot has another one */

ngx_uint_t
ngx_at_worker_replaces_killed(void)
{
    return WIFSIGNALED(ngx_processes[ngx_process_slot].status) ? 1 : 0;
}


/* --- periodic checks ----------------------------------------------------- */


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
