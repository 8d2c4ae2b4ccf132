/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * A public key in a JWK Set (RFC 7517, RFC 7518 section 6, RFC 8037).
 */

#ifndef AT_JWK_H
#define AT_JWK_H

#include "core/jose/at_key.h"
#include "core/jose/at_pem.h"
#include "core/base/at_error.h"
#include "core/base/at_str.h"


#define AT_KID_LEN_MAX  1024


struct json_t;

typedef struct {
    at_str_t   kid;             /* empty: the key has none */
    at_str_t   issuer;          /* restricts the key to tokens with this iss;
                                   empty: not restricted */

    /* thumbprints of its certificate, as in at_pem_key_t */
    char       x5t[AT_X5T_LEN + 1];
    char       x5t_s256[AT_X5T_S256_LEN + 1];

    at_key_t  *key;
} at_jwk_t;


/*
 * Parses jwk for an issuer that accepts algs.  The document is trusted:
 * numbers may have leading zero bytes and padding; null, an empty string or an
 * empty array as the value of a member has the meaning of an absent member.
 *
 * The strings of out are views of jwk.  Returns 0, and the caller frees
 * out->key; or -1 with err set.
 */
int at_jwk_parse(at_jwk_t *out, const struct json_t *jwk, unsigned algs,
    at_error_t *err);

/*
 * A new object with the members of jwk, from which key was parsed, that are
 * still needed.  Returns NULL if allocation fails.
 */
struct json_t *at_jwk_reduce(const at_jwk_t *key, const struct json_t *jwk);

/*
 * A kid has 1 to AT_KID_LEN_MAX bytes of UTF-8 without U+0000.  Escape it in a
 * log.
 */
int at_kid_is_valid(at_str_t kid);


#endif
