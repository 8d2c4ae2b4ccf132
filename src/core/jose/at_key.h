/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Public keys and signatures.  Every function leaves the error queue of
 * OpenSSL empty: nginx would report an error left there for the next TLS
 * connection.
 */

#ifndef AT_KEY_H
#define AT_KEY_H

#include "core/base/at_error.h"
#include "core/base/at_str.h"


struct evp_pkey_st;


/* RFC 7518 section 3.1, RFC 8037, RFC 9864; without HS* and "none" */
typedef enum {
    AT_RS256 = 0,
    AT_RS384,
    AT_RS512,
    AT_PS256,
    AT_PS384,
    AT_PS512,
    AT_ES256,
    AT_ES384,
    AT_ES512,
    AT_EDDSA,                   /* with Ed25519 keys only */
    AT_ED25519,                 /* the same signature */

    AT_ALGS                     /* the number of algorithms; also: unknown */
} at_alg_e;

#define at_alg_bit(alg)  (1u << (alg))

/* The algorithms of a type of key. */
#define AT_ALGS_RSA                                                           \
    (at_alg_bit(AT_RS256) | at_alg_bit(AT_RS384) | at_alg_bit(AT_RS512)       \
     | at_alg_bit(AT_PS256) | at_alg_bit(AT_PS384) | at_alg_bit(AT_PS512))
#define AT_ALGS_EC                                                            \
    (at_alg_bit(AT_ES256) | at_alg_bit(AT_ES384) | at_alg_bit(AT_ES512))
#define AT_ALGS_ED25519  (at_alg_bit(AT_EDDSA) | at_alg_bit(AT_ED25519))

/* The name is case-sensitive.  Returns AT_ALGS if it is unknown. */
at_alg_e at_alg_find(at_str_t name);
at_str_t at_alg_name(at_alg_e alg);

/* The lowest of algs, the default of a signing key; AT_ALGS if empty. */
at_alg_e at_alg_first(unsigned algs);


/*
 * A checked public key: RSA of 2048 to 8192 bits with an odd exponent from
 * 65537 to 2^32 - 1; P-256; P-384; P-521; Ed25519.  It has contexts that are
 * reused for each signature: only one thread at a time may use it.
 */
typedef struct at_key_s  at_key_t;

/*
 * algs: the algorithms that the issuer accepts, bits of at_alg_bit().  At
 * least one of them must fit the key, which is checked before its numbers
 * are.  The key holds a new reference to pkey.  Returns NULL with err set on
 * error.
 */
at_key_t *at_key_create(struct evp_pkey_st *pkey, unsigned algs,
    at_error_t *err);
void at_key_free(at_key_t *key);

/* The algorithms that fit the key and are accepted, as bits. */
unsigned at_key_algs(const at_key_t *key);

/* SHA-256 of the SubjectPublicKeyInfo, AT_SHA256_LEN bytes. */
const unsigned char *at_key_digest(const at_key_t *key);

typedef enum {
    AT_SIGNATURE_FAILED = 0,    /* no memory: not verified */
    AT_SIGNATURE_VALID,
    AT_SIGNATURE_INVALID,
    AT_SIGNATURE_PENDING        /* see at_deferred_verify() */
} at_signature_e;

/*
 * RFC 7515 section 5.2, step 8.  The signature is in the format of RFC 7518;
 * its length must be exactly that of the key.
 */
at_signature_e at_key_verify(at_key_t *key, at_alg_e alg, at_str_t signed_text,
    at_str_t signature);

/* 1 if it takes more than 100 us: P-384, P-521, RSA of more than 4096 bits */
int at_key_is_slow(const at_key_t *key, at_str_t signature);

/* For one algorithm and another thread.  Returns NULL if allocation fails. */
at_key_t *at_key_copy(const at_key_t *key, at_alg_e alg);


#endif
