/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * mint KEY.pem LENGTH FIRST COUNT
 *
 * Prints COUNT different RS256 tokens, one a line: the claims of the issuer, a number
 * from FIRST, and padding up to LENGTH bytes, or one less, as base64 text cannot have
 * every length.  Parses the key once, unlike the command auth-token.
 */

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/pem.h>

#include "core/base/at_base64url.h"


#define MINT_MAX  8192

#define MINT_HEADER                                                           \
    "{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"bench\"}"

/* far in the future: the tokens are kept between runs */
#define MINT_CLAIMS                                                           \
    "{\"iss\":\"https://issuer.example\",\"aud\":\"api\",\"sub\":\"jane\","   \
    "\"username\":\"jane\",\"scope\":[\"read\",\"write\"],\"isAdmin\":false," \
    "\"iat\":1700000000,\"exp\":4102444800,\"id\":\"%010lu\",\"pad\":\"%.*s\"}"


static void
mint_fail(const char *what)
{
    (void) fprintf(stderr, "mint: %s\n", what);
    exit(1);
}


static EVP_PKEY *
mint_key(const char *path)
{
    FILE      *file;
    EVP_PKEY  *key;

    file = fopen(path, "r");
    if (file == NULL) {
        mint_fail("the key cannot be opened");
    }

    key = PEM_read_PrivateKey(file, NULL, NULL, NULL);
    (void) fclose(file);

    if (key == NULL || EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA) {
        mint_fail("the key is not an RSA key");
    }

    return key;
}


/* header and payload, encoded; returns their length */
static size_t
mint_text(char *text, size_t pad, unsigned long number)
{
    int          n;
    char        *p;
    static char  padding[MINT_MAX], claims[MINT_MAX + 512];

    (void) memset(padding, 'x', sizeof(padding));

    n = snprintf(claims, sizeof(claims), MINT_CLAIMS, number, (int) pad,
                 padding);
    if (n < 0 || (size_t) n >= sizeof(claims)) {
        mint_fail("the claims are too long");
    }

    p = text;
    at_base64url_encode(p, (const unsigned char *) MINT_HEADER,
                        sizeof(MINT_HEADER) - 1);
    p += at_base64url_encoded_len(sizeof(MINT_HEADER) - 1);
    *p++ = '.';
    at_base64url_encode(p, (const unsigned char *) claims, (size_t) n);

    return (size_t) (p - text) + at_base64url_encoded_len((size_t) n);
}


/* the padding that makes the token, with its signature, length bytes long */
static size_t
mint_pad(size_t length, size_t signature)
{
    size_t       pad, n;
    static char  text[4 * MINT_MAX];

    pad = 0;

    do {
        n = mint_text(text, ++pad, 0) + 1 + signature;
    } while (n < length && pad < MINT_MAX);

    if (n > length) {
        n = mint_text(text, --pad, 0) + 1 + signature;
    }

    if (n != length && n + 1 != length) {
        mint_fail("no token has this length");
    }

    return pad;
}


static void
mint_token(EVP_MD_CTX *ctx, EVP_PKEY *key, size_t pad, unsigned long number)
{
    size_t         len, signature_len;
    unsigned char  signature[1024];
    static char    text[4 * MINT_MAX];

    len = mint_text(text, pad, number);
    signature_len = sizeof(signature);

    if (EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) != 1
        || EVP_DigestSign(ctx, signature, &signature_len,
                          (unsigned char *) text, len) != 1)
    {
        mint_fail("the key does not sign");
    }

    text[len++] = '.';
    at_base64url_encode(text + len, signature, signature_len);
    len += at_base64url_encoded_len(signature_len);
    text[len++] = '\n';

    if (fwrite(text, len, 1, stdout) != 1) {
        mint_fail("the tokens cannot be written");
    }
}


static unsigned long
mint_number(const char *text)
{
    char           *end;
    unsigned long   n;

    n = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || n > INT_MAX) {
        mint_fail("a number was expected");
    }

    return n;
}


int
main(int argc, char **argv)
{
    size_t          pad;
    EVP_PKEY       *key;
    EVP_MD_CTX     *ctx;
    unsigned long   i, first, count;

    if (argc != 5) {
        mint_fail("usage: mint KEY.pem LENGTH FIRST COUNT");
    }

    key = mint_key(argv[1]);
    ctx = EVP_MD_CTX_new();
    if (ctx == NULL) {
        mint_fail("no memory");
    }

    first = mint_number(argv[3]);
    count = mint_number(argv[4]);
    pad = mint_pad(mint_number(argv[2]),
                   at_base64url_encoded_len((size_t) EVP_PKEY_get_size(key)));

    for (i = 0; i < count; i++) {
        mint_token(ctx, key, pad, first + i);
    }

    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(key);

    if (fflush(stdout) != 0) {
        mint_fail("the tokens cannot be written");
    }

    return 0;
}
