/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The directives of the module: setters, defaults, inheritance, cross checks.
 */

#ifndef NGX_AT_CONF_H
#define NGX_AT_CONF_H

#include "http/base/ngx_at_loc_conf.h"
#include "http/base/ngx_at_main_conf.h"


/*
 * Setters of the command table.  They return NGX_CONF_OK, NGX_CONF_ERROR if
 * they have logged the error, or the end of nginx's sentence "NAME directive
 * ...".  Values that depend on later directives are checked when the levels
 * are merged.
 */

/* ngx_at_location.c; conf is an ngx_at_loc_conf_t */
char *ngx_at_set_enable(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_at_set_accept(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_at_set_challenge(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_at_set_trust(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_at_set_scope(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_at_set_endpoints(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_at_set_realm(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_at_set_origins(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* ngx_at_error.c, ngx_at_address.c; may be repeated at a level */
char *ngx_at_set_error(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_at_set_allow(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* ngx_at_token_endpoint.c; also the content handler of the location */
char *ngx_at_set_token_endpoint(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* ngx_at_main.c; conf is an ngx_at_main_conf_t */
char *ngx_at_set_cache(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_at_set_metrics(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_at_set_claim(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
extern ngx_conf_post_t  ngx_at_max_length_post;

/* ngx_at_issuer_block.c; adds an issuer */
char *ngx_at_issuer_block(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);


/* ngx_at_main.c, ngx_at_merge.c */
void *ngx_at_create_main_conf(ngx_conf_t *cf);
char *ngx_at_init_main_conf(ngx_conf_t *cf, void *conf);
void *ngx_at_create_loc_conf(ngx_conf_t *cf);
char *ngx_at_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child);

/* inherits the address ranges or compiles them */
ngx_int_t ngx_at_merge_allow(ngx_conf_t *cf, ngx_at_loc_conf_t *prev,
    ngx_at_loc_conf_t *conf);

/*
 * The status from 200 to 299 of a "return" that answers every request of the
 * present location; 0: no such "return"
 */
ngx_uint_t ngx_at_find_return(ngx_conf_t *cf);

/* finds and checks the issuer of the location's token endpoint, or inherits */
ngx_int_t ngx_at_merge_token_endpoint(ngx_conf_t *cf,
    const ngx_at_loc_conf_t *prev, ngx_at_loc_conf_t *conf);

/* adds the resources that token endpoints and use counters need */
ngx_int_t ngx_at_check_token_endpoints(ngx_conf_t *cf,
    ngx_at_main_conf_t *atmcf);

/* NULL: no such issuer */
ngx_at_issuer_t *ngx_at_issuer_find(const ngx_at_main_conf_t *atmcf,
    const ngx_str_t *name);

/* checks that depend on directives which may follow the block */
ngx_int_t ngx_at_check_issuers(ngx_conf_t *cf,
    const ngx_at_main_conf_t *atmcf);


/* an issuer block that is being parsed */
typedef struct {
    ngx_at_issuer_t  *issuer;
    ngx_array_t       positions;    /* of its directives, in their order */
} ngx_at_issuer_parser_t;

/* ngx_at_issuer_command.c: runs the directives of the block */
char *ngx_at_issuer_parse(ngx_conf_t *cf, ngx_at_issuer_parser_t *parser);

/* the first directive of this name; NULL: the block has none */
const ngx_at_conf_position_t *ngx_at_issuer_position(
    const ngx_at_issuer_parser_t *parser, const char *name);

/*
 * Directives of the issuer block.  ngx_at_key_source.c: a key source is
 * completed at the end of the block, when the issuer is known.
 */
char *ngx_at_issuer_set_jwks_uri(ngx_conf_t *cf, ngx_at_issuer_t *issuer,
    ngx_str_t *value, void *field);
char *ngx_at_issuer_set_discovery(ngx_conf_t *cf, ngx_at_issuer_t *issuer,
    ngx_str_t *value, void *field);
char *ngx_at_key_sources_resolve(ngx_conf_t *cf, ngx_at_issuer_t *issuer);

/* ngx_at_issued_token.c: tokens that nginx issues, passwords of their users */
ngx_int_t ngx_at_check_cookies(ngx_conf_t *cf, const ngx_at_issuer_t *issuer);
extern const ngx_at_conf_parameter_t  ngx_at_access_token_parameters[];
extern const ngx_at_conf_parameter_t  ngx_at_refresh_token_parameters[];
extern const ngx_at_conf_parameter_t  ngx_at_password_parameters[];


#endif
