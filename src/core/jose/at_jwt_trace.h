/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * What the verification of a JWT reports to explain its verdict.
 */

#ifndef AT_JWT_TRACE_H
#define AT_JWT_TRACE_H

#include "core/authz/at_issuer.h"
#include "core/base/at_str.h"
#include "core/base/at_verdict.h"
#include "core/json/at_json.h"


/*
 * The verdict of one issuer on a token, or of none (NULL) if no trusted issuer
 * has its iss.  Header and claims are not verified unless the signature is.
 * The views end with the call.
 */
typedef struct {
    const at_issuer_t      *issuer;
    at_verdict_e            verdict;
    at_str_t                alg;
    at_str_t                kid;
    at_str_t                typ;
    const at_json_value_t  *claims;
} at_jwt_trial_t;

typedef struct {
    void  (*report)(void *data, const at_jwt_trial_t *trial);
    void   *data;
} at_jwt_trace_t;


#endif
