/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Each allocation of the process fails in turn, libraries included: hashes,
 * encryption, JSON, request bodies, cached identities, keys.  So do random
 * numbers and locales.  A
 * function succeeds, or fails without a partial result.  alloc_test.c does the
 * same for verification, account_test.c for the store.
 *
 * Requirements: allocation-points, allocation-failures.
 */

#define _GNU_SOURCE             /* RTLD_NEXT */

#include <locale.h>

#include "core/authz/at_cache.h"
#include "core/base/at_bytes.h"
#include "core/base/at_crypto.h"
#include "core/jose/at_key_text.h"
#include "core/jose/at_jwt.h"
#include "core/jose/at_keyset.h"
#include "core/json/at_fields.h"
#include "core/json/at_json.h"
#include "fail_calls.h"
#include "sign.h"
#include "tap.h"


#define NOW      1700000000000
#define MEMBERS  200


static const unsigned char  key[AT_SHA256_LEN] = "key";

FAIL_CALL(locale_t, (locale_t) 0, newlocale,
          (int mask, const char *name, locale_t base), (mask, name, base))


/* --- hashes and encryption ----------------------------------------------- */


static int
fail_hash(TAP_UNUSED void *data, TAP_UNUSED unsigned n)
{
    int            rc[4];
    char           hex[AT_SHA1_HEX_LEN];
    unsigned char  digest[3][AT_SHA256_LEN];
    at_sha256_t   *ctx = at_sha256_create();

    rc[0] = at_sha256(digest[0], at_str("text"));
    rc[1] = ctx ? at_sha256_reuse(ctx, digest[1], at_str("text")) : -1;
    rc[2] = at_hmac_sha256(digest[2], at_str("key"), at_str("text"));
    rc[3] = at_sha1_hex(hex, at_str("text"));
    (void) fail_end();
    at_sha256_free(ctx);

    return (rc[0] || memcmp(digest[0], "\x98\x2d\x9e\x3e", 4) == 0)
           && (rc[1] || memcmp(digest[1], "\x98\x2d\x9e\x3e", 4) == 0)
           && (rc[2] || memcmp(digest[2], "\x6a\xfa\x90\x46", 4) == 0)
           && (rc[3] || memcmp(hex, "372ea08cab33e71c", 16) == 0);
}


static int
fail_seal(TAP_UNUSED void *data, TAP_UNUSED unsigned n)
{
    int            rc;
    char           plain[6];
    at_str_t       sealed;
    unsigned char  bytes[6 + AT_SEAL_OVERHEAD];

    if (at_seal(bytes, key, at_str("context"), at_str("secret")) != 0) {
        return 1;
    }

    sealed = (at_str_t) { (char *) bytes, sizeof(bytes) };
    memset(plain, 'x', sizeof(plain));
    rc = at_unseal(plain, key, at_str("context"), sealed);
    (void) fail_end();

    return rc == 0 ? memcmp(plain, "secret", 6) == 0
                   : memcmp(plain, "secret", 6) != 0;
}


/* --- JSON ---------------------------------------------------------------- */


/* an object with more members than are compared one by one */
static int
fail_json(void *data, TAP_UNUSED unsigned n)
{
    int        rc;
    char      *copy = data;
    size_t     len = 1, i;
    at_json_t  json = { NULL, 0 };

    copy[0] = '{';

    for (i = 0; i < MEMBERS; i++) {
        len += (size_t) snprintf(copy + len, 16, "\"m%zu\":%zu%s", i, i,
                                 i + 1 < MEMBERS ? "," : "}");
    }

    rc = at_json_parse(&json, copy, len, 2);
    (void) fail_end();

    rc = rc == 0 ? json.items[0].n == MEMBERS : rc == AT_JSON_NO_MEMORY;
    at_json_free(&json);

    return rc;
}


/* a number with more digits than are exact */
static int
fail_number(TAP_UNUSED void *data, TAP_UNUSED unsigned n)
{
    int              rc;
    double           number = 0;
    at_json_value_t  value = { .type = AT_JSON_NUMBER };

    value.text = "1234567890123456789.5";
    value.n = (uint32_t) strlen(value.text);
    rc = at_json_number(&value, &number);

    return rc == 0 ? number > 1e18 : rc == -1;
}


static int
fail_fields(TAP_UNUSED void *data, TAP_UNUSED unsigned n)
{
    char          buf[64];
    at_str_t      values[1];
    at_fields_e   rc;

    static const at_str_t  names[] = { at_str("username") };

    rc = at_fields_from_json(values, names, 1,
                             at_str("{\"username\":\"jane\"}"), buf);
    (void) fail_end();

    return rc == AT_FIELDS_OK ? values[0].len == 4
                              : rc == AT_FIELDS_NO_MEMORY;
}


/* --- the cache ----------------------------------------------------------- */


