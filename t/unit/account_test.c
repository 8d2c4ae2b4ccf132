/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Records of API tokens, users, roles and clients as the identity gets them.
 *
 * Requirements: store-decisions, address-match, api-token-syntax,
 *   store-expiry, audience, import-atomic, store-hash-flooding,
 *   allocation-points.
 */

#define _GNU_SOURCE             /* RTLD_NEXT */

#include <time.h>

#include "dir.h"
#include "fail_calls.h"
#include "tap.h"

#include "core/store/at_account.h"
#include "core/store/at_store_files.h"
#include "core/base/at_crypto.h"
#include "values.h"


#define NOW  1700000000000

static at_store_t    *store;

/* of the last call; the next call or write releases it */
static at_identity_t  who;


#define is_text(got, expected, name)  is_bytes(got, str(expected), name)


/* one committed record */
static void
put(at_table_e table, at_str_t key, at_bytes_t *bytes)
{
    at_error_t  err;

    at_identity_release(&who);

    if (at_store_begin(store, AT_STORE_WRITE, &err) != 0
        || at_store_put(store, table, key,
                        (at_str_t) { bytes->data, bytes->len }) != AT_STORE_OK
        || at_store_commit(store, &err) != 0)
    {
        bail(err.text);
    }

    at_bytes_free(bytes);
}


static void
put_token(const char *text, const at_token_record_t *token)
{
    at_bytes_t     bytes = { NULL, 0, 0, 0 };
    unsigned char  digest[AT_SHA256_LEN];

    (void) at_sha256(digest, str(text));
    (void) at_token_encode(&bytes, token);
    put(AT_TABLE_TOKENS, (at_str_t) { (char *) digest, sizeof(digest) },
        &bytes);
}


static at_verdict_e
ask(const char *text)
{
    at_identity_release(&who);

    return at_account_lookup_api_token(&who, store, str(text), NOW);
}


static at_list_t
list(at_bytes_t *buf, const char *one, const char *two)
{
    at_list_t  items = { 0, 0, NULL };

    at_list_add(buf, &items, str(one));

    if (two != NULL) {
        at_list_add(buf, &items, str(two));
    }

    return items;
}


static void
test_tokens(void)
{
    at_bytes_t         scopes = { NULL, 0, 0, 0 }, ranges = { NULL, 0, 0, 0 };
    at_cidr_t          cidr;
    at_addr_t          addr;
    at_token_record_t  token = { 0 };

    token.id = str("t1");
    token.enabled = 1;
    token.expires = AT_NEVER;
    token.scopes = list(&scopes, "read", "write");

    (void) at_cidr_parse(&cidr, str("10.0.0.0/8"));
    at_list_add_range(&ranges, &token.ranges, &cidr);

    put_token("first", &token);

    is_int(ask("first"), AT_OK, "an API token is found");
    is_text(who.client, "t1", "the identity has its id");
    is_text(who.subject, "t1", "logs name the id");
    ok(at_rights_satisfy(&who.rights, str("read write"), AT_SCOPE_ALL),
       "the identity has its scopes");

    at_addr_set(&addr, "\x0a\x01\x02\x03", 4);
    ok(at_list_match_addr(who.ranges, &addr),
       "an address in its range is allowed");
    at_addr_set(&addr, "\x0b\x01\x02\x03", 4);
    ok(!at_list_match_addr(who.ranges, &addr),
       "an address outside of its range is not allowed");

    is_int(ask("firs"), AT_UNKNOWN_API_TOKEN,
           "a prefix of an API token is not found");
    is_int(ask("first "), AT_UNKNOWN_API_TOKEN,
           "an API token with an extra byte is not found");
    is_int(ask("First"), AT_UNKNOWN_API_TOKEN,
           "an API token is case-sensitive");
    is_int(ask(""), AT_UNKNOWN_API_TOKEN, "nothing");

    token.expires = NOW + 1;
    put_token("soon", &token);
    is_int(ask("soon"), AT_OK,
           "an API token is valid until a millisecond before its expiry");

    token.expires = NOW;
    token.enabled = 0;
    put_token("now", &token);
    is_int(ask("now"), AT_EXPIRED_API_TOKEN,
           "an API token is expired at its expiry, before it is disabled");

    token.expires = -1;
    put_token("past", &token);
    is_int(ask("past"), AT_EXPIRED_API_TOKEN,
           "an expiry before the epoch is expired");

    token.expires = AT_NEVER;
    put_token("off", &token);
    is_int(ask("off"), AT_DISABLED_CLIENT, "disabled");
    is_text(who.subject, "t1", "an expired token is named in logs");

    at_bytes_free(&scopes);
    at_bytes_free(&ranges);
}


