/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The state of a worker process: all that changes after configuration.
 */

#ifndef NGX_AT_WORKER_H
#define NGX_AT_WORKER_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "core/authz/at_cache.h"
#include "core/base/at_error.h"
#include "core/jose/at_jwt.h"
#include "core/session/at_state.h"
#include "core/store/at_store.h"

#include "http/base/ngx_at_main_conf.h"
#include "http/worker/ngx_at_job.h"


/* the store that this process has opened; it outlives a cycle */
typedef struct {
    char                path[NGX_MAX_PATH];
    at_store_t         *handle;             /* NULL: not usable */
    uint64_t            txnid;              /* last seen */
    uint64_t            epoch;              /* incremented on every change */
    at_error_t          error;              /* last logged */
} ngx_at_worker_store_t;


typedef struct {
    at_verifier_t          *verifier;
    at_cache_t             *cache;              /* NULL: off */
    uint64_t                keys_generation;    /* incremented on every change */
    at_state_key_t          process_key;        /* random */
    ngx_uint_t              measure_time;       /* $auth_token_verify_time is
                                                   used */
    ngx_at_worker_store_t   store;
    ngx_at_job_queue_t      hash_queue;
    ngx_at_job_queue_t      write_queue;
} ngx_at_worker_t;


/* never NULL; verifier and cache exist from init to exit */
ngx_at_worker_t *ngx_at_worker(void);

ngx_int_t ngx_at_worker_init(const ngx_at_main_conf_t *atmcf);
void ngx_at_worker_exit(void);


#endif
