/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Digests, HMAC, random bytes, constant-time comparison.  Every function leaves
 * OpenSSL's error queue empty: nginx reports what it finds there as an error of
 * the next TLS connection.
 */

#ifndef AT_CRYPTO_H
#define AT_CRYPTO_H

#include <stddef.h>

#include "core/base/at_str.h"


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
int at_sha256_reuse(at_sha256_t *sha256, unsigned char digest[AT_SHA256_LEN],
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
void at_crypto_thread_cleanup(void);

/* overwrites what must not be found in memory later */
void at_crypto_cleanse(void *data, size_t len);


#endif