static void
test_owners(void)
{
    at_bytes_t         bytes = { NULL, 0, 0, 0 };
    at_bytes_t         more = { NULL, 0, 0, 0 }, less = { NULL, 0, 0, 0 };
    at_user_record_t   user = { 0 };
    at_token_record_t  token = { 0 };

    token.id = str("owned");
    token.user = str("bob");
    token.enabled = 1;
    token.expires = AT_NEVER;
    token.scopes = list(&more, "read", "write");
    put_token("owned", &token);

    is_int(ask("owned"), AT_DISABLED_USER,
           "an API token of a missing user is refused");

    user.username = str("bob");
    user.scopes = list(&less, "read", NULL);
    (void) at_user_encode(&bytes, &user);
    put(AT_TABLE_USERS, str("bob"), &bytes);

    is_int(ask("owned"), AT_DISABLED_USER,
           "an API token of a disabled user is refused");

    user.enabled = 1;
    (void) at_user_encode(&bytes, &user);
    put(AT_TABLE_USERS, str("bob"), &bytes);

    is_int(ask("owned"), AT_OK, "an API token of a user is accepted");
    is_text(who.user, "bob", "the identity names the user");
    ok(at_rights_satisfy(&who.rights, str("read"), AT_SCOPE_ALL),
       "a scope of both token and owner is granted");
    ok(!at_rights_satisfy(&who.rights, str("write"), AT_SCOPE_ALL),
       "a scope that the owner does not have is not granted");

    at_bytes_free(&more);
    at_bytes_free(&less);
}


static void
test_roles(void)
{
    at_bytes_t         bytes = { NULL, 0, 0, 0 };
    at_bytes_t         grant = { NULL, 0, 0, 0 }, deny = { NULL, 0, 0, 0 };
    at_role_record_t   role = { 0 };
    at_token_record_t  token = { 0 };

    token.id = str("r");
    token.enabled = 1;
    token.expires = AT_NEVER;
    token.role = str("Ops");
    put_token("role", &token);

    is_int(ask("role"), AT_OK, "an API token with a missing role is accepted");
    ok(who.rights.role == NULL, "it has no role");

    role.name = str("ops");
    role.grant = list(&grant, "Tenant.*", "*.Read");
    role.deny = list(&deny, "Tenant.Standards.*", NULL);
    (void) at_role_encode(&bytes, &role);
    put(AT_TABLE_ROLES, str("ops"), &bytes);

    is_int(ask("role"), AT_OK, "a role name is case-insensitive");
    is_text(who.role, "Ops", "the role is named");
    ok(at_rights_satisfy(&who.rights, str("Tenant.Admin.ReadWrite"),
                         AT_SCOPE_ALL), "the role grants");
    ok(!at_rights_satisfy(&who.rights, str("Tenant.Standards.Read"),
                          AT_SCOPE_ALL), "the role denies");

    token.role = str("ReadOnly");
    put_token("builtin", &token);
    is_int(ask("builtin"), AT_OK, "a built-in role is found");
    ok(who.rights.role == at_role_builtin(str("readonly")),
       "it is the built-in one");

    at_bytes_free(&grant);
    at_bytes_free(&deny);
}


static void
set_client(at_issuer_t *issuer, const char *claims)
{
    at_identity_release(&who);

    who.issuer = issuer;
    who.rights.admin = 1;
    who.claims = values_claims(claims);
}


static at_verdict_e
ask_client(at_issuer_t *issuer, const char *claims, int only_issuer)
{
    set_client(issuer, claims);

    return at_account_authorize_client(&who, store, only_issuer);
}


