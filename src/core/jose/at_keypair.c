/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE             /* asprintf() */
#endif

#include <stdio.h>
#include <stdlib.h>

#include <jansson.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "core/base/at_crypto.h"
#include "core/jose/at_jwk.h"
#include "core/jose/at_jwk_publish.h"
#include "core/jose/at_key.h"
#include "core/jose/at_keypair.h"


unsigned
at_keypair_algs(at_keypair_e type)
{
    switch (type) {

    case AT_KEYPAIR_RSA:
        return at_alg_bit(AT_RS256) | at_alg_bit(AT_RS384)
               | at_alg_bit(AT_RS512) | at_alg_bit(AT_PS256)
               | at_alg_bit(AT_PS384) | at_alg_bit(AT_PS512);

    case AT_KEYPAIR_P256:
        return at_alg_bit(AT_ES256);

    case AT_KEYPAIR_P384:
        return at_alg_bit(AT_ES384);

    case AT_KEYPAIR_ED25519:
        return at_alg_bit(AT_EDDSA);
    }

    return 0;
}


static int
at_keypair_check(const at_keypair_spec_t *spec, at_error_t *err)
{
    if (spec->type == AT_KEYPAIR_RSA
        && spec->bits != 2048 && spec->bits != 3072 && spec->bits != 4096)
    {
        return at_error(err, "invalid RSA key size: use 2048, 3072 or "
                        "4096 bits");
    }

    if ((unsigned) spec->alg >= AT_ALGS
        || !(at_alg_bit(spec->alg) & at_keypair_algs(spec->type)))
    {
        return at_error(err, "the algorithm does not fit the key type");
    }

    if (spec->kid.len != 0 && !at_kid_is_valid(spec->kid)) {
        return at_error(err, "invalid kid");
    }

    return 0;
}


static EVP_PKEY *
at_keypair_generate_pkey(const at_keypair_spec_t *spec)
{
    switch (spec->type) {

    case AT_KEYPAIR_RSA:
        return EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t) spec->bits);

    case AT_KEYPAIR_P256:
        return EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");

    case AT_KEYPAIR_P384:
        return EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-384");

    case AT_KEYPAIR_ED25519:
        return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    }

    return NULL;
}


/* frees bio; OpenSSL cleanses its memory */
static char *
at_keypair_take_text(BIO *bio, int written)
{
    char  *data, *text;
    long   len;

    text = NULL;

    if (written) {
        len = BIO_get_mem_data(bio, &data);
        text = strndup(data, (size_t) len);
    }

    BIO_free(bio);

    return text;
}


static int
at_keypair_write_pem(at_keypair_t *pair, EVP_PKEY *pkey)
{
    int   written;
    BIO  *bio;

    bio = BIO_new(BIO_s_secmem());
    written = bio != NULL
              && PEM_write_bio_PKCS8PrivateKey(bio, pkey, NULL, NULL, 0, NULL,
                                               NULL)
                 == 1;
    pair->private_pem = at_keypair_take_text(bio, written);

    bio = BIO_new(BIO_s_mem());
    written = bio != NULL && PEM_write_bio_PUBKEY(bio, pkey) == 1;
    pair->public_pem = at_keypair_take_text(bio, written);

    return pair->private_pem != NULL && pair->public_pem != NULL ? 0 : -1;
}


static int
at_keypair_write_jwks(at_keypair_t *pair, EVP_PKEY *pkey,
    const at_keypair_spec_t *spec)
{
    char    *text;
    json_t  *jwk, *set;

    jwk = at_jwk_publish(pkey, spec->alg, spec->kid);

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
    int        rc;
    EVP_PKEY  *pkey;

    memset(pair, 0, sizeof(at_keypair_t));

    if (at_keypair_check(spec, err) != 0) {
        return -1;
    }

    pkey = at_keypair_generate_pkey(spec);
    rc = 0;

    if (pkey == NULL
        || at_keypair_write_pem(pair, pkey) != 0
        || at_keypair_write_jwks(pair, pkey, spec) != 0)
    {
        rc = at_error(err, "OpenSSL cannot generate the key");
        at_keypair_release(pair);
    }

    EVP_PKEY_free(pkey);
    ERR_clear_error();

    return rc;
}


void
at_keypair_release(at_keypair_t *pair)
{
    if (pair->private_pem != NULL) {
        at_crypto_cleanse(pair->private_pem, strlen(pair->private_pem));
    }

    free(pair->private_pem);
    free(pair->public_pem);
    free(pair->jwks);
    free(pair->kid);

    memset(pair, 0, sizeof(at_keypair_t));
}
