/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The requirements of an issuer block for JWTs: set during configuration, then
 * constant.  The caller owns everything that it points to.
 */

#ifndef AT_ISSUER_H
#define AT_ISSUER_H

#include <stdint.h>

#include "core/base/at_str.h"
#include "core/json/at_claim.h"


#define AT_NO_MAX_AGE    -1

/* the default of typs, with typ_absent */
#define AT_DEFAULT_TYPS  3
extern const at_str_t  at_default_typs[AT_DEFAULT_TYPS];


/* what grants a scope to the client of a token */
typedef enum {
    AT_CLIENT_RIGHTS_BOTH = 0,  /* the token, and the role of the record if it
                                   names one */
    AT_CLIENT_RIGHTS_ROLE,
    AT_CLIENT_RIGHTS_TOKEN      /* its scopes and admin_claim */
} at_client_rights_e;


typedef struct {
    at_str_t                name;

    const at_str_t         *issuers;        /* accepted iss, exact */
    size_t                  n_issuers;

    const at_str_t         *audiences;      /* accepted aud, any of them */
    size_t                  n_audiences;
    unsigned                any_audience:1;
    unsigned                token_client_audience:1;
                                            /* or (api://)ID of the client in
                                               the token */
    unsigned                any_client_audience:1;
                                            /* or (api://)ID of any client in
                                               the store */

    const at_str_t         *typs;           /* accepted typ, in any case */
    size_t                  n_typs;
    unsigned                typ_absent:1;   /* accept a header without typ */

    unsigned                algs;           /* at_alg_bit() */

    unsigned                any_kind;       /* accept ID tokens and others, not
                                               only access tokens */
    unsigned                ignore_cnf;     /* accept a token that is bound to
                                               a key (RFC 7800) */

    int64_t                 leeway;         /* seconds, 0 or more */
    int64_t                 max_age;        /* seconds since iat, or
                                               AT_NO_MAX_AGE */

    at_claim_path_t         user_claim;
    unsigned                user_required:1;    /* refuse a token without a
                                               user that a header can carry */
    unsigned                user_optional:1;    /* without it, do not warn */
    at_claim_path_t         scope_claim;
    at_claim_path_t         admin_claim;    /* n is 0: a token never grants
                                               administrator rights */

    const at_claim_path_t  *client_claims;  /* the first one that is present
                                               names the client */
    size_t                  n_client_claims;
                                            /* 0: no client is required */
    unsigned                client_rights;  /* at_client_rights_e */
    unsigned                entra:1;        /* apply the rules of at_entra.h */
    unsigned                no_users;       /* refuse tokens on behalf of a
                                               user */
} at_issuer_t;


#endif
