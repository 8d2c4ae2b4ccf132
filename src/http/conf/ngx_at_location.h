/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The directives of locations, their inheritance and their cross checks.
 */

#ifndef NGX_AT_LOCATION_H
#define NGX_AT_LOCATION_H

#include "http/base/ngx_at_loc_conf.h"


void *ngx_at_create_loc_conf(ngx_conf_t *cf);
char *ngx_at_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child);

char *ngx_at_set_enable(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_at_set_accept(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_at_set_trust(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_at_set_scope(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_at_set_endpoints(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_at_set_realm(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_at_set_origin(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* ngx_at_error.c */
char *ngx_at_set_error(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* ngx_at_address.c; merging inherits the ranges or compiles them */
char *ngx_at_set_allow(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
ngx_int_t ngx_at_merge_allow(ngx_conf_t *cf, ngx_at_loc_conf_t *prev,
    ngx_at_loc_conf_t *conf);


#endif
