/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>

#include "core/base/at_base64url.h"
#include "core/base/at_crypto.h"
#include "core/jose/at_jwk_publish.h"
#include "core/jose/at_key.h"


#define AT_JWK_NUMBER_SIZE  1024  /* bytes of the longest number */


static int
at_jwk_set_bytes(json_t *jwk, const char *name,
    const unsigned char *bytes, size_t len)
{
    char  text[at_base64url_encoded_len(AT_JWK_NUMBER_SIZE)];

    at_base64url_encode(text, bytes, len);

    return json_object_set_new(jwk, name,
                         json_stringn(text, at_base64url_encoded_len(len)));
}


/* len is the fixed length of a coordinate; 0: without leading zeros */
static int
at_jwk_set_number(json_t *jwk, const char *name, EVP_PKEY *pkey,
    const char *param, size_t len)
{
    int            rc;
    BIGNUM        *n;
    unsigned char  bytes[AT_JWK_NUMBER_SIZE];

    n = NULL;

    if (EVP_PKEY_get_bn_param(pkey, param, &n) != 1) {
        return -1;
    }

    if (len == 0) {
        len = (size_t) BN_num_bytes(n);
    }

    rc = len <= sizeof(bytes) && BN_bn2binpad(n, bytes, (int) len) >= 0
         ? at_jwk_set_bytes(jwk, name, bytes, len) : -1;

    BN_free(n);

    return rc;
}


static int
at_jwk_set_ec(json_t *jwk, EVP_PKEY *pkey, const char *curve, size_t len)
{
    if (json_object_set_new(jwk, "kty", json_string("EC")) != 0
        || json_object_set_new(jwk, "crv", json_string(curve)) != 0
        || at_jwk_set_number(jwk, "x", pkey, OSSL_PKEY_PARAM_EC_PUB_X, len)
           != 0
        || at_jwk_set_number(jwk, "y", pkey, OSSL_PKEY_PARAM_EC_PUB_Y, len)
           != 0)
    {
        return -1;
    }

    return 0;
}


static int
at_jwk_set_ed25519(json_t *jwk, EVP_PKEY *pkey)
{
    size_t         len;
    unsigned char  bytes[32];

    len = sizeof(bytes);

    if (json_object_set_new(jwk, "kty", json_string("OKP")) != 0
        || json_object_set_new(jwk, "crv", json_string("Ed25519")) != 0
        || EVP_PKEY_get_raw_public_key(pkey, bytes, &len) != 1)
    {
        return -1;
    }

    return at_jwk_set_bytes(jwk, "x", bytes, len);
}


/* the members that RFC 7638 hashes, and no others */
static int
at_jwk_set_public(json_t *jwk, EVP_PKEY *pkey, at_alg_e alg)
{
    switch (alg) {

    case AT_ES256:
        return at_jwk_set_ec(jwk, pkey, "P-256", 32);

    case AT_ES384:
        return at_jwk_set_ec(jwk, pkey, "P-384", 48);

    case AT_EDDSA:
        return at_jwk_set_ed25519(jwk, pkey);

    default:
        return json_object_set_new(jwk, "kty", json_string("RSA")) == 0
               && at_jwk_set_number(jwk, "n", pkey, OSSL_PKEY_PARAM_RSA_N, 0)
                  == 0
               && at_jwk_set_number(jwk, "e", pkey, OSSL_PKEY_PARAM_RSA_E, 0)
                  == 0
               ? 0 : -1;
    }
}


static int
at_jwk_set_thumbprint(json_t *jwk)
{
    int             rc;
    char           *text;
    unsigned char   digest[AT_SHA256_LEN];

    text = json_dumps(jwk, JSON_COMPACT|JSON_SORT_KEYS);

    if (text == NULL) {
        return -1;
    }

    rc = at_sha256(digest, (at_str_t) { text, strlen(text) });
    free(text);

    return rc == 0 ? at_jwk_set_bytes(jwk, "kid", digest, sizeof(digest)) : -1;
}


json_t *
at_jwk_publish(EVP_PKEY *pkey, at_alg_e alg, at_str_t kid)
{
    json_t    *jwk;
    at_str_t   name;

    jwk = json_object();
    name = at_alg_name(alg);

    if (jwk == NULL
        || at_jwk_set_public(jwk, pkey, alg) != 0
        || (kid.len == 0
            ? at_jwk_set_thumbprint(jwk)
            : json_object_set_new(jwk, "kid", json_stringn(kid.data, kid.len)))
           != 0
        || json_object_set_new(jwk, "use", json_string("sig")) != 0
        || json_object_set_new(jwk, "alg", json_stringn(name.data, name.len))
           != 0)
    {
        json_decref(jwk);
        return NULL;
    }

    return jwk;
}
