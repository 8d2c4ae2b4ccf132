/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Helpers that read and check the values of directives.
 */

#ifndef NGX_AT_DIRECTIVE_H
#define NGX_AT_DIRECTIVE_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "core/json/at_claim.h"


/* where a directive stands: cross checks run after the file was read */
typedef struct {
    ngx_str_t                      file;
    ngx_uint_t                     line;
} ngx_at_conf_position_t;


/* where the directive that is being read stands */
void ngx_at_conf_note_position(ngx_conf_t *cf, ngx_at_conf_position_t *where);

/* the full path of a file that the configuration names, terminated */
ngx_int_t ngx_at_full_path(ngx_conf_t *cf, ngx_str_t *path);

/* logs that value is not one that directive takes; always NGX_CONF_ERROR */
char *ngx_at_conf_invalid_value(ngx_conf_t *cf, ngx_str_t *value,
    const char *why);

/* 1 if value begins with name, a literal as "file=", which it is cut from */
ngx_uint_t ngx_at_conf_cut_parameter(ngx_str_t *value, const char *name);

/* a token of RFC 6265 section 4.1.1 */
ngx_uint_t ngx_at_is_cookie_name(ngx_str_t *name);

/* 1 if it holds no control character */
ngx_uint_t ngx_at_is_printable(ngx_str_t *value);

/* the path of a claim, as "realm_access.roles" */
char *ngx_at_parse_claim_path(ngx_conf_t *cf, ngx_str_t *value,
    at_claim_path_t *path);

#define ngx_at_str_is(value, literal)                                         \
    ((value)->len == sizeof(literal) - 1                                      \
     && ngx_strncmp((value)->data, literal, sizeof(literal) - 1) == 0)


#endif
