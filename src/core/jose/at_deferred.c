/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <string.h>

#include "core/jose/at_deferred.h"


at_signature_e
at_deferred_verify(at_deferred_t *deferred, at_key_t *key, at_alg_e alg,
    at_str_t signed_text, at_str_t signature)
{
    size_t  i;

    for (i = 0; i < deferred->n; i++) {
        if (memcmp(deferred->results[i].key, at_key_digest(key), AT_SHA256_LEN)
            == 0)
        {
            return deferred->results[i].signature;
        }
    }

    if (!at_key_is_slow(key, signature)
        || signature.len > AT_SIGNATURE_LEN_MAX
        || deferred->n == AT_DEFERRED_RESULTS_MAX)
    {
        return at_key_verify(key, alg, signed_text, signature);
    }

    at_deferred_free(deferred);

    deferred->key = at_key_copy(key, alg);
    deferred->alg = alg;
    deferred->signed_text = signed_text;
    deferred->signature_len = signature.len;
    memcpy(deferred->signature, signature.data, signature.len);

    return deferred->key ? AT_SIGNATURE_PENDING : AT_SIGNATURE_FAILED;
}


void
at_deferred_run(at_deferred_t *deferred)
{
    size_t    i;
    at_str_t  signature;

    i = deferred->n;
    signature = (at_str_t) { deferred->signature, deferred->signature_len };

    memcpy(deferred->results[i].key, at_key_digest(deferred->key),
           AT_SHA256_LEN);
    deferred->results[i].signature = at_key_verify(deferred->key,
                                                   deferred->alg,
                                                   deferred->signed_text,
                                                   signature);
    deferred->n = i + 1;
}


void
at_deferred_free(at_deferred_t *deferred)
{
    at_key_free(deferred->key);
    deferred->key = NULL;
}
