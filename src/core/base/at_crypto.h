/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Digests, HMAC, random bytes, constant-time comparison.  Every function
 * leaves the error queue of OpenSSL empty: nginx would report an error left
 * there for the next TLS connection.
 */

#ifndef AT_CRYPTO_H
#define AT_CRYPTO_H

#include <stddef.h>

#include "core/base/at_str.h"


#define AT_SHA256_LEN  32

/* Returns 0, or -1 if allocation fails. */
int at_sha256(unsigned char digest[AT_SHA256_LEN], at_str_t text);

/*
 * SHA-256 with a reusable context: looking up the algorithm takes longer than
 * hashing an API token.  Only one thread at a time may use a context.
 */
typedef struct evp_md_ctx_st  at_sha256_t;

at_sha256_t *at_sha256_create(void);            /* NULL: no memory */
void at_sha256_free(at_sha256_t *ctx);
int at_sha256_reuse(at_sha256_t *ctx, unsigned char digest[AT_SHA256_LEN],
    at_str_t text);

/* HMAC-SHA256 (RFC 2104).  Returns 0, or -1 if allocation fails. */
int at_hmac_sha256(unsigned char mac[AT_SHA256_LEN], at_str_t key,
    at_str_t text);

/*
 * HKDF-SHA256 (RFC 5869) with an output of one block.  Returns 0, or -1 if
 * allocation fails.
 */
int at_hkdf_sha256(unsigned char key[AT_SHA256_LEN], at_str_t secret,
    at_str_t salt, at_str_t info);

/*
 * AES-256-GCM with a random nonce.  sealed has AT_SEAL_OVERHEAD bytes more
 * than plain.  at_unseal() needs the same key and context.  Return 0, or -1:
 * then nothing was written, or plain was cleansed.
 */
#define AT_SEAL_OVERHEAD  28

int at_seal(unsigned char *sealed, const unsigned char key[AT_SHA256_LEN],
    at_str_t context, at_str_t plain);
int at_unseal(char *plain, const unsigned char key[AT_SHA256_LEN],
    at_str_t context, at_str_t sealed);

/* Returns 1 if a and b are equal; takes the same time wherever they differ. */
int at_crypto_equal(const void *a, const void *b, size_t len);

#define AT_SHA1_HEX_LEN  40

/* For the scope ids of IP Fabric, not for security.  Returns 0, or -1. */
int at_sha1_hex(char hex[AT_SHA1_HEX_LEN], at_str_t text);

/* Random bytes for tokens and secrets.  Returns 0, or -1 on failure. */
int at_random(void *data, size_t len);

/*
 * Frees the memory that OpenSSL keeps for the calling thread.  Call it at the
 * end of a detached thread, as OpenSSL may be unloaded when the thread exits.
 */
void at_crypto_thread_cleanup(void);

/* Overwrites a secret.  The compiler does not remove the call. */
void at_crypto_cleanse(void *data, size_t len);

/* Overwrites and frees a terminated string.  It may be NULL. */
void at_secret_free(char *text);


#endif
