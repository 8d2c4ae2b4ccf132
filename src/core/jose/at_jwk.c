/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>

#include <jansson.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>

#include "core/base/at_base64url.h"
#include "core/base/at_utf8.h"
#include "core/jose/at_ed25519.h"
#include "core/jose/at_jwk.h"
#include "core/json/at_document.h"


#define AT_JWK_NUMBER_SIZE  1024  /* bytes of the longest number */
#define AT_JWK_EC_LEN_MAX   66    /* bytes of a coordinate of P-521 */


/* RFC 7518 section 6, RFC 8037 section 2 */
typedef struct {
    at_str_t   kty;
    at_str_t   crv;             /* empty: the type has no curves */
    unsigned   algs;
    size_t     len;             /* bytes of a coordinate */
} at_jwk_type_t;

static const at_jwk_type_t  at_jwk_types[] = {
    { at_str("RSA"), at_str(""), AT_ALGS_RSA, 0 },
    { at_str("EC"), at_str("P-256"), at_alg_bit(AT_ES256), 32 },
    { at_str("EC"), at_str("P-384"), at_alg_bit(AT_ES384), 48 },
    { at_str("EC"), at_str("P-521"), at_alg_bit(AT_ES512), 66 },
    { at_str("OKP"), at_str("Ed25519"), AT_ALGS_ED25519, AT_ED25519_LEN }
};

/* RFC 7518 sections 6.2.2, 6.3.2 and 6.4 */
static const char *const  at_jwk_private_members[] = {
    "d", "p", "q", "dp", "dq", "qi", "oth", "k", NULL
};

/* the members that at_jwk_parse() needs of a key that it has found usable */
static const char *const  at_jwk_needed_members[] = {
    "kty", "crv", "n", "e", "x", "y", "alg", "kid", "issuer", NULL
};


/* a member; NULL if it is absent, null, or an empty string or array */
static json_t *
at_jwk_member(const json_t *jwk, const char *name)
{
    json_t  *member;

    member = json_object_get(jwk, name);

    if (json_is_null(member)
        || (json_is_string(member) && json_string_length(member) == 0)
        || (json_is_array(member) && json_array_size(member) == 0))
    {
        return NULL;
    }

    return member;
}


/* returns 1, 0 if the member is absent, -1 if it is not a string */
static int
at_jwk_string(const json_t *jwk, const char *name, at_str_t *value)
{
    return at_jwk_member(jwk, name) != NULL
           ? at_document_string(jwk, name, value) : 0;
}


static int
at_jwk_member_is(const json_t *jwk, const char *name, at_str_t value)
{
    at_str_t  text;

    return at_jwk_string(jwk, name, &text) == 1 && at_str_equal(text, value);
}


/* a base64url member, without the padding that some issuers add */
static int
at_jwk_get_base64(const json_t *jwk, const char *name, at_str_t *text,
    at_error_t *err)
{
    if (at_jwk_string(jwk, name, text) != 1) {
        return at_error(err, "\"%s\" is missing or not a string", name);
    }

    while (text->len && text->data[text->len - 1] == '=') {
        text->len--;
    }

    return 0;
}


/*
 * A number (Base64urlUInt, RFC 7518 section 2).  Leading zero bytes are not
 * allowed there, but issuers write them.  Returns NULL with err set.
 */
static BIGNUM *
at_jwk_get_number(const json_t *jwk, const char *name, at_error_t *err)
{
    size_t         len;
    BIGNUM        *number;
    at_str_t       text;
    unsigned char  bytes[AT_JWK_NUMBER_SIZE + 4];

    if (at_jwk_get_base64(jwk, name, &text, err) != 0) {
        return NULL;
    }

    /* three zero bytes */
    while (at_str_cut_prefix(&text, at_str("AAAA"))) {
        /* void */
    }

    if (at_base64url_decoded_size(text.len) > sizeof(bytes)) {
        (void) at_error(err, "\"%s\" is too long", name);
        return NULL;
    }

    if (at_base64url_decode(bytes, &len, text) != 0) {
        (void) at_error(err, "\"%s\" is not base64url", name);
        return NULL;
    }

    number = BN_bin2bn(bytes, (int) len, NULL);

    if (number == NULL) {
        (void) at_error(err, "no memory");
    }

    return number;
}