static void
put_client(const char *id, int enabled, const char *role, at_list_t issuers)
{
    char                buf[AT_KEY_MAX];
    at_bytes_t          bytes = { NULL, 0, 0, 0 };
    at_client_record_t  client = { 0 };

    client.id = str(id);
    client.role = str(role);
    client.enabled = enabled & 1;
    client.issuers = issuers;

    (void) at_client_encode(&bytes, &client);
    put(AT_TABLE_CLIENTS, at_store_lower_key(buf, str(id)), &bytes);
}


static void
test_clients(void)
{
    char             text[] = "azp", other[] = "appid";
    at_claim_path_t  paths[2];
    at_list_t        two, none = { 0, 0, NULL };
    at_bytes_t       names = { NULL, 0, 0, 0 };
    at_issuer_t      issuer = { 0 };

    (void) at_claim_path_parse(&paths[0], text, 3);
    (void) at_claim_path_parse(&paths[1], other, 5);
    issuer.name = str("main");
    issuer.client_claims = paths;
    issuer.n_client_claims = 2;
    issuer.client_rights = AT_CLIENT_RIGHTS_ROLE;

    is_int(ask_client(&issuer, "{'azp':'A'}", 1),
           AT_UNKNOWN_CLIENT, "an unknown client is refused");
    ok(!at_rights_satisfy(&who.rights, str("read"), AT_SCOPE_ALL),
       "an unknown client has no rights from its claims");

    is_int(ask_client(&issuer, "{}", 1), AT_BAD_CLAIM,
           "a token without a client id is refused");

    is_int(ask_client(&issuer, "{'azp':7,'appid':'A'}", 1),
           AT_BAD_CLAIM, "the first client id claim counts");

    put_client("a", 1, "readonly", none);

    is_int(ask_client(&issuer, "{'appid':'A'}", 1), AT_OK,
           "the second client claim finds a client, case-insensitively");
    is_text(who.client, "a", "the identity has the spelling of the record");
    ok(at_rights_satisfy(&who.rights, str("Tenant.X.Read"), AT_SCOPE_ALL),
       "the identity has the role of the client");
    ok(!at_rights_satisfy(&who.rights, str("Tenant.X.ReadWrite"),
                          AT_SCOPE_ALL), "the claims do not grant");

    is_int(ask_client(&issuer, "{'azp':'A'}", 0), AT_CLIENT_ISSUER_MISMATCH,
           "a client without issuers is refused if there are several issuers");

    two = list(&names, "other", "main");
    put_client("a", 1, "", two);
    is_int(ask_client(&issuer, "{'azp':'A'}", 0), AT_OK,
           "a client of this issuer is accepted");
    ok(who.needs_role && who.rights.role == NULL, "it has no role");

    issuer.client_rights = AT_CLIENT_RIGHTS_BOTH;
    is_int(ask_client(&issuer, "{'azp':'A'}", 0), AT_OK,
           "a client without a role is accepted if both grant");
    ok(!who.needs_role && who.rights.role == NULL, "it needs no role");
    is_int(who.rights.from, AT_RIGHTS_SCOPES,
           "it has the rights of the token");

    put_client("a", 1, "missing", two);
    is_int(ask_client(&issuer, "{'azp':'A'}", 0), AT_OK,
           "a client with an unknown role is known");
    ok(who.needs_role && who.rights.role == NULL,
       "it needs the role, which does not exist");
    ok(!at_rights_satisfy(&who.rights, str("read"), AT_SCOPE_ALL),
       "it has no rights");

    put_client("a", 1, "readonly", two);
    is_int(ask_client(&issuer, "{'azp':'A'}", 0), AT_OK,
           "a client with a role is accepted if both grant");
    ok(at_rights_satisfy(&who.rights, str("X.Read"), AT_SCOPE_ALL),
       "an administrator by token has what the role grants");
    ok(!at_rights_satisfy(&who.rights, str("X.ReadWrite"), AT_SCOPE_ALL),
       "an administrator by token has nothing else");

    who.rights.admin = 0;
    ok(!at_rights_satisfy(&who.rights, str("X.Read"), AT_SCOPE_ALL),
       "the role alone does not grant");

    issuer.client_rights = AT_CLIENT_RIGHTS_TOKEN;
    is_int(ask_client(&issuer, "{'azp':'A'}", 0), AT_OK,
           "a client is accepted if the token grants");
    ok(!who.needs_role && who.rights.role == NULL && who.role.len == 0,
       "its role does not count");
    ok(at_rights_satisfy(&who.rights, str("X.ReadWrite"), AT_SCOPE_ALL),
       "an administrator by token has all rights");

    issuer.client_rights = AT_CLIENT_RIGHTS_ROLE;

    issuer.name = str("third");
    is_int(ask_client(&issuer, "{'azp':'A'}", 1),
           AT_CLIENT_ISSUER_MISMATCH, "a client of other issuers is refused");

    is_int(at_account_client_exists(store, str("A")), 1,
           "an existing client exists");
    is_int(at_account_client_exists(store, str("b")), 0,
           "a missing client does not exist");
    is_int(at_account_client_exists(store, str("")), 0,
           "an empty id does not exist");
    is_int(at_account_client_exists(store, (at_str_t) { text, 70000 }), 0,
           "an id that is too long is not looked up");

    put_client("a", 0, "admin", none);
    is_int(at_account_client_exists(store, str("a")), 1,
           "a disabled client is refused");
    is_int(ask_client(&issuer, "{'azp':'A'}", 1),
           AT_DISABLED_CLIENT, "disabled");

    at_bytes_free(&names);
}


