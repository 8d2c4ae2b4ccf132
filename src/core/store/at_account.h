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

#include "core/authz/at_identity.h"
#include "core/store/at_store.h"
#include "core/base/at_str.h"
#include "core/base/at_verdict.h"


#define AT_API_TOKEN_MAX  4096


/*
 * Looks up an API token by its SHA-256.  now is in milliseconds since the
 * epoch.  identity must be nobody before; after any verdict but
 * AT_UNKNOWN_API_TOKEN and AT_FAILED it says whose token it is, for logs.
 * AT_UNAVAILABLE where the store cannot be read.
 */
at_verdict_e at_account_lookup_api_token(at_identity_t *identity, at_store_t *store,
    at_str_t token, int64_t now);

/*
 * Holds a verified JWT to the record of the client that it names: known,
 * enabled, of this issuer.  only_issuer: no other is configured, so that a
 * record without a list of issuers is meant for it.  The identity's rights
 * become the client's role, with the token's scopes as a second condition
 * where the issuer has a scope claim of its own.
 */
at_verdict_e at_account_authorize_client(at_identity_t *identity, at_store_t *store,
    int only_issuer);

/* Whether there is a client of that id, enabled or not: 1, 0, -1 as above. */
int at_account_client_exists(at_store_t *store, at_str_t id);


/*
 * Reads a user's record: AT_OK, AT_UNKNOWN_USER, or a failure.  Identity,
 * which must be nobody before, becomes the user, with a copy of the record, of
 * which *user is views; without a record user->password is empty.  Nothing is
 * verified yet.
 */
at_verdict_e at_account_get_user(at_identity_t *identity, at_user_record_t *user,
    at_store_t *store, at_str_t username);

/*
 * Whether a user whose password was right may do anything: of the issuer
 * (NULL: of none), enabled, with a scope or an administrator's rights.
 * only_issuer is as in at_account_authorize_client().
 */
at_verdict_e at_account_check_user(const at_user_record_t *user,
    const at_issuer_t *issuer, int only_issuer);

/*
 * The same for a client, by its id: AT_OK, AT_UNKNOWN_CLIENT, or a failure;
 * without a record client->secrets is empty.
 */
at_verdict_e at_account_get_client(at_identity_t *identity,
    at_client_record_t *client, at_store_t *store, at_str_t id);

/* enabled, and of the issuer */
at_verdict_e at_account_check_client(const at_client_record_t *client,
    const at_issuer_t *issuer, int only_issuer);


#endif
