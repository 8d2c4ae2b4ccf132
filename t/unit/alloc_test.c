/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Each allocation of a verification fails in turn, alone and together with all
 * later ones, in the core and in OpenSSL.  A bad token is never granted; a
 * good one is granted or fails.  The same for key files.
 *
 * Requirements: allocation-points, allocation-failures.
 */

#define _GNU_SOURCE             /* for the sources that are included */

#include <ctype.h>
#include <locale.h>
#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <jansson.h>

#include "fail.h"
#include "sign.h"


static void *
alloc_openssl_malloc(size_t size, const char *file, int line)
{
    (void) file;
    (void) line;

    return fail_next() ? NULL : malloc(size);
}


static void *
alloc_openssl_realloc(void *data, size_t size, const char *file, int line)
{
    (void) file;
    (void) line;

    return fail_next() ? NULL : realloc(data, size);
}


static void
alloc_openssl_free(void *data, const char *file, int line)
{
    (void) file;
    (void) line;

    free(data);
}


/* compiles the core again, with failing allocations */

#define malloc   fail_malloc
#define calloc   fail_calloc
#define strdup   fail_strdup
#define strndup  fail_strndup

#include "core/base/at_base64url.c"
#include "core/authz/at_cidr.c"
#include "core/authz/at_cidr_set.c"
#include "core/json/at_claim.c"
#include "core/jose/at_key.c"
#include "core/base/at_file.c"
#include "core/authz/at_identity.c"
#include "core/json/at_document.c"
#include "core/jose/at_jwk.c"
#include "core/jose/at_jwt.c"
#include "core/authz/at_scope.c"
#include "core/session/at_state.c"
#include "core/json/at_json.c"

#undef malloc
#undef calloc
#undef strndup
#undef strdup


#define ALL       ((1u << AT_ALGS) - 1)
#define NOW       1700000000
#define POINTS    100000        /* more allocations than any case has */

#define CLAIMS    "\"iss\":\"joe\",\"aud\":\"api\",\"sub\":\"alice\"," \
                  "\"scope\":\"a b c\",\"x\":[1,{\"y\":\"z\"}]"
#define GOOD      "{" CLAIMS ",\"exp\":1700000600}"


static void
warn(void *data, const char *text)
{
    (void) data;
    (void) text;
}


/* the identity is filled exactly for the verdicts of at_jwt.h */
static int
identity_fits(const at_identity_t *id, at_verdict_e verdict)
{
    if (verdict == AT_OK || verdict == AT_EXPIRED) {
        return id->issuer != NULL && id->claims != NULL
               && (verdict != AT_OK || id->rights.scopes.n == 3);
    }

    return id->issuer == NULL && id->claims == NULL
           && id->rights.scopes.items == NULL
           && !id->rights.admin;
}


/*
 * OpenSSL 3.0 does not report a lack of memory in PSS and EdDSA: the result is
 * the same as for an invalid signature.
 */
static int
silent(at_verdict_e verdict, const char *text)
{
    return verdict == AT_BAD_SIGNATURE
           && (strncmp(text, b64(at_str("{\"alg\":\"PS2")), 14) == 0
               || strncmp(text, b64(at_str("{\"alg\":\"EdD")), 14) == 0);
}


/* returns the number of failed allocations; 0: after the last allocation */
static unsigned
verify_point(const at_trusted_issuer_t *trusted, const char *text,
    at_verdict_e expected,
    unsigned fail, int lasting, unsigned *wrong, unsigned *others)
{
    at_verdict_e   verdict;
    at_identity_t  id;
    at_verifier_t *verifier = at_verifier_create();
    at_jwt_query_t query = { str(text), 8192, trusted, 1, NOW, NULL, NULL };

    memset(&id, 0, sizeof(id));

    fail_begin(fail, lasting);
    verdict = at_jwt_verify(verifier, &id, &query);
    (void) fail_end();
    at_verifier_free(verifier);

    *wrong += (verdict == AT_OK && expected != AT_OK)
              || !identity_fits(&id, verdict)
              || ERR_peek_error() != 0;

    if (verdict != expected && verdict != AT_FAILED && !silent(verdict, text))
    {
        (*others)++;
        printf("# point %u%s: %s\n", fail, lasting ? " and on" : "",
               at_verdict_info(verdict)->reason.data);
    }

    at_identity_release(&id);
    ERR_clear_error();

    return failing.failed;
}


