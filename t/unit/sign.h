/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Keys and signed tokens for tests, good and bad ones, made with OpenSSL
 * alone. The results are owned by this header and live until sign_end().
 */

#ifndef SIGN_H
#define SIGN_H

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "core/base/at_base64url.h"
#include "core/jose/at_key.h"
#include "tap.h"


/* --- results ------------------------------------------------------------- */

typedef struct sign_kept_s  sign_kept_t;

struct sign_kept_s {
    sign_kept_t  *next;
    EVP_PKEY     *pkey;
    void         *data;
};

static sign_kept_t  *sign_kept;


TAP_UNUSED static void
sign_keep(void *data, EVP_PKEY *pkey)
{
    sign_kept_t  *kept = malloc(sizeof(sign_kept_t));

    must(kept != NULL, "no memory");

    kept->next = sign_kept;
    kept->pkey = pkey;
    kept->data = data;
    sign_kept = kept;
}


TAP_UNUSED static void
sign_end(void)
{
    sign_kept_t  *kept;

    while ((kept = sign_kept) != NULL) {
        sign_kept = kept->next;
        EVP_PKEY_free(kept->pkey);
        free(kept->data);
        free(kept);
    }
}


TAP_UNUSED static void *
sign_alloc(size_t size)
{
    void  *data = calloc(1, size + !size);

    must(data != NULL, "no memory");

    sign_keep(data, NULL);

    return data;
}


TAP_FORMAT(1) static char *
format(const char *fmt, ...)
{
    char    *text;
    size_t   len;
    va_list  args;
    FILE    *f = open_memstream(&text, &len);

    must(f != NULL, "no memory");

    va_start(args, fmt);
    (void) vfprintf(f, fmt, args);
    va_end(args);

    (void) fclose(f);
    sign_keep(text, NULL);

    return text;
}


/* a copy with " for ': tests write JSON with single quotes */
TAP_UNUSED static char *
quoted(at_str_t text)
{
    size_t   i;
    char    *copy = memcpy(sign_alloc(text.len + 1), text.data, text.len);

    for (i = 0; i < text.len; i++) {
        copy[i] = copy[i] == '\'' ? '"' : copy[i];
    }

    return copy;
}


#define json(...)  quoted(str(format(__VA_ARGS__)))


TAP_UNUSED static at_str_t
bytes(const void *data, size_t len)
{
    void  *copy = sign_alloc(len);

    memcpy(copy, data, len);

    return (at_str_t) { copy, len };
}


TAP_UNUSED static char *
b64(at_str_t src)
{
    char  *text = sign_alloc(at_base64url_encoded_len(src.len) + 1);

    at_base64url_encode(text, (const unsigned char *) src.data, src.len);

    return text;
}


TAP_UNUSED static at_str_t
unb64(const char *text)
{
    size_t          len;
    unsigned char  *data = sign_alloc(at_base64url_decoded_size(strlen(text)));

    must(at_base64url_decode(data, &len, str(text)) == 0, "no base64url");

    return (at_str_t) { (char *) data, len };
}


/* --- keys ---------------------------------------------------------------- */

TAP_UNUSED static EVP_PKEY *
sign_keep_key(EVP_PKEY *pkey)
{
    must(pkey != NULL, "no key");
    sign_keep(NULL, pkey);

    return pkey;
}


#define key_rsa(bits)    sign_keep_key(EVP_RSA_gen(bits))
#define key_ec(curve)    sign_keep_key(EVP_EC_gen(curve))

/* "ED25519", "ED448", "X25519" */
#define key_named(type)  sign_keep_key(EVP_PKEY_Q_keygen(NULL, NULL, type))