static EVP_PKEY *
at_pkey_from_params(const char *type, OSSL_PARAM *params, at_error_t *err)
{
    EVP_PKEY      *pkey;
    EVP_PKEY_CTX  *ctx;

    pkey = NULL;
    ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);

    if (ctx == NULL
        || EVP_PKEY_fromdata_init(ctx) != 1
        || EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1)
    {
        (void) at_error(err, "OpenSSL rejects the key");
        pkey = NULL;
    }

    EVP_PKEY_CTX_free(ctx);

    return pkey;
}


static EVP_PKEY *
at_jwk_rsa(const json_t *jwk, at_error_t *err)
{
    BIGNUM         *n, *e;
    EVP_PKEY       *pkey;
    OSSL_PARAM      params[3];
    unsigned char   n_bytes[AT_JWK_NUMBER_SIZE + 4];
    unsigned char   e_bytes[AT_JWK_NUMBER_SIZE + 4];

    pkey = NULL;
    n = at_jwk_get_number(jwk, "n", err);
    e = n != NULL ? at_jwk_get_number(jwk, "e", err) : NULL;

    if (e != NULL
        && BN_bn2nativepad(n, n_bytes, sizeof(n_bytes)) >= 0
        && BN_bn2nativepad(e, e_bytes, sizeof(e_bytes)) >= 0)
    {
        params[0] = OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_RSA_N, n_bytes,
                                            sizeof(n_bytes));
        params[1] = OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_RSA_E, e_bytes,
                                            sizeof(e_bytes));
        params[2] = OSSL_PARAM_construct_end();

        pkey = at_pkey_from_params("RSA", params, err);
    }

    BN_free(n);
    BN_free(e);

    return pkey;
}


/* a coordinate of len bytes; zero bytes at its beginning may be missing */
static int
at_jwk_get_coordinate(const json_t *jwk, const char *name,
    unsigned char *bytes, size_t len, at_error_t *err)
{
    int      rc;
    BIGNUM  *number;

    number = at_jwk_get_number(jwk, name, err);

    if (number == NULL) {
        return -1;
    }

    rc = BN_bn2binpad(number, bytes, (int) len);
    BN_free(number);

    return rc >= 0 ? 0 : at_error(err, "\"%s\" is too long for the curve",
                                  name);
}


static EVP_PKEY *
at_jwk_ec(const json_t *jwk, const at_jwk_type_t *type, at_error_t *err)
{
    char           crv[sizeof("P-256")];
    OSSL_PARAM     params[3];
    unsigned char  point[1 + 2 * AT_JWK_EC_LEN_MAX];

    if (at_jwk_get_coordinate(jwk, "x", point + 1, type->len, err) != 0
        || at_jwk_get_coordinate(jwk, "y", point + 1 + type->len, type->len,
                                 err)
           != 0)
    {
        return NULL;
    }

    memcpy(crv, type->crv.data, sizeof(crv));
    point[0] = POINT_CONVERSION_UNCOMPRESSED;

    params[0] = OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME,
                                                 crv, 0);
    params[1] = OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY,
                                                  point, 1 + 2 * type->len);
    params[2] = OSSL_PARAM_construct_end();

    return at_pkey_from_params("EC", params, err);
}


/* RFC 8037 section 2: x is a string of bytes, not a number */
static EVP_PKEY *
at_jwk_okp(const json_t *jwk, at_error_t *err)
{
    size_t         len;
    at_str_t       text;
    OSSL_PARAM     params[2];
    unsigned char  x[AT_ED25519_LEN + 2];

    if (at_jwk_get_base64(jwk, "x", &text, err) != 0) {
        return NULL;
    }

    if (text.len != at_base64url_encoded_len(AT_ED25519_LEN)
        || at_base64url_decode(x, &len, text) != 0)
    {
        (void) at_error(err, "\"x\" is not base64url of %d bytes",
                        AT_ED25519_LEN);
        return NULL;
    }

    params[0] = OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY,
                                                  x, len);
    params[1] = OSSL_PARAM_construct_end();

    return at_pkey_from_params("ED25519", params, err);
}


static const at_jwk_type_t *
at_jwk_get_type(const json_t *jwk, at_error_t *err)
{
    size_t                i;
    const at_jwk_type_t  *type;

    for (i = 0; i < sizeof(at_jwk_types) / sizeof(at_jwk_types[0]); i++) {
        type = &at_jwk_types[i];

        if (at_jwk_member_is(jwk, "kty", type->kty)
            && (type->crv.len == 0 || at_jwk_member_is(jwk, "crv", type->crv)))
        {
            return type;
        }
    }

    (void) at_error(err, "unsupported \"kty\" or \"crv\": use RSA, EC with "
                    "P-256, P-384 or P-521, or OKP with Ed25519");

    return NULL;
}


