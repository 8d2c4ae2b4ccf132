/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The main configuration: its directives, and checks once it is parsed.
 */

#ifndef NGX_AT_MAIN_H
#define NGX_AT_MAIN_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


void *ngx_at_create_main_conf(ngx_conf_t *cf);
char *ngx_at_init_main_conf(ngx_conf_t *cf, void *conf);

char *ngx_at_set_cache(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_at_set_claim(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* for ngx_conf_set_size_slot() */
extern ngx_conf_post_t  ngx_at_max_length_post;


#endif
