/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Public keys and what is done with them, over OpenSSL's EVP.  Every function
 * leaves OpenSSL's error queue empty: nginx blames what it finds there on the
 * next TLS connection.
 */

#ifndef AT_CRYPTO_H
#define AT_CRYPTO_H

#include "at_error.h"
#include "at_str.h"


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
    AT_SIGNATURE_GOOD,
    AT_SIGNATURE_BAD
} at_signature_e;

/*
 * RFC 7515 section 5.2, step 8.  signature is in the form of the JWA (r and s
 * side by side for ES*); a length that does not fit the key exactly is bad.
 */
at_signature_e at_key_verify(at_key_t *key, at_alg_e alg, at_str_t signed_text,
    at_str_t signature);


#define AT_SHA256_LEN  32

/* Returns 0, or -1 where memory failed. */
int at_sha256(unsigned char digest[AT_SHA256_LEN], at_str_t text);

/*
 * The same for those who hash again and again: to find the algorithm takes
 * longer than to hash an API token.  One thread at a time may use it.
 */
typedef struct at_sha256_s  at_sha256_t;

at_sha256_t *at_sha256_create(void);            /* NULL where memory failed */
void at_sha256_free(at_sha256_t *sha256);
int at_sha256_again(at_sha256_t *sha256, unsigned char digest[AT_SHA256_LEN],
    at_str_t text);

/* HMAC-SHA256 (RFC 2104).  Returns 0, or -1 where memory failed. */
int at_hmac_sha256(unsigned char mac[AT_SHA256_LEN], at_str_t key,
    at_str_t text);

/* 1 if they are equal, in a time that does not tell where they differ */
int at_crypto_equal(const void *a, const void *b, size_t len);

#define AT_SHA1_HEX_LEN  40

/* A name that others give to text, not a protection.  Returns 0 or -1, too. */
int at_sha1_hex(char hex[AT_SHA1_HEX_LEN], at_str_t text);

/*
 * Bytes that nobody can guess, for tokens and secrets.  Returns 0, or -1: then
 * there are none.
 */
int at_random(void *data, size_t len);

/*
 * At the end of what a thread does that nobody joins: what OpenSSL keeps for it
 * is freed now, and not when the thread ends, as OpenSSL may be gone by then.
 */
void at_crypto_thread_end(void);

/* overwrites what must not be found in memory later */
void at_crypto_cleanse(void *data, size_t len);


#endif
