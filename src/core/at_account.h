/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * What the store says of a credential: API tokens and their owners, and the
 * clients that a JWT names.  Each call sees one state of the store, however
 * many records it reads.
 */

#ifndef AT_ACCOUNT_H
#define AT_ACCOUNT_H

#include <stdint.h>

#include "at_identity.h"
#include "at_store.h"
#include "at_str.h"
#include "at_verdict.h"


#define AT_API_TOKEN_MAX  4096


/*
 * Looks up an API token by its SHA-256.  now is in milliseconds since the
 * epoch.  identity must be nobody before; after any verdict but
 * AT_UNKNOWN_API_TOKEN and AT_FAILED it says whose token it is, for logs.
 * AT_UNAVAILABLE where the store cannot be read.
 */
at_verdict_e at_account_api_token(at_identity_t *identity, at_store_t *store,
    at_str_t token, int64_t now);

/*
 * Holds a verified JWT to the record of the client that it names: known,
 * enabled, of this issuer.  only_issuer: no other is configured, so that a
 * record without a list of issuers is meant for it.  The identity's rights
 * become the client's role, with the token's scopes as a second condition
 * where the issuer has a scope claim of its own.
 */
at_verdict_e at_account_client(at_identity_t *identity, at_store_t *store,
    int only_issuer);

/* Whether there is a client of that id, enabled or not: 1, 0, -1 as above. */
int at_account_has_client(at_store_t *store, at_str_t id);


#endif
