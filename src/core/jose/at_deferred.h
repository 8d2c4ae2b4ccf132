/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * A signature that is verified in a thread, because it takes long, while the
 * verification of its token is suspended.
 */

#ifndef AT_DEFERRED_H
#define AT_DEFERRED_H

#include "core/base/at_crypto.h"
#include "core/base/at_str.h"
#include "core/jose/at_key.h"


#define AT_DEFERRED_RESULTS_MAX  32  /* keys that are tried in a thread */
#define AT_SIGNATURE_LEN_MAX     1024


/* For one token.  Zeroed by the caller. */
typedef struct {
    /* the next verification */
    at_key_t        *key;           /* a copy, or NULL */
    at_alg_e         alg;
    at_str_t         signed_text;   /* a view of the token */
    size_t           signature_len;
    char             signature[AT_SIGNATURE_LEN_MAX];

    /* the results so far */
    size_t           n;
    struct {
        unsigned char   key[AT_SHA256_LEN];     /* at_key_digest() */
        at_signature_e  signature;
    } results[AT_DEFERRED_RESULTS_MAX];
} at_deferred_t;


/*
 * The result for a key.  AT_SIGNATURE_PENDING: the caller calls
 * at_deferred_run(), in any thread, and then at_deferred_verify() again.
 */
at_signature_e at_deferred_verify(at_deferred_t *deferred, at_key_t *key,
    at_alg_e alg, at_str_t signed_text, at_str_t signature);

void at_deferred_run(at_deferred_t *deferred);

void at_deferred_free(at_deferred_t *deferred);


#endif