static void
test_verify(const char *name, const at_trusted_issuer_t *trusted,
    const char *text,
    at_verdict_e expected)
{
    int       lasting;
    unsigned  fail, wrong, others, unused;

    for (lasting = 0; lasting <= 1; lasting++) {
        wrong = 0;
        others = 0;

        for (fail = 1; fail < POINTS; fail++) {
            if (verify_point(trusted, text,
                             expected, fail, lasting, &wrong, &others) == 0)
            {
                break;
            }
        }

        ok(fail > 1 && fail < POINTS, "%s: %u points%s", name, fail - 1,
           lasting ? ", from each one on" : "");
        is_int(wrong, 0, "%s: never granted by mistake", name);
        is_int(others, 0, "%s: the right verdict, or failed", name);

        unused = 0;
        (void) verify_point(trusted, text, expected, 0, 0, &wrong, &unused);
        is_int(unused, 0, "%s: the next verification is not affected", name);
    }
}


/* an array of n numbers: n + 1 values */
static char *
numbers(unsigned n)
{
    char      *text;
    size_t     len;
    unsigned   i;

    text = sign_alloc(2 * (size_t) n + 3);
    len = (size_t) sprintf(text, "[");

    for (i = 0; i < n; i++) {
        len += (size_t) sprintf(text + len, "%s7", i ? "," : "");
    }

    (void) sprintf(text + len, "]");

    return text;
}


/* an object of n values: itself, a name, an array, its items */
static at_str_t
object_of(unsigned n)
{
    return str(format("{\"a\":%s}", numbers(n - 3)));
}


static void
test_tokens(EVP_PKEY *pkey, at_alg_e alg, const char *pem_name)
{
    char                *header, *good, *bad, *text;
    at_claim_path_t      user, scope;
    at_str_t             pem, name = at_str("joe"), audience = at_str("api");
    at_issuer_t          issuer;
    at_error_t           err;
    at_keyset_t         *set;
    at_trusted_issuer_t  trusted;

    user = (at_claim_path_t) { 1, { at_str("username") } };
    scope = (at_claim_path_t) { 1, { at_str("scope") } };

    memset(&issuer, 0, sizeof(issuer));
    issuer.issuers = &name;
    issuer.n_issuers = 1;
    issuer.audiences = &audience;
    issuer.n_audiences = 1;
    issuer.typ_absent = 1;
    issuer.algs = ALL;
    issuer.max_age = AT_NO_MAX_AGE;
    issuer.user_claim = user;
    issuer.scope_claim = scope;

    pem = pem_public(pkey);
    set = at_keyset_parse(pem, ALL, warn, NULL, &err);
    if (set == NULL) {
        sign_fail("no keys");
    }

    trusted = (at_trusted_issuer_t) { &issuer, &set, 1 };

    header = format("{\"alg\":\"%s\"}", at_alg_name(alg).data);
    good = token(header, GOOD, pkey, alg);
    bad = format("%s", good);
    bad[strlen(bad) - 10] = bad[strlen(bad) - 10] == 'A' ? 'B' : 'A';

    text = token_text(at_str("{\"alg\":\"none\"}"), at_str(GOOD));

    test_verify(format("%s, good", pem_name), &trusted, good, AT_OK);
    test_verify(format("%s, many values", pem_name), &trusted,
                token(format("{\"alg\":\"%s\",\"x\":%s}",
                             at_alg_name(alg).data, numbers(70)),
                      format("{" CLAIMS ",\"exp\":1700000600,\"n\":%s}",
                             numbers(150)), pkey, alg), AT_OK);
    test_verify(format("%s, badly signed", pem_name), &trusted, bad,
                AT_BAD_SIGNATURE);
    test_verify(format("%s, alg none", pem_name), &trusted,
                format("%s.AA", text), AT_BAD_ALG);
    test_verify(format("%s, expired", pem_name), &trusted,
                token(header, "{" CLAIMS ",\"exp\":1}", pkey, alg),
                AT_EXPIRED);
    test_verify(format("%s, no exp", pem_name), &trusted,
                token(header, "{" CLAIMS "}", pkey, alg), AT_BAD_CLAIM);
    test_verify(format("%s, another aud", pem_name), &trusted,
                token(header,
                      "{\"iss\":\"joe\",\"aud\":[\"x\",\"y\"],\"exp\":1}",
                      pkey, alg), AT_AUDIENCE_MISMATCH);
    test_verify(format("%s, exp twice", pem_name), &trusted,
                token(header, "{" CLAIMS ",\"exp\":1,\"exp\":1700000600}",
                      pkey, alg), AT_BAD_PAYLOAD);

    at_keyset_free(set);
}


