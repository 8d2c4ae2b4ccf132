/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The configuration of the "http" block.
 */

#ifndef NGX_AT_MAIN_CONF_H
#define NGX_AT_MAIN_CONF_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "core/jose/at_jwt.h"
#include "core/session/at_state.h"

#include "http/base/ngx_at_issuer.h"


/* a list of trusted issuers; its address is part of the cache key */
typedef struct {
    const ngx_at_issuer_t   **trusted;
    ngx_uint_t                n;
} ngx_at_trust_list_t;


/* const in worker processes */
typedef struct {
    ngx_array_t               issuers;          /* of ngx_at_issuer_t * */
    ngx_array_t               trust_lists;      /* of ngx_at_trust_list_t */
    ngx_array_t               sources;          /* of ngx_at_source_t * */
    ngx_uint_t                nsets;            /* key sets of all issuers */
    size_t                    max_length;
    size_t                    cache_size;       /* 0: off */

    ngx_str_t                 store_path;       /* data NULL: no store */
    ngx_at_conf_position_t    store_position;

    ngx_str_t                 state_path;
    ngx_at_conf_position_t    state_position;   /* the directive that needs it;
                                                   line 0: not needed */
    at_state_key_t           *state_key;        /* NULL: not available */

    ngx_str_t                 thread_pool_name;
    ngx_uint_t                needs_thread_pool;
    ngx_thread_pool_t        *thread_pool;      /* NULL: not needed */
    ngx_thread_pool_t        *hash_pool;        /* NULL: not needed */

    ngx_uint_t                needs_throttle;
    ngx_shm_zone_t           *throttle;
} ngx_at_main_conf_t;


extern ngx_module_t  ngx_http_auth_token_module;


#endif
