/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "core/base/at_base64url.h"
#include "core/jose/at_key.h"
#include "core/json/at_document.h"
#include "core/jose/at_jwk.h"


#define AT_JWK_NUMBER_SIZE  1025  /* bytes of the longest number, plus one */
#define AT_JWK_P256         32
#define AT_JWK_P384         48


/* RFC 7518 sections 6.2.2, 6.3.2 and 6.4 */
static const char *const  at_jwk_private_members[] = {
    "d", "p", "q", "dp", "dq", "qi", "oth", "k", NULL
};


void
at_keyset_free(at_keyset_t *set)
{
    size_t  i;

    if (set == NULL) {
        return;
    }

    for (i = 0; i < set->n; i++) {
        at_key_free(set->keys[i].key);
        json_decref(set->keys[i].strings[0]);
        json_decref(set->keys[i].strings[1]);
    }

    free(set);
}


/* --- PEM ----------------------------------------------------------------- */


/*
 * OpenSSL drops the sign of the numbers of an RSA key.  The key had no
 * negative number if encoding it gives the same bytes.
 */
static int
at_rsa_is_canonical(EVP_PKEY *pkey,
    int (*encode)(const EVP_PKEY *, unsigned char **),
    const unsigned char *der, long len)
{
    int             n, same;
    unsigned char  *encoded;

    if (pkey == NULL || !EVP_PKEY_is_a(pkey, "RSA")) {
        return 1;
    }

    encoded = NULL;
    n = encode(pkey, &encoded);
    same = n > 0 && n == len && memcmp(encoded, der, (size_t) len) == 0;
    OPENSSL_free(encoded);

    return same;
}


static EVP_PKEY *
at_certificate_key(const unsigned char **der, long len)
{
    int             n;
    X509           *x509;
    EVP_PKEY       *pkey;
    unsigned char  *info;

    x509 = d2i_X509(NULL, der, len);
    pkey = x509 ? X509_get_pubkey(x509) : NULL;
    info = NULL;
    n = x509 ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x509), &info) : 0;

    if (!at_rsa_is_canonical(pkey, i2d_PUBKEY, info, n)) {
        EVP_PKEY_free(pkey);
        pkey = NULL;
    }

    OPENSSL_free(info);
    X509_free(x509);

    return pkey;
}


static EVP_PKEY *
at_pem_decode(const char *name, const unsigned char *der, long len,
    at_error_t *err)
{
    int                   canonical;
    EVP_PKEY             *pkey;
    const unsigned char  *p;

    p = der;
    canonical = 1;

    if (strcmp(name, PEM_STRING_PUBLIC) == 0) {
        pkey = d2i_PUBKEY(NULL, &p, len);
        canonical = at_rsa_is_canonical(pkey, i2d_PUBKEY, der, len);

    } else if (strcmp(name, PEM_STRING_RSA_PUBLIC) == 0) {      /* PKCS#1 */
        pkey = d2i_PublicKey(EVP_PKEY_RSA, NULL, &p, len);
        canonical = at_rsa_is_canonical(pkey, i2d_PublicKey, der, len);

    } else if (strcmp(name, PEM_STRING_X509) == 0) {
        pkey = at_certificate_key(&p, len);

    } else if (strstr(name, "PRIVATE KEY") != NULL) {
        (void) at_error(err, "private key found: use the public key "
                        "(openssl pkey -pubout)");
        return NULL;

    } else {
        (void) at_error(err, "PEM block is neither a public key nor a "
                        "certificate");
        return NULL;
    }

    if (pkey == NULL || !canonical || p != der + len) {
        EVP_PKEY_free(pkey);
        (void) at_error(err, "invalid PEM block");
        return NULL;
    }

    return pkey;
}


/* Nothing is decrypted, so that OpenSSL does not ask for a password. */
static int
at_keyset_from_pem(at_keyset_t *set, at_str_t text, unsigned algs,
    at_error_t *err)
{
    BIO            *bio;
    char           *name, *header;
    long            len;
    unsigned        n;
    EVP_PKEY       *pkey;
    unsigned char  *der;

    bio = BIO_new_mem_buf(text.data, (int) text.len);

    if (bio == NULL) {
        return at_error(err, "no memory");
    }

    pkey = NULL;
    n = 0;

    while (n < 2 && PEM_read_bio(bio, &name, &header, &der, &len) == 1) {
        if (n++ == 0) {
            pkey = at_pem_decode(name, der, len, err);
        }

        OPENSSL_free(name);
        OPENSSL_free(header);
        OPENSSL_clear_free(der, (size_t) len);
    }

    if (n == 0) {
        (void) at_error(err, "neither a valid PEM block nor a JWK Set");

    } else if (pkey != NULL
               && (n == 2 || ERR_GET_REASON(ERR_peek_last_error())
                             != PEM_R_NO_START_LINE))
    {
        (void) at_error(err, "more than one PEM block: use one file for each "
                        "key, or a JWK Set");

    } else if (pkey != NULL) {
        set->keys[0].key = at_key_create(pkey, algs, err);
        set->n = set->keys[0].key != NULL;
    }

    EVP_PKEY_free(pkey);
    BIO_free(bio);

    return set->n ? 0 : -1;
}


