/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <string.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "core/base/at_base64url.h"
#include "core/jose/at_pem.h"


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


int
at_certificate_parse(at_pem_key_t *key, const unsigned char **der, size_t len)
{
    int                   n;
    X509                 *x509;
    unsigned char        *info, hash[EVP_MAX_MD_SIZE];
    const unsigned char  *begin;

    memset(key, 0, sizeof(at_pem_key_t));

    begin = *der;
    info = NULL;
    x509 = d2i_X509(NULL, der, (long) len);

    if (x509 == NULL) {
        return -1;
    }

    key->pkey = X509_get_pubkey(x509);
    n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x509), &info);
    len = (size_t) (*der - begin);

    if (!at_rsa_is_canonical(key->pkey, i2d_PUBKEY, info, n)) {
        EVP_PKEY_free(key->pkey);
        key->pkey = NULL;

    } else if (EVP_Digest(begin, len, hash, NULL, EVP_sha1(), NULL) == 1) {
        at_base64url_encode(key->x5t, hash, 20);

        if (EVP_Digest(begin, len, hash, NULL, EVP_sha256(), NULL) == 1) {
            at_base64url_encode(key->x5t_s256, hash, 32);
        }
    }

    OPENSSL_free(info);
    X509_free(x509);

    return key->pkey != NULL ? 0 : -1;
}


/* a block of PEM, decoded */
static int
at_pem_decode(at_pem_key_t *key, const char *name, const unsigned char *der,
    long len, at_error_t *err)
{
    int                   canonical;
    const unsigned char  *p;

    p = der;
    canonical = 1;

    if (strcmp(name, PEM_STRING_PUBLIC) == 0) {
        key->pkey = d2i_PUBKEY(NULL, &p, len);
        canonical = at_rsa_is_canonical(key->pkey, i2d_PUBKEY, der, len);

    } else if (strcmp(name, PEM_STRING_RSA_PUBLIC) == 0) {      /* PKCS#1 */
        key->pkey = d2i_PublicKey(EVP_PKEY_RSA, NULL, &p, len);
        canonical = at_rsa_is_canonical(key->pkey, i2d_PublicKey, der, len);

    } else if (strcmp(name, PEM_STRING_X509) == 0) {
        (void) at_certificate_parse(key, &p, (size_t) len);

    } else if (strstr(name, "PRIVATE KEY") != NULL) {
        return at_error(err, "private key found: use the public key "
                        "(openssl pkey -pubout)");

    } else {
        return at_error(err, "PEM block is neither a public key nor a "
                        "certificate");
    }

    return key->pkey != NULL && canonical && p == der + len
           ? 0 : at_error(err, "invalid PEM block");
}


/*
 * Decodes the first block and checks that further blocks are certificates if
 * it is one.  Nothing is decrypted, so that OpenSSL asks for no password.
 */
static int
at_pem_read(at_pem_key_t *key, unsigned *certificates, BIO *bio,
    at_error_t *err)
{
    int             rc;
    char           *name, *header;
    long            len;
    unsigned        n;
    unsigned char  *der;

    rc = 0;

    for (n = 0;
         rc == 0 && PEM_read_bio(bio, &name, &header, &der, &len) == 1;
         n++)
    {
        *certificates += strcmp(name, PEM_STRING_X509) == 0;

        if (n == 0) {
            rc = at_pem_decode(key, name, der, len, err);

        } else if (strstr(name, "PRIVATE KEY") != NULL) {
            rc = at_error(err, "private key found: remove it from the file");

        } else if (*certificates != n + 1) {
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


int
at_pem_parse(at_pem_key_t *key, unsigned *certificates, at_str_t text,
    at_error_t *err)
{
    int   rc;
    BIO  *bio;

    memset(key, 0, sizeof(at_pem_key_t));
    *certificates = 0;

    bio = BIO_new_mem_buf(text.data, (int) text.len);

    if (bio == NULL) {
        return at_error(err, "no memory");
    }

    rc = at_pem_read(key, certificates, bio, err);

    if (rc != 0) {
        EVP_PKEY_free(key->pkey);
        key->pkey = NULL;
    }

    BIO_free(bio);

    return rc;
}
