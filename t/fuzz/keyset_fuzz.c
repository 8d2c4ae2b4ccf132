/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Any bytes as a key file: each key can verify, or there is an error message.
 * The stored form of a JWK Set has the same keys.
 */

#include <openssl/err.h>

#include "core/jose/at_keyset.h"
#include "fuzz.h"


static void
fuzz_check_warning(void *data, const char *text)
{
    (void) data;
    fuzz_assert(text[0] != '\0' && strchr(text, '\n') == NULL);
}


static void
fuzz_check_key(const at_jwk_t *jwk, unsigned algs)
{
    static const char  zeros[512];

    fuzz_assert(at_key_algs(jwk->key) != 0);
    fuzz_assert((at_key_algs(jwk->key) & ~algs) == 0);
    fuzz_assert(jwk->kid.len == 0 || at_kid_is_valid(jwk->kid));

    /* a signature without a key */
    fuzz_assert(at_key_verify(jwk->key, AT_RS256, at_str("x"),
                              (at_str_t) { zeros, 256 })
                                  != AT_SIGNATURE_VALID);
    fuzz_assert(at_key_verify(jwk->key, AT_ES256, at_str("x"),
                              (at_str_t) { zeros, 64 }) != AT_SIGNATURE_VALID);
}


static void
fuzz_check_stored(const at_keyset_t *set, unsigned algs)
{
    char         *text;
    size_t        i;
    at_error_t    err;
    at_keyset_t  *stored;

    text = at_keyset_to_jwks(set);
    fuzz_assert(text != NULL);

    stored = at_keyset_parse_jwks((at_str_t) { text, strlen(text) }, algs,
                                  fuzz_check_warning, NULL, &err);
    free(text);
    fuzz_assert(stored != NULL && stored->n == set->n);

    for (i = 0; i < set->n; i++) {
        fuzz_assert(at_str_equal(stored->keys[i].kid, set->keys[i].kid));
        fuzz_assert(at_str_equal(stored->keys[i].issuer, set->keys[i].issuer));
        fuzz_assert(strcmp(stored->keys[i].x5t, set->keys[i].x5t) == 0);
        fuzz_assert(strcmp(stored->keys[i].x5t_s256, set->keys[i].x5t_s256)
                    == 0);
        fuzz_assert(at_key_algs(stored->keys[i].key)
                    == at_key_algs(set->keys[i].key));
    }

    at_keyset_free(stored);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t        i;
    unsigned      algs = (1u << AT_ALGS) - 1;
    at_error_t    err = { 0 };
    at_keyset_t  *set;

    set = at_keyset_parse(fuzz_copy(data, size), algs, fuzz_check_warning,
                          NULL, &err);
    fuzz_end();     /* the keys must not refer to the text */

    fuzz_assert(ERR_peek_error() == 0);

    if (set == NULL) {
        fuzz_assert(err.text[0] != '\0');
        return 0;
    }

    fuzz_assert(set->n > 0 && set->n <= AT_KEYSET_KEYS_MAX);

    for (i = 0; i < set->n; i++) {
        fuzz_check_key(&set->keys[i], algs);
    }

    if (set->json != NULL) {
        fuzz_check_stored(set, algs);
    }

    at_keyset_free(set);

    return 0;
}
