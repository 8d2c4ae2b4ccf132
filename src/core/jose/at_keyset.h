/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Sets of public keys, parsed from a JWK Set (RFC 7517) or from PEM with one
 * public key (SubjectPublicKeyInfo or PKCS#1) or certificate.
 */

#ifndef AT_KEYSET_H
#define AT_KEYSET_H

#include "core/jose/at_jwk.h"
#include "core/base/at_error.h"
#include "core/base/at_str.h"


#define AT_KEYSET_KEYS_MAX  128  /* entries of a JWK Set that are examined */


typedef struct {
    size_t          n;          /* at least 1 */
    at_jwk_t        keys[AT_KEYSET_KEYS_MAX];
    struct json_t  *json;       /* array of the usable keys without members
                                   that are not needed any more, owns the
                                   strings; NULL for PEM */
    unsigned        certificates;
                                /* in the PEM file; the first one is used */
} at_keyset_t;

/* text is one line without a line end: a key that is ignored, and why */
typedef void (*at_keyset_warn_pt)(void *data, const char *text);


/*
 * Parses a JWK Set for an issuer that accepts algs.  Its first
 * AT_KEYSET_KEYS_MAX entries are examined.  A key that is not usable is
 * ignored, with a warning unless it is an encryption key; at least one key
 * must be usable.
 *
 * Returns a set that the caller frees, or NULL with err set.
 */
at_keyset_t *at_keyset_parse_jwks(at_str_t text, unsigned algs,
    at_keyset_warn_pt warn, void *data, at_error_t *err);

/*
 * Parses a key file: a JWK Set, or PEM as in at_pem_parse() with a usable key.
 */
at_keyset_t *at_keyset_parse(at_str_t text, unsigned algs,
    at_keyset_warn_pt warn, void *data, at_error_t *err);

void at_keyset_free(at_keyset_t *set);

/*
 * The usable keys of a parsed JWK Set as a JWK Set, which
 * at_keyset_parse_jwks() reads as the same set.  Returns a terminated string
 * for free(), or NULL if allocation fails.
 */
char *at_keyset_to_jwks(const at_keyset_t *set);


#endif
