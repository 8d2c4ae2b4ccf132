/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The configuration of an issuer: one "auth_token_issuer" block.
 */

#ifndef NGX_AT_ISSUER_H
#define NGX_AT_ISSUER_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "core/authz/at_issuer.h"
#include "core/jose/at_jwk.h"

#include "http/base/ngx_at_directive.h"


typedef struct ngx_at_key_file_s
    ngx_at_key_file_t;
typedef struct ngx_at_signing_key_s
    ngx_at_signing_key_t;
typedef struct ngx_at_source_s  ngx_at_source_t;


/*
 * An issuer block.  sets has a place for each key file, and then for each
 * source, NULL while it has no keys; it is swapped whole between two events,
 * never while a request runs.
 */
typedef struct {
    at_issuer_t             demands;
    ngx_str_t               name;

    ngx_array_t             client_claims;             /* of at_claim_path_t */
    ngx_at_conf_position_t  client_where;
    ngx_at_conf_position_t  audience_where;             /* of "clients" */

    ngx_array_t             key_files;
                                   /* of ngx_at_key_file_t */
    ngx_array_t             sources;
                                   /* of ngx_at_source_t * */
    at_keyset_t           **sets;
    ngx_uint_t              nsets;

    /* what it issues; none where there is no signing key */
    ngx_array_t             signing_keys;
                                /* of ngx_at_signing_key_t */
    ngx_str_t               jwks;               /* their public halves */
    ngx_at_conf_position_t  signing_where;

    ngx_str_t               access_cookie;
    time_t                  access_expires;
    time_t                  access_kept;            /* its cookie, or 0 */
    ngx_str_t               refresh_cookie;
    ngx_str_t               refresh_path;
    time_t                  refresh_expires;
    ngx_uint_t              refresh_length;
    ngx_msec_t              refresh_grace;

    /* of users' passwords */
    ngx_uint_t              local;              /* has any, or signs */
    time_t                  remember;
    ngx_uint_t              failures;
    time_t                  failures_time;
} ngx_at_issuer_t;


#endif
