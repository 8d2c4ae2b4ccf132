/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The claims of a token with a valid signature: audience, kind, user, scopes,
 * times.  docs/dev/verifier.md has the rules.
 */

#ifndef AT_JWT_CLAIMS_H
#define AT_JWT_CLAIMS_H

#include "core/jose/at_jwt.h"


typedef struct {
    const at_json_value_t  *claims;
    at_str_t                typ;            /* of the header, or empty */
    const at_issuer_t      *issuer;
    const at_jwt_query_t   *query;

    unsigned                store_failed:1; /* result: the store could not be
                                               asked for a client */
} at_jwt_claims_t;


/*
 * Compares the claims with the requirements of the issuer, and fills the
 * identity except its claims.  The strings of the identity are views of the
 * claims.  The caller releases the identity in any case.
 */
at_verdict_e at_jwt_check_claims(at_identity_t *identity,
    at_jwt_claims_t *jwt);


#endif
