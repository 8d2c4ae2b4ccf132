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

#include "core/authz/at_cidr_set.h"
#include "core/authz/at_endpoint.h"
#include "core/authz/at_scope.h"
#include "core/jose/at_jwt.h"

#include "http/base/ngx_at_directive.h"
#include "http/base/ngx_at_issuer.h"


/* the kinds of credentials: bits of "auth_token_accept" */
#define NGX_AT_BEARER     0x01
#define NGX_AT_COOKIE     0x02
#define NGX_AT_API_TOKEN  0x04  /* X-API-Token */
#define NGX_AT_BASIC      0x08
#define NGX_AT_REFRESH    0x10  /* of the token API alone */
#define NGX_AT_NONE       0x80  /* address lists only */

#define NGX_AT_JWT                                                            \
    (NGX_AT_BEARER|NGX_AT_COOKIE)


typedef enum {
    NGX_AT_JSON = 0,
    NGX_AT_PROBLEM,
    NGX_AT_TEXT
} ngx_at_format_e;


/* one row of the error table as "auth_token_error" overrides it */
typedef struct {
    ngx_uint_t                     status;      /* 0: as in the table */
    ngx_str_t                      message;     /* data NULL: as in the table */
} ngx_at_error_override_t;


typedef enum {
    NGX_AT_TOKEN_ENDPOINT_NONE = 0,
    NGX_AT_TOKEN_ENDPOINT_LOGIN,
    NGX_AT_TOKEN_ENDPOINT_REFRESH,
    NGX_AT_TOKEN_ENDPOINT_LOGOUT,
    NGX_AT_TOKEN_ENDPOINT_OAUTH,
    NGX_AT_TOKEN_ENDPOINT_JWKS
} ngx_at_token_endpoint_e;


typedef struct {
    ngx_flag_t               enable;
    ngx_at_conf_position_t   enable_where;

    ngx_uint_t               accept;
    ngx_str_t                cookie;
    ngx_str_t                api_header;        /* in lower case */
    ngx_at_conf_position_t   accept_where;
    ngx_at_conf_position_t   restricted;        /* by a directive of its own */

    ngx_array_t             *trust;             /* of ngx_str_t */
    ngx_at_conf_position_t   trust_where;
    at_trusted_issuer_t     *trusted;           /* one for equal lists */
    ngx_uint_t               ntrusted;

    ngx_array_t             *scopes;
                                /* of ngx_http_complex_value_t */
    at_scope_mode_e          scope_mode;

    at_endpoint_list_t      *catalogue;         /* NULL: none */

    ngx_array_t             *ranges;            /* of at_cidr_t */
    at_cidr_set_t           *allow;             /* NULL: any address */

    ngx_str_t                realm;
    ngx_array_t             *errors;
                                /* of AT_CODES ngx_at_error_override_t */
    ngx_uint_t               error_format;

    ngx_flag_t               preflight;
    ngx_array_t             *origins;           /* of ngx_str_t */

    ngx_flag_t               local;

    /* of a location of the token API; not inherited */
    ngx_at_token_endpoint_e  api;
    ngx_str_t                api_name;
    ngx_at_conf_position_t   api_where;
    ngx_at_issuer_t         *api_issuer;

    /* of the trusted ones the first that has users, or NULL */
    ngx_at_issuer_t         *user_issuer;
    ngx_uint_t               only_user_issuer;
    ngx_uint_t               only_issuer;

    /* a server whose locations say what it leaves open itself */
    unsigned                 incomplete:1;
} ngx_at_loc_conf_t;


#endif
