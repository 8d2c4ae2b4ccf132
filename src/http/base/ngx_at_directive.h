/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Helpers that parse and check the arguments of directives.
 */

#ifndef NGX_AT_DIRECTIVE_H
#define NGX_AT_DIRECTIVE_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "core/base/at_file.h"
#include "core/json/at_claim.h"


/* where a directive is, for checks after the configuration was parsed */
typedef struct {
    ngx_str_t    directive;
    ngx_str_t    file;
    ngx_uint_t   line;                          /* 0: no such directive */
} ngx_at_conf_position_t;


typedef struct ngx_at_conf_parameter_s  ngx_at_conf_parameter_t;

/*
 * A parameter "NAME=VALUE".  parse() gets VALUE and stores it in the field; it
 * returns NGX_OK, NGX_DECLINED for an invalid value, or NGX_ERROR if it has
 * logged the error.  NULL: the field is an ngx_str_t, checked by is_valid().
 */
struct ngx_at_conf_parameter_s {
    ngx_str_t    name;                          /* with "=" */
    ngx_int_t  (*parse)(ngx_conf_t *cf,
                        const ngx_at_conf_parameter_t *parameter,
                        ngx_str_t *value, void *field);
    size_t       offset;                        /* of the field in conf */
    ngx_int_t    min;
    ngx_int_t    max;
    char        *hint;                          /* the allowed values */
    int        (*is_valid)(at_str_t value);
};


#define ngx_at_str_is(value, literal)                                         \
    ((value)->len == sizeof(literal) - 1                                      \
     && ngx_strncmp((value)->data, literal, sizeof(literal) - 1) == 0)

ngx_uint_t ngx_at_str_equal(const ngx_str_t *a, const ngx_str_t *b);


/* the position of the directive that is being parsed */
void ngx_at_conf_note_position(ngx_conf_t *cf,
    ngx_at_conf_position_t *position);

/* log "MESSAGE in FILE:LINE"; an error is always NGX_ERROR */
ngx_int_t ngx_at_conf_error_at(ngx_conf_t *cf,
    const ngx_at_conf_position_t *position, const char *fmt, ...);
void ngx_at_conf_warn_at(ngx_conf_t *cf,
    const ngx_at_conf_position_t *position, const char *fmt, ...);

/* log a wrong argument of the current directive; always NGX_CONF_ERROR */
char *ngx_at_conf_invalid_value(ngx_conf_t *cf, ngx_str_t *value,
    const char *hint);
char *ngx_at_conf_duplicate_value(ngx_conf_t *cf, ngx_str_t *value);

/* 1 if value begins with prefix ("file="), which is then removed */
ngx_uint_t ngx_at_conf_cut_prefix(ngx_str_t *value, const char *prefix);

/*
 * Parses the arguments from index first on by a table that ends with an empty
 * name.  Each parameter is allowed once.
 */
char *ngx_at_conf_parse_parameters(ngx_conf_t *cf, ngx_uint_t first,
    const ngx_at_conf_parameter_t *parameters, void *conf);

/* for an ngx_uint_t and a time_t field: at least min and at most max */
ngx_int_t ngx_at_conf_parse_number(ngx_conf_t *cf,
    const ngx_at_conf_parameter_t *parameter, ngx_str_t *value, void *field);
ngx_int_t ngx_at_conf_parse_seconds(ngx_conf_t *cf,
    const ngx_at_conf_parameter_t *parameter, ngx_str_t *value, void *field);

/* sets *result by a table of words, which ends with an empty name */
char *ngx_at_conf_parse_word(ngx_conf_t *cf, ngx_str_t *value,
    const ngx_conf_enum_t *words, ngx_uint_t *result);

/* ngx_conf_set_enum_slot() with an error that names directive and words */
char *ngx_at_conf_set_word(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* the arguments as an array of ngx_str_t without duplicates */
char *ngx_at_conf_set_strings(ngx_conf_t *cf, ngx_array_t **array);

/* a path of claim names, for example "realm_access.roles" */
char *ngx_at_conf_parse_claim_path(ngx_conf_t *cf, ngx_str_t *value,
    at_claim_path_t *path);

/* pushes a zeroed element; creates the array if it has no elements yet */
void *ngx_at_conf_push(ngx_conf_t *cf, ngx_array_t *array, size_t size);

/* reads a file for the current directive; NGX_ERROR: logged */
ngx_int_t ngx_at_conf_read_file(ngx_conf_t *cf, ngx_str_t *path, size_t max,
    at_file_t *file);

/*
 * 1 for the name of a cookie or a field: a token of RFC 9110 section 5.6.2,
 * without "$", because variables are not expanded
 */
int ngx_at_is_token(at_str_t value);


#endif
