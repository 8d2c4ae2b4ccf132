/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * algorithms
 *
 * What a forged token costs: prints the mean CPU time of a signature that does not
 * match, for each algorithm.  A valid signature takes as long.  The generation of the
 * keys takes half a minute.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/evp.h>
#include <openssl/rand.h>

#include "core/jose/at_key.h"


#define ALGORITHMS_SECONDS  1e9     /* nanoseconds for an algorithm */
#define ALGORITHMS_SIGNATURE  1024

typedef struct {
    const char  *name;
    const char  *type;
    const char  *curve;
    size_t       bits;
    at_alg_e     alg;
    size_t       signature_len;
} algorithms_row_t;

static const algorithms_row_t  algorithms_rows[] = {
    { "RS256, 2048 bits", "RSA", NULL, 2048, AT_RS256, 256 },
    { "RS256, 3072 bits", "RSA", NULL, 3072, AT_RS256, 384 },
    { "RS256, 4096 bits", "RSA", NULL, 4096, AT_RS256, 512 },
    { "RS256, 8192 bits", "RSA", NULL, 8192, AT_RS256, 1024 },
    { "PS256, 2048 bits", "RSA", NULL, 2048, AT_PS256, 256 },
    { "ES256", "EC", "P-256", 0, AT_ES256, 64 },
    { "ES384", "EC", "P-384", 0, AT_ES384, 96 },
    { "ES512", "EC", "P-521", 0, AT_ES512, 132 },
    { "EdDSA", "ED25519", NULL, 0, AT_EDDSA, 64 },
    { NULL, NULL, NULL, 0, AT_ALGS, 0 }
};


static void
algorithms_fail(const char *what)
{
    (void) fprintf(stderr, "algorithms: %s\n", what);
    exit(1);
}


static double
algorithms_clock(void)
{
    struct timespec  now;

    (void) clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);

    return (double) now.tv_sec * 1e9 + (double) now.tv_nsec;
}


static at_key_t *
algorithms_key(const algorithms_row_t *row)
{
    at_key_t    *key;
    EVP_PKEY    *pkey;
    at_error_t   err;

    pkey = row->bits ? EVP_PKEY_Q_keygen(NULL, NULL, row->type, row->bits)
           : row->curve ? EVP_PKEY_Q_keygen(NULL, NULL, row->type, row->curve)
           : EVP_PKEY_Q_keygen(NULL, NULL, row->type);

    key = pkey ? at_key_create(pkey, at_alg_bit(row->alg), &err) : NULL;
    if (key == NULL) {
        algorithms_fail("no key");
    }

    EVP_PKEY_free(pkey);

    return key;
}


int
main(void)
{
    long                     n;
    char                     text[400];
    double                   begin, time;
    at_key_t                *key;
    at_str_t                 signature;
    unsigned char            bytes[ALGORITHMS_SIGNATURE];
    const algorithms_row_t  *row;

    (void) memset(text, 'x', sizeof(text));

    for (row = algorithms_rows; row->name; row++) {
        key = algorithms_key(row);

        if (RAND_bytes(bytes, (int) row->signature_len) != 1) {
            algorithms_fail("no random bytes");
        }

        /* its numbers are in range: others are refused without arithmetic */
        bytes[0] = 0;
        bytes[row->signature_len / 2] = 0;
        bytes[row->signature_len - 1] = 0;

        signature = (at_str_t) { (char *) bytes, row->signature_len };
        begin = algorithms_clock();
        n = 0;

        do {
            if (at_key_verify(key, row->alg,
                              (at_str_t) { text, sizeof(text) }, signature)
                != AT_SIGNATURE_INVALID)
            {
                algorithms_fail("the signature is valid");
            }

            n++;
            time = algorithms_clock() - begin;

        } while (time < ALGORITHMS_SECONDS);

        (void) printf("%-18s %7.1f us%s\n", row->name,
                      time / (double) n / 1e3,
                      at_key_is_slow(key, signature) ? ", in a thread" : "");
        at_key_free(key);
    }

    return 0;
}