/* of numbers that need not make any sense together; numbers are freed */
TAP_UNUSED static EVP_PKEY *
key_rsa_public(BIGNUM *n, BIGNUM *e)
{
    EVP_PKEY        *pkey = NULL;
    OSSL_PARAM      *params;
    EVP_PKEY_CTX    *ctx;
    OSSL_PARAM_BLD  *bld = OSSL_PARAM_BLD_new();

    must(OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, n) == 1
         && OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, e) == 1,
         "no parameters");

    params = OSSL_PARAM_BLD_to_param(bld);
    ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);

    must(EVP_PKEY_fromdata_init(ctx) == 1
         && EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) == 1,
         "no public RSA key");

    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(bld);
    BN_free(n);
    BN_free(e);

    return sign_keep_key(pkey);
}


/* a number that looks like a modulus: odd, as long as told, no small factor */
TAP_UNUSED static BIGNUM *
number_like_modulus(int bits)
{
    unsigned   p;
    BIGNUM    *n = BN_new();

    do {
        must(BN_rand(n, bits, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ODD) == 1,
             "no random number");

        for (p = 3; p < 2000 && BN_mod_word(n, p) != 0; p += 2) { /* void */ }

    } while (p < 2000);

    return n;
}


TAP_UNUSED static BIGNUM *
number(const char *hex)
{
    BIGNUM  *n = NULL;

    must(BN_hex2bn(&n, hex) != 0, "no number");

    return n;
}


/* --- the files of keys --------------------------------------------------- */

/* the content of bio, which is freed; written: the result of writing it */
TAP_UNUSED static at_str_t
sign_bio(BIO *bio, int written)
{
    char     *data;
    long      len = BIO_get_mem_data(bio, &data);
    at_str_t  out = bytes(data, (size_t) len);

    must(written > 0, "no PEM or DER");
    BIO_free(bio);

    return out;
}


TAP_UNUSED static at_str_t
pem_public(EVP_PKEY *pkey)
{
    BIO  *bio = BIO_new(BIO_s_mem());

    return sign_bio(bio, PEM_write_bio_PUBKEY(bio, pkey));
}


/* password: NULL, or the key is encrypted with it */
TAP_UNUSED static at_str_t
pem_private(EVP_PKEY *pkey, const char *password)
{
    BIO  *bio = BIO_new(BIO_s_mem());

    return sign_bio(bio, PEM_write_bio_PrivateKey(bio, pkey,
                             password ? EVP_aes_256_cbc() : NULL,
                             (const unsigned char *) password,
                             password ? (int) strlen(password) : 0, NULL,
                             NULL));
}


TAP_UNUSED static at_str_t
pem_traditional(EVP_PKEY *pkey)
{
    BIO  *bio = BIO_new(BIO_s_mem());

    return sign_bio(bio, PEM_write_bio_PrivateKey_traditional(bio, pkey, NULL,
                                                              NULL, 0, NULL,
                                                              NULL));
}


TAP_UNUSED static at_str_t
der_public(EVP_PKEY *pkey)
{
    BIO  *bio = BIO_new(BIO_s_mem());

    return sign_bio(bio, i2d_PUBKEY_bio(bio, pkey));
}


TAP_UNUSED static at_str_t
pem_pkcs1(EVP_PKEY *pkey)
{
    unsigned char  *der = NULL;
    int             len = i2d_PublicKey(pkey, &der);
    BIO            *bio = BIO_new(BIO_s_mem());
    int             written = PEM_write_bio(bio, "RSA PUBLIC KEY", "", der,
                                            len);

    OPENSSL_free(der);

    return sign_bio(bio, written);
}


TAP_UNUSED static X509 *
sign_certificate(EVP_PKEY *pkey)
{
    X509                 *x509 = X509_new();
    const EVP_MD         *md = EVP_PKEY_is_a(pkey, "ED25519") ? NULL
                               : EVP_sha256();
    const unsigned char  *cn = (const unsigned char *) "test";

    must(X509_set_version(x509, 2) == 1
         && ASN1_INTEGER_set(X509_get_serialNumber(x509), 1) == 1
         && X509_gmtime_adj(X509_getm_notBefore(x509), 0) != NULL
         && X509_gmtime_adj(X509_getm_notAfter(x509), 3600) != NULL
         && X509_set_pubkey(x509, pkey) == 1
         && X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), "CN",
                                       MBSTRING_ASC, cn, -1, -1, 0) == 1
         && X509_set_issuer_name(x509, X509_get_subject_name(x509)) == 1
         && X509_sign(x509, pkey, md) > 0, "no certificate");

    return x509;
}


