/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <limits.h>
#include <stdlib.h>

#include <jwt.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "core/base/at_crypto.h"
#include "core/json/at_claim.h"
#include "core/jose/at_jwk.h"
#include "core/jose/at_key_text.h"
#include "core/jose/at_jwt.h"
#include "core/jose/at_mint.h"


struct at_mint_s {
    unsigned   algs;
    char      *pem;             /* one checked key, PKCS#8 */
};


/* the default callback of OpenSSL prompts on the terminal */
static int
at_mint_refuse_password(char *buf, int size, int rwflag, void *data)
{
    int  *asked = data;

    (void) buf;
    (void) size;
    (void) rwflag;

    *asked = 1;

    return -1;
}


static EVP_PKEY *
at_mint_read_key(at_str_t pem, at_error_t *err)
{
    int        asked;
    BIO       *bio;
    EVP_PKEY  *pkey, *second;

    if (pem.len > INT_MAX) {
        (void) at_error(err, "the file is too long");
        return NULL;
    }

    bio = BIO_new_mem_buf(pem.data, (int) pem.len);

    if (bio == NULL) {
        (void) at_error(err, "no memory");
        return NULL;
    }

    asked = 0;
    second = NULL;
    pkey = PEM_read_bio_PrivateKey(bio, NULL, at_mint_refuse_password, &asked);

    if (pkey == NULL) {
        (void) at_error(err, asked ? "private key is encrypted"
                                   : "no private key in PEM format");

    } else {
        second = PEM_read_bio_PrivateKey(bio, NULL, at_mint_refuse_password,
                                         &asked);
    }

    if (pkey != NULL && (second != NULL || asked)) {
        (void) at_error(err, "more than one private key");
        EVP_PKEY_free(second);
        EVP_PKEY_free(pkey);
        pkey = NULL;
    }

    BIO_free(bio);

    return pkey;
}


at_mint_t *
at_mint_create(at_str_t pem, at_error_t *err)
{
    at_key_t   *key;
    EVP_PKEY   *pkey;
    at_mint_t  *mint;

    mint = NULL;
    pkey = at_mint_read_key(pem, err);

    /* the rules for public keys apply to signing keys too */
    key = pkey != NULL ? at_key_create(pkey, ~0u, err) : NULL;

    if (key == NULL) {
        goto done;
    }

    if ((at_key_algs(key) & AT_MINT_ALGS) == 0) {
        (void) at_error(err, "key of type %s: use an RSA, P-256, P-384 or "
                        "P-521 key", EVP_PKEY_get0_type_name(pkey));
        goto done;
    }

    mint = calloc(1, sizeof(at_mint_t));

    if (mint != NULL) {
        mint->algs = at_key_algs(key) & AT_MINT_ALGS;

        /* libjwt parses it for each token: only one block, without comments */
        mint->pem = at_key_to_private_pem(pkey);
    }

    if (mint == NULL || mint->pem == NULL) {
        (void) at_error(err, "no memory");
        at_mint_free(mint);
        mint = NULL;
    }

done:

    at_key_free(key);
    EVP_PKEY_free(pkey);
    ERR_clear_error();

    return mint;
}


void
at_mint_free(at_mint_t *mint)
{
    if (mint != NULL) {
        at_secret_free(mint->pem);
        free(mint);
    }
}


unsigned
at_mint_algs(const at_mint_t *mint)
{
    return mint->algs;
}


static int
at_mint_check_header(const at_mint_t *mint, at_alg_e alg, at_str_t kid,
    at_error_t *err)
{
    const char  *name;

    name = at_alg_name(alg).data;

    if ((unsigned) alg >= AT_ALGS || !(at_alg_bit(alg) & AT_MINT_ALGS)) {
        return at_error(err, "unsupported algorithm \"%s\": use RS256, "
                        "RS384, RS512, ES256, ES384 or ES512", name);
    }

    if (!(at_alg_bit(alg) & mint->algs)) {
        return at_error(err, "the key does not fit \"%s\"", name);
    }

    if (kid.len != 0 && !at_kid_is_valid(kid)) {
        return at_error(err, "invalid kid: use 1 to %d bytes of UTF-8",
                        AT_KID_LEN_MAX);
    }

    return 0;
}


