/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The variables of the module.  The identity variables of a request that is
 * refused, or will be refused by origin, address or role, are not found, and
 * neither is a variable with a value that is unsafe in a header.
 */

#ifndef NGX_AT_VARIABLES_H
#define NGX_AT_VARIABLES_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "core/json/at_claim.h"


/* the arguments of an "auth_token_claim" directive */
typedef struct {
    ngx_str_t        issuer;                    /* empty: any */
    at_claim_path_t  path;
} ngx_at_claim_t;


ngx_int_t ngx_at_add_variables(ngx_conf_t *cf);

/* 1 if the module has a variable of that name, $auth_token_claim_* excepted */
ngx_uint_t ngx_at_is_variable(ngx_conf_t *cf, const ngx_str_t *name);

/*
 * nginx takes any name that begins with "auth_token_".  Refuses names that do
 * not exist, and directives that define a variable of the module again.
 */
ngx_int_t ngx_at_check_variables(ngx_conf_t *cf);

/* whether the configuration uses $auth_token_verify_time */
ngx_uint_t ngx_at_uses_verify_time(ngx_cycle_t *cycle);

/* data is a pointer to an ngx_at_claim_t */
ngx_int_t ngx_at_claim_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);


#endif