static int
fail_cache(TAP_UNUSED void *data, TAP_UNUSED unsigned n)
{
    int                   right = 1;
    at_str_t              scopes[] = { at_str("read"), at_str("write") };
    at_cache_t           *cache;
    at_identity_t         identity = { 0 };
    at_cache_key_t        credential = { at_str("credential"), 1, NULL };
    at_cache_epoch_t      epoch = { 1, 1 };
    const at_identity_t  *found;

    identity.user = at_str("jane");
    identity.rights.scopes.items = scopes;
    identity.rights.scopes.n = 2;
    identity.expires = NOW + 1000;

    cache = at_cache_create(AT_CACHE_SIZE_MIN);
    if (cache == NULL) {
        return 1;
    }

    at_cache_put(cache, &credential, &identity, &epoch, NOW);
    (void) fail_end();

    found = at_cache_get(cache, &credential, &epoch, NOW);

    if (found != NULL) {
        right = found->user.len == 4 && found->rights.scopes.n == 2;
        at_cache_release(found);
    }

    at_cache_free(cache);

    return right;
}


/* --- keys ---------------------------------------------------------------- */


static int
fail_publish(void *data, TAP_UNUSED unsigned n)
{
    int      right;
    char    *public, *private;
    json_t  *published;

    published = at_key_to_jwk(data, AT_RS256, at_str(""));
    public = at_key_to_public_pem(data);
    private = at_key_to_private_pem(data);
    (void) fail_end();
    ERR_clear_error();

    right = (published == NULL || json_object_get(published, "kid") != NULL)
            && (public == NULL || strstr(public, "-----END PUBLIC KEY-----"))
            && (private == NULL
                || strstr(private, "-----END PRIVATE KEY-----"));

    json_decref(published);
    free(public);
    at_secret_free(private);

    return right;
}


static int
fail_copy(void *data, TAP_UNUSED unsigned n)
{
    int        right;
    at_key_t  *copy = at_key_copy(data, AT_RS256);

    (void) fail_end();
    right = copy == NULL || at_key_algs(copy) == at_alg_bit(AT_RS256);
    at_key_free(copy);

    return right;
}


static void
ignore(TAP_UNUSED void *data, TAP_UNUSED const char *text)
{
}


/* a set that is accepted has its key, and can be written */
static int
fail_keyset(void *data, TAP_UNUSED unsigned n)
{
    int           right;
    char         *text;
    at_error_t    err = { { 0 } };
    at_keyset_t  *set;

    set = at_keyset_parse_jwks(str(data), at_alg_bit(AT_RS256), ignore, NULL,
                               &err);
    (void) fail_end();

    if (set == NULL) {
        ERR_clear_error();
        return err.text[0] != '\0';
    }

    text = at_keyset_to_jwks(set);
    right = set->n == 1 && text != NULL && strstr(text, "\"n\"") != NULL
            && strstr(text, "\"x5t\"") != NULL;
    free(text);
    at_keyset_free(set);

    return right;
}


static int
fail_decode(TAP_UNUSED void *data, TAP_UNUSED unsigned n)
{
    int          right;
    at_claims_t *header;

    header = at_jwt_decode_header(at_str("eyJhbGciOiJSUzI1NiJ9.e30.AAAA"));
    (void) fail_end();
    right = header == NULL || at_claims_object(header)->n == 1;
    at_claims_free(header);

    return right;
}


static int
fail_bytes(TAP_UNUSED void *data, TAP_UNUSED unsigned n)
{
    int         right;
    at_bytes_t  bytes = { NULL, 0, 0, 0 };

    at_bytes_append(&bytes, "a", 1);
    at_bytes_append(&bytes, "", 0);
    at_bytes_append(&bytes, "bc", 2);
    (void) fail_end();

    right = bytes.failed || (bytes.len == 3
                             && memcmp(bytes.data, "abc", 3) == 0);
    at_bytes_free(&bytes);

    return right;
}


static void
test_failures(void)
{
    char        *jwks;
    json_t      *jwk = at_key_to_jwk(key_rsa(2048), AT_RS256, at_str("")),
                *set = json_pack("{s:[o]}", "keys", jwk);
    at_key_t    *rsa;
    at_error_t   err;

    static char  object[16 * MEMBERS];

    (void) json_object_set_new(jwk, "x5t",
                               json_string("AAAAAAAAAAAAAAAAAAAAAAAAAAA"));
    (void) json_object_set_new(jwk, "x5t#S256",
                               json_string("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
                                           "AAAAAAAAA"));
    jwks = json_dumps(set, JSON_COMPACT);
    (void) EVP_PKEY_up_ref(key_rsa(2048));
    rsa = at_key_create(key_rsa(2048), ~0u, &err);
    must(jwks != NULL && rsa != NULL, "a key");

    fail_each("hashing", fail_hash, NULL);
    fail_each("encryption", fail_seal, NULL);
    fail_each("an object with many members", fail_json, object);
    fail_each("a long number", fail_number, NULL);
    fail_each("a request body", fail_fields, NULL);
    fail_each("an entry of the cache", fail_cache, NULL);
    fail_each("publishing a key", fail_publish, key_rsa(2048));
    fail_each("copying a key", fail_copy, rsa);
    fail_each("a JWK Set", fail_keyset, jwks);
    fail_each("the header of a token", fail_decode, NULL);
    fail_each("a record", fail_bytes, NULL);

    at_key_free(rsa);
    free(jwks);
    json_decref(set);
}


int
main(void)
{
    RUN(test_failures);

    return tap_done();
}
