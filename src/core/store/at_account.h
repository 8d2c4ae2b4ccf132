/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Records of the store for a credential: API tokens and their owners, clients
 * and users.  Each call reads one snapshot of the store.  AT_UNAVAILABLE means
 * that the store or the record cannot be read.
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
 * epoch.  identity must be empty (anonymous).  It names the token, for logs,
 * after each verdict but AT_UNKNOWN_API_TOKEN and AT_FAILED.
 */
at_verdict_e at_account_lookup_api_token(at_identity_t *identity,
    at_store_t *store, at_str_t token, int64_t now);

/*
 * Authorizes a verified JWT by the record of its client, which must exist, be
 * enabled and allow the issuer.  only_issuer: no other issuer is configured,
 * so a record without a list of issuers allows it.  client_rights of the
 * issuer selects the rights of the token, the rights of the client's role, or
 * the rights that both grant.  A role that does not exist grants nothing.
 */
at_verdict_e at_account_authorize_client(at_identity_t *identity,
    at_store_t *store, int only_issuer);

/* Returns 1 if the client exists, enabled or not; 0 if not; -1 on failure. */
int at_account_client_exists(at_store_t *store, at_str_t id);


/*
 * Reads a user or a client: AT_OK, AT_UNKNOWN_USER or AT_UNKNOWN_CLIENT, or a
 * failure.  identity must be empty; it gets the name and a copy of the record.
 * The texts of *user or *client are views of the copy.  Without a record
 * user->password or client->secrets is empty.  No credential is verified.
 */
at_verdict_e at_account_get_user(at_identity_t *identity,
    at_user_record_t *user, at_store_t *store, at_str_t username);
at_verdict_e at_account_get_client(at_identity_t *identity,
    at_client_record_t *client, at_store_t *store, at_str_t id);

/*
 * Called after the password or the secret is verified.  Return AT_OK if the
 * record is enabled and allows the issuer (NULL: none).  A user must also have
 * a scope, or be an administrator.  only_issuer is as above.
 */
at_verdict_e at_account_check_user(const at_user_record_t *user,
    const at_issuer_t *issuer, int only_issuer);
at_verdict_e at_account_check_client(const at_client_record_t *client,
    const at_issuer_t *issuer, int only_issuer);


#endif
