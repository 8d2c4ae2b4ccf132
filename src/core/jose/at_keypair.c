/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE             /* asprintf() */
#endif

#include <stdio.h>
#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/evp.h>

#include "core/base/at_crypto.h"
#include "core/jose/at_key_text.h"
#include "core/jose/at_keypair.h"


static const struct {
    const char  *type;          /* of OpenSSL */
    const char  *curve;
    unsigned     algs;
} at_keypairs[] = {
    [AT_KEYPAIR_RSA] = { "RSA", NULL, AT_ALGS_RSA },
    [AT_KEYPAIR_P256] = { "EC", "P-256", at_alg_bit(AT_ES256) },
    [AT_KEYPAIR_P384] = { "EC", "P-384", at_alg_bit(AT_ES384) },
    [AT_KEYPAIR_P521] = { "EC", "P-521", at_alg_bit(AT_ES512) },
    [AT_KEYPAIR_ED25519] = { "ED25519", NULL, AT_ALGS_ED25519 }
};


unsigned
at_keypair_algs(at_keypair_e type)
{
    return at_keypairs[type].algs;
}


static int
at_keypair_write_jwks(at_keypair_t *pair, EVP_PKEY *pkey,
    const at_keypair_spec_t *spec)
{
    char    *text;
    json_t  *jwk, *set;

    jwk = at_key_to_jwk(pkey, spec->alg, spec->kid);

    if (jwk == NULL) {
        return -1;
    }

    pair->kid = strdup(json_string_value(json_object_get(jwk, "kid")));

    set = json_pack("{s:[O]}", "keys", jwk);
    text = set != NULL ? json_dumps(set, JSON_INDENT(2)) : NULL;
    json_decref(set);
    json_decref(jwk);

    /* json_dumps() adds no line end */
    if (text == NULL || asprintf(&pair->jwks, "%s\n", text) == -1) {
        pair->jwks = NULL;
    }

    free(text);

    return pair->kid != NULL && pair->jwks != NULL ? 0 : -1;
}


int
at_keypair_generate(at_keypair_t *pair, const at_keypair_spec_t *spec,
    at_error_t *err)
{
    int          rc;
    EVP_PKEY    *pkey;
    const char  *type;

    memset(pair, 0, sizeof(at_keypair_t));

    /* the last argument depends on the type; none is read for Ed25519 */
    type = at_keypairs[spec->type].type;
    pkey = spec->type == AT_KEYPAIR_RSA
           ? EVP_PKEY_Q_keygen(NULL, NULL, type, (size_t) spec->bits)
           : EVP_PKEY_Q_keygen(NULL, NULL, type,
                               at_keypairs[spec->type].curve);
    rc = -1;

    if (pkey != NULL) {
        pair->private_pem = at_key_to_private_pem(pkey);
        pair->public_pem = at_key_to_public_pem(pkey);

        rc = pair->private_pem != NULL && pair->public_pem != NULL
             ? at_keypair_write_jwks(pair, pkey, spec) : -1;
    }

    if (rc != 0) {
        (void) at_error(err, "OpenSSL cannot generate the key");
        at_keypair_release(pair);
    }

    EVP_PKEY_free(pkey);
    ERR_clear_error();

    return rc;
}


void
at_keypair_release(at_keypair_t *pair)
{
    at_secret_free(pair->private_pem);
    free(pair->public_pem);
    free(pair->jwks);
    free(pair->kid);

    memset(pair, 0, sizeof(at_keypair_t));
}