/* --- JWK ----------------------------------------------------------------- */


static int
at_jwk_member_is(const json_t *jwk, const char *name, at_str_t value)
{
    at_str_t  text;

    return at_document_string(jwk, name, &text) == 1
           && at_str_equal(text, value);
}


/* decodes a base64url member; *len: room in buf on entry, bytes on return */
static int
at_jwk_get_bytes(const json_t *jwk, const char *name, unsigned char *buf,
    size_t *len, at_error_t *err)
{
    at_str_t  text;

    if (at_document_string(jwk, name, &text) != 1) {
        return at_error(err, "\"%s\" is missing or not a string", name);
    }

    if (text.len == 0
        || at_base64url_decoded_size(text.len) > *len
        || at_base64url_decode(buf, len, text) != 0)
    {
        return at_error(err, "\"%s\" is not base64url or is too long", name);
    }

    return 0;
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


/* an integer of RSA, in the byte order of the machine as in OSSL_PARAM */
static int
at_jwk_get_number(const json_t *jwk, const char *name, unsigned char *buf,
    size_t *len, at_error_t *err)
{
    int      rc;
    BIGNUM  *number;

    if (at_jwk_get_bytes(jwk, name, buf, len, err) != 0) {
        return -1;
    }

    /* RFC 7518 section 2, Base64urlUInt */
    if (buf[0] == 0) {
        return at_error(err, "\"%s\" has a leading zero byte", name);
    }

    number = BN_bin2bn(buf, (int) *len, NULL);
    rc = number != NULL ? BN_bn2nativepad(number, buf, (int) *len) : -1;
    BN_free(number);

    return rc >= 0 ? 0 : at_error(err, "no memory");
}


static EVP_PKEY *
at_jwk_rsa(const json_t *jwk, at_error_t *err)
{
    size_t         n_len, e_len;
    OSSL_PARAM     params[3];
    unsigned char  n[AT_JWK_NUMBER_SIZE + 2], e[AT_JWK_NUMBER_SIZE + 2];

    n_len = sizeof(n);
    e_len = sizeof(e);

    if (at_jwk_get_number(jwk, "n", n, &n_len, err) != 0
        || at_jwk_get_number(jwk, "e", e, &e_len, err) != 0)
    {
        return NULL;
    }

    params[0] = OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_RSA_N, n, n_len);
    params[1] = OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_RSA_E, e, e_len);
    params[2] = OSSL_PARAM_construct_end();

    return at_pkey_from_params("RSA", params, err);
}


static EVP_PKEY *
at_jwk_ec(const json_t *jwk, at_error_t *err)
{
    char          *group;
    size_t         len, x_len, y_len;
    OSSL_PARAM     params[3];
    unsigned char  point[1 + 2 * (AT_JWK_P384 + 2)];

    if (at_jwk_member_is(jwk, "crv", at_str("P-256"))) {
        group = "P-256";
        len = AT_JWK_P256;

    } else if (at_jwk_member_is(jwk, "crv", at_str("P-384"))) {
        group = "P-384";
        len = AT_JWK_P384;

    } else {
        (void) at_error(err, "\"crv\" is neither P-256 nor P-384");
        return NULL;
    }

    x_len = len + 2;
    y_len = len + 2;

    if (at_jwk_get_bytes(jwk, "x", point + 1, &x_len, err) != 0
        || at_jwk_get_bytes(jwk, "y", point + 1 + len, &y_len, err) != 0)
    {
        return NULL;
    }

    /* RFC 7518 section 6.2.1.2: coordinates have the length of the field */
    if (x_len != len || y_len != len) {
        (void) at_error(err, "\"x\" or \"y\" does not have the length of "
                        "the curve");
        return NULL;
    }

    point[0] = POINT_CONVERSION_UNCOMPRESSED;

    params[0] = OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME,
                                                 group, 0);
    params[1] = OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY,
                                                  point, 1 + 2 * len);
    params[2] = OSSL_PARAM_construct_end();

    return at_pkey_from_params("EC", params, err);
}


