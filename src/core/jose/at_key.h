/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Public keys and what is done with them, over OpenSSL's EVP.  Every function
 * leaves OpenSSL's error queue empty: nginx blames what it finds there on the
 * next TLS connection.
 */

#ifndef AT_KEY_H
#define AT_KEY_H

#include "core/base/at_error.h"
#include "core/base/at_str.h"


struct evp_pkey_st;


/* RFC 7518 section 3.1, RFC 8037; there is no HS* and no none */
typedef enum {
    AT_RS256 = 0,
    AT_RS384,
    AT_RS512,
    AT_PS256,
    AT_PS384,
    AT_PS512,
    AT_ES256,
    AT_ES384,
    AT_EDDSA,

    AT_ALGS                     /* how many there are; also: not one of them */
} at_alg_e;

#define at_alg_bit(alg)  (1u << (alg))

/* by its exact, case-sensitive name; AT_ALGS if it is none of them */
at_alg_e at_alg_find(at_str_t name);
at_str_t at_alg_name(at_alg_e alg);


/*
 * A public key that was checked once and can verify: RSA of 2048 to 8192 bits
 * with an odd exponent from 65537 to 2^32 - 1; P-256; P-384; Ed25519.
 * It carries contexts that are used anew for each signature, so that one
 * thread at a time may use it.
 */
typedef struct at_key_s  at_key_t;

/*
 * algs: the algorithms that the key may be used for, as bits of at_alg_bit().
 * Those that do not fit the key's type are dropped; none left is an error.
 * The key takes its own reference of pkey.  NULL on error, with err set.
 */
at_key_t *at_key_create(struct evp_pkey_st *pkey, unsigned algs,
    at_error_t *err);
void at_key_free(at_key_t *key);

/* the algorithms that it verifies, as bits */
unsigned at_key_algs(const at_key_t *key);

/* SHA-256 of the SubjectPublicKeyInfo: two equal ones are one key */
const unsigned char *at_key_digest(const at_key_t *key);

typedef enum {
    AT_SIGNATURE_FAILED = 0,    /* no memory: nothing is known */
    AT_SIGNATURE_VALID,
    AT_SIGNATURE_INVALID
} at_signature_e;

/*
 * RFC 7515 section 5.2, step 8.  signature is in the form of the JWA (r and s
 * side by side for ES*); a length that does not fit the key exactly is bad.
 */
at_signature_e at_key_verify(at_key_t *key, at_alg_e alg, at_str_t signed_text,
    at_str_t signature);


#endif
