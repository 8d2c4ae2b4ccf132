/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The public half of a key pair, as others read it (RFC 7517).
 */

#ifndef AT_JWK_PUBLISH_H
#define AT_JWK_PUBLISH_H

#include <jansson.h>

#include "core/jose/at_key.h"
#include "core/base/at_str.h"


/*
 * A JWK for alg, which fits the key, with "kid", "use" and "alg"; without a kid
 * it is named by its thumbprint (RFC 7638).  The caller owns it; NULL where
 * memory failed.
 */
json_t *at_jwk_publish(struct evp_pkey_st *pkey, at_alg_e alg, at_str_t kid);


#endif
