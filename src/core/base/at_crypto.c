/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include "core/base/at_crypto.h"
#include "core/base/at_hex.h"


#define AT_HKDF_INFO_MAX  64

#define AT_GCM_NONCE_LEN  12
#define AT_GCM_TAG_LEN    (AT_SEAL_OVERHEAD - AT_GCM_NONCE_LEN)


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
at_hkdf_sha256(unsigned char key[AT_SHA256_LEN], at_str_t secret,
    at_str_t salt, at_str_t info)
{
    int            rc;
    char           block[AT_HKDF_INFO_MAX + 1];
    unsigned char  prk[AT_SHA256_LEN];

    if (info.len > AT_HKDF_INFO_MAX
        || at_hmac_sha256(prk, salt, secret) != 0)
    {
        return -1;
    }

    memcpy(block, info.data, info.len);
    block[info.len] = 1;                /* number of the block */

    rc = at_hmac_sha256(key, (at_str_t) { (char *) prk, sizeof(prk) },
                        (at_str_t) { block, info.len + 1 });
    at_crypto_cleanse(prk, sizeof(prk));

    return rc;
}


int
at_seal(unsigned char *sealed, const unsigned char key[AT_SHA256_LEN],
    at_str_t context, at_str_t plain)
{
    int              ok, n;
    unsigned char   *text, *tag;
    EVP_CIPHER_CTX  *ctx;

    if (plain.len > INT_MAX || context.len > INT_MAX
        || at_random(sealed, AT_GCM_NONCE_LEN) != 0)
    {
        return -1;
    }

    text = sealed + AT_GCM_NONCE_LEN;
    tag = text + plain.len;
    ctx = EVP_CIPHER_CTX_new();

    ok = ctx != NULL
         && EVP_EncryptInit_ex2(ctx, EVP_aes_256_gcm(), key, sealed, NULL) == 1
         && EVP_EncryptUpdate(ctx, NULL, &n,
                              (const unsigned char *) context.data,
                              (int) context.len) == 1
         && EVP_EncryptUpdate(ctx, text, &n,
                              (const unsigned char *) plain.data,
                              (int) plain.len) == 1
         && EVP_EncryptFinal_ex(ctx, tag, &n) == 1
         && EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, AT_GCM_TAG_LEN,
                                tag) == 1;

    EVP_CIPHER_CTX_free(ctx);
    ERR_clear_error();

    return ok ? 0 : -1;
}


int
at_unseal(char *plain, const unsigned char key[AT_SHA256_LEN],
    at_str_t context, at_str_t sealed)
{
    int                   ok, n;
    size_t                len;
    EVP_CIPHER_CTX       *ctx;
    const unsigned char  *nonce, *text;

    if (sealed.len < AT_SEAL_OVERHEAD || sealed.len > INT_MAX
        || context.len > INT_MAX)
    {
        return -1;
    }

    nonce = (const unsigned char *) sealed.data;
    text = nonce + AT_GCM_NONCE_LEN;
    len = sealed.len - AT_SEAL_OVERHEAD;
    ctx = EVP_CIPHER_CTX_new();

    ok = ctx != NULL
         && EVP_DecryptInit_ex2(ctx, EVP_aes_256_gcm(), key, nonce, NULL) == 1
         && EVP_DecryptUpdate(ctx, NULL, &n,
                              (const unsigned char *) context.data,
                              (int) context.len) == 1
         && EVP_DecryptUpdate(ctx, (unsigned char *) plain, &n, text,
                              (int) len) == 1
         && EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, AT_GCM_TAG_LEN,
                                (void *) (uintptr_t) (text + len)) == 1
         && EVP_DecryptFinal_ex(ctx, (unsigned char *) plain + len, &n) == 1;

    EVP_CIPHER_CTX_free(ctx);
    ERR_clear_error();

    if (!ok) {
        at_crypto_cleanse(plain, len);
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
