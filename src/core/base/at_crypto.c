/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include "core/base/at_crypto.h"
#include "core/base/at_hex.h"


int
at_sha256(unsigned char digest[AT_SHA256_LEN], at_str_t text)
{
    if (EVP_Digest(text.data, text.len, digest, NULL, EVP_sha256(), NULL)
        != 1)
    {
        ERR_clear_error();
        return -1;
    }

    return 0;
}


at_sha256_t *
at_sha256_create(void)
{
    EVP_MD_CTX  *ctx;

    ctx = EVP_MD_CTX_new();

    if (ctx != NULL && EVP_DigestInit_ex2(ctx, EVP_sha256(), NULL) != 1) {
        EVP_MD_CTX_free(ctx);
        ctx = NULL;
    }

    ERR_clear_error();

    return ctx;
}


void
at_sha256_free(at_sha256_t *ctx)
{
    EVP_MD_CTX_free(ctx);
}


int
at_sha256_reuse(at_sha256_t *ctx, unsigned char digest[AT_SHA256_LEN],
    at_str_t text)
{
    if (EVP_DigestInit_ex2(ctx, NULL, NULL) != 1
        || EVP_DigestUpdate(ctx, text.data, text.len) != 1
        || EVP_DigestFinal_ex(ctx, digest, NULL) != 1)
    {
        ERR_clear_error();
        return -1;
    }

    return 0;
}


int
at_hmac_sha256(unsigned char mac[AT_SHA256_LEN], at_str_t key, at_str_t text)
{
    if (key.len > INT_MAX
        || HMAC(EVP_sha256(), key.data, (int) key.len,
                (const unsigned char *) text.data, text.len, mac, NULL)
           == NULL)
    {
        ERR_clear_error();
        return -1;
    }

    return 0;
}


int
at_crypto_equal(const void *a, const void *b, size_t len)
{
    return CRYPTO_memcmp(a, b, len) == 0;
}


int
at_sha1_hex(char hex[AT_SHA1_HEX_LEN], at_str_t text)
{
    unsigned char  digest[AT_SHA1_HEX_LEN / 2];

    if (EVP_Digest(text.data, text.len, digest, NULL, EVP_sha1(), NULL) != 1) {
        ERR_clear_error();
        return -1;
    }

    at_hex_encode(hex, digest, sizeof(digest));

    return 0;
}


int
at_random(void *data, size_t len)
{
    int  rc;

    rc = len <= INT_MAX ? RAND_priv_bytes(data, (int) len) : 0;
    ERR_clear_error();

    return rc == 1 ? 0 : -1;
}


void
at_crypto_thread_cleanup(void)
{
    OPENSSL_thread_stop();
}


void
at_crypto_cleanse(void *data, size_t len)
{
    if (len != 0) {
        explicit_bzero(data, len);
    }
}


void
at_secret_free(char *text)
{
    if (text != NULL) {
        explicit_bzero(text, strlen(text));
        free(text);
    }
}