static EVP_PKEY *
at_jwk_okp(const json_t *jwk, at_error_t *err)
{
    size_t         len;
    OSSL_PARAM     params[2];
    unsigned char  x[34];

    if (!at_jwk_member_is(jwk, "crv", at_str("Ed25519"))) {
        (void) at_error(err, "\"crv\" is not Ed25519");
        return NULL;
    }

    len = sizeof(x);

    if (at_jwk_get_bytes(jwk, "x", x, &len, err) != 0) {
        return NULL;
    }

    params[0] = OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY,
                                                  x, len);
    params[1] = OSSL_PARAM_construct_end();

    return at_pkey_from_params("ED25519", params, err);
}


static EVP_PKEY *
at_jwk_pkey(const json_t *jwk, at_error_t *err)
{
    if (at_jwk_member_is(jwk, "kty", at_str("RSA"))) {
        return at_jwk_rsa(jwk, err);
    }

    if (at_jwk_member_is(jwk, "kty", at_str("EC"))) {
        return at_jwk_ec(jwk, err);
    }

    if (at_jwk_member_is(jwk, "kty", at_str("OKP"))) {
        return at_jwk_okp(jwk, err);
    }

    (void) at_error(err, "\"kty\" is not RSA, EC or OKP");

    return NULL;
}


