/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "core/base/at_crypto.h"
#include "core/jose/at_ed25519.h"
#include "core/jose/at_key.h"


#define AT_RSA_BITS_MIN   2048
#define AT_RSA_BITS_MAX   8192
#define AT_RSA_E_MIN      65537
#define AT_RSA_E_BITS     32


typedef struct {
    at_str_t      name;
    const char   *md;           /* NULL: EdDSA includes its digest */
    int           padding;      /* of RSA */
} at_alg_t;

struct at_key_s {
    EVP_PKEY       *pkey;
    unsigned        algs;
    size_t          signature_len;
    unsigned char   digest[AT_SHA256_LEN];
    EVP_MD_CTX     *md_ctx;
    EVP_MD         *md[AT_ALGS];
    EVP_PKEY_CTX   *ctx[AT_ALGS];
};


static const at_alg_t  at_algs[AT_ALGS] = {
    [AT_RS256] = { at_str("RS256"), "SHA2-256", RSA_PKCS1_PADDING },
    [AT_RS384] = { at_str("RS384"), "SHA2-384", RSA_PKCS1_PADDING },
    [AT_RS512] = { at_str("RS512"), "SHA2-512", RSA_PKCS1_PADDING },
    [AT_PS256] = { at_str("PS256"), "SHA2-256", RSA_PKCS1_PSS_PADDING },
    [AT_PS384] = { at_str("PS384"), "SHA2-384", RSA_PKCS1_PSS_PADDING },
    [AT_PS512] = { at_str("PS512"), "SHA2-512", RSA_PKCS1_PSS_PADDING },
    [AT_ES256] = { at_str("ES256"), "SHA2-256", 0 },
    [AT_ES384] = { at_str("ES384"), "SHA2-384", 0 },
    [AT_ES512] = { at_str("ES512"), "SHA2-512", 0 },
    [AT_EDDSA] = { at_str("EdDSA"), NULL, 0 },
    [AT_ED25519] = { at_str("Ed25519"), NULL, 0 }
};


at_alg_e
at_alg_find(at_str_t name)
{
    unsigned  alg;

    for (alg = 0; alg < AT_ALGS; alg++) {
        if (at_str_equal(at_algs[alg].name, name)) {
            break;
        }
    }

    return alg;
}


at_str_t
at_alg_name(at_alg_e alg)
{
    return (unsigned) alg < AT_ALGS ? at_algs[alg].name : at_str("none");
}


at_alg_e
at_alg_first(unsigned algs)
{
    unsigned  alg;

    for (alg = 0; alg < AT_ALGS; alg++) {
        if (algs & at_alg_bit(alg)) {
            break;
        }
    }

    return alg;
}


static int
at_is_prime(unsigned n)
{
    unsigned  d;

    for (d = 3; d * d <= n; d += 2) {
        if (n % d == 0) {
            return 0;
        }
    }

    return 1;
}


/*
 * Divides the modulus by each prime below 1000.  No key generator makes a
 * modulus with such a factor.
 *
 * ROCA, CVE-2017-15361: for each prime up to 701, the modulus of a vulnerable
 * key of 2048 bits or more is a power of 65537.  The chance that this holds
 * for another key is 2^-167.
 */
static int
at_rsa_check_modulus(const BIGNUM *n, at_error_t *err)
{
    int       is_roca;
    unsigned  p, power, rest;

    is_roca = 1;

    for (p = 3; p < 1000; p += 2) {
        if (!at_is_prime(p)) {
            continue;
        }

        rest = (unsigned) BN_mod_word(n, p);

        if (rest == 0) {
            return at_error(err, "invalid RSA modulus");
        }

        power = 1;

        while (is_roca && p <= 701 && power != rest) {
            power = power * (65537 % p) % p;
            is_roca = power != 1;
        }
    }

    return is_roca ? at_error(err, "RSA key can be factored (ROCA, "
                              "CVE-2017-15361)") : 0;
}