/* a damaged record does not grant, and is not the client's fault */
static void
test_damage(void)
{
    size_t             len;
    at_bytes_t         whole = { NULL, 0, 0, 0 }, cut;
    unsigned char      digest[AT_SHA256_LEN];
    unsigned           wrong = 0;
    at_token_record_t  token = { 0 };

    token.id = str("damaged");
    token.enabled = 1;
    token.expires = AT_NEVER;
    (void) at_token_encode(&whole, &token);
    (void) at_sha256(digest, str("damaged"));

    for (len = 1; len < whole.len; len++) {
        cut = (at_bytes_t) { malloc(len), len, len, 0 };
        memcpy(cut.data, whole.data, len);
        put(AT_TABLE_TOKENS, (at_str_t) { (char *) digest, sizeof(digest) },
            &cut);
        wrong += ask("damaged") != AT_UNAVAILABLE;
    }

    is_int(wrong, 0, "a record truncated at any byte is unavailable");

    whole.data[0] = AT_RECORD_VERSION + 1;
    put(AT_TABLE_TOKENS, (at_str_t) { (char *) digest, sizeof(digest) },
        &whole);
    is_int(ask("damaged"), AT_UNAVAILABLE,
           "a record of an unknown version is unavailable");
}


/* writes the first len bytes of a record of another kind */
static void
put_damaged(at_table_e table, const char *key, const at_bytes_t *whole,
    size_t len)
{
    at_bytes_t  cut = { malloc(len), len, len, 0 };

    memcpy(cut.data, whole->data, len);
    put(table, str(key), &cut);
}


/* damaged records of users, clients and roles, at every length */
static void
test_damaged_owners(void)
{
    size_t              len, n[3] = { 0, 0, 0 };
    at_bytes_t          bytes[3] = { { NULL, 0, 0, 0 } };
    at_issuer_t         issuer = { 0 };
    at_user_record_t    user = { 0 }, found;
    at_client_record_t  client = { 0 }, got;
    at_role_record_t    role = { 0 };
    at_token_record_t   token = { 0 };

    user.username = str("hurt");
    user.id = str("1");
    user.enabled = 1;
    client.id = str("hurt");
    client.enabled = 1;
    role.name = str("hurt");
    (void) at_user_encode(&bytes[0], &user);
    (void) at_client_encode(&bytes[1], &client);
    (void) at_role_encode(&bytes[2], &role);

    token.id = str("of-hurt");
    token.enabled = 1;
    token.expires = AT_NEVER;
    token.user = str("hurt");
    put_token("user-hurt", &token);

    token.user = str("");
    token.role = str("hurt");
    put_token("role-hurt", &token);

    for (len = 1; len < bytes[0].len; len++) {
        put_damaged(AT_TABLE_USERS, "hurt", &bytes[0], len);
        n[0] += ask("user-hurt") != AT_UNAVAILABLE;
        at_identity_release(&who);
        n[0] += at_account_get_user(&who, &found, store, str("hurt"))
                != AT_UNAVAILABLE;
        n[0] += at_account_check_user(&found, &issuer, 1) == AT_OK;
    }

    is_int(n[0], 0, "a user truncated at any byte is unavailable");

    for (len = 1; len < bytes[1].len; len++) {
        put_damaged(AT_TABLE_CLIENTS, "hurt", &bytes[1], len);
        at_identity_release(&who);
        n[1] += at_account_get_client(&who, &got, store, str("hurt"))
                != AT_UNAVAILABLE;
        n[1] += at_account_check_client(&got, &issuer, 1) == AT_OK;
    }

    is_int(n[1], 0, "a client truncated at any byte is unavailable");

    for (len = 1; len < bytes[2].len; len++) {
        put_damaged(AT_TABLE_ROLES, "hurt", &bytes[2], len);
        n[2] += ask("role-hurt") != AT_UNAVAILABLE;
    }

    is_int(n[2], 0, "a role truncated at any byte is unavailable");

    at_bytes_free(&bytes[0]);
    at_bytes_free(&bytes[1]);
    at_bytes_free(&bytes[2]);
}


