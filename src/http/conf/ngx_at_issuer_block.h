/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The block "auth_token_issuer" and its directives.
 */

#ifndef NGX_AT_ISSUER_BLOCK_H
#define NGX_AT_ISSUER_BLOCK_H

#include "http/base/ngx_at_main_conf.h"


char *ngx_at_issuer_block(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* NULL: no such issuer */
ngx_at_issuer_t *ngx_at_issuer_find(const ngx_at_main_conf_t *atmcf,
    const ngx_str_t *name);

/* checks that depend on directives which may follow the block */
ngx_int_t ngx_at_check_issuers(ngx_conf_t *cf,
    const ngx_at_main_conf_t *atmcf);

/* ngx_at_key_source.c; key sources are completed at the end of the block */
char *ngx_at_issuer_set_jwks_uri(ngx_conf_t *cf, ngx_at_issuer_t *issuer,
    void *field);
char *ngx_at_issuer_set_discovery(ngx_conf_t *cf, ngx_at_issuer_t *issuer,
    void *field);
char *ngx_at_key_sources_resolve(ngx_conf_t *cf, ngx_at_issuer_t *issuer);

/* ngx_at_issued_token.c: tokens that nginx issues, passwords of their users */
void ngx_at_issued_token_set_defaults(ngx_at_issuer_t *issuer);
char *ngx_at_issuer_set_signing_key(ngx_conf_t *cf, ngx_at_issuer_t *issuer,
    void *field);
char *ngx_at_issuer_set_access_token(ngx_conf_t *cf, ngx_at_issuer_t *issuer,
    void *field);
char *ngx_at_issuer_set_refresh_token(ngx_conf_t *cf, ngx_at_issuer_t *issuer,
    void *field);
char *ngx_at_issuer_set_password(ngx_conf_t *cf, ngx_at_issuer_t *issuer,
    void *field);


#endif
