/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The private keys by which an issuer block signs tokens.
 */

#ifndef NGX_AT_SIGNING_KEY_H
#define NGX_AT_SIGNING_KEY_H

#include "core/jose/at_mint.h"

#include "http/base/ngx_at_main_conf.h"


struct ngx_at_signing_key_s {
    ngx_str_t               path;
    ngx_str_t               kid;                /* as configured, or empty */
    ngx_at_conf_position_t  position;

    at_mint_t              *mint;
    at_alg_e                alg;                /* by the type of the key */
    char                   *jwk;                /* the public key */
    char                   *name;               /* kid, or the thumbprint */
};


/* the directive "signing_key"; the file is read later */
char *ngx_at_issuer_set_signing_key(ngx_conf_t *cf, ngx_at_issuer_t *issuer,
    ngx_str_t *value, void *field);

/*
 * Reads the key files and sets issuer->jwks, once the issuer block is
 * complete.  A file must be readable only by the user that starts nginx: the
 * master process reads it, worker processes and other programs cannot.  If
 * that user is not root, a file of root may be readable by a group of the
 * user, as Kubernetes mounts a Secret.
 */
char *ngx_at_signing_keys_load(ngx_conf_t *cf, ngx_at_issuer_t *issuer);


#endif
