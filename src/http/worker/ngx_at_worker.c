/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The state of a worker process.
 */

#include "http/worker/ngx_at_worker.h"

#include "core/base/at_crypto.h"


ngx_at_worker_t  ngx_at_worker;


void
ngx_at_worker_reset(void)
{
    ngx_at_worker.keys_generation++;
    ngx_at_worker.key_files.nelts = 0;
    ngx_at_worker.fetches.nelts = 0;
}


ngx_int_t
ngx_at_worker_init(const ngx_at_main_conf_t *atmcf)
{
    at_jwt_init();

    if (at_random(&ngx_at_worker.process_key, sizeof(at_state_key_t)) != 0) {
        return NGX_ERROR;
    }

    ngx_at_worker.verifier = at_verifier_create();
    if (ngx_at_worker.verifier == NULL) {
        return NGX_ERROR;
    }

    if (atmcf->cache_size == 0) {
        return NGX_OK;
    }

    ngx_at_worker.cache = at_cache_create(atmcf->cache_size);

    return ngx_at_worker.cache ? NGX_OK : NGX_ERROR;
}


void
ngx_at_worker_exit(void)
{
    at_cache_free(ngx_at_worker.cache);
    ngx_at_worker.cache = NULL;

    at_verifier_free(ngx_at_worker.verifier);
    ngx_at_worker.verifier = NULL;

    at_crypto_cleanse(&ngx_at_worker.process_key, sizeof(at_state_key_t));
}