TAP_UNUSED static at_str_t
pem_certificate(EVP_PKEY *pkey)
{
    BIO   *bio = BIO_new(BIO_s_mem());
    X509  *x509 = sign_certificate(pkey);
    int    written = PEM_write_bio_X509(bio, x509);

    X509_free(x509);

    return sign_bio(bio, written);
}


/* the text of a member of "x5c" */
TAP_UNUSED static char *
x5c(EVP_PKEY *pkey)
{
    char           *text;
    unsigned char  *der = NULL;
    X509           *x509 = sign_certificate(pkey);
    int             len = i2d_X509(x509, &der);

    text = sign_alloc((size_t) len * 2 + 8);
    (void) EVP_EncodeBlock((unsigned char *) text, der, len);

    OPENSSL_free(der);
    X509_free(x509);

    return text;
}


/* --- JWK ----------------------------------------------------------------- */

/* pad: how long it must be at least */
TAP_UNUSED static char *
jwk_number(EVP_PKEY *pkey, const char *param, size_t pad)
{
    size_t         len;
    BIGNUM        *n = NULL;
    unsigned char  buf[2100];

    must(EVP_PKEY_get_bn_param(pkey, param, &n) == 1, "no such number");

    len = (size_t) BN_num_bytes(n);
    len = len < pad ? pad : len;

    (void) BN_bn2binpad(n, buf, (int) len);
    BN_free(n);

    return b64((at_str_t) { (char *) buf, len });
}


TAP_UNUSED static size_t
sign_field_len(EVP_PKEY *pkey)
{
    return ((size_t) EVP_PKEY_get_bits(pkey) + 7) / 8;
}


/* a public key as a JWK; more: further members, each with a comma before it */
TAP_UNUSED static char *
jwk(EVP_PKEY *pkey, const char *more)
{
    int            bits = EVP_PKEY_get_bits(pkey);
    unsigned char  raw[64];
    size_t         len = sizeof(raw);

    if (EVP_PKEY_is_a(pkey, "RSA")) {
        return format("{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"%s\"%s}",
                      jwk_number(pkey, OSSL_PKEY_PARAM_RSA_N, 0),
                      jwk_number(pkey, OSSL_PKEY_PARAM_RSA_E, 0), more);
    }

    if (EVP_PKEY_is_a(pkey, "EC")) {
        return format("{\"kty\":\"EC\",\"crv\":\"%s\",\"x\":\"%s\","
                      "\"y\":\"%s\"%s}",
                      bits == 384 ? "P-384" : bits == 521 ? "P-521" : "P-256",
                      jwk_number(pkey, OSSL_PKEY_PARAM_EC_PUB_X,
                                 sign_field_len(pkey)),
                      jwk_number(pkey, OSSL_PKEY_PARAM_EC_PUB_Y,
                                 sign_field_len(pkey)), more);
    }

    must(EVP_PKEY_get_raw_public_key(pkey, raw, &len) == 1, "no raw key");

    return format("{\"kty\":\"OKP\",\"crv\":\"%s\",\"x\":\"%s\"%s}",
                  EVP_PKEY_is_a(pkey, "ED25519") ? "Ed25519"
                  : EVP_PKEY_is_a(pkey, "ED448") ? "Ed448" : "X25519",
                  b64((at_str_t) { (char *) raw, len }), more);
}


/* --- signatures ---------------------------------------------------------- */

/* r and s side by side, n bytes each */
TAP_UNUSED static at_str_t
sign_pair(const BIGNUM *r, const BIGNUM *s, size_t n)
{
    unsigned char  *out = sign_alloc(2 * n);

    must(BN_bn2binpad(r, out, (int) n) >= 0
         && BN_bn2binpad(s, out + n, (int) n) >= 0, "a number is too long");

    return (at_str_t) { (char *) out, 2 * n };
}


