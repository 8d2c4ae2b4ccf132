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

#include "core/authz/at_cache.h"
#include "core/jose/at_jwt.h"
#include "core/session/at_state.h"

#include "http/base/ngx_at_directive.h"
#include "http/base/ngx_at_issuer.h"


/* a list of trusted issuers: equal ones are one, by which a cache knows them */
typedef struct {
    at_trusted_issuer_t  *trusted;
    ngx_uint_t            n;
} ngx_at_trust_list_t;


#define NGX_AT_CACHE_SIZE  (16 * 1024 * 1024)

typedef struct {
    ngx_array_t             issuers;
                                /* of ngx_at_issuer_t * */
    size_t                  max_length;
    size_t                  cache_size;         /* 0: off */
    ngx_array_t             trusts;
                                /* of ngx_at_trust_list_t */

    /* a worker's own */
    at_verifier_t          *verifier;
    at_cache_t             *cache;              /* NULL: off */
    uint64_t                keys_generation;
                                        /* differs after any change of keys */
    ngx_uint_t              timed;              /* verify_time is asked for */

    ngx_str_t               store;              /* its path, or NULL */
    ngx_at_conf_position_t  store_where;

    ngx_str_t               state_path;
    ngx_at_conf_position_t  state_where;        /* of what needs it, or 0 */
    at_state_key_t         *state_key;          /* NULL: there is none */

    ngx_str_t               thread_pool_name;
    ngx_at_conf_position_t  thread_where;           /* of what needs it */
#if (NGX_THREADS)
    ngx_thread_pool_t             *thread_pool;
#endif

    ngx_uint_t                     nsources;
    ngx_uint_t                     needs_throttle;
    ngx_shm_zone_t                *throttle;
    at_state_key_t                 process_key; /* a worker's own */
} ngx_at_main_conf_t;


extern ngx_module_t  ngx_http_auth_token_module;


ngx_at_issuer_t *ngx_at_issuer_find(
    ngx_at_main_conf_t *atmcf, ngx_str_t *name);


#endif
