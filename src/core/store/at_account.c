/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>

#include "core/store/at_account.h"
#include "core/base/at_crypto.h"
#include "core/jose/at_entra.h"


/*
 * Copies a record into the identity, because a view of the store ends with the
 * transaction.  Without a record the verdict is unknown, and bytes->data is
 * NULL.
 */
static at_verdict_e
at_account_get_record(at_identity_t *identity, at_store_t *store,
    at_table_e table, at_str_t key, at_verdict_e unknown, at_str_t *bytes)
{
    at_str_t  value;

    *bytes = (at_str_t) { NULL, 0 };

    switch (at_store_get(store, table, key, &value)) {

    case AT_STORE_OK:
        *bytes = at_identity_dup(identity, value);
        return bytes->data ? AT_OK : AT_FAILED;

    case AT_STORE_NOT_FOUND:
        return unknown;

    default:
        return AT_UNAVAILABLE;
    }
}


static at_verdict_e
at_account_read_client(at_identity_t *identity, at_client_record_t *client,
    at_store_t *store, at_str_t id)
{
    char          buf[AT_KEY_MAX];
    at_str_t      bytes;
    at_verdict_e  verdict;

    verdict = at_account_get_record(identity, store, AT_TABLE_CLIENTS,
                                    at_store_lower_key(buf, id),
                                    AT_UNKNOWN_CLIENT, &bytes);

    if (verdict == AT_OK && at_client_decode(client, bytes) != 0) {
        memset(client, 0, sizeof(at_client_record_t));
        verdict = AT_UNAVAILABLE;
    }

    return verdict;
}


static at_verdict_e
at_account_read_user(at_identity_t *identity, at_user_record_t *user,
    at_store_t *store, at_str_t username, at_verdict_e unknown)
{
    at_str_t      bytes;
    at_verdict_e  verdict;

    verdict = at_account_get_record(identity, store, AT_TABLE_USERS, username,
                                    unknown, &bytes);

    if (verdict == AT_OK && at_user_decode(user, bytes) != 0) {
        memset(user, 0, sizeof(at_user_record_t));
        verdict = AT_UNAVAILABLE;
    }

    return verdict;
}


/* the items of a list as an array, for at_scope.h; 0, or -1 without memory */
static int
at_list_items(const at_str_t **items, size_t *n, at_list_t list)
{
    at_str_t  *array;

    *items = NULL;
    *n = 0;

    if (list.n == 0) {
        return 0;
    }

    array = malloc(list.n * sizeof(at_str_t));

    if (array == NULL) {
        return -1;
    }

    *items = array;

    while (at_list_next(&list, &array[*n])) {
        (*n)++;
    }

    return 0;
}


/* the name of a missing role leaves the identity without a role */
static at_verdict_e
at_account_set_role(at_identity_t *identity, at_store_t *store, at_str_t name)
{
    char               buf[AT_KEY_MAX];
    at_str_t           bytes;
    at_role_t         *role;
    at_verdict_e       verdict;
    at_role_record_t   record;

    if (name.len == 0) {
        return AT_OK;
    }

    identity->role = name;
    identity->rights.role = at_role_builtin(name);

    if (identity->rights.role != NULL) {
        return AT_OK;
    }

    verdict = at_account_get_record(identity, store, AT_TABLE_ROLES,
                                    at_store_lower_key(buf, name), AT_OK,
                                    &bytes);

    if (verdict != AT_OK || bytes.data == NULL) {
        return verdict;
    }

    if (at_role_decode(&record, bytes) != 0) {
        return AT_UNAVAILABLE;
    }

    role = &identity->role_storage;

    if (at_list_items(&role->grant, &role->n_grant, record.grant) != 0
        || at_list_items(&role->deny, &role->n_deny, record.deny) != 0
        || at_list_items(&role->blocked, &role->n_blocked, record.blocked)
           != 0)
    {
        return AT_FAILED;
    }

    identity->rights.role = role;

    return AT_OK;
}


/* --- API tokens ---------------------------------------------------------- */


