/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>

#include <jansson.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "at_base64url.h"
#include "at_jwk.h"
#include "at_keypair.h"


#define AT_KEYPAIR_NUMBER  1024     /* bytes: more than any modulus here has */


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
        return at_error(err, "an RSA key has 2048, 3072 or 4096 bits here");
    }

    if ((unsigned) spec->alg >= AT_ALGS
        || !(at_alg_bit(spec->alg) & at_keypair_algs(spec->type)))
    {
        return at_error(err, "the algorithm does not fit the type of the key");
    }

    if (spec->kid.len != 0 && !at_kid_is_valid(spec->kid)) {
        return at_error(err, "the kid is not one that a verifier accepts");
    }

    return 0;
}


static EVP_PKEY *
at_keypair_pkey(const at_keypair_spec_t *spec)
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


/* takes the bio, whose memory OpenSSL cleanses */
static char *
at_keypair_text(BIO *bio, int written)
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
at_keypair_pem(at_keypair_t *pair, EVP_PKEY *pkey)
{
    BIO  *bio;

    bio = BIO_new(BIO_s_secmem());
    pair->private_pem = at_keypair_text(bio, bio != NULL
                            && PEM_write_bio_PKCS8PrivateKey(bio, pkey, NULL,
                                                  NULL, 0, NULL, NULL) == 1);

    bio = BIO_new(BIO_s_mem());
    pair->public_pem = at_keypair_text(bio, bio != NULL
                                       && PEM_write_bio_PUBKEY(bio, pkey) == 1);

    return pair->private_pem != NULL && pair->public_pem != NULL ? 0 : -1;
}


static int
at_keypair_set_bytes(json_t *jwk, const char *name,
    const unsigned char *bytes, size_t len)
{
    char  text[at_base64url_encoded_len(AT_KEYPAIR_NUMBER)];

    at_base64url_encode(text, bytes, len);

    return json_object_set_new(jwk, name,
                         json_stringn(text, at_base64url_encoded_len(len)));
}


/* len is the fixed length of a coordinate; 0 is as short as it gets */
static int
at_keypair_set_number(json_t *jwk, const char *name, EVP_PKEY *pkey,
    const char *param, size_t len)
{
    int            rc;
    BIGNUM        *n;
    unsigned char  bytes[AT_KEYPAIR_NUMBER];

    n = NULL;

    if (EVP_PKEY_get_bn_param(pkey, param, &n) != 1) {
        return -1;
    }

    if (len == 0) {
        len = (size_t) BN_num_bytes(n);
    }

    rc = len <= sizeof(bytes) && BN_bn2binpad(n, bytes, (int) len) >= 0
         ? at_keypair_set_bytes(jwk, name, bytes, len) : -1;

    BN_free(n);

    return rc;
}


static int
at_keypair_set_rsa(json_t *jwk, EVP_PKEY *pkey)
{
    if (json_object_set_new(jwk, "kty", json_string("RSA")) != 0
        || at_keypair_set_number(jwk, "n", pkey, OSSL_PKEY_PARAM_RSA_N, 0) != 0
        || at_keypair_set_number(jwk, "e", pkey, OSSL_PKEY_PARAM_RSA_E, 0) != 0)
    {
        return -1;
    }

    return 0;
}


static int
at_keypair_set_ec(json_t *jwk, EVP_PKEY *pkey, const char *curve, size_t len)
{
    if (json_object_set_new(jwk, "kty", json_string("EC")) != 0
        || json_object_set_new(jwk, "crv", json_string(curve)) != 0
        || at_keypair_set_number(jwk, "x", pkey, OSSL_PKEY_PARAM_EC_PUB_X, len)
           != 0
        || at_keypair_set_number(jwk, "y", pkey, OSSL_PKEY_PARAM_EC_PUB_Y, len)
           != 0)
    {
        return -1;
    }

    return 0;
}


static int
at_keypair_set_ed25519(json_t *jwk, EVP_PKEY *pkey)
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

    return at_keypair_set_bytes(jwk, "x", bytes, len);
}


/* only the members of which RFC 7638 makes the thumbprint */
static int
at_keypair_set_public(json_t *jwk, EVP_PKEY *pkey, at_keypair_e type)
{
    switch (type) {

    case AT_KEYPAIR_RSA:
        return at_keypair_set_rsa(jwk, pkey);

    case AT_KEYPAIR_P256:
        return at_keypair_set_ec(jwk, pkey, "P-256", 32);

    case AT_KEYPAIR_P384:
        return at_keypair_set_ec(jwk, pkey, "P-384", 48);

    case AT_KEYPAIR_ED25519:
        return at_keypair_set_ed25519(jwk, pkey);
    }

    return -1;
}


static char *
at_keypair_thumbprint(const json_t *jwk)
{
    char           *text, *thumbprint;
    unsigned char   digest[AT_SHA256_LEN];

    thumbprint = NULL;
    text = json_dumps(jwk, JSON_COMPACT|JSON_SORT_KEYS);

    if (text != NULL
        && at_sha256(digest, (at_str_t) { text, strlen(text) }) == 0)
    {
        thumbprint = calloc(1, at_base64url_encoded_len(sizeof(digest)) + 1);
    }

    if (thumbprint != NULL) {
        at_base64url_encode(thumbprint, digest, sizeof(digest));
    }

    free(text);

    return thumbprint;
}


/* json_dumps() leaves the end of the line out, which a file has */
static char *
at_keypair_dump_set(json_t *jwk)
{
    char    *text, *line;
    size_t   len;
    json_t  *set;

    set = json_pack("{s:[O]}", "keys", jwk);
    text = set != NULL ? json_dumps(set, JSON_INDENT(2)) : NULL;
    json_decref(set);

    if (text == NULL) {
        return NULL;
    }

    len = strlen(text);
    line = realloc(text, len + 2);

    if (line == NULL) {
        free(text);
        return NULL;
    }

    line[len] = '\n';
    line[len + 1] = '\0';

    return line;
}


static int
at_keypair_describe(at_keypair_t *pair, json_t *jwk,
    const at_keypair_spec_t *spec)
{
    at_str_t  alg;

    alg = at_alg_name(spec->alg);

    pair->kid = spec->kid.len ? strndup(spec->kid.data, spec->kid.len)
                              : at_keypair_thumbprint(jwk);

    if (pair->kid == NULL
        || json_object_set_new(jwk, "kid", json_string(pair->kid)) != 0
        || json_object_set_new(jwk, "use", json_string("sig")) != 0
        || json_object_set_new(jwk, "alg", json_stringn(alg.data, alg.len))
           != 0)
    {
        return -1;
    }

    pair->jwks = at_keypair_dump_set(jwk);

    return pair->jwks != NULL ? 0 : -1;
}


static int
at_keypair_jwks(at_keypair_t *pair, EVP_PKEY *pkey,
    const at_keypair_spec_t *spec)
{
    int      rc;
    json_t  *jwk;

    jwk = json_object();
    rc = -1;

    if (jwk != NULL
        && at_keypair_set_public(jwk, pkey, spec->type) == 0
        && at_keypair_describe(pair, jwk, spec) == 0)
    {
        rc = 0;
    }

    json_decref(jwk);

    return rc;
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

    pkey = at_keypair_pkey(spec);
    rc = 0;

    if (pkey == NULL
        || at_keypair_pem(pair, pkey) != 0
        || at_keypair_jwks(pair, pkey, spec) != 0)
    {
        rc = at_error(err, "OpenSSL made no key, or memory failed");
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
