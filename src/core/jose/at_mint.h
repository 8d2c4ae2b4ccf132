/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Signing of JWTs (RFC 7515, RFC 7519) by libjwt, whose only user this is.  It
 * sees nothing but keys and claims that were checked before; what it signs
 * here, at_jwt.h takes.  OpenSSL's error queue is left empty.
 */

#ifndef AT_MINT_H
#define AT_MINT_H

#include "core/jose/at_key.h"
#include "core/base/at_error.h"
#include "core/base/at_str.h"


/* RS256, RS384, RS512, ES256, ES384: libjwt knows no PS* and no EdDSA */
#define AT_MINT_ALGS                                                          \
    (at_alg_bit(AT_RS256) | at_alg_bit(AT_RS384) | at_alg_bit(AT_RS512)       \
     | at_alg_bit(AT_ES256) | at_alg_bit(AT_ES384))


/*
 * A private key that may sign.  It owns a copy of the key, cleansed when it is
 * freed, is const after its creation, and any number of threads may use it.
 */
typedef struct at_mint_s  at_mint_t;

/*
 * From PEM with exactly one private key, not encrypted (no password is ever
 * asked for), as strong as at_key_create() demands of a public one.  Returns
 * NULL on error, with err set.
 */
at_mint_t *at_mint_create(at_str_t pem, at_error_t *err);
void at_mint_free(at_mint_t *mint);

/* what the key can sign: bits of AT_MINT_ALGS, one or more */
unsigned at_mint_algs(const at_mint_t *mint);

/*
 * The public half as a JWK (RFC 7517) for alg, which is one of the key's;
 * without a kid it is named by its thumbprint.  Two terminated strings, which
 * the caller frees with at_mint_text_free(): 0, or -1 with err set.
 */
int at_mint_public_jwk(const at_mint_t *mint, at_alg_e alg, at_str_t kid,
    char **jwk, char **name, at_error_t *err);


/*
 * The token of claims, the text of a JSON object, which is signed as it is: no
 * claim is added.  Numbers keep their types, members lose their order.  kid may
 * be empty: none.  The typ is "JWT": libjwt 1.10 overwrites any other.
 *
 * An error is an alg that the key cannot sign; a kid that at_kid_is_valid()
 * refuses; claims or a token beyond the limits of at_jwt.h.  Returns a
 * terminated string that the caller frees with at_mint_text_free(), or NULL
 * with err set.
 */
char *at_mint_sign(const at_mint_t *mint, at_alg_e alg, at_str_t kid,
    at_str_t claims, at_error_t *err);

/* overwrites it first; token may be NULL */
void at_mint_text_free(char *token);


#endif
