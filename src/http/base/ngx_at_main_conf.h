/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The configuration of the "http" block and of its issuers.
 */

#ifndef NGX_AT_MAIN_CONF_H
#define NGX_AT_MAIN_CONF_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "core/authz/at_issuer.h"
#include "core/jose/at_keyset.h"
#include "core/jose/at_jwt.h"
#include "core/session/at_state.h"

#include "http/base/ngx_at_directive.h"


typedef struct ngx_at_key_file_s  ngx_at_key_file_t;
typedef struct ngx_at_signing_key_s  ngx_at_signing_key_t;
typedef struct ngx_at_source_s  ngx_at_source_t;


/* to which requests a browser attaches a cookie (RFC 6265bis section 4.1.2) */
typedef struct {
    ngx_str_t               path;
    ngx_str_t               domain;             /* empty: only this host */
    ngx_str_t               same_site;          /* "Strict", "Lax", "None" */
} ngx_at_cookie_scope_t;


/*
 * One "auth_token_issuer" block.  Times are in seconds.  sets has an element
 * for each key file, then for each key source, then for the signing keys;
 * NULL: no keys.  These are the keys that were read with the configuration:
 * ngx_at_trusted_issuers() returns those in use.
 */
typedef struct {
    ngx_str_t               name;
    at_issuer_t             requirements;
    ngx_at_conf_position_t  client_claim_position;
    ngx_uint_t              metrics_index;      /* in the zone of metrics */

    ngx_array_t             key_files;          /* of ngx_at_key_file_t */
    ngx_array_t             sources;            /* of ngx_at_source_t * */
    at_keyset_t           **sets;
    ngx_uint_t              nsets;
    ngx_uint_t              first_set;          /* among all key sets */

    /* issued tokens; signing_keys is empty: none are issued */
    ngx_array_t             signing_keys;       /* of ngx_at_signing_key_t */
    ngx_at_conf_position_t  signing_key_position;
    ngx_str_t               jwks;               /* their public keys */

    ngx_str_t               access_cookie;
    ngx_at_cookie_scope_t   access_scope;
    time_t                  access_expires;
    time_t                  access_cookie_expires; /* 0: access_expires */
    ngx_str_t               refresh_cookie;
    ngx_at_cookie_scope_t   refresh_scope;
    time_t                  refresh_expires;
    time_t                  refresh_max;        /* of the login; 0: no limit */
    ngx_uint_t              refresh_length;
    ngx_msec_t              refresh_grace;      /* milliseconds */
    ngx_uint_t              refreshes_per_minute;
    ngx_uint_t              sessions_per_user;
    ngx_uint_t              address_failures;   /* in a minute */

    /* users of the store, who authenticate by password */
    ngx_uint_t              has_users;
    time_t                  password_cache_time;
    ngx_uint_t              max_failures;
    time_t                  failures_interval;
} ngx_at_issuer_t;


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
    ngx_at_conf_position_t    state_position;   /* line 0: not needed */
    at_state_key_t           *state_key;        /* NULL: not available */
    ngx_str_t                 thread_pool_name;
    ngx_uint_t                needs_thread_pool;
    ngx_thread_pool_t        *thread_pool;      /* NULL: not needed */
    ngx_thread_pool_t        *hash_pool;        /* the same */
    ngx_thread_pool_t        *write_pool;       /* the same */
    ngx_thread_pool_t        *key_pool;         /* for key files */
    ngx_uint_t                needs_throttle;
    ngx_shm_zone_t           *throttle;
    ngx_uint_t                needs_metrics;
    ngx_uint_t                metrics_clients;  /* counted separately */
    ngx_shm_zone_t           *metrics;          /* NULL: no metrics */
} ngx_at_main_conf_t;


extern ngx_module_t  ngx_http_auth_token_module;


#endif
