/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The state of a worker process.
 */

#include "http/worker/ngx_at_worker.h"

#include "core/base/at_crypto.h"


static ngx_at_worker_t  ngx_at_worker_state;


ngx_at_worker_t *
ngx_at_worker(void)
{
    return &ngx_at_worker_state;
}


void
ngx_at_worker_reset(void)
{
    ngx_at_worker_t  *worker;

    worker = ngx_at_worker();

    worker->keys_generation++;
    worker->key_files.nelts = 0;
    worker->fetches.nelts = 0;
}


ngx_int_t
ngx_at_worker_init(const ngx_at_main_conf_t *atmcf)
{
    ngx_at_worker_t  *worker;

    worker = ngx_at_worker();

    at_jwt_init();

    if (at_random(&worker->process_key, sizeof(at_state_key_t)) != 0) {
        return NGX_ERROR;
    }

    worker->verifier = at_verifier_create();
    if (worker->verifier == NULL) {
        return NGX_ERROR;
    }

    if (atmcf->cache_size == 0) {
        return NGX_OK;
    }

    worker->cache = at_cache_create(atmcf->cache_size);

    return worker->cache ? NGX_OK : NGX_ERROR;
}


void
ngx_at_worker_exit(void)
{
    ngx_at_worker_t  *worker;

    worker = ngx_at_worker();

    at_cache_free(worker->cache);
    worker->cache = NULL;

    at_verifier_free(worker->verifier);
    worker->verifier = NULL;

    at_crypto_cleanse(&worker->process_key, sizeof(at_state_key_t));
}
