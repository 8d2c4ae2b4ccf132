/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Who a verified credential speaks for.
 */

#ifndef AT_IDENTITY_H
#define AT_IDENTITY_H

#include <stdint.h>

#include "at_issuer.h"
#include "at_scope.h"
#include "at_str.h"


/*
 * Zeroed, it is nobody.  The views are of claims, which the identity owns
 * with the array of scopes; issuer is the configuration's.
 */
typedef struct {
    const at_issuer_t  *issuer;
    at_str_t            user;           /* the user claim, or empty */
    at_str_t            subject;        /* the user, else sub, or empty: for logs */
    unsigned            admin:1;        /* passes every scope, nothing else */
    int64_t             expires;        /* seconds since the epoch, rounded up */
    at_scopes_t         scopes;
    struct json_t      *claims;
} at_identity_t;


/* leaves it nobody; may be called twice */
void at_identity_release(at_identity_t *identity);


#endif
