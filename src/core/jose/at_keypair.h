/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Generates key pairs in the formats that at_mint.h and at_jwk.h parse.
 */

#ifndef AT_KEYPAIR_H
#define AT_KEYPAIR_H

#include "core/jose/at_key.h"
#include "core/base/at_error.h"
#include "core/base/at_str.h"


#define AT_KEYPAIR_BITS_DEFAULT  2048  /* of RSA */


typedef enum {
    AT_KEYPAIR_RSA = 0,
    AT_KEYPAIR_P256,
    AT_KEYPAIR_P384,
    AT_KEYPAIR_P521,
    AT_KEYPAIR_ED25519
} at_keypair_e;

/* The algorithms of a key type, as bits; the lowest is the default. */
unsigned at_keypair_algs(at_keypair_e type);

typedef struct {
    at_keypair_e  type;
    unsigned      bits;         /* of RSA: 2048, 3072 or 4096 */
    at_alg_e      alg;          /* in the JWK; one of at_keypair_algs() */
    at_str_t      kid;          /* at_kid_is_valid(), or empty: thumbprint */
} at_keypair_spec_t;

/* Terminated strings, owned by the pair. */
typedef struct {
    char  *kid;                 /* given, or the thumbprint (RFC 7638) */
    char  *private_pem;         /* PKCS#8, not encrypted */
    char  *public_pem;          /* SubjectPublicKeyInfo */
    char  *jwks;                /* JWK Set with the public key */
} at_keypair_t;

/*
 * The caller has checked the spec.  Returns 0, and the caller releases the
 * pair; or -1 with err set and the pair zeroed.  RSA with 4096 bits takes
 * seconds.
 */
int at_keypair_generate(at_keypair_t *pair, const at_keypair_spec_t *spec,
    at_error_t *err);

/* Overwrites the private key; leaves the pair zeroed. */
void at_keypair_release(at_keypair_t *pair);


#endif
