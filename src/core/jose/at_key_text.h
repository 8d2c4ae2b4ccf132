/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Keys of OpenSSL as text: JWK (RFC 7517), PEM.
 */

#ifndef AT_KEY_TEXT_H
#define AT_KEY_TEXT_H

#include <jansson.h>

#include "core/base/at_str.h"
#include "core/jose/at_key.h"


/*
 * Makes a JWK with "kid", "use" and "alg"; alg must fit the key.  If kid is
 * empty, the kid is the thumbprint (RFC 7638).  The caller owns the JWK.
 * Returns NULL if allocation fails.
 */
json_t *at_key_to_jwk(struct evp_pkey_st *pkey, at_alg_e alg, at_str_t kid);

/*
 * The private key (PKCS#8, not encrypted) or the public key
 * (SubjectPublicKeyInfo).  The caller frees the terminated string, with
 * at_secret_free() if the key is private.  Returns NULL on error.
 */
char *at_key_to_private_pem(struct evp_pkey_st *pkey);
char *at_key_to_public_pem(struct evp_pkey_st *pkey);


#endif
