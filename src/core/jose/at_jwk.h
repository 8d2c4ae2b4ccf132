/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Sets of public keys, from what operators and providers have: a PEM file with
 * one SubjectPublicKeyInfo, PKCS#1 public key or certificate, or a JWK Set
 * (RFC 7517).  A set is made aside and swapped in whole.
 */

#ifndef AT_JWK_H
#define AT_JWK_H

#include "core/jose/at_key.h"
#include "core/base/at_error.h"
#include "core/base/at_str.h"


#define AT_KEYSET_KEYS_MAX  64  /* of a set, the first ones count */
#define AT_KID_LEN_MAX      256


typedef struct {
    char      *kid;             /* of kid_len bytes, NULL if the key has none */
    size_t     kid_len;
    char      *issuer;          /* the only one that it may sign for; NULL: any */
    size_t     issuer_len;
    at_key_t  *key;
} at_jwk_t;

typedef struct {
    size_t    n;                /* 1 or more */
    at_jwk_t  keys[AT_KEYSET_KEYS_MAX];
} at_keyset_t;

/* told of each key of a set that is left out; text is one line without its end */
typedef void (*at_keyset_warn_pt)(void *data, const char *text);


/*
 * Parses the bytes of a key file for a block that accepts algs.  A PEM file
 * must hold one key that serves; of a JWK Set the keys that cannot serve are
 * left out with a warning (an encryption key without one), and one must stay.
 * Returns a set that the caller frees, or NULL with err set.
 */
at_keyset_t *at_keyset_parse(at_str_t text, unsigned algs,
    at_keyset_warn_pt warn, void *data, at_error_t *err);

void at_keyset_free(at_keyset_t *set);

/*
 * A kid is 1 to AT_KID_LEN_MAX printable ASCII characters, without space, quotes,
 * backslash, angle brackets and two dots in a row: an identifier, which stays
 * one wherever a log or another verifier takes it.
 */
int at_kid_is_valid(at_str_t kid);


#endif