/* an API token has at most the rights of its owner */
static at_verdict_e
at_account_set_owner(at_identity_t *identity, at_store_t *store,
    at_str_t username)
{
    at_scopes_t      *scopes;
    at_verdict_e      verdict;
    at_user_record_t  user;

    if (username.len == 0) {
        return AT_OK;
    }

    identity->user = username;
    identity->subject = username;

    verdict = at_account_read_user(identity, &user, store, username,
                                   AT_DISABLED_USER);

    if (verdict != AT_OK) {
        return verdict;
    }

    if (!user.enabled) {
        return AT_DISABLED_USER;
    }

    identity->rights.owned = 1;
    identity->rights.owner_admin = user.admin;

    scopes = &identity->rights.owner_scopes;

    return at_list_items(&scopes->items, &scopes->n, user.scopes) == 0
           ? AT_OK : AT_FAILED;
}


static at_verdict_e
at_account_apply_token(at_identity_t *identity, at_store_t *store,
    at_str_t bytes, int64_t now)
{
    at_scopes_t        *scopes;
    at_verdict_e        verdict;
    at_token_record_t   token;

    if (at_token_decode(&token, bytes) != 0) {
        return AT_UNAVAILABLE;
    }

    identity->client = token.id;
    identity->subject = token.id;
    identity->ranges = token.ranges;
    identity->rights.from = AT_RIGHTS_SCOPES_OR_ROLE;
    identity->expires = token.expires;

    if (token.expires != AT_NEVER && now >= token.expires) {
        return AT_EXPIRED_API_TOKEN;
    }

    if (!token.enabled) {
        return AT_DISABLED_CLIENT;
    }

    /* a deleted role may have denied scopes: without it, nothing is granted */
    identity->needs_role = token.role.len != 0;

    scopes = &identity->rights.scopes;

    if (at_list_items(&scopes->items, &scopes->n, token.scopes) != 0) {
        return AT_FAILED;
    }

    verdict = at_account_set_owner(identity, store, token.user);

    return verdict == AT_OK ? at_account_set_role(identity, store, token.role)
                            : verdict;
}


at_verdict_e
at_account_lookup_api_token(at_identity_t *identity, at_store_t *store,
    at_str_t token, int64_t now)
{
    at_str_t       key, bytes;
    at_error_t     err;
    at_verdict_e   verdict;
    unsigned char  digest[AT_SHA256_LEN];

    if (token.len == 0 || token.len > AT_API_TOKEN_MAX) {
        return AT_UNKNOWN_API_TOKEN;
    }

    if (at_store_token_key(store, digest, token) != 0) {
        return AT_FAILED;
    }

    if (at_store_begin(store, AT_STORE_READ, &err) != 0) {
        at_crypto_cleanse(digest, sizeof(digest));
        return AT_UNAVAILABLE;
    }

    /*
     * The time of the comparisons in the tree depends on the digest, of which
     * a caller can choose no more than a few leading bits.
     */
    key = (at_str_t) { (char *) digest, AT_SHA256_LEN };
    verdict = at_account_get_record(identity, store, AT_TABLE_TOKENS, key,
                                    AT_UNKNOWN_API_TOKEN, &bytes);

    at_crypto_cleanse(digest, sizeof(digest));

    if (verdict == AT_OK) {
        verdict = at_account_apply_token(identity, store, bytes, now);
    }

    at_store_end(store);

    return verdict;
}


/* --- clients ------------------------------------------------------------- */


static int
at_account_issuer_is_allowed(at_list_t issuers, const at_issuer_t *issuer,
    int only_issuer)
{
    if (issuers.n == 0) {
        return only_issuer;
    }

    return issuer != NULL && at_list_has(issuers, issuer->name);
}


static at_verdict_e
at_account_apply_client(at_identity_t *identity, at_store_t *store,
    at_str_t id, int only_issuer)
{
    at_verdict_e        verdict;
    at_client_record_t  client;
    unsigned            mode;

    verdict = at_account_read_client(identity, &client, store, id);

    if (verdict != AT_OK) {
        return verdict;
    }

    identity->client = client.id;
    identity->ranges = client.ranges;

    verdict = at_account_check_client(&client, identity->issuer, only_issuer);

    if (verdict != AT_OK) {
        return verdict;
    }

    mode = identity->issuer->client_rights;

    if (mode == AT_CLIENT_RIGHTS_TOKEN
        || (mode == AT_CLIENT_RIGHTS_BOTH && client.role.len == 0))
    {
        identity->rights.from = AT_RIGHTS_SCOPES;
        return AT_OK;
    }

    if (mode == AT_CLIENT_RIGHTS_BOTH) {
        identity->rights.from = AT_RIGHTS_SCOPES_AND_ROLE;
    }

    identity->needs_role = 1;

    return at_account_set_role(identity, store, client.role);
}