/* RFC 7517 sections 4.2 and 4.3 */
static int
at_jwk_allows_verify(const json_t *jwk, at_error_t *err)
{
    size_t         i;
    at_str_t       op;
    const json_t  *ops;

    if (json_object_get(jwk, "use") != NULL
        && !at_jwk_member_is(jwk, "use", at_str("sig")))
    {
        (void) at_error(err, "\"use\" is not \"sig\"");
        return 0;
    }

    ops = json_object_get(jwk, "key_ops");

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


/* RFC 7517 section 4.4: a key with an alg is for this algorithm only */
static int
at_jwk_restrict_algs(const json_t *jwk, unsigned *algs, at_error_t *err)
{
    int       rc;
    at_alg_e  alg;
    at_str_t  name;

    rc = at_document_string(jwk, "alg", &name);

    if (rc == 0) {
        return 0;
    }

    alg = rc == 1 ? at_alg_find(name) : AT_ALGS;

    if (alg == AT_ALGS || !(*algs & at_alg_bit(alg))) {
        return at_error(err, "\"alg\" is not an accepted algorithm");
    }

    *algs = at_alg_bit(alg);

    return 0;
}


/* RFC 7517 section 4.7: the first certificate has the same key */
static int
at_jwk_check_x5c(const json_t *jwk, EVP_PKEY *pkey, at_error_t *err)
{
    int                   len, same;
    at_str_t              text;
    EVP_PKEY             *other;
    const json_t         *x5c, *first;
    unsigned char        *der;
    const unsigned char  *p;

    x5c = json_object_get(jwk, "x5c");

    if (x5c == NULL) {
        return 0;
    }

    first = json_array_get(x5c, 0);
    text.data = json_string_value(first);
    text.len = json_string_length(first);
    der = text.len ? OPENSSL_malloc(text.len) : NULL;

    if (der == NULL) {
        return at_error(err, "\"x5c\" has no certificate");
    }

    len = EVP_DecodeBlock(der, (const unsigned char *) text.data,
                          (int) text.len);
    p = der;
    other = len > 0 ? at_certificate_key(&p, len) : NULL;
    same = other != NULL && EVP_PKEY_eq(pkey, other) == 1;

    EVP_PKEY_free(other);
    OPENSSL_free(der);

    return same ? 0 : at_error(err, "\"x5c\" is for another key");
}


int
at_kid_is_valid(at_str_t kid)
{
    char    c;
    size_t  i;

    if (kid.len == 0 || kid.len > AT_KID_LEN_MAX) {
        return 0;
    }

    for (i = 0; i < kid.len; i++) {
        c = kid.data[i];

        if (c <= 0x20 || c >= 0x7f || strchr("\"'\\<>`", c) != NULL
            || (c == '.' && i != 0 && kid.data[i - 1] == '.'))
        {
            return 0;
        }
    }

    return 1;
}


/* returns 0, or -1 with err set, and then out owns nothing */
static int
at_jwk_parse(at_jwk_t *out, const json_t *jwk, unsigned algs, at_error_t *err)
{
    int                 has_kid, has_issuer;
    EVP_PKEY           *pkey;
    const char *const  *name;

    memset(out, 0, sizeof(at_jwk_t));

    if (!json_is_object(jwk)) {
        return at_error(err, "it is not a JSON object");
    }

    for (name = at_jwk_private_members; *name != NULL; name++) {
        if (json_object_get(jwk, *name) != NULL) {
            return at_error(err, "private member \"%s\" found", *name);
        }
    }

    if (!at_jwk_allows_verify(jwk, err)
        || at_jwk_restrict_algs(jwk, &algs, err) != 0)
    {
        return -1;
    }

    has_kid = at_document_string(jwk, "kid", &out->kid);

    if (has_kid < 0 || (has_kid && !at_kid_is_valid(out->kid))) {
        return at_error(err, "invalid \"kid\": use 1 to %d printable "
                        "characters", AT_KID_LEN_MAX);
    }

    /* a member of Entra: an invalid one must not lift the restriction */
    has_issuer = at_document_string(jwk, "issuer", &out->issuer);

    if (has_issuer < 0 || (has_issuer && out->issuer.len == 0)) {
        return at_error(err, "\"issuer\" is empty or not a string");
    }

    pkey = at_jwk_pkey(jwk, err);

    if (pkey != NULL && at_jwk_check_x5c(jwk, pkey, err) == 0) {
        out->key = at_key_create(pkey, algs, err);
    }

    EVP_PKEY_free(pkey);

    if (out->key == NULL) {
        return -1;
    }

    out->strings[0] = json_incref(json_object_get(jwk, "kid"));
    out->strings[1] = json_incref(json_object_get(jwk, "issuer"));

    return 0;
}


/* adds no key if keys is not an array, which has the size 0 */
static void
at_keyset_fill(at_keyset_t *set, const json_t *keys, unsigned algs,
    at_keyset_warn_pt warn, void *data)
{
    size_t         i;
    at_error_t     err, line;
    const json_t  *jwk;

    for (i = 0; i < json_array_size(keys); i++) {
        jwk = json_array_get(keys, i);

        if (at_jwk_member_is(jwk, "use", at_str("enc"))) {
            continue;
        }

        if (set->n == AT_KEYSET_KEYS_MAX) {
            (void) at_error(&line, "only the first %d usable keys are used",
                            AT_KEYSET_KEYS_MAX);
            warn(data, line.text);
            return;
        }

        if (at_jwk_parse(&set->keys[set->n], jwk, algs, &err) == 0) {
            set->n++;
            continue;
        }

        (void) at_error(&line, "key %zu is ignored: %.200s", i + 1, err.text);
        warn(data, line.text);
    }
}


static int
at_keyset_from_jwks(at_keyset_t *set, at_str_t text, unsigned algs,
    at_keyset_warn_pt warn, void *data, at_error_t *err)
{
    int            rc;
    json_t        *jwks;
    const json_t  *keys;

    jwks = at_document_parse(text, AT_DOCUMENT_MAX);

    if (jwks == NULL) {
        return at_error(err, "invalid JSON");
    }

    keys = json_object_get(jwks, "keys");
    at_keyset_fill(set, keys, algs, warn, data);
    rc = 0;

    if (!json_is_array(keys)) {
        rc = at_error(err, "not a JWK Set: \"keys\" is missing or not an "
                      "array");

    } else if (set->n == 0) {
        rc = at_error(err, "no usable key in the JWK Set");
    }

    /* only the strings of the keys are kept, not a document of any size */
    json_decref(jwks);

    return rc;
}


at_keyset_t *
at_keyset_parse(at_str_t text, unsigned algs, at_keyset_warn_pt warn,
    void *data, at_error_t *err)
{
    int           rc;
    size_t        i;
    at_keyset_t  *set;

    set = calloc(1, sizeof(at_keyset_t));

    if (set == NULL) {
        (void) at_error(err, "no memory");
        return NULL;
    }

    for (i = 0; i < text.len && memchr(" \t\r\n", text.data[i], 4); i++) {
        /* void */
    }

    if (i == text.len) {
        rc = at_error(err, "the file is empty");

    } else if (text.data[i] == '{') {
        rc = at_keyset_from_jwks(set, text, algs, warn, data, err);

    } else {
        rc = at_keyset_from_pem(set, text, algs, err);
    }

    if (rc != 0) {
        at_keyset_free(set);
        set = NULL;
    }

    ERR_clear_error();

    return set;
}
