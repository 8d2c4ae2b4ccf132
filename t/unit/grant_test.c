/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Claims of issued tokens, and the published key verifies them.
 *
 * Requirements: issued-token, session-persistence, allocation-points.
 */

#include <jansson.h>

#include "core/base/at_crypto.h"
#include "core/session/at_token_claims.h"
#include "core/jose/at_jwt.h"
#include "core/jose/at_mint.h"
#define FAIL_PROCESS
#include "fail.h"
#include "sign.h"


#define NOW  1700000000


static const at_token_claims_t  grant = {
    at_str("https://issuer.example"), at_str("api"), NOW, NOW + 1800
};


static void
warn(void *data, const char *text)
{
    (void) data;
    (void) text;
}


static void
is_json(char *text, const char *expected, const char *name)
{
    json_t  *got, *wanted;

    got = text ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;
    wanted = json_loads(expected, 0, NULL);

    if (!ok(json_equal(got, wanted), "%s", name)) {
        printf("# %s\n", text ? text : "none");
    }

    json_decref(got);
    json_decref(wanted);
    free(text);
}


static void
test_claims(void)
{
    at_list_t         scopes = { 0, 0, NULL };
    at_bytes_t        bytes = { NULL, 0, 0, 0 };
    at_user_record_t  user = { 0 };

    at_list_add(&bytes, &scopes, at_str("read"));
    at_list_add(&bytes, &scopes, at_str("a \"b\" \xe2\x82\xac"));

    user.username = at_str("jane\\");
    user.id = at_str("7");
    user.scopes = scopes;
    user.password = at_str("$y$hash");

    is_json(at_token_claims_user(&grant, &user),
            "{\"id\":\"7\",\"username\":\"jane\\\\\",\"isAdmin\":false,"
            "\"scope\":[\"read\",\"a \\\"b\\\" \\u20ac\"],\"aud\":\"api\","
            "\"iss\":\"https://issuer.example\",\"iat\":1700000000,"
            "\"exp\":1700001800}", "a user's token has exactly these claims");

    user.admin = 1;
    user.scopes = (at_list_t) { 0, 0, NULL };
    is_json(at_token_claims_user(&grant, &user),
            "{\"id\":\"7\",\"username\":\"jane\\\\\",\"isAdmin\":true,"
            "\"scope\":[],\"aud\":\"api\",\"iss\":\"https://issuer.example\","
            "\"iat\":1700000000,\"exp\":1700001800}",
            "an administrator's token says so");

    user.username = at_str("\xff");
    ok(at_token_claims_user(&grant, &user) == NULL,
       "a username that is not UTF-8 is rejected");

    is_json(at_token_claims_client(&grant, at_str("c-1")),
            "{\"appid\":\"c-1\",\"sub\":\"c-1\",\"ver\":\"1.0\","
            "\"aud\":\"api\",\"iss\":\"https://issuer.example\","
            "\"iat\":1700000000,\"exp\":1700001800}",
            "a client's token has exactly these claims");

    at_bytes_free(&bytes);
}


static void
test_random(void)
{
    char      text[81], other[81];
    size_t    i, wrong = 0;

    for (i = 0; i < 200; i++) {
        memset(text, 0, sizeof(text));
        (void) at_random_text(text, 80);
        wrong += strlen(text) != 80;
        wrong += strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                        "abcdefghijklmnopqrstuvwxyz0123456789") != 80;
    }

    is_int(wrong, 0, "random text has letters and digits only");
    (void) at_random_text(other, 80);
    ok(memcmp(text, other, 80) != 0, "random texts differ");
}


