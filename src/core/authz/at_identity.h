/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Who a verified credential speaks for.
 */

#ifndef AT_IDENTITY_H
#define AT_IDENTITY_H

#include <stdint.h>

#include "core/authz/at_cidr_set.h"
#include "core/authz/at_issuer.h"
#include "core/authz/at_record.h"
#include "core/authz/at_rights.h"
#include "core/base/at_str.h"
#include "core/json/at_claim.h"


#define AT_IDENTITY_COPIES  3

/*
 * Zeroed, it is nobody.  The views are of claims and of copies of records,
 * which the identity owns with the arrays of its rights; issuer is the
 * configuration's.
 */
typedef struct {
    const at_issuer_t  *issuer;         /* of a JWT, else NULL */
    at_str_t            user;           /* the user claim, the owner, or empty */
    at_str_t            client;         /* the client's or API token's id */
    at_str_t            role;           /* by name */
    at_str_t            subject;        /* user, client or sub: for logs */
    int64_t             expires;        /* milliseconds since the epoch: the
                                           first at which it is nobody */
    at_rights_t         rights;
    at_list_t           ranges;         /* the record's own; none: any address */
    at_cidr_set_t      *range_set;      /* or these, where they were compiled */
    unsigned            needs_role:1;   /* and without one may nothing */
    at_claims_t        *claims;

    at_role_t           own_role;       /* what rights.role points to, if a
                                           record of the store */
    void               *copies[AT_IDENTITY_COPIES];
    size_t              n_copies;
} at_identity_t;


/* leaves it nobody; may be called twice */
void at_identity_release(at_identity_t *identity);

/* whether the record's own ranges hold addr; without any, they hold all */
int at_identity_allows_address(const at_identity_t *identity, const at_addr_t *addr);
int at_identity_has_ranges(const at_identity_t *identity);

/*
 * A copy that is one block: at_identity_size() bytes of memory, aligned for
 * pointers, that begin with the identity.  It needs no release, and must have
 * none; it has no claims.  Its scopes are sorted for the search, its ranges
 * compiled.  NULL if identity is a copy with ranges itself.
 */
size_t at_identity_size(const at_identity_t *identity);
at_identity_t *at_identity_copy(void *memory, size_t size,
    const at_identity_t *identity);

/*
 * A copy of a record, as long as the identity lives: nothing of the store
 * outlives its transaction.  The empty view where memory failed.
 */
at_str_t at_identity_dup(at_identity_t *identity, at_str_t bytes);


#endif
