/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Verification of a signed JWT (RFC 7515, RFC 7519, RFC 8725, RFC 9068).
 *
 * The payload is parsed once, before its signature is verified.  Only its iss
 * is used before that: it selects the issuers whose keys are tried.
 */

#ifndef AT_JWT_H
#define AT_JWT_H

#include <stdint.h>

#include "core/authz/at_identity.h"
#include "core/authz/at_issuer.h"
#include "core/jose/at_deferred.h"
#include "core/jose/at_keyset.h"
#include "core/base/at_str.h"
#include "core/base/at_verdict.h"


#define AT_JWT_LEN_DEFAULT  16384
#define AT_JWT_LEN_MAX      65536

#define AT_JWT_KEYS_MAX  8  /* tried for a token and an issuer, at most */


/*
 * An issuer and its current key sets.  A set is NULL as long as its source has
 * no keys.
 *
 * at_jwt_verify() sets lacks_key if the token has an iss of this issuer and no
 * key verified its signature: it may be signed by a new key.
 */
typedef struct {
    const at_issuer_t   *issuer;
    at_keyset_t *const  *sets;
    size_t               n_sets;
    unsigned             lacks_key:1;
} at_trusted_issuer_t;

/*
 * The largest number of keys without kid that fit one algorithm.  Of more than
 * AT_JWT_KEYS_MAX some are never tried.
 */
size_t at_issuer_keys_without_kid(const at_trusted_issuer_t *trusted);


/*
 * Call it once in a process, before the first verification.  It seeds jansson,
 * which opens /dev/urandom for its first object otherwise.
 */
void at_jwt_init(void);

/*
 * Memory that is reused from one verification to the next, with a cache of
 * parsed headers.  For one thread at a time.  Returns NULL if there is no
 * memory.
 */
typedef struct at_verifier_s  at_verifier_t;

at_verifier_t *at_verifier_create(void);
void at_verifier_free(at_verifier_t *verifier);

/*
 * max_len is at most AT_JWT_LEN_MAX; now is in seconds since the epoch.
 *
 * is_client is called for issuers with any_client_audience.  It returns 1 if
 * the store has a client with this id, 0 if not, -1 if the store cannot be
 * read.  NULL stands for a function that returns -1.
 */
typedef struct {
    at_str_t              token;
    size_t                max_len;
    at_trusted_issuer_t  *trusted;
    size_t                n;                /* trusted issuers */
    int64_t               now;
    int                 (*is_client)(void *data, at_str_t id);
    void                 *data;             /* of is_client */
} at_jwt_query_t;

/*
 * Tries the issuers with the iss of the token in their order.  The first one
 * whose key and claims match becomes the issuer of the identity.
 *
 * Of an issuer at most AT_JWT_KEYS_MAX keys that fit the algorithm are tried:
 * those with the kid of the token, those with its x5t#S256, those with its
 * x5t, those without kid; for a token without kid then all others.
 *
 * identity must be anonymous before the call.  It is filled on AT_OK and, so
 * that the log can name the subject of a refused token, on AT_EXPIRED,
 * AT_TOO_OLD and AT_NOT_YET_VALID.  The caller releases it in any case.
 */
at_verdict_e at_jwt_verify(at_verifier_t *verifier, at_identity_t *identity,
    const at_jwt_query_t *query);

/*
 * The same, but slow signatures are verified by the caller: AT_PENDING until
 * the results of all keys that are tried are in *deferred.
 */
at_verdict_e at_jwt_verify_deferred(at_verifier_t *verifier,
    at_identity_t *identity, const at_jwt_query_t *query,
    at_deferred_t *deferred);

/*
 * Parse the claims or the header of a token, which may not be verified: the
 * caller must know what it may use.  The caller frees the result with
 * at_claims_free().  NULL: not an unambiguous JSON object, or no memory.
 */
at_claims_t *at_jwt_decode_claims(at_str_t token);
at_claims_t *at_jwt_decode_header(at_str_t token);


#endif