/* whose signature holds under the set that is published */
static void
test_published(void)
{
    char                *jwk, *kid, *set, *claims, *token_text;
    at_claim_path_t      path;
    at_error_t           err;
    at_issuer_t          issuer = { 0 };
    at_keyset_t         *keys;
    at_trusted_issuer_t  trusted;
    at_identity_t        id = { 0 };
    at_verifier_t       *verifier;
    at_jwt_query_t       query = { 0 };
    at_str_t             typ = at_str("JWT");
    EVP_PKEY            *pkey = key_rsa(2048);
    at_mint_t           *mint = at_mint_create(pem_private(pkey, NULL), &err);

    is_int(at_mint_public_jwk(mint, AT_RS256, at_str(""), &jwk, &kid, &err), 0,
           "the public key is exported");
    ok(strstr(jwk, "\"d\"") == NULL && strstr(jwk, "\"p\"") == NULL,
       "the JWK has no private member");
    is_int(strlen(kid), 43, "the JWK has a thumbprint of RFC 7638 as kid");

    set = format("{\"keys\":[%s]}", jwk);
    keys = at_keyset_parse(str(set), at_alg_bit(AT_RS256), warn, NULL, &err);
    ok(keys != NULL, "a JWK Set is exported");

    issuer.issuers = &grant.issuer;
    issuer.n_issuers = 1;
    issuer.audiences = &grant.audience;
    issuer.n_audiences = 1;
    issuer.typs = &typ;
    issuer.n_typs = 1;
    issuer.algs = at_alg_bit(AT_RS256);
    issuer.max_age = AT_NO_MAX_AGE;
    path = (at_claim_path_t) { 1, { at_str("sub") } };
    issuer.user_claim = path;
    issuer.scope_claim = path;

    claims = at_token_claims_client(&grant, at_str("c-1"));
    token_text = at_mint_sign(mint, AT_RS256, str(kid), str(claims), &err);

    trusted = (at_trusted_issuer_t) { &issuer, &keys, 1, 0 };
    verifier = at_verifier_create();

    query.token = str(token_text);
    query.max_len = 8192;
    query.trusted = &trusted;
    query.n = 1;
    query.now = NOW;

    is_int(at_jwt_verify(verifier, &id, &query), AT_OK,
           "the verifier accepts a signed token");
    is_bytes(id.user, at_str("c-1"), "the claims are the signed ones");
    at_identity_release(&id);

    query.now = NOW + 1800;
    is_int(at_jwt_verify(verifier, &id, &query), AT_EXPIRED,
           "it is expired at its expiry");
    at_identity_release(&id);

    at_secret_free(jwk);
    at_secret_free(kid);

    is_int(at_mint_public_jwk(mint, AT_ES256, at_str(""), &jwk, &kid, &err),
           -1, "another algorithm is rejected");
    is_int(at_mint_public_jwk(mint, AT_RS256, at_str("a\0b"), &jwk,
                              &kid, &err), -1, "another kid is rejected");
    is_int(at_mint_public_jwk(mint, AT_RS256, at_str("mine"), &jwk,
                              &kid, &err), 0, "a configured kid is accepted");
    is_str(kid, "mine", "the token has it");

    at_secret_free(jwk);
    at_secret_free(kid);
    at_secret_free(token_text);
    at_verifier_free(verifier);
    at_keyset_free(keys);
    at_mint_free(mint);
    free(claims);
}


/* a complete token, or none */
static int
fail_sign(void *mint, unsigned n)
{
    int         right;
    at_error_t  err;
    char       *text = at_mint_sign(mint, AT_RS256, at_str("kid"),
                                    at_str("{\"id\":\"7\",\"scope\":"
                                           "[\"read\"],\"exp\":1}"), &err);

    (void) n;
    (void) fail_end();

    /* 2048 bits of a signature behind the second dot */
    right = text == NULL || (strrchr(text, '.') != strchr(text, '.')
                             && strlen(strrchr(text, '.')) == 343);
    at_secret_free(text);

    return right;
}


/* complete claims, or none */
static int
fail_claims(void *user, TAP_UNUSED unsigned n)
{
    int    right;
    char  *text = at_token_claims_user(&grant, user);

    (void) fail_end();
    right = text == NULL || strstr(text, "[\"read\",\"write\"]") != NULL;
    free(text);

    return right;
}


/* libjwt checks its own allocations, but not the allocations of jansson */
static void
test_failures(void)
{
    at_error_t   err;
    at_bytes_t   bytes = { NULL, 0, 0, 0 };
    at_mint_t   *mint = at_mint_create(pem_private(key_rsa(2048), NULL), &err);

    at_user_record_t  user = { .username = at_str("jane"), .id = at_str("7") };

    json_set_alloc_funcs(__libc_malloc, free);
    fail_each("signing", fail_sign, mint);
    json_set_alloc_funcs(malloc, free);

    at_mint_free(mint);

    at_list_add(&bytes, &user.scopes, at_str("read"));
    at_list_add(&bytes, &user.scopes, at_str("write"));
    fail_each("the claims of a user", fail_claims, &user);
    at_bytes_free(&bytes);
}


int
main(void)
{
    at_jwt_init();

    RUN(test_claims, test_random, test_published, test_failures);

    sign_end();

    return tap_done();
}
