/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Sets of public keys, parsed from a JWK Set (RFC 7517) or from PEM with one
 * public key (SubjectPublicKeyInfo or PKCS#1) or certificate.
 */

#ifndef AT_JWK_H
#define AT_JWK_H

#include "core/jose/at_key.h"
#include "core/base/at_error.h"
#include "core/base/at_str.h"


#define AT_KEYSET_KEYS_MAX  64  /* further keys of a JWK Set are ignored */
#define AT_KID_LEN_MAX      256


typedef struct {
    at_str_t        kid;        /* empty: the key has none */
    at_str_t        issuer;     /* restricts the key to tokens with this iss;
                                   empty: not restricted */
    struct json_t  *strings[2]; /* own kid and issuer, or NULL */
    at_key_t       *key;
} at_jwk_t;

typedef struct {
    size_t    n;                /* at least 1 */
    at_jwk_t  keys[AT_KEYSET_KEYS_MAX];
} at_keyset_t;

/* text is one line without a line end: a key that is ignored, and why */
typedef void (*at_keyset_warn_pt)(void *data, const char *text);


/*
 * Parses a key file or a fetched JWK Set for an issuer that accepts algs.  PEM
 * must have exactly one key, which must be usable.  Unusable keys of a JWK Set
 * are ignored, with a warning unless they are encryption keys; at least one
 * key must be usable.  Returns a set that the caller frees, or NULL with err
 * set.
 */
at_keyset_t *at_keyset_parse(at_str_t text, unsigned algs,
    at_keyset_warn_pt warn, void *data, at_error_t *err);

void at_keyset_free(at_keyset_t *set);

/*
 * A kid has 1 to AT_KID_LEN_MAX printable ASCII characters.  Space, quotes,
 * backslash, angle brackets and ".." are not allowed, so that a log or another
 * verifier cannot misinterpret it as markup or path.
 */
int at_kid_is_valid(at_str_t kid);


#endif