TAP_UNUSED static at_str_t
sign_der_to_pair(EVP_PKEY *pkey, at_str_t der)
{
    at_str_t              out;
    const unsigned char  *p = (const unsigned char *) der.data;
    ECDSA_SIG            *sig = d2i_ECDSA_SIG(NULL, &p, (long) der.len);

    must(sig != NULL, "no ECDSA signature");

    out = sign_pair(ECDSA_SIG_get0_r(sig), ECDSA_SIG_get0_s(sig),
                    sign_field_len(pkey));
    ECDSA_SIG_free(sig);

    return out;
}


/* md: NULL for Ed25519; saltlen: of PSS, or -1 for PKCS#1.  EC: in DER. */
TAP_UNUSED static at_str_t
sign_with(EVP_PKEY *pkey, const char *md, int saltlen, at_str_t text)
{
    EVP_PKEY_CTX   *pctx;
    unsigned char   sig[2100];
    size_t          len = sizeof(sig);
    EVP_MD_CTX     *ctx = EVP_MD_CTX_new();

    must(EVP_DigestSignInit_ex(ctx, &pctx, md, NULL, NULL, pkey, NULL) == 1
         && (saltlen < 0
             || (EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING) == 1
                 && EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, saltlen) == 1))
         && EVP_DigestSign(ctx, sig, &len, (const unsigned char *) text.data,
                           text.len) == 1, "no signature");

    EVP_MD_CTX_free(ctx);

    return bytes(sig, len);
}


TAP_UNUSED static at_str_t
sign_alg(EVP_PKEY *pkey, at_alg_e alg, at_str_t text)
{
    at_str_t  signature;

    static const struct { const char *md; int saltlen; } algs[AT_ALGS] = {
        { "SHA256", -1 }, { "SHA384", -1 }, { "SHA512", -1 },
        { "SHA256", 32 }, { "SHA384", 48 }, { "SHA512", 64 },
        { "SHA256", -1 }, { "SHA384", -1 }, { "SHA512", -1 },
        { NULL, -1 }, { NULL, -1 },
    };

    signature = sign_with(pkey, algs[alg].md, algs[alg].saltlen, text);

    return (at_alg_bit(alg) & AT_ALGS_EC)
           ? sign_der_to_pair(pkey, signature) : signature;
}


TAP_UNUSED static at_str_t
sign_hmac(at_str_t secret, const EVP_MD *md, at_str_t text)
{
    unsigned       len;
    unsigned char  mac[EVP_MAX_MD_SIZE];

    must(HMAC(md, secret.data ? secret.data : "", (int) secret.len,
              (const unsigned char *) text.data, text.len, mac, &len) != NULL,
         "no HMAC");

    return bytes(mac, len);
}


/* --- tokens -------------------------------------------------------------- */

/* "header.payload" in base64url; JSON with single quotes */
TAP_UNUSED static char *
token_text(at_str_t header, at_str_t payload)
{
    return format("%s.%s", b64((at_str_t) { quoted(header), header.len }),
                  b64((at_str_t) { quoted(payload), payload.len }));
}


TAP_UNUSED static char *
token_with(const char *text, at_str_t signature)
{
    return format("%s.%s", text, b64(signature));
}


TAP_UNUSED static char *
token_of(at_str_t header, at_str_t payload, EVP_PKEY *pkey, at_alg_e alg)
{
    char  *text = token_text(header, payload);

    return token_with(text, sign_alg(pkey, alg, str(text)));
}


/* the payload as it is */
TAP_UNUSED static char *
token_raw(const char *header, at_str_t payload, EVP_PKEY *pkey, at_alg_e alg)
{
    char  *text = format("%s.%s", b64(str(quoted(str(header)))), b64(payload));

    return token_with(text, sign_alg(pkey, alg, str(text)));
}


TAP_UNUSED static char *
token(const char *header, const char *payload, EVP_PKEY *pkey, at_alg_e alg)
{
    return token_of(str(header), str(payload), pkey, alg);
}


#endif
