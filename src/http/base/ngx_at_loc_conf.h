/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The configuration of a location.
 */

#ifndef NGX_AT_LOC_CONF_H
#define NGX_AT_LOC_CONF_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "core/authz/at_cidr.h"
#include "core/authz/at_endpoint_list.h"
#include "core/authz/at_scope.h"
#include "core/jose/at_jwt.h"

#include "http/base/ngx_at_main_conf.h"


/* kinds of credentials: bits of "auth_token_accept" */
#define NGX_AT_BEARER     0x01
#define NGX_AT_COOKIE     0x02
#define NGX_AT_API_TOKEN  0x04
#define NGX_AT_BASIC      0x08
#define NGX_AT_REFRESH    0x10  /* only at the refresh and logout endpoints */
#define NGX_AT_NONE       0x80  /* no credential, only address lists */

#define NGX_AT_JWT        (NGX_AT_BEARER|NGX_AT_COOKIE)


typedef enum {
    NGX_AT_JSON = 0,
    NGX_AT_PROBLEM,
    NGX_AT_TEXT
} ngx_at_format_e;


/* an "auth_token_error": how it changes a row of the error table */
typedef struct {
    ngx_uint_t                status;           /* 0: unchanged */
    ngx_str_t                 message;          /* data NULL: unchanged */
} ngx_at_error_override_t;


typedef struct ngx_at_token_endpoint_s  ngx_at_token_endpoint_t;


typedef struct {
    ngx_flag_t                auth_token;       /* the directive */
    ngx_flag_t                enable;           /* its effect: a token endpoint
                                                   does not inherit it */
    ngx_at_conf_position_t    enable_position;

    ngx_uint_t                accept;
    ngx_str_t                 cookie;
    ngx_str_t                 api_header;       /* lower case */
    ngx_at_conf_position_t    accept_position;
    ngx_uint_t                challenge;        /* the directive, or unset */
    ngx_uint_t                challenge_schemes;    /* that are accepted */

    /* of the last directive of this level that restricts; not inherited */
    ngx_at_conf_position_t    restriction_position;

    ngx_array_t              *trust;            /* of ngx_str_t */
    ngx_at_conf_position_t    trust_position;
    const ngx_at_issuer_t   **trusted;          /* shared by equal lists */
    ngx_uint_t                ntrusted;
    ngx_uint_t                jwt_needs_store;  /* to find clients of tokens */

    ngx_array_t              *scopes;   /* of ngx_http_complex_value_t */
    at_scope_mode_e           scope_mode;

    at_endpoint_list_t       *endpoints;        /* NULL: no endpoint list */

    ngx_array_t              *ranges;           /* of at_cidr_t */
    at_cidr_set_t            *allow;            /* NULL: any address */

    ngx_http_complex_value_t *realm;            /* NULL: "api" */
    ngx_array_t              *errors;   /* AT_CODES ngx_at_error_override_t */
    ngx_uint_t                error_format;
    ngx_uint_t                log_level;        /* of refusals */

    ngx_flag_t                preflight;
    ngx_array_t              *origins;          /* of ngx_str_t */
    ngx_array_t              *cors;             /* of ngx_str_t; NULL: off */
    ngx_flag_t                local_users;

    /* a location that is a token endpoint; inherited by "if" only */
    const ngx_at_token_endpoint_t  *token_endpoint; /* else NULL */
    ngx_str_t                 token_endpoint_issuer_name;
    ngx_at_conf_position_t    token_endpoint_position;
    const ngx_at_issuer_t    *token_endpoint_issuer;

    /* "auth_token_metadata": its parameters, and the JSON made of them */
    ngx_str_t                 token_endpoint_url;
    ngx_str_t                 jwks_url;
    ngx_str_t                 metadata;

    /* of the token endpoint, or else the first trusted one that has users */
    const ngx_at_issuer_t    *user_issuer;      /* or NULL */
    ngx_uint_t                only_user_issuer; /* 1: no other has users */
    ngx_uint_t                only_issuer;      /* 1: no other is configured */

    /* a server level that leaves a required directive to its locations */
    unsigned                  incomplete:1;
} ngx_at_loc_conf_t;


#endif
