/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The directives of an issuer block for tokens that nginx issues, and for the
 * passwords of its users.
 */

#ifndef NGX_AT_ISSUED_TOKEN_H
#define NGX_AT_ISSUED_TOKEN_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "http/base/ngx_at_issuer.h"


void ngx_at_issued_token_set_defaults(ngx_at_issuer_t *issuer);

/* field is not used */
char *ngx_at_issuer_set_signing_key(ngx_conf_t *cf, ngx_at_issuer_t *issuer,
    void *field);
char *ngx_at_issuer_set_access_token(ngx_conf_t *cf, ngx_at_issuer_t *issuer,
    void *field);
char *ngx_at_issuer_set_refresh_token(ngx_conf_t *cf, ngx_at_issuer_t *issuer,
    void *field);
char *ngx_at_issuer_set_password(ngx_conf_t *cf, ngx_at_issuer_t *issuer,
    void *field);


#endif