static int
at_rsa_check(EVP_PKEY *pkey, at_error_t *err)
{
    int      rc;
    BIGNUM  *n, *e;

    n = NULL;
    e = NULL;

    if (EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_N, &n) != 1
        || EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_E, &e) != 1)
    {
        rc = at_error(err, "unreadable RSA key");

    } else if (BN_num_bits(e) > AT_RSA_E_BITS || BN_is_negative(e)
               || !BN_is_odd(e) || BN_get_word(e) < AT_RSA_E_MIN)
    {
        rc = at_error(err, "invalid RSA exponent: use an odd number of at "
                      "least %d and at most %d bits", AT_RSA_E_MIN,
                      AT_RSA_E_BITS);

    } else if (BN_is_negative(n) || !BN_is_odd(n)) {
        rc = at_error(err, "invalid RSA modulus");

    } else {
        rc = at_rsa_check_modulus(n, err);
    }

    BN_free(n);
    BN_free(e);

    return rc;
}


/* the curves have a prime order: each point on the curve has this order */
static int
at_ec_check(EVP_PKEY *pkey, at_error_t *err)
{
    int            on_curve;
    EVP_PKEY_CTX  *ctx;

    ctx = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
    on_curve = ctx != NULL && EVP_PKEY_public_check_quick(ctx) == 1;
    EVP_PKEY_CTX_free(ctx);

    return on_curve ? 0 : at_error(err, "EC point is not on the curve");
}


/* the numbers of the key: at_pkey_algs() has checked their size */
static int
at_pkey_check(EVP_PKEY *pkey, at_error_t *err)
{
    size_t         len;
    unsigned char  point[AT_ED25519_LEN];

    if (EVP_PKEY_is_a(pkey, "RSA")) {
        return at_rsa_check(pkey, err);
    }

    if (EVP_PKEY_is_a(pkey, "EC")) {
        return at_ec_check(pkey, err);
    }

    len = sizeof(point);

    return EVP_PKEY_get_raw_public_key(pkey, point, &len) == 1
           ? at_ed25519_check(point, err)
           : at_error(err, "unreadable Ed25519 key");
}


/* the algorithms of an EC key; explicit parameters of a curve are refused */
static unsigned
at_ec_algs(EVP_PKEY *pkey, at_error_t *err)
{
    char    encoding[32], group[32];
    size_t  len;

    if (EVP_PKEY_get_utf8_string_param(pkey, OSSL_PKEY_PARAM_EC_ENCODING,
                                       encoding, sizeof(encoding), &len)
        != 1
        || strcmp(encoding, OSSL_PKEY_EC_ENCODING_GROUP) != 0
        || EVP_PKEY_get_group_name(pkey, group, sizeof(group), &len) != 1)
    {
        (void) at_error(err, "EC key without a named curve");
        return 0;
    }

    if (strcmp(group, SN_X9_62_prime256v1) == 0) {
        return at_alg_bit(AT_ES256);
    }

    if (strcmp(group, SN_secp384r1) == 0) {
        return at_alg_bit(AT_ES384);
    }

    if (strcmp(group, SN_secp521r1) == 0) {
        return at_alg_bit(AT_ES512);
    }

    (void) at_error(err, "EC key on %s: use P-256, P-384 or P-521", group);

    return 0;
}


/* the algorithms of a key by its type and size, or 0 with err set */
static unsigned
at_pkey_algs(EVP_PKEY *pkey, at_error_t *err)
{
    int  bits;

    if (EVP_PKEY_is_a(pkey, "EC")) {
        return at_ec_algs(pkey, err);
    }

    if (EVP_PKEY_is_a(pkey, "ED25519")) {
        return AT_ALGS_ED25519;
    }

    if (!EVP_PKEY_is_a(pkey, "RSA")) {
        (void) at_error(err, "key of type %s: use RSA, EC or Ed25519",
                        EVP_PKEY_get0_type_name(pkey)
                        ? EVP_PKEY_get0_type_name(pkey) : "unknown");
        return 0;
    }

    bits = EVP_PKEY_get_bits(pkey);

    if (bits < AT_RSA_BITS_MIN || bits > AT_RSA_BITS_MAX) {
        (void) at_error(err, "RSA key of %d bits: use %d to %d bits", bits,
                        AT_RSA_BITS_MIN, AT_RSA_BITS_MAX);
        return 0;
    }

    return AT_ALGS_RSA;
}