int
at_mint_public_jwk(const at_mint_t *mint, at_alg_e alg, at_str_t kid,
    char **jwk, char **name, at_error_t *err)
{
    json_t    *object;
    EVP_PKEY  *pkey;

    *jwk = NULL;
    *name = NULL;

    if (at_mint_check_header(mint, alg, kid, err) != 0) {
        return -1;
    }

    pkey = at_mint_read_key((at_str_t) { mint->pem, strlen(mint->pem) }, err);
    object = pkey != NULL ? at_key_to_jwk(pkey, alg, kid) : NULL;

    EVP_PKEY_free(pkey);
    ERR_clear_error();

    if (object != NULL) {
        *jwk = json_dumps(object, JSON_COMPACT);
        *name = strdup(json_string_value(json_object_get(object, "kid")));
        json_decref(object);
    }

    if (*jwk == NULL || *name == NULL) {
        at_secret_free(*jwk);
        at_secret_free(*name);
        *jwk = NULL;
        *name = NULL;
        return at_error(err, "no memory");
    }

    return 0;
}


/* libjwt allocates as much as the claims on the stack: bound their size */
static int
at_mint_check_claims(at_str_t claims, at_error_t *err)
{
    at_claims_t  *parsed;

    if (claims.len > AT_JWT_LEN_MAX) {
        return at_error(err, "claims are longer than %d bytes",
                        AT_JWT_LEN_MAX);
    }

    switch (at_claims_parse(&parsed, claims)) {

    case 0:
        at_claims_free(parsed);
        return 0;

    case AT_JSON_NO_MEMORY:
        return at_error(err, "no memory");

    default:
        return at_error(err, "claims must be one JSON object without "
                        "duplicate members and with at most %d levels",
                        AT_JSON_DEPTH_MAX);
    }
}


/* libjwt takes terminated strings */
static int
at_mint_fill(jwt_t *jwt, at_str_t kid, at_str_t claims)
{
    int    rc;
    char  *text, name[AT_KID_LEN_MAX + 1];

    if (kid.len != 0) {
        memcpy(name, kid.data, kid.len);
        name[kid.len] = '\0';

        if (jwt_add_header(jwt, "kid", name) != 0) {
            return -1;
        }
    }

    text = strndup(claims.data, claims.len);

    if (text == NULL) {
        return -1;
    }

    rc = jwt_add_grants_json(jwt, text);
    free(text);

    return rc == 0 ? 0 : -1;
}


char *
at_mint_sign(const at_mint_t *mint, at_alg_e alg, at_str_t kid,
    at_str_t claims, at_error_t *err)
{
    char       *token;
    jwt_t      *jwt;
    jwt_alg_t   jwt_alg;

    if (at_mint_check_header(mint, alg, kid, err) != 0
        || at_mint_check_claims(claims, err) != 0)
    {
        return NULL;
    }

    if (jwt_new(&jwt) != 0) {
        (void) at_error(err, "no memory");
        return NULL;
    }

    token = NULL;
    jwt_alg = jwt_str_alg(at_alg_name(alg).data);

    if (at_mint_fill(jwt, kid, claims) == 0
        && jwt_set_alg(jwt, jwt_alg, (const unsigned char *) mint->pem,
                       (int) strlen(mint->pem))
           == 0
        && jwt_get_alg(jwt) == jwt_alg)
    {
        /* crashes if jansson has no memory for its own text */
        token = jwt_encode_str(jwt);
    }

    jwt_free(jwt);
    ERR_clear_error();

    if (token == NULL) {
        (void) at_error(err, "libjwt cannot sign the claims");
        return NULL;
    }

    if (strlen(token) > AT_JWT_LEN_MAX) {
        (void) at_error(err, "token is longer than %d bytes", AT_JWT_LEN_MAX);
        at_secret_free(token);
        return NULL;
    }

    return token;
}