static void
test_missing_owners(void)
{
    at_bytes_t          bytes = { NULL, 0, 0, 0 };
    at_user_record_t    user;
    at_client_record_t  client;

    memset(&user, 1, sizeof(user));
    memset(&client, 1, sizeof(client));
    at_identity_release(&who);

    is_int(at_account_get_user(&who, &user, store, str("nobody")),
           AT_UNKNOWN_USER, "a user who does not exist");
    is_int(user.password.len, 0, "no password is left to verify");
    ok(at_account_get_client(&who, &client, store, str("nobody")) != AT_OK,
       "a client that does not exist");
    is_int(client.secrets.n, 0, "no secret is left to verify");

    memset(&user, 0, sizeof(user));
    user.username = str("plain");
    user.id = str("2");
    (void) at_user_encode(&bytes, &user);
    put(AT_TABLE_USERS, str("plain"), &bytes);
    is_int(at_account_get_user(&who, &user, store, str("plain")), AT_OK,
           "a user without scopes");
    ok(who.rights.scopes.n == 0 && who.rights.scopes.items == NULL,
       "the identity has none");
}


/* --- failing allocations and calls --------------------------------------- */


/* as the server does: opens the store again if a file failed */
static void
reopen(void)
{
    at_error_t  err;

    at_identity_release(&who);

    if (!at_store_is_current(store)) {
        at_store_close(store);
        store = at_store_open(in_dir("store"), AT_STORE_WRITE, NULL, &err);
        must(store != NULL, err.text);
    }
}


static int
is_failure(at_verdict_e verdict)
{
    return verdict == AT_FAILED || verdict == AT_UNAVAILABLE;
}


/* an identity that is found has all of its rights */
static int
fail_lookup(void *data, FAIL_UNUSED unsigned n)
{
    int           right;
    at_verdict_e  verdict = ask(data);

    (void) fail_end();

    right = verdict == AT_OK
            ? at_rights_satisfy(&who.rights, str("Tenant.X.Read"),
                                AT_SCOPE_ALL)
              && !at_rights_satisfy(&who.rights, str("Tenant.Standards.Read"),
                                    AT_SCOPE_ALL)
            : is_failure(verdict);
    reopen();

    return right;
}


/* the client of a token */
static int
fail_claims(void *data, FAIL_UNUSED unsigned n)
{
    int           right;
    at_verdict_e  verdict;

    failing.paused = 1;
    set_client(data, "{'azp':'c'}");
    failing.paused = 0;

    verdict = at_account_authorize_client(&who, store, 1);
    (void) fail_end();

    right = verdict == AT_OK ? who.rights.role != NULL
            : is_failure(verdict)
              && !at_rights_satisfy(&who.rights, str("Tenant.X.Read"),
                                    AT_SCOPE_ALL);
    reopen();

    return right;
}


static int
fail_user(FAIL_UNUSED void *data, FAIL_UNUSED unsigned n)
{
    int               right;
    at_user_record_t  user;
    at_verdict_e      verdict;

    verdict = at_account_get_user(&who, &user, store, str("jane"));
    (void) fail_end();
    right = verdict == AT_OK ? user.enabled : is_failure(verdict);
    reopen();

    return right;
}


