/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Helpers of the files that read configuration.
 */

#ifndef NGX_HTTP_AUTH_TOKEN_CONF_H
#define NGX_HTTP_AUTH_TOKEN_CONF_H

#include "ngx_http_auth_token.h"


/* where the directive that is being read stands */
void ngx_http_auth_token_here(ngx_conf_t *cf,
    ngx_http_auth_token_where_t *where);

/* the full path of a file that the configuration names, terminated */
ngx_int_t ngx_http_auth_token_full_path(ngx_conf_t *cf, ngx_str_t *path);

/* logs that value is not one that directive takes; always NGX_CONF_ERROR */
char *ngx_http_auth_token_invalid(ngx_conf_t *cf, ngx_str_t *value,
    const char *why);

/* 1 if value begins with name, a literal as "file=", which it is cut from */
ngx_uint_t ngx_http_auth_token_parameter(ngx_str_t *value, const char *name);

/* a token of RFC 6265 section 4.1.1 */
ngx_uint_t ngx_http_auth_token_is_cookie_name(ngx_str_t *name);

/* 1 if it holds no control character */
ngx_uint_t ngx_http_auth_token_is_printable(ngx_str_t *value);

/* the path of a claim, as "realm_access.roles" */
char *ngx_http_auth_token_parse_path(ngx_conf_t *cf, ngx_str_t *value,
    at_path_t *path);

#define ngx_http_auth_token_is(value, literal)                                \
    ((value)->len == sizeof(literal) - 1                                      \
     && ngx_strncmp((value)->data, literal, sizeof(literal) - 1) == 0)


#endif