/* RFC 7517 sections 4.2 and 4.3 */
static int
at_jwk_allows_verify(const json_t *jwk, at_error_t *err)
{
    size_t         i;
    at_str_t       op;
    const json_t  *ops;

    if (at_jwk_member(jwk, "use") != NULL
        && !at_jwk_member_is(jwk, "use", at_str("sig")))
    {
        (void) at_error(err, "\"use\" is not \"sig\"");
        return 0;
    }

    ops = at_jwk_member(jwk, "key_ops");

    if (ops == NULL) {
        return 1;
    }

    /* the size is 0 if it is not an array */
    for (i = 0; i < json_array_size(ops); i++) {
        op.data = json_string_value(json_array_get(ops, i));
        op.len = json_string_length(json_array_get(ops, i));

        if (at_str_equal(op, at_str("verify"))) {
            return 1;
        }
    }

    (void) at_error(err, "\"key_ops\" does not include \"verify\"");

    return 0;
}


/*
 * Removes from *algs what does not fit the type and "alg" of the key (RFC 7517
 * section 4.4).  EdDSA and Ed25519 are names of the same algorithm.
 */
static int
at_jwk_restrict_algs(const json_t *jwk, const at_jwk_type_t *type,
    unsigned *algs, at_error_t *err)
{
    int       rc;
    at_alg_e  alg;
    at_str_t  name;
    unsigned  allowed;

    allowed = type->algs;
    rc = at_jwk_string(jwk, "alg", &name);

    if (rc != 0) {
        alg = rc == 1 ? at_alg_find(name) : AT_ALGS;
        allowed = alg == AT_ALGS ? 0 : at_alg_bit(alg);

        if (allowed & AT_ALGS_ED25519) {
            allowed = AT_ALGS_ED25519;
        }
    }

    if ((*algs & allowed) == 0) {
        return at_error(err, rc ? "\"alg\" is not an accepted algorithm"
                                : "no accepted algorithm fits its type");
    }

    *algs &= allowed & type->algs;

    return *algs ? 0 : at_error(err, "\"alg\" does not fit its type");
}


/* a value that is not the thumbprint of a certificate is ignored */
static void
at_jwk_get_thumbprint(const json_t *jwk, const char *name, char *thumbprint,
    size_t len)
{
    size_t         n;
    at_str_t       text;
    at_error_t     err;
    unsigned char  hash[34];

    if (at_jwk_get_base64(jwk, name, &text, &err) == 0 && text.len == len
        && at_base64url_decode(hash, &n, text) == 0)
    {
        memcpy(thumbprint, text.data, len);
    }
}


/*
 * Decodes base64 (RFC 7517 section 4.7), also with line breaks, without
 * padding or in the alphabet of base64url.  Returns memory for free(), or
 * NULL.
 */
static unsigned char *
at_jwk_decode_base64(at_str_t text, size_t *len)
{
    char           c, *out;
    size_t         i, n;
    unsigned char  *bytes;

    n = 0;
    out = malloc(text.len + 1);
    bytes = malloc(at_base64url_decoded_size(text.len));

    for (i = 0; out != NULL && i < text.len; i++) {
        c = text.data[i];

        if (memchr("= \t\r\n", c, 5) == NULL) {
            out[n++] = c == '+' ? '-' : c == '/' ? '_' : c;
        }
    }

    if (out == NULL || bytes == NULL
        || at_base64url_decode(bytes, len, (at_str_t) { out, n }) != 0)
    {
        free(bytes);
        bytes = NULL;
    }

    free(out);

    return bytes;
}


/*
 * RFC 7517 section 4.7: the first certificate has the same key.  Its
 * thumbprints replace the members x5t and x5t#S256.
 */
