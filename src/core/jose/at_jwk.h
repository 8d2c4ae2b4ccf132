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


#define AT_KEYSET_KEYS_MAX  128  /* entries of a JWK Set that are examined */
#define AT_KID_LEN_MAX      1024
#define AT_X5T_LEN          27
#define AT_X5T_S256_LEN     43


typedef struct {
    at_str_t   kid;             /* empty: the key has none */
    at_str_t   issuer;          /* restricts the key to tokens with this iss;
                                   empty: not restricted */

    /* thumbprints of its certificate in base64url, or empty (RFC 7517 sections
       4.8 and 4.9) */
    char       x5t[AT_X5T_LEN + 1];
    char       x5t_s256[AT_X5T_S256_LEN + 1];

    at_key_t  *key;
} at_jwk_t;

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
 * Parses a key file or a fetched JWK Set for an issuer that accepts algs.
 *
 * PEM must have exactly one key, which must be usable, or certificates, of
 * which the first is used.
 *
 * Of a JWK Set the first AT_KEYSET_KEYS_MAX entries are examined.  A key that
 * is not usable is ignored, with a warning unless it is an encryption key; at
 * least one key must be usable.  Numbers may have leading zero bytes and
 * padding; null, an empty string or an empty array as the value of a member
 * has the meaning of an absent member.
 *
 * Returns a set that the caller frees, or NULL with err set.
 */
at_keyset_t *at_keyset_parse(at_str_t text, unsigned algs,
    at_keyset_warn_pt warn, void *data, at_error_t *err);

void at_keyset_free(at_keyset_t *set);

/*
 * The usable keys of a parsed JWK Set as a JWK Set, which at_keyset_parse()
 * reads as the same set.  Returns a terminated string for free(), or NULL if
 * allocation fails.
 */
char *at_keyset_to_jwks(const at_keyset_t *set);

/*
 * A kid has 1 to AT_KID_LEN_MAX bytes of UTF-8 without U+0000.  Escape it in a
 * log.
 */
int at_kid_is_valid(at_str_t kid);


#endif
