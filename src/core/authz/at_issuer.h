/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * What an issuer block demands of a token: filled at configuration, const
 * after.  The caller owns all that it points to.
 */

#ifndef AT_ISSUER_H
#define AT_ISSUER_H

#include <stdint.h>

#include "core/json/at_claim.h"
#include "core/base/at_str.h"


#define AT_NO_MAX_AGE  -1


typedef struct {
    at_str_t         name;

    const at_str_t  *issuers;           /* accepted iss, exact */
    size_t           n_issuers;

    const at_str_t  *audiences;         /* accepted aud, any of them */
    size_t           n_audiences;
    unsigned         any_audience:1;
    unsigned         own_client_audience:1; /* and those of the token's client */
    unsigned         any_client_audience:1; /* and of any client of the store */

    const at_str_t  *typs;              /* accepted typ, in any ASCII case */
    size_t           n_typs;
    unsigned         typ_absent:1;      /* and a header without one */

    unsigned         algs;              /* at_alg_bit() */

    int64_t          leeway;            /* seconds, 0 or more */
    int64_t          max_age;         /* seconds since iat, or AT_NO_MAX_AGE */

    at_claim_path_t  user_claim;
    at_claim_path_t  scope_claim;
    at_claim_path_t  admin_claim;       /* n is 0: no token is an admin's */
    unsigned         own_scope_claim:1; /* scope_claim was configured */

    const at_claim_path_t *client_claims;     /* the first that is there counts */
    size_t           n_client_claims;   /* 0: tokens are not held to clients */
    unsigned         entra:1;           /* chosen as at_entra.h has it */
    unsigned         no_users:1;        /* a client's own tokens only: no token
                                           of a user that it acts for */
} at_issuer_t;


#endif