/* a set has exactly the keys of the text */
static void
test_keyset(const char *name, at_str_t text, size_t keys, size_t least)
{
    int           lasting;
    size_t        wrong;
    unsigned      fail, failed;
    at_error_t    err;
    at_keyset_t  *set;

    for (lasting = 0; lasting <= 1; lasting++) {
        wrong = 0;

        for (fail = 1; fail < POINTS; fail++) {
            memset(&err, 0, sizeof(err));

            fail_begin(fail, lasting);
            set = at_keyset_parse(text, ALL, warn, NULL, &err);
            failed = fail_end();

            wrong += ERR_peek_error() != 0;

            if (set) {
                wrong += set->n > keys || set->n < least;
            } else {
                wrong += keys != 0 && err.text[0] == '\0';
            }

            at_keyset_free(set);
            ERR_clear_error();

            if (failed == 0) {
                break;
            }
        }

        ok(fail > 1 && fail < POINTS, "%s: %u points%s", name, fail - 1,
           lasting ? ", from each one on" : "");
        is_int(wrong, 0, "%s: its keys, or an error message", name);

        set = at_keyset_parse(text, ALL, warn, NULL, &err);
        is_int(set ? set->n : 0, keys,
               "%s: the next parsing is not affected", name);
        at_keyset_free(set);
        ERR_clear_error();
    }
}


/* 0: success, 1: failure as documented, 2: neither */
static int
small_part(unsigned part, const at_json_value_t *claim)
{
    char            buf[64];
    at_file_t       file;
    at_error_t      err;
    at_scopes_t     scopes;

    switch (part) {

    case 0:
        switch (at_scopes_from_claim(&scopes, claim)) {

        case 0:
            at_scopes_free(&scopes);
            return 0;

        case -2:
            return scopes.items == NULL ? 1 : 2;

        default:
            return 2;
        }

    case 1:
        switch (at_claim_to_text(claim, buf, sizeof(buf))) {

        case 9:
            return 0;

        case -1:
            return 1;

        default:
            return 2;
        }

    default:
        if (at_file_read(&file, "t/data/README.md", 65536, &err) != 0) {
            return file.data == NULL && err.text[0] != '\0' ? 1 : 2;
        }

        at_file_free(&file);
        return 0;
    }
}


static void
test_small_parts(void)
{
    int                     rc, wrong;
    unsigned                part, fail;
    at_claims_t            *claims;
    const at_json_value_t  *claim;

    static const char      *names[] = {
        "the scopes of a claim", "a claim as text", "a file"
    };

    if (at_claims_parse(&claims, at_str("{\"x\":[\"a\",\"b\"]}")) != 0) {
        sign_fail("no claims");
    }

    claim = at_json_member(at_claims_object(claims), at_str("x"));

    for (part = 0; part < N(names); part++) {
        wrong = 0;

        for (fail = 1; fail < 100; fail++) {
            fail_begin(fail, 0);
            rc = small_part(part, claim);
            (void) fail_end();

            wrong += rc != (failing.failed != 0);

            if (failing.failed == 0) {
                break;
            }
        }

        ok(fail > 1 && fail < 100, "%s: %u points", names[part], fail - 1);
        is_int(wrong, 0, "%s: fails where it must", names[part]);
    }

    at_claims_free(claims);
}


