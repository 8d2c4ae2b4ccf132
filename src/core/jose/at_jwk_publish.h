/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The JWK of a public key (RFC 7517).
 */

#ifndef AT_JWK_PUBLISH_H
#define AT_JWK_PUBLISH_H

#include <jansson.h>

#include "core/jose/at_key.h"
#include "core/base/at_str.h"


/*
 * Makes a JWK with "kid", "use" and "alg"; alg must fit the key.  If kid is
 * empty, the kid is the thumbprint (RFC 7638).  The caller owns the JWK.
 * Returns NULL if allocation fails.
 */
json_t *at_jwk_publish(struct evp_pkey_st *pkey, at_alg_e alg, at_str_t kid);


#endif