static int
at_jwk_read_x5c(at_jwk_t *out, const json_t *jwk, EVP_PKEY *pkey,
    at_error_t *err)
{
    int                   same;
    size_t                len;
    at_str_t              text;
    const json_t         *x5c;
    at_pem_key_t          certificate;
    unsigned char        *der;
    const unsigned char  *p;

    x5c = at_jwk_member(jwk, "x5c");

    if (json_is_array(x5c)) {
        x5c = json_array_get(x5c, 0);
    }

    text = (at_str_t) { json_string_value(x5c), json_string_length(x5c) };

    if (x5c == NULL || json_is_null(x5c)
        || (json_is_string(x5c) && text.len == 0))
    {
        return 0;
    }

    der = at_jwk_decode_base64(text, &len);

    if (der == NULL) {
        return at_error(err, "\"x5c\" is not base64");
    }

    p = der;

    if (at_certificate_parse(&certificate, &p, len) != 0) {
        free(der);
        return at_error(err, "\"x5c\" is not a valid certificate");
    }

    same = EVP_PKEY_eq(pkey, certificate.pkey) == 1;

    if (same) {
        memcpy(out->x5t, certificate.x5t, sizeof(out->x5t));
        memcpy(out->x5t_s256, certificate.x5t_s256, sizeof(out->x5t_s256));
    }

    EVP_PKEY_free(certificate.pkey);
    free(der);

    return same ? 0 : at_error(err, "\"x5c\" is for another key");
}


int
at_kid_is_valid(at_str_t kid)
{
    return kid.len != 0 && kid.len <= AT_KID_LEN_MAX
           && memchr(kid.data, '\0', kid.len) == NULL && at_utf8_is_valid(kid);
}


/* what selects the key: its kid, thumbprints and issuer */
static int
at_jwk_read_names(at_jwk_t *out, const json_t *jwk, at_error_t *err)
{
    at_jwk_get_thumbprint(jwk, "x5t", out->x5t, AT_X5T_LEN);
    at_jwk_get_thumbprint(jwk, "x5t#S256", out->x5t_s256, AT_X5T_S256_LEN);

    if (at_jwk_string(jwk, "kid", &out->kid) < 0
        || (out->kid.len != 0 && !at_kid_is_valid(out->kid)))
    {
        return at_error(err, "\"kid\" is not a string of at most %d bytes",
                        AT_KID_LEN_MAX);
    }

    /* a member of Entra: an invalid one must not lift the restriction */
    return at_jwk_string(jwk, "issuer", &out->issuer) < 0
           ? at_error(err, "\"issuer\" is not a string") : 0;
}


int
at_jwk_parse(at_jwk_t *out, const json_t *jwk, unsigned algs, at_error_t *err)
{
    EVP_PKEY             *pkey;
    const char *const    *name;
    const at_jwk_type_t  *type;

    memset(out, 0, sizeof(at_jwk_t));

    if (!json_is_object(jwk)) {
        return at_error(err, "it is not a JSON object");
    }

    for (name = at_jwk_private_members; *name != NULL; name++) {
        if (at_jwk_member(jwk, *name) != NULL) {
            return at_error(err, "private member \"%s\" found", *name);
        }
    }

    /* before any arithmetic */
    type = at_jwk_get_type(jwk, err);

    if (type == NULL
        || !at_jwk_allows_verify(jwk, err)
        || at_jwk_restrict_algs(jwk, type, &algs, err) != 0
        || at_jwk_read_names(out, jwk, err) != 0)
    {
        return -1;
    }

    pkey = type->algs == AT_ALGS_RSA ? at_jwk_rsa(jwk, err)
           : type->algs == AT_ALGS_ED25519 ? at_jwk_okp(jwk, err)
           : at_jwk_ec(jwk, type, err);

    out->key = pkey != NULL ? at_key_create(pkey, algs, err) : NULL;

    if (out->key != NULL && at_jwk_read_x5c(out, jwk, pkey, err) != 0) {
        at_key_free(out->key);
        out->key = NULL;
    }

    EVP_PKEY_free(pkey);

    return out->key != NULL ? 0 : -1;
}


json_t *
at_jwk_reduce(const at_jwk_t *key, const json_t *jwk)
{
    json_t             *reduced, *member;
    const char *const  *name;

    reduced = json_object();

    for (name = at_jwk_needed_members; *name != NULL; name++) {
        member = at_jwk_member(jwk, *name);

        if (member != NULL && json_object_set(reduced, *name, member) != 0) {
            json_decref(reduced);
            return NULL;
        }
    }

    /* of the certificate, which is not needed any more */
    if ((key->x5t[0] != '\0'
         && json_object_set_new(reduced, "x5t", json_string(key->x5t)) != 0)
        || (key->x5t_s256[0] != '\0'
            && json_object_set_new(reduced, "x5t#S256",
                                   json_string(key->x5t_s256))
               != 0))
    {
        json_decref(reduced);
        return NULL;
    }

    return reduced;
}