/* no claims are returned if the array of values cannot grow */
static void
test_growing(void)
{
    int           rc, wrong;
    size_t        i;
    at_str_t      text;
    unsigned      fail, failed;
    at_claims_t  *claims;

    static const struct {
        unsigned  n;
        unsigned  points;       /* allocations: claims, sizes of the array */
    } cases[] = {
        { 64, 2 }, { 65, 3 }, { 128, 3 }, { 129, 4 }, { 1000, 6 },
        { 20000, 11 }
    };

    for (i = 0; i < N(cases); i++) {
        text = object_of(cases[i].n);
        wrong = 0;

        for (fail = 1; fail < 100; fail++) {
            claims = (at_claims_t *) &failing;

            fail_begin(fail, 0);
            rc = at_claims_parse(&claims, text);
            failed = fail_end();

            wrong += failed ? rc != -2 || claims != NULL
                     : rc != 0
                       || at_claims_object(claims)->span != cases[i].n;
            at_claims_free(claims);

            if (failed == 0) {
                break;
            }
        }

        is_int(fail - 1, cases[i].points, "%u values: points", cases[i].n);
        is_int(wrong, 0, "%u values: -2 at each, and no claims", cases[i].n);
    }
}


static int
values_of(at_json_t *values, unsigned n)
{
    int        rc;
    char      *copy;
    at_str_t   text;

    text = object_of(n);
    copy = malloc(text.len);
    if (copy == NULL) {
        sign_fail("no memory");
    }

    memcpy(copy, text.data, text.len);
    rc = at_json_parse(values, copy, text.len, &at_jose_limits);
    free(copy);

    return rc;
}


/* values that cannot grow can be used for the next text */
static void
test_growing_again(void)
{
    at_json_t  values = { NULL, 0 };

    is_int(values_of(&values, 100), 0, "100 values");
    is_int(values.size, 128, "100 values have room for 128");

    fail_begin(2, 1);
    is_int(values_of(&values, 1000), -2, "1,000 values without memory");
    is_int(values.size, 256, "1,000 values: the array has grown once");
    is_int(values_of(&values, 200), 0, "200 values need no memory");
    is_int(values.items->span, 200, "200 values are parsed");
    (void) fail_end();

    is_int(values_of(&values, 1000), 0, "1,000 values with memory");
    is_int(values.items->span, 1000, "1,000 values are parsed");

    at_json_free(&values);
    ok(values.items == NULL && values.size == 0, "the values are freed");
    at_json_free(&values);
}


/* a value of each type is converted for jansson completely, or not at all */
static void
test_json_value(void)
{
    int           wrong;
    json_t       *json, *expected;
    at_str_t      text;
    unsigned      fail, failed;
    at_claims_t  *claims;

    text = at_str("{\"a\":[1,-2.5,\"x\",[],{}],\"b\":{\"c\":null,\"d\":[true,"
                  "false]},\"\":\"\\u00e9\",\"e\":1,\"f\":2,\"g\":3,\"h\":4,"
                  "\"i\":5,\"j\":6,\"k\":7,\"l\":[0,1,2,3,4,5,6,7,8,9]}");

    if (at_claims_parse(&claims, text) != 0) {
        sign_fail("no claims");
    }

    expected = json_loadb(text.data, text.len, 0, NULL);
    wrong = 0;

    for (fail = 1; fail < POINTS; fail++) {
        fail_begin(fail, 0);
        json = at_document_from_json(at_claims_object(claims));
        failed = fail_end();

        wrong += failed ? json != NULL : !json_equal(json, expected);
        json_decref(json);

        if (failed == 0) {
            break;
        }
    }

    ok(fail > 1 && fail < POINTS, "a value for jansson: %u points", fail - 1);
    is_int(wrong, 0, "a value for jansson: complete or NULL");

    json_decref(expected);
    at_claims_free(claims);
}


