/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "core/base/at_base64url.h"
#include "core/base/at_crypto.h"
#include "core/jose/at_key_text.h"


#define AT_JWK_NUMBER_SIZE  1024  /* bytes of the longest number */


static json_t *
at_jwk_bytes(const unsigned char *bytes, size_t len)
{
    char  text[at_base64url_encoded_len(AT_JWK_NUMBER_SIZE)];

    at_base64url_encode(text, bytes, len);

    return json_stringn(text, at_base64url_encoded_len(len));
}


/* len is the fixed length of a coordinate; 0: without leading zeros */
static json_t *
at_jwk_number(EVP_PKEY *pkey, const char *param, size_t len)
{
    json_t         *number;
    BIGNUM         *n;
    unsigned char   bytes[AT_JWK_NUMBER_SIZE];

    n = NULL;
    number = NULL;

    if (EVP_PKEY_get_bn_param(pkey, param, &n) == 1) {
        len = len ? len : (size_t) BN_num_bytes(n);

        if (len <= sizeof(bytes) && BN_bn2binpad(n, bytes, (int) len) >= 0) {
            number = at_jwk_bytes(bytes, len);
        }
    }

    BN_free(n);

    return number;
}


static json_t *
at_jwk_ec_public(EVP_PKEY *pkey, const char *crv, size_t len)
{
    return json_pack("{ss,ss,so,so}", "kty", "EC", "crv", crv,
                     "x", at_jwk_number(pkey, OSSL_PKEY_PARAM_EC_PUB_X, len),
                     "y", at_jwk_number(pkey, OSSL_PKEY_PARAM_EC_PUB_Y, len));
}


/* the members that RFC 7638 hashes, and no others */
static json_t *
at_jwk_public(EVP_PKEY *pkey, at_alg_e alg)
{
    size_t         len;
    unsigned char  x[32];

    switch (alg) {

    case AT_ES256:
        return at_jwk_ec_public(pkey, "P-256", 32);

    case AT_ES384:
        return at_jwk_ec_public(pkey, "P-384", 48);

    case AT_ES512:
        return at_jwk_ec_public(pkey, "P-521", 66);

    case AT_EDDSA:
    case AT_ED25519:
        len = sizeof(x);
        return EVP_PKEY_get_raw_public_key(pkey, x, &len) == 1
               ? json_pack("{ss,ss,so}", "kty", "OKP", "crv", "Ed25519",
                           "x", at_jwk_bytes(x, len))
               : NULL;

    default:
        return json_pack("{ss,so,so}", "kty", "RSA",
                         "n", at_jwk_number(pkey, OSSL_PKEY_PARAM_RSA_N, 0),
                         "e", at_jwk_number(pkey, OSSL_PKEY_PARAM_RSA_E, 0));
    }
}


static json_t *
at_jwk_thumbprint(const json_t *jwk)
{
    char           *text;
    json_t         *thumbprint;
    unsigned char   digest[AT_SHA256_LEN];

    text = json_dumps(jwk, JSON_COMPACT|JSON_SORT_KEYS);

    if (text == NULL) {
        return NULL;
    }

    thumbprint = at_sha256(digest, (at_str_t) { text, strlen(text) }) == 0
                 ? at_jwk_bytes(digest, sizeof(digest)) : NULL;
    free(text);

    return thumbprint;
}


json_t *
at_key_to_jwk(EVP_PKEY *pkey, at_alg_e alg, at_str_t kid)
{
    json_t  *jwk, *name;

    jwk = at_jwk_public(pkey, alg);
    name = kid.len ? json_stringn(kid.data, kid.len) : at_jwk_thumbprint(jwk);

    if (json_object_set_new(jwk, "kid", name) != 0
        || json_object_set_new(jwk, "use", json_string("sig")) != 0
        || json_object_set_new(jwk, "alg", json_string(at_alg_name(alg).data))
           != 0)
    {
        json_decref(jwk);
        return NULL;
    }

    return jwk;
}


/* frees bio; OpenSSL cleanses its memory */
static char *
at_bio_take_text(BIO *bio, int written)
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


char *
at_key_to_private_pem(EVP_PKEY *pkey)
{
    BIO  *bio;

    bio = BIO_new(BIO_s_secmem());

    return at_bio_take_text(bio, bio != NULL
                            && PEM_write_bio_PKCS8PrivateKey(bio, pkey, NULL,
                                                     NULL, 0, NULL, NULL)
                               == 1);
}


char *
at_key_to_public_pem(EVP_PKEY *pkey)
{
    BIO  *bio;

    bio = BIO_new(BIO_s_mem());

    return at_bio_take_text(bio, bio != NULL
                                 && PEM_write_bio_PUBKEY(bio, pkey) == 1);
}