static int
fail_client(FAIL_UNUSED void *data, FAIL_UNUSED unsigned n)
{
    int                 right;
    at_verdict_e        verdict;
    at_client_record_t  client;

    verdict = at_account_get_client(&who, &client, store, str("c"));
    (void) fail_end();
    right = verdict == AT_OK ? client.enabled : is_failure(verdict);
    reopen();

    return right;
}


static int
fail_exists(FAIL_UNUSED void *data, FAIL_UNUSED unsigned n)
{
    int  c = at_account_client_exists(store, str("c")),
         none = at_account_client_exists(store, str("none"));

    (void) fail_end();
    reopen();

    return c != 0 && none != 1;
}


static int
count(void *data, TAP_UNUSED at_str_t key, TAP_UNUSED at_str_t value)
{
    (*(int *) data)++;

    return 0;
}


static int
fail_foreach(void *data, FAIL_UNUSED unsigned n)
{
    int         rc = -1, found = 0;
    at_error_t  err;

    if (at_store_begin(store, AT_STORE_READ, &err) == 0) {
        rc = at_store_foreach(store, AT_TABLE_USERS, count, &found);
        at_store_end(store);
    }

    (void) fail_end();
    reopen();

    return rc == -1 || found == *(int *) data;
}


static int
fail_open(void *data, FAIL_UNUSED unsigned n)
{
    at_error_t          err = { { 0 } };
    at_store_t         *other;
    at_lmdb_verdict_t   verdict = { 0 };

    other = at_store_open(in_dir("store"), *(at_store_mode_e *) data, &verdict,
                          &err);
    (void) fail_end();
    at_store_close(other);

    return other != NULL || err.text[0] != '\0';
}


static int
fail_create(FAIL_UNUSED void *data, FAIL_UNUSED unsigned n)
{
    int         rc;
    at_error_t  err = { { 0 } };

    rc = at_store_init(in_dir("new"), geteuid(), getegid(), &err);
    (void) fail_end();

    rc = rc == 0 || err.text[0] != '\0';
    failing.paused = 1;
    drop("new");
    rc &= at_store_init(in_dir("new"), geteuid(), getegid(), &err) == 0;
    drop("new");
    failing.paused = 0;

    return rc;
}


static void
test_failures(void)
{
    int                users = 0;
    char               by_role[] = "role", by_owner[] = "owned-by-jane",
                       azp[] = "azp";
    at_list_t          none = { 0, 0, NULL };
    at_bytes_t         bytes = { NULL, 0, 0, 0 }, scopes = { NULL, 0, 0, 0 };
    at_error_t         err;
    at_issuer_t        issuer = { 0 };
    at_claim_path_t    path;
    at_user_record_t   user = { 0 };
    at_token_record_t  token = { 0 };

    user.username = str("jane");
    user.id = str("7");
    user.enabled = 1;
    user.scopes = list(&scopes, "Tenant.X.Read", NULL);
    (void) at_user_encode(&bytes, &user);
    put(AT_TABLE_USERS, str("jane"), &bytes);

    token.id = str("owned");
    token.user = str("jane");
    token.enabled = 1;
    token.expires = AT_NEVER;
    token.scopes = user.scopes;
    put_token(by_owner, &token);
    put_client("c", 1, "ops", none);

    fail_each("an API token with a role", fail_lookup, by_role);
    fail_each("an API token with an owner", fail_lookup, by_owner);
    fail_each("a user", fail_user, NULL);
    fail_errno = MDB_MAP_RESIZED;
    fail_each("a user of a map that has grown", fail_user, NULL);
    fail_errno = EIO;
    fail_each("a client", fail_client, NULL);
    (void) at_claim_path_parse(&path, azp, 3);
    issuer.client_claims = &path;
    issuer.n_client_claims = 1;
    issuer.client_rights = AT_CLIENT_RIGHTS_ROLE;
    fail_each("the client of a token", fail_claims, &issuer);

    fail_each("a question for a client", fail_exists, NULL);
    must(at_store_begin(store, AT_STORE_READ, &err) == 0, err.text);
    (void) at_store_foreach(store, AT_TABLE_USERS, count, &users);
    at_store_end(store);
    fail_each("all users", fail_foreach, &users);

    fail_each("opening a store to read", fail_open, &(at_store_mode_e) {
                  AT_STORE_READ });
    fail_each("opening a store to write", fail_open, &(at_store_mode_e) {
                  AT_STORE_WRITE });
    fail_each("a new store", fail_create, NULL);

    at_bytes_free(&scopes);
}


