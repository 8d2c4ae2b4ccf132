/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Signs JWTs (RFC 7515, RFC 7519) with libjwt, which is given checked keys and
 * claims only.  The error queue of OpenSSL is left empty.
 */

#ifndef AT_MINT_H
#define AT_MINT_H

#include "core/jose/at_key.h"
#include "core/base/at_error.h"
#include "core/base/at_str.h"


/* libjwt supports neither PS* nor EdDSA */
#define AT_MINT_ALGS                                                          \
    (at_alg_bit(AT_RS256) | at_alg_bit(AT_RS384) | at_alg_bit(AT_RS512)       \
     | AT_ALGS_EC)


/*
 * A signing key.  It owns a copy of the private key, which is cleansed when it
 * is freed.  It is const after its creation: threads may share it.
 */
typedef struct at_mint_s  at_mint_t;

/*
 * Parses PEM with exactly one private key, which must not be encrypted:
 * OpenSSL does not prompt for a password.  The rules of at_key_create()
 * apply.  Returns NULL with err set on error.
 */
at_mint_t *at_mint_create(at_str_t pem, at_error_t *err);
void at_mint_free(at_mint_t *mint);

/* The algorithms of the key, bits of AT_MINT_ALGS, at least one. */
unsigned at_mint_algs(const at_mint_t *mint);

/*
 * Sets *jwk to the public key as a JWK (RFC 7517) for alg, one of the
 * algorithms of the key, and *name to its kid: kid, or the thumbprint if kid
 * is empty.  The caller frees the two terminated strings with
 * at_secret_free().  Returns 0, or -1 with err set.
 */
int at_mint_public_jwk(const at_mint_t *mint, at_alg_e alg, at_str_t kid,
    char **jwk, char **name, at_error_t *err);


/*
 * Signs claims, the text of a JSON object, without adding any claim.  The
 * order of the members may change, the types of numbers do not.  An empty kid
 * adds none.  The typ is always "JWT": libjwt 1.10 overwrites any other.
 *
 * It is an error if the key cannot sign with alg, if the kid is invalid, or if
 * claims or token exceed the limits of at_jwt.h.  Returns a terminated string
 * that the caller frees with at_secret_free(), or NULL with err set.
 */
char *at_mint_sign(const at_mint_t *mint, at_alg_e alg, at_str_t kid,
    at_str_t claims, at_error_t *err);


#endif
