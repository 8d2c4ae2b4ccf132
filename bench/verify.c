/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * verify KEY.pem COUNT
 *
 * The cost of the arithmetic: prints the mean CPU time, in nanoseconds, of COUNT calls
 * of EVP_PKEY_verify() for an RS256 signature over a digest.  The context is reused, as
 * in the module.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>


#define VERIFY_DIGEST  32


static void
verify_fail(const char *what)
{
    (void) fprintf(stderr, "verify: %s\n", what);
    exit(1);
}


static EVP_PKEY *
verify_key(const char *path)
{
    FILE      *file;
    EVP_PKEY  *key;

    file = fopen(path, "r");
    if (file == NULL) {
        verify_fail("the key cannot be opened");
    }

    key = PEM_read_PrivateKey(file, NULL, NULL, NULL);
    (void) fclose(file);

    if (key == NULL) {
        verify_fail("the key cannot be read");
    }

    return key;
}


static EVP_PKEY_CTX *
verify_context(EVP_PKEY *key, int (*init)(EVP_PKEY_CTX *ctx))
{
    EVP_PKEY_CTX  *ctx;

    ctx = EVP_PKEY_CTX_new(key, NULL);
    if (ctx == NULL || init(ctx) != 1
        || EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) != 1
        || EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()) != 1)
    {
        verify_fail("no context");
    }

    return ctx;
}


static double
verify_clock(void)
{
    struct timespec  now;

    (void) clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);

    return (double) now.tv_sec * 1e9 + (double) now.tv_nsec;
}


int
main(int argc, char **argv)
{
    long            i, count;
    double          begin;
    size_t          len;
    EVP_PKEY       *key;
    EVP_PKEY_CTX   *ctx;
    unsigned char   digest[VERIFY_DIGEST], signature[1024];

    count = (argc == 3) ? strtol(argv[2], NULL, 10) : 0;
    if (count < 1) {
        verify_fail("usage: verify KEY.pem COUNT");
    }

    key = verify_key(argv[1]);
    (void) memset(digest, 7, sizeof(digest));

    ctx = verify_context(key, EVP_PKEY_sign_init);
    len = sizeof(signature);
    if (EVP_PKEY_sign(ctx, signature, &len, digest, sizeof(digest)) != 1) {
        verify_fail("the key does not sign");
    }
    EVP_PKEY_CTX_free(ctx);

    ctx = verify_context(key, EVP_PKEY_verify_init);
    begin = 0;

    /* caches are cold in the first hundredth */
    for (i = -count / 100; i < count; i++) {
        if (i == 0) {
            begin = verify_clock();
        }

        if (EVP_PKEY_verify(ctx, signature, len, digest, sizeof(digest)) != 1) {
            verify_fail("the signature is not good");
        }
    }

    (void) printf("%.0f\n", (verify_clock() - begin) / (double) count);

    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(key);

    return 0;
}