static int
at_key_init_alg(at_key_t *key, at_alg_e alg)
{
    int            padding;
    EVP_PKEY_CTX  *ctx;

    if (at_algs[alg].md == NULL) {
        return 0;
    }

    key->md[alg] = EVP_MD_fetch(NULL, at_algs[alg].md, NULL);
    key->ctx[alg] = EVP_PKEY_CTX_new_from_pkey(NULL, key->pkey, NULL);

    ctx = key->ctx[alg];
    padding = at_algs[alg].padding;

    /* RFC 7518 section 3.5: the salt has the length of the digest */
    if (key->md[alg] == NULL
        || ctx == NULL
        || EVP_PKEY_verify_init(ctx) != 1
        || (padding && EVP_PKEY_CTX_set_rsa_padding(ctx, padding) != 1)
        || (padding == RSA_PKCS1_PSS_PADDING
            && EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST)
               != 1)
        || EVP_PKEY_CTX_set_signature_md(ctx, key->md[alg]) != 1)
    {
        return -1;
    }

    return 0;
}


static int
at_key_init(at_key_t *key, at_error_t *err)
{
    int             len, rc;
    unsigned        alg;
    unsigned char  *der;

    der = NULL;
    len = i2d_PUBKEY(key->pkey, &der);
    rc = len > 0 ? at_sha256(key->digest, (at_str_t) { (char *) der,
                                                       (size_t) len }) : -1;
    OPENSSL_free(der);

    key->md_ctx = EVP_MD_CTX_new();

    if (key->md_ctx == NULL || rc != 0) {
        return at_error(err, "no memory");
    }

    for (alg = 0; alg < AT_ALGS; alg++) {
        if ((key->algs & at_alg_bit(alg)) && at_key_init_alg(key, alg) != 0) {
            return at_error(err, "OpenSSL rejects the key for %s",
                            at_algs[alg].name.data);
        }
    }

    return 0;
}


at_key_t *
at_key_create(EVP_PKEY *pkey, unsigned algs, at_error_t *err)
{
    unsigned   fitting;
    at_key_t  *key;

    key = NULL;
    fitting = at_pkey_algs(pkey, err);

    if (fitting == 0) {
        goto done;
    }

    if ((fitting & algs) == 0) {
        (void) at_error(err, "key of type %s does not fit the accepted "
                        "algorithms", EVP_PKEY_get0_type_name(pkey));
        goto done;
    }

    if (at_pkey_check(pkey, err) != 0) {
        goto done;
    }

    key = calloc(1, sizeof(at_key_t));

    if (key == NULL || EVP_PKEY_up_ref(pkey) != 1) {
        (void) at_error(err, "no memory");
        free(key);
        key = NULL;
        goto done;
    }

    key->pkey = pkey;
    key->algs = fitting & algs;
    key->signature_len = (size_t) EVP_PKEY_get_size(pkey);

    /* RFC 7518 section 3.4: r and s, each with the length of the field */
    if (EVP_PKEY_is_a(pkey, "EC")) {
        key->signature_len = 2 * (((size_t) EVP_PKEY_get_bits(pkey) + 7) / 8);
    }

    if (at_key_init(key, err) != 0) {
        at_key_free(key);
        key = NULL;
    }

done:

    ERR_clear_error();

    return key;
}


void
at_key_free(at_key_t *key)
{
    unsigned  alg;

    if (key == NULL) {
        return;
    }

    for (alg = 0; alg < AT_ALGS; alg++) {
        EVP_PKEY_CTX_free(key->ctx[alg]);
        EVP_MD_free(key->md[alg]);
    }

    EVP_MD_CTX_free(key->md_ctx);
    EVP_PKEY_free(key->pkey);
    free(key);
}


at_key_t *
at_key_copy(const at_key_t *key, at_alg_e alg)
{
    at_key_t    *copy;
    at_error_t   err;

    copy = calloc(1, sizeof(at_key_t));

    if (copy == NULL || EVP_PKEY_up_ref(key->pkey) != 1) {
        free(copy);
        return NULL;
    }

    copy->pkey = key->pkey;
    copy->algs = key->algs & at_alg_bit(alg);
    copy->signature_len = key->signature_len;

    if (at_key_init(copy, &err) != 0) {
        at_key_free(copy);
        copy = NULL;
    }

    ERR_clear_error();

    return copy;
}


