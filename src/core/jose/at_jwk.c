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
#include "core/base/at_utf8.h"
#include "core/jose/at_ed25519.h"
#include "core/jose/at_key.h"
#include "core/json/at_document.h"
#include "core/jose/at_jwk.h"


#define AT_JWK_NUMBER_SIZE   1024  /* bytes of the longest number */
#define AT_JWK_EC_LEN_MAX    66    /* bytes of a coordinate of P-521 */
#define AT_JWK_KID_LOG_SIZE  96    /* of the buffer for a kid in a log */


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


void
at_keyset_free(at_keyset_t *set)
{
    size_t  i;

    if (set == NULL) {
        return;
    }

    for (i = 0; i < set->n; i++) {
        at_key_free(set->keys[i].key);
    }

    json_decref(set->json);
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


/* RFC 7517 sections 4.8 and 4.9: hashes of the certificate in DER */
static void
at_jwk_set_thumbprints(at_jwk_t *out, const unsigned char *der, size_t len)
{
    unsigned char  sha1[20], sha256[32];

    if (EVP_Digest(der, len, sha1, NULL, EVP_sha1(), NULL) == 1) {
        at_base64url_encode(out->x5t, sha1, sizeof(sha1));
    }

    if (EVP_Digest(der, len, sha256, NULL, EVP_sha256(), NULL) == 1) {
        at_base64url_encode(out->x5t_s256, sha256, sizeof(sha256));
    }
}


/*
 * Reads the first block into *pkey, which stays NULL if it is not usable, and
 * checks that further blocks are certificates if the first one is.  Nothing is
 * decrypted, so that OpenSSL does not ask for a password.
 */
static int
at_pem_read(at_keyset_t *set, BIO *bio, EVP_PKEY **pkey, at_error_t *err)
{
    int             rc, is_certificate;
    char           *name, *header;
    long            len;
    unsigned        n;
    unsigned char  *der;

    rc = 0;

    for (n = 0;
         rc == 0 && PEM_read_bio(bio, &name, &header, &der, &len) == 1;
         n++)
    {
        is_certificate = strcmp(name, PEM_STRING_X509) == 0;
        set->certificates += is_certificate;

        if (n == 0) {
            *pkey = at_pem_decode(name, der, len, err);
            rc = *pkey != NULL ? 0 : -1;

            if (is_certificate) {
                at_jwk_set_thumbprints(&set->keys[0], der, (size_t) len);
            }

        } else if (strstr(name, "PRIVATE KEY") != NULL) {
            rc = at_error(err, "private key found: remove it from the file");

        } else if (set->certificates != n + 1) {
            rc = at_error(err, "more than one PEM block: use one file for "
                          "each key, or a JWK Set");
        }

        OPENSSL_free(name);
        OPENSSL_free(header);
        OPENSSL_clear_free(der, (size_t) len);
    }

    if (n == 0) {
        return at_error(err, "neither a valid PEM block nor a JWK Set");
    }

    if (rc == 0
        && ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
    {
        return at_error(err, "invalid PEM block %u", n + 1);
    }

    return rc;
}


static int
at_keyset_from_pem(at_keyset_t *set, at_str_t text, unsigned algs,
    at_error_t *err)
{
    BIO       *bio;
    EVP_PKEY  *pkey;

    bio = BIO_new_mem_buf(text.data, (int) text.len);

    if (bio == NULL) {
        return at_error(err, "no memory");
    }

    pkey = NULL;

    if (at_pem_read(set, bio, &pkey, err) == 0) {
        set->keys[0].key = at_key_create(pkey, algs, err);
        set->n = set->keys[0].key != NULL;
    }

    EVP_PKEY_free(pkey);
    BIO_free(bio);

    return set->n ? 0 : -1;
}


/* --- JWK ----------------------------------------------------------------- */


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


/* returns 1, 0 if there is no such member, -1 if it is not a string */
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
 * Reduces *algs to those that fit the type and "alg" of the key (RFC 7517
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
 * RFC 7517 section 4.7: the first certificate has the same key.  Its
 * thumbprints replace those of the members.
 */
static int
at_jwk_read_x5c(at_jwk_t *out, const json_t *jwk, EVP_PKEY *pkey,
    at_error_t *err)
{
    int                   len, same;
    at_str_t              text;
    EVP_PKEY             *other;
    const json_t         *x5c, *first;
    unsigned char        *der;
    const unsigned char  *p;

    x5c = at_jwk_member(jwk, "x5c");

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

    if (same) {
        at_jwk_set_thumbprints(out, der, (size_t) (p - der));
    }

    EVP_PKEY_free(other);
    OPENSSL_free(der);

    return same ? 0 : at_error(err, "\"x5c\" is for another key");
}


int
at_kid_is_valid(at_str_t kid)
{
    size_t     i;
    at_utf8_t  utf8 = { 0, 0, 0 };

    if (kid.len == 0 || kid.len > AT_KID_LEN_MAX) {
        return 0;
    }

    for (i = 0; i < kid.len; i++) {
        if (kid.data[i] == '\0'
            || at_utf8_decode(&utf8, (unsigned char) kid.data[i]) != 0)
        {
            return 0;
        }
    }

    return utf8.pending == 0;
}


/* The key and views of jwk in out.  Returns 0, or -1 with err set. */
static int
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
        || at_jwk_restrict_algs(jwk, type, &algs, err) != 0)
    {
        return -1;
    }

    at_jwk_get_thumbprint(jwk, "x5t", out->x5t, AT_X5T_LEN);
    at_jwk_get_thumbprint(jwk, "x5t#S256", out->x5t_s256, AT_X5T_S256_LEN);

    if (at_jwk_string(jwk, "kid", &out->kid) < 0
        || (out->kid.len != 0 && !at_kid_is_valid(out->kid)))
    {
        return at_error(err, "\"kid\" is not a string of at most %d bytes",
                        AT_KID_LEN_MAX);
    }

    /* a member of Entra: an invalid one must not lift the restriction */
    if (at_jwk_string(jwk, "issuer", &out->issuer) < 0) {
        return at_error(err, "\"issuer\" is not a string");
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


/* a kid for a log: \xHH in place of other than printable ASCII, truncated */
static void
at_kid_escape(char *out, size_t size, at_str_t kid)
{
    int            len, printable;
    size_t         i;
    unsigned char  c;

    for (i = 0; i < kid.len && size > sizeof("\\xff..."); i++) {
        c = (unsigned char) kid.data[i];
        printable = c >= 0x20 && c < 0x7f && c != '"' && c != '\\';

        len = snprintf(out, size, printable ? "%c" : "\\x%02x", c);
        out += len;
        size -= (size_t) len;
    }

    (void) snprintf(out, size, "%s", i < kid.len ? "..." : "");
}


static void
at_jwk_warn(const json_t *jwk, size_t number, const at_error_t *reason,
    at_keyset_warn_pt warn, void *data)
{
    char        escaped[AT_JWK_KID_LOG_SIZE];
    at_str_t    kid;
    at_error_t  line;

    if (at_jwk_string(jwk, "kid", &kid) == 1) {
        at_kid_escape(escaped, sizeof(escaped), kid);
        (void) at_error(&line, "key %zu is ignored, kid: \"%s\": %.300s",
                        number, escaped, reason->text);

    } else {
        (void) at_error(&line, "key %zu is ignored: %.300s", number,
                        reason->text);
    }

    warn(data, line.text);
}


/* a new object with the members of a usable key that are still needed */
static json_t *
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


static int
at_keyset_fill(at_keyset_t *set, const json_t *keys, unsigned algs,
    at_keyset_warn_pt warn, void *data, at_error_t *err)
{
    size_t           i, n;
    at_error_t       reason;
    const json_t    *jwk;
    const at_jwk_t  *key;

    n = json_array_size(keys);

    for (i = 0; i < n && i < AT_KEYSET_KEYS_MAX; i++) {
        jwk = json_array_get(keys, i);

        if (at_jwk_member_is(jwk, "use", at_str("enc"))) {
            continue;
        }

        if (at_jwk_parse(&set->keys[set->n], jwk, algs, &reason) != 0) {
            at_jwk_warn(jwk, i + 1, &reason, warn, data);
            continue;
        }

        key = &set->keys[set->n++];

        if (json_array_append_new(set->json, at_jwk_reduce(key, jwk)) != 0) {
            return at_error(err, "no memory");
        }
    }

    if (i < n) {
        (void) at_error(&reason, "%zu further keys are ignored: only the "
                        "first %d are examined", n - i, AT_KEYSET_KEYS_MAX);
        warn(data, reason.text);
    }

    return set->n != 0 ? 0 : at_error(err, "no usable key in the JWK Set");
}


static int
at_keyset_from_jwks(at_keyset_t *set, at_str_t text, unsigned algs,
    at_keyset_warn_pt warn, void *data, at_error_t *err)
{
    int      rc;
    json_t  *document, *keys;

    document = at_document_parse_with_nul(text, AT_DOCUMENT_MAX);

    if (document == NULL) {
        return at_error(err, "invalid JSON");
    }

    keys = json_object_get(document, "keys");
    set->json = json_array();

    if (!json_is_array(keys)) {
        rc = at_error(err, "not a JWK Set: \"keys\" is missing or not an "
                      "array");
    } else {
        rc = at_keyset_fill(set, keys, algs, warn, data, err);
    }

    json_decref(document);

    return rc;
}


char *
at_keyset_to_jwks(const at_keyset_t *set)
{
    char    *text;
    json_t  *document;

    document = json_pack("{s:O}", "keys", set->json);
    text = document != NULL ? json_dumps(document, JSON_COMPACT) : NULL;
    json_decref(document);

    return text;
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
