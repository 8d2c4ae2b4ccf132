/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The identity of a verified credential.
 */

#ifndef AT_IDENTITY_H
#define AT_IDENTITY_H

#include <stdint.h>

#include "core/authz/at_cidr.h"
#include "core/authz/at_issuer.h"
#include "core/authz/at_record.h"
#include "core/authz/at_rights.h"
#include "core/base/at_str.h"
#include "core/json/at_claim.h"


#define AT_IDENTITY_COPIES  3

/*
 * All zero: no identity.  The strings are views of the claims and of copies of
 * records, which the identity owns, like the arrays of its rights.
 */
typedef struct {
    const at_issuer_t  *issuer;         /* of a JWT, else NULL; not owned */
    at_str_t            user;           /* the user claim or owner; or empty */
    at_str_t            client;         /* id of the client or API token */
    at_str_t            role;           /* its name */
    at_str_t            subject;        /* user, client or sub, for logs */
    int64_t             expires;        /* milliseconds since the epoch */
    at_rights_t         rights;
    at_list_t           ranges;         /* of the record; empty: any address */
    at_cidr_set_t      *range_set;      /* replaces ranges in a packed copy */
    unsigned            needs_role:1;   /* denied without a role */
    at_claims_t        *claims;

    at_role_t           role_storage;   /* rights.role points to it if the role
                                           is a record of the store */
    void               *copies[AT_IDENTITY_COPIES];
    size_t              n_copies;
} at_identity_t;


/* Frees what the identity owns and zeroes it.  May be called twice. */
void at_identity_release(at_identity_t *identity);

/* Returns 1 if a range contains addr, or without ranges. */
int at_identity_allows_address(const at_identity_t *identity,
    const at_addr_t *addr);
int at_identity_has_ranges(const at_identity_t *identity);

/*
 * Copies an identity, without its claims, to one block of at_identity_size()
 * bytes, aligned for pointers.  The copy begins with the identity and must not
 * be released.  Its scopes and address ranges are sorted.  Returns NULL if
 * identity is such a copy itself and has ranges.
 */
size_t at_identity_size(const at_identity_t *identity);
at_identity_t *at_identity_copy(void *memory, size_t size,
    const at_identity_t *identity);

/*
 * Copies the bytes of a record, which are valid only in the transaction of the
 * store.  The identity owns the copy.  Returns an empty view if memory
 * allocation failed.
 */
at_str_t at_identity_dup(at_identity_t *identity, at_str_t bytes);


#endif