/* makes a state directory, writes and reads a file; returns as small_part() */
static int
state_part(const char *path)
{
    int             rc;
    char           *content = NULL, file[128];
    size_t          len;
    at_error_t      err;
    at_state_key_t  key;

    (void) snprintf(file, sizeof(file), "%s/data/x", path);
    memset(&err, 0, sizeof(err));

    rc = at_state_inspect(path, (uid_t) -1, &err) == 0
         && at_state_open(&key, path, (uid_t) -1, (gid_t) -1, &err) == 0
         && at_state_write(&key, file, at_str("p"), at_str("x"), &err) == 0
         && at_state_read(&key, file, at_str("p"), 1, &content, &len, &err)
             == 0;

    if (rc) {
        rc = len == 1 && content[0] == 'x' ? 0 : 2;

    } else {
        rc = content == NULL && err.text[0] != '\0'
             && ERR_peek_error() == 0 ? 1 : 2;
    }

    free(content);

    return rc;
}


/* some failures inside OpenSSL have no effect: the file is right, too */
static void
test_state(void)
{
    int       rc, wrong, lasting;
    char      root[] = "/tmp/at-alloc-XXXXXX", path[64], command[64];
    unsigned  fail;

    if (mkdtemp(root) == NULL) {
        sign_fail("no directory");
    }

    (void) snprintf(path, sizeof(path), "%s/state/", root);
    (void) snprintf(command, sizeof(command), "rm -rf %s/state", root);

    for (lasting = 0; lasting <= 1; lasting++) {
        wrong = 0;

        for (fail = 1; fail < POINTS; fail++) {
            fail_begin(fail, lasting);
            rc = state_part(path);
            (void) fail_end();

            wrong += rc == 2 || (rc == 1 && failing.failed == 0)
                     || system(command) != 0;

            if (failing.failed == 0) {
                break;
            }
        }

        ok(fail > 1 && fail < POINTS, "state: %u points%s", fail - 1,
           lasting ? ", from each one on" : "");
        is_int(wrong, 0,
               "state: the content that was written, or an error message");
    }

    (void) rmdir(root);
}


int
main(void)
{
    EVP_PKEY    *rsa, *p256, *ed, *weak;
    const char  *jwks;

    if (CRYPTO_set_mem_functions(alloc_openssl_malloc, alloc_openssl_realloc,
                                 alloc_openssl_free) != 1)
    {
        sign_fail("OpenSSL has memory already");
    }

    rsa = key_rsa(2048);
    p256 = key_ec("P-256");
    ed = key_named("ED25519");
    weak = key_rsa(1024);

    test_tokens(rsa, AT_RS256, "RS256");
    test_tokens(rsa, AT_PS256, "PS256");
    test_tokens(p256, AT_ES256, "ES256");
    test_tokens(ed, AT_EDDSA, "EdDSA");

    jwks = format("{\"keys\":[%s,%s,%s]}",
                  jwk(rsa, format(",\"kid\":\"a\",\"issuer\":\"https://x/\","
                                  "\"x5c\":[\"%s\"]", x5c(rsa))),
                  jwk(p256, ",\"kid\":\"b\""), jwk(ed, ",\"kid\":\"c\""));

    test_keyset("a PEM file", pem_public(rsa), 1, 1);
    test_keyset("a PEM file of an EC key", pem_public(p256), 1, 1);
    test_keyset("a certificate", pem_certificate(rsa), 1, 1);
    test_keyset("a JWK Set", str(jwks), 3, 1);
    test_keyset("a weak key", pem_public(weak), 0, 0);
    test_keyset("a private key", pem_private(rsa, NULL), 0, 0);
    test_keyset("two PEMs", str(format("%.*s%.*s", (int) pem_public(rsa).len,
                                       pem_public(rsa).data,
                                       (int) pem_public(p256).len,
                                       pem_public(p256).data)), 0, 0);

    /* not for its parser, which reads beyond a string without memory */
    json_set_alloc_funcs(fail_malloc, free);

    RUN(test_small_parts, test_growing, test_growing_again, test_json_value,
        test_state);

    sign_end();

    return tap_done();
}