/* a key: its number, after a common prefix or random bytes */
static void
flood_key(unsigned char key[AT_SHA256_LEN], unsigned n, int chosen)
{
    memset(key, 0x5a, AT_SHA256_LEN);

    if (!chosen) {
        (void) at_sha256(key, (at_str_t) { (char *) &n, sizeof(n) });
    }

    memcpy(key + AT_SHA256_LEN - sizeof(n), &n, sizeof(n));
}


/* the processor's time for looking all of them up; -1 if one is not found */
static double
flood(unsigned count, int chosen)
{
    clock_t        start;
    unsigned       n;
    at_str_t       view, value;
    at_error_t     err;
    unsigned char  key[AT_SHA256_LEN];

    view = (at_str_t) { (char *) key, sizeof(key) };

    must(at_store_begin(store, AT_STORE_WRITE, &err) == 0, err.text);

    for (n = 0; n < count; n++) {
        flood_key(key, n, chosen);

        if (at_store_put(store, AT_TABLE_TOKENS, view, str("x"))
            != AT_STORE_OK)
        {
            bail("cannot fill");
        }
    }

    start = clock();

    for (n = 0; n < count; n++) {
        flood_key(key, n, chosen);

        if (at_store_get(store, AT_TABLE_TOKENS, view, &value) != AT_STORE_OK)
        {
            at_store_end(store);
            return -1;
        }
    }

    at_store_end(store);

    return (double) (clock() - start);
}


/* the table is a tree: chosen keys with a common prefix are found as fast */
static void
test_flood(void)
{
    double  chosen, any;

    any = flood(100000, 0);
    chosen = flood(100000, 1);

    ok(any >= 0 && chosen >= 0, "100,000 keys are found");
    ok(chosen < 5 * any + CLOCKS_PER_SEC / 100,
       "keys with a common prefix take %.2f of the time of others",
       chosen / (any + 1));
}


/* the last test: data.mdb becomes shorter while it is open */
static void
test_unavailable(void)
{
    at_error_t          err;
    at_issuer_t         issuer = { 0 };
    at_user_record_t    user;
    at_client_record_t  client;

    /* test_failures() opened the store twice, which LMDB does not support */
    at_identity_release(&who);
    at_store_close(store);
    store = at_store_open(in_dir("store"), AT_STORE_READ, NULL, &err);
    must(store != NULL, err.text);

    is_int(at_account_get_user(&who, &user, store, str("jane")), AT_OK,
           "a user is read");
    is_int(at_account_client_exists(store, str("c")), 1, "a client exists");
    must(truncate(in_dir("store/data.mdb"), 8192) == 0, "truncate");

    is_int(ask("first"), AT_UNAVAILABLE,
           "without a store, an API token is not verified");
    at_identity_release(&who);
    is_int(at_account_get_user(&who, &user, store, str("jane")),
           AT_UNAVAILABLE, "without a store, there is no user");
    is_int(at_account_get_client(&who, &client, store, str("c")),
           AT_UNAVAILABLE, "without a store, there is no client");
    is_int(at_account_client_exists(store, str("c")), -1,
           "without a store, it is not known whether a client exists");
    issuer.entra = 1;
    is_int(ask_client(&issuer, "{'azp':'c'}", 1), AT_UNAVAILABLE,
           "without a store, the client of a JWT is not authorized");
}


int
main(void)
{
    at_error_t  err;

    if (at_store_init(in_dir("store"), (uid_t) -1, (gid_t) -1, &err) != 0
        || (store = at_store_open(in_dir("store"), AT_STORE_WRITE, NULL, &err))
           == NULL)
    {
        bail(err.text);
    }

    RUN(test_tokens, test_owners, test_roles, test_clients, test_damage,
        test_damaged_owners, test_missing_owners, test_failures, test_flood,
        test_unavailable);

    at_identity_release(&who);
    at_store_close(store);

    return tap_done();
}
