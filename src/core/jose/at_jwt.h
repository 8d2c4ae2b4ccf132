/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Verification of a signed JWT (RFC 7515, RFC 7519, RFC 8725, RFC 9068), from
 * the bytes of a request to an identity.  A token has one reading or none; no
 * byte of the payload is parsed before a signature over it holds.
 */

#ifndef AT_JWT_H
#define AT_JWT_H

#include <stdint.h>

#include "core/authz/at_identity.h"
#include "core/authz/at_issuer.h"
#include "core/jose/at_jwk.h"
#include "core/base/at_str.h"
#include "core/base/at_verdict.h"


#define AT_JWT_LEN_DEFAULT  8192
#define AT_JWT_LEN_MAX      65536

#define AT_JWT_KEYS_PER_ISSUER  4  /* tried of one issuer at most */
#define AT_JWT_KEYS_MAX         8  /* tried for one token at most */


/*
 * An issuer and its keys of this moment: n_sets pointers, any of which may be
 * NULL while that source has no keys.
 */
typedef struct {
    const at_issuer_t   *issuer;
    at_keyset_t *const  *sets;
    size_t               n_sets;
} at_trusted_issuer_t;


/* once in a process, before the first verification */
void at_jwt_init(void);

/*
 * What is kept from one verification to the next: memory, and what was found
 * in the headers seen last.  One thread at a time may use it.  NULL where
 * memory failed.
 */
typedef struct at_verifier_s  at_verifier_t;

at_verifier_t *at_verifier_create(void);
void at_verifier_free(at_verifier_t *verifier);

/*
 * The question: whether token holds for one of the n issuers at now, in seconds
 * since the epoch.  max_len is AT_JWT_LEN_MAX at most.
 *
 * is_client, for issuers with any_client_audience, says whether the store has a
 * client of that id: 1, 0, or -1 if that cannot be known.  Without it nothing
 * can.
 */
typedef struct {
    at_str_t                    token;
    size_t                      max_len;
    const at_trusted_issuer_t  *trusted;
    size_t                      n;
    int64_t                     now;
    int                (*is_client)(void *data, at_str_t id);
    void                *data;
} at_jwt_query_t;

/*
 * Asks the issuers in their order: the first whose key and claims both hold is
 * the identity's.
 *
 * identity must be nobody before.  After AT_OK it is who the token speaks for;
 * after AT_EXPIRED, AT_TOO_OLD or AT_NOT_YET_VALID it says of whom the refused
 * token was, for logs; else it is nobody.  The caller releases it in any case.
 */
at_verdict_e at_jwt_verify(at_verifier_t *verifier, at_identity_t *identity,
    const at_jwt_query_t *query);

/*
 * Whether the key of the token before may be a new one: no signature held, and
 * one of the issuers has no key of the token's kid.  The verdict does not tell,
 * as another issuer, or a key without a kid, may have come further.
 */
int at_verifier_missed_kid(const at_verifier_t *verifier);

/*
 * The claims of a token that was verified before, for those who ask for one:
 * the caller's, or NULL where memory failed.
 */
at_claims_t *at_jwt_decode_claims(at_str_t token);


#endif
