/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The directives "jwks_uri" and "discovery" of an issuer block.
 */

#ifndef NGX_AT_KEY_SOURCE_H
#define NGX_AT_KEY_SOURCE_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "http/base/ngx_at_issuer.h"


/* field is not used */
char *ngx_at_issuer_set_jwks_uri(ngx_conf_t *cf, ngx_at_issuer_t *issuer,
    void *field);
char *ngx_at_issuer_set_discovery(ngx_conf_t *cf, ngx_at_issuer_t *issuer,
    void *field);

/* completes the key sources of an issuer block once all of it is parsed */
char *ngx_at_key_sources_resolve(ngx_conf_t *cf, ngx_at_issuer_t *issuer);


#endif
