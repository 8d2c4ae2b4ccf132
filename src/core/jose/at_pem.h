/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Public keys in PEM and in X.509 certificates.  The numbers of a key are not
 * checked yet: at_key_create() does it.
 */

#ifndef AT_PEM_H
#define AT_PEM_H

#include "core/base/at_error.h"
#include "core/base/at_str.h"


#define AT_X5T_LEN       27
#define AT_X5T_S256_LEN  43


typedef struct {
    struct evp_pkey_st  *pkey;          /* the caller frees it */

    /* thumbprints of the certificate in base64url (RFC 7517 sections 4.8 and
       4.9); empty if the key is not from a certificate */
    char                 x5t[AT_X5T_LEN + 1];
    char                 x5t_s256[AT_X5T_S256_LEN + 1];
} at_pem_key_t;


/*
 * Reads one public key (SubjectPublicKeyInfo or PKCS#1), or certificates, of
 * which the first is used and all are counted.  Anything before, between and
 * after the blocks is ignored.  Returns 0, or -1 with err set.
 */
int at_pem_parse(at_pem_key_t *key, unsigned *certificates, at_str_t text,
    at_error_t *err);

/*
 * Reads a certificate in DER.  Bytes after it are ignored; *der is moved to
 * its end.  Returns 0 or -1.
 */
int at_certificate_parse(at_pem_key_t *key, const unsigned char **der,
    size_t len);


#endif