at_verdict_e
at_account_authorize_client(at_identity_t *identity, at_store_t *store,
    int only_issuer)
{
    at_str_t                id;
    at_error_t              err;
    at_verdict_e            verdict;
    const at_json_value_t  *claims;

    claims = at_claims_object(identity->claims);
    id = at_client_id(identity->issuer, claims);

    /* until the record was read: a missing role grants nothing */
    identity->rights.from = AT_RIGHTS_ROLE;

    if (id.len == 0) {
        return AT_BAD_CLAIM;
    }

    identity->client = id;
    identity->subject = id;

    if (identity->issuer->no_users && at_entra_is_delegated(claims)) {
        return AT_DELEGATED;
    }

    if (at_store_begin(store, AT_STORE_READ, &err) != 0) {
        return AT_UNAVAILABLE;
    }

    verdict = at_account_apply_client(identity, store, id, only_issuer);
    at_store_end(store);

    return verdict;
}


int
at_account_client_exists(at_store_t *store, at_str_t id)
{
    char        buf[AT_KEY_MAX];
    at_str_t    bytes;
    at_error_t  err;
    at_store_e  rc;

    if (at_store_begin(store, AT_STORE_READ, &err) != 0) {
        return -1;
    }

    rc = at_store_get(store, AT_TABLE_CLIENTS, at_store_lower_key(buf, id),
                      &bytes);
    at_store_end(store);

    return rc == AT_STORE_OK ? 1 : rc == AT_STORE_NOT_FOUND ? 0 : -1;
}


at_verdict_e
at_account_get_client(at_identity_t *identity, at_client_record_t *client,
    at_store_t *store, at_str_t id)
{
    at_error_t    err;
    at_verdict_e  verdict;

    memset(client, 0, sizeof(at_client_record_t));

    if (at_store_begin(store, AT_STORE_READ, &err) != 0) {
        return AT_UNAVAILABLE;
    }

    verdict = at_account_read_client(identity, client, store, id);
    at_store_end(store);

    identity->client = client->id;
    identity->subject = client->id;

    return verdict;
}


at_verdict_e
at_account_check_client(const at_client_record_t *client,
    const at_issuer_t *issuer, int only_issuer)
{
    if (!client->enabled) {
        return AT_DISABLED_CLIENT;
    }

    return at_account_issuer_is_allowed(client->issuers, issuer, only_issuer)
           ? AT_OK : AT_CLIENT_ISSUER_MISMATCH;
}


/* --- users --------------------------------------------------------------- */


at_verdict_e
at_account_get_user(at_identity_t *identity, at_user_record_t *user,
    at_store_t *store, at_str_t username)
{
    at_error_t    err;
    at_scopes_t  *scopes;
    at_verdict_e  verdict;

    memset(user, 0, sizeof(at_user_record_t));

    if (at_store_begin(store, AT_STORE_READ, &err) != 0) {
        return AT_UNAVAILABLE;
    }

    verdict = at_account_read_user(identity, user, store, username,
                                   AT_UNKNOWN_USER);
    at_store_end(store);

    if (verdict != AT_OK) {
        return verdict;
    }

    identity->user = user->username;
    identity->subject = user->username;
    identity->rights.from = AT_RIGHTS_SCOPES;
    identity->rights.admin = user->admin;

    scopes = &identity->rights.scopes;

    return at_list_items(&scopes->items, &scopes->n, user->scopes) == 0
           ? AT_OK : AT_FAILED;
}


at_verdict_e
at_account_check_user(const at_user_record_t *user, const at_issuer_t *issuer,
    int only_issuer)
{
    if (!user->enabled || user->password.len == 0) {
        return AT_LOCKED_USER;
    }

    if (!at_account_issuer_is_allowed(user->issuers, issuer, only_issuer)) {
        return AT_USER_ISSUER_MISMATCH;
    }

    return user->admin || user->scopes.n ? AT_OK : AT_NO_SCOPES;
}