int
at_key_is_slow(const at_key_t *key, at_str_t signature)
{
    int  bits;

    bits = EVP_PKEY_get_bits(key->pkey);

    return signature.len == key->signature_len
           && (key->algs & AT_ALGS_EC ? bits > 256 : bits > 4096);
}


unsigned
at_key_algs(const at_key_t *key)
{
    return key->algs;
}


const unsigned char *
at_key_digest(const at_key_t *key)
{
    return key->digest;
}


/*
 * OpenSSL returns 0 or a negative number both for a bad signature and for a
 * lack of memory.  Only the error queue, which is emptied, tells which it was.
 */
static at_signature_e
at_signature_result(int rc)
{
    unsigned long   error;
    at_signature_e  result;

    result = rc == 1 ? AT_SIGNATURE_VALID : AT_SIGNATURE_INVALID;

    while ((error = ERR_get_error()) != 0) {
        if (ERR_GET_REASON(error) == ERR_R_MALLOC_FAILURE) {
            result = AT_SIGNATURE_FAILED;
        }
    }

    return result;
}


/* encodes r and s in DER for OpenSSL; *der: NULL; returns the length or 0 */
static size_t
at_ecdsa_to_der(unsigned char **der, at_str_t signature)
{
    int                   len;
    size_t                half;
    BIGNUM               *r, *s;
    ECDSA_SIG            *sig;
    const unsigned char  *p;

    half = signature.len / 2;
    p = (const unsigned char *) signature.data;

    sig = ECDSA_SIG_new();
    r = BN_bin2bn(p, (int) half, NULL);
    s = BN_bin2bn(p + half, (int) half, NULL);

    if (sig == NULL || r == NULL || s == NULL
        || ECDSA_SIG_set0(sig, r, s) != 1)
    {
        BN_free(r);
        BN_free(s);
        ECDSA_SIG_free(sig);
        return 0;
    }

    len = i2d_ECDSA_SIG(sig, der);
    ECDSA_SIG_free(sig);

    return len > 0 ? (size_t) len : 0;
}


static at_signature_e
at_key_verify_eddsa(at_key_t *key, at_str_t text, at_str_t signature)
{
    if (EVP_DigestVerifyInit(key->md_ctx, NULL, NULL, NULL, key->pkey) != 1) {
        ERR_clear_error();
        return AT_SIGNATURE_FAILED;
    }

    return at_signature_result(EVP_DigestVerify(key->md_ctx,
                               (const unsigned char *) signature.data,
                               signature.len,
                               (const unsigned char *) text.data, text.len));
}


at_signature_e
at_key_verify(at_key_t *key, at_alg_e alg, at_str_t text, at_str_t signature)
{
    int                   rc;
    size_t                len;
    unsigned              digest_len;
    unsigned char        *der, digest[EVP_MAX_MD_SIZE];
    const unsigned char  *p;

    if ((unsigned) alg >= AT_ALGS || !(key->algs & at_alg_bit(alg))
        || signature.len != key->signature_len)
    {
        return AT_SIGNATURE_INVALID;
    }

    if (at_algs[alg].md == NULL) {
        return at_key_verify_eddsa(key, text, signature);
    }

    der = NULL;
    p = (const unsigned char *) signature.data;
    len = signature.len;

    if (at_alg_bit(alg) & AT_ALGS_EC) {
        len = at_ecdsa_to_der(&der, signature);
        p = der;
    }

    if (len == 0
        || EVP_DigestInit_ex2(key->md_ctx, key->md[alg], NULL) != 1
        || EVP_DigestUpdate(key->md_ctx, text.data, text.len) != 1
        || EVP_DigestFinal_ex(key->md_ctx, digest, &digest_len) != 1)
    {
        OPENSSL_free(der);
        ERR_clear_error();
        return AT_SIGNATURE_FAILED;
    }

    rc = EVP_PKEY_verify(key->ctx[alg], p, len, digest, digest_len);
    OPENSSL_free(der);

    return at_signature_result(rc);
}
