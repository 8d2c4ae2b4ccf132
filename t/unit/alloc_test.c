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

#include <locale.h>
#include <math.h>

#include <jansson.h>
#include <openssl/crypto.h>

#include "dir.h"
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
#define realloc  fail_realloc
#define strdup   fail_strdup

#include "core/base/at_base64url.c"
#include "core/authz/at_cidr.c"
#include "core/json/at_claim.c"
#include "core/jose/at_key.c"
#include "core/base/at_file.c"
#include "core/authz/at_identity.c"
#include "core/json/at_document.c"
#include "core/jose/at_jwk.c"
#include "core/jose/at_keyset.c"
#include "core/jose/at_pem.c"
#include "core/jose/at_jwt.c"
#include "core/authz/at_scope.c"
#include "core/session/at_state.c"
#include "core/json/at_json.c"

#undef malloc
#undef calloc
#undef realloc
#undef strdup


#define ALL       ((1u << AT_ALGS) - 1)
#define NOW       1700000000
#define POINTS    100000        /* more allocations than any case has */

#define CLAIMS    "'iss':'joe','aud':'api','sub':'alice','scope':'a b c'," \
                  "'x':[1,{'y':'z'}]"
#define GOOD      "{" CLAIMS ",'exp':1700000600}"


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


/* the allocation that fails, and whether all later ones fail as well */
static struct {
    unsigned  fail;
    int       lasting;
} point;

/*
 * Calls begin() and the function to test.  Returns 0 for the expected result,
 * 1 for a failure as documented, -1 for anything else.
 */
typedef int (*attempt_pt)(const void *data);


static void
begin(void)
{
    fail_begin(point.fail, point.lasting);
}


/*
 * Lets each allocation of an attempt fail in turn.  If strict, no attempt may
 * succeed without one of its allocations.  Returns the number of allocations.
 */
static unsigned
each_point(const char *name, attempt_pt attempt, const void *data, int lasting,
    int strict)
{
    int       rc;
    unsigned  wrong = 0;

    point.lasting = lasting;

    for (point.fail = 1; point.fail < POINTS; point.fail++) {
        rc = attempt(data);
        wrong += rc == -1 || rc > (failing.failed != 0)
                 || (strict && rc != (failing.failed != 0))
                 || ERR_peek_error() != 0;
        ERR_clear_error();

        if (failing.failed == 0) {
            break;
        }
    }

    ok(point.fail > 1 && point.fail < POINTS, "%s: %u points%s", name,
       point.fail - 1, lasting ? ", from each one on" : "");
    is_int(wrong, 0, "%s: the right result, or a failure as documented", name);

    return point.fail - 1;
}


/* each allocation alone, and with all later ones; then without a failure */
static void
test_points(const char *name, attempt_pt attempt, const void *data)
{
    (void) each_point(name, attempt, data, 0, 0);
    (void) each_point(name, attempt, data, 1, 0);

    point.fail = 0;
    is_int(attempt(data), 0, "%s: the next attempt is not affected", name);
    ERR_clear_error();
}


typedef struct {
    const char                 *name;
    at_trusted_issuer_t        *trusted;
    const char                 *text;
    at_verdict_e                expected;
} verification_t;


static int
verify(const void *data)
{
    at_verdict_e           verdict;
    at_identity_t          id = { 0 };
    at_verifier_t         *verifier = at_verifier_create();
    const verification_t  *v = data;
    at_jwt_query_t         query = { str(v->text), 8192, v->trusted, 1, NOW,
                                     NULL, NULL };

    begin();
    verdict = at_jwt_verify(verifier, &id, &query);
    (void) fail_end();
    at_verifier_free(verifier);

    if (!identity_fits(&id, verdict)) {
        printf("# point %u: the identity\n", point.fail);
        verdict = AT_VERDICTS;
    }

    at_identity_release(&id);

    if (verdict == v->expected) {
        return 0;
    }

    if (verdict == AT_FAILED || silent(verdict, v->text)) {
        return 1;
    }

    printf("# point %u: verdict %d\n", point.fail, (int) verdict);

    return -1;
}


/* an array of n numbers, at least one: n + 1 values */
static char *
list_of(size_t n)
{
    size_t   i;
    char    *text = sign_alloc(2 * n + 2);

    for (i = 0; i < n; i++) {
        memcpy(text + 2 * i, i ? ",7" : "[7", 2);
    }

    text[2 * n] = ']';

    return text;
}


/* an object of n values: itself, a name, an array, its items */
static char *
object_of(unsigned n)
{
    return format("{\"a\":%s}", list_of(n - 3));
}


static void
test_tokens(EVP_PKEY *pkey, at_alg_e alg)
{
    char                *header, *good, *bad;
    size_t               i;
    at_str_t             joe = at_str("joe"), audience = at_str("api");
    at_error_t           err;
    at_keyset_t         *set;
    const char          *name = at_alg_name(alg).data;
    at_issuer_t          issuer = {
        .issuers = &joe,
        .n_issuers = 1,
        .audiences = &audience,
        .n_audiences = 1,
        .typ_absent = 1,
        .algs = ALL,
        .max_age = AT_NO_MAX_AGE,
        .user_claim = { 1, { at_str("username") } },
        .scope_claim = { 1, { at_str("scope") } },
    };
    at_trusted_issuer_t  trusted = { &issuer, &set, 1, 0 };

    set = at_keyset_parse(pem_public(pkey), ALL, warn, NULL, &err);
    must(set != NULL, "no keys");

    header = format("{'alg':'%s'}", name);
    good = token(header, GOOD, pkey, alg);
    bad = format("%s", good);
    bad[strlen(bad) - 10] = bad[strlen(bad) - 10] == 'A' ? 'B' : 'A';

    const verification_t  cases[] = {
        { "good", &trusted, good, AT_OK },
        { "many values", &trusted,
          token(format("{'alg':'%s','x':%s}", name, list_of(70)),
                format("{" CLAIMS ",'exp':1700000600,'n':%s}", list_of(150)),
                pkey, alg), AT_OK },
        { "badly signed", &trusted, bad, AT_BAD_SIGNATURE },
        { "alg none", &trusted,
          format("%s.AA", token_text(at_str("{'alg':'none'}"), at_str(GOOD))),
          AT_BAD_ALG },
        { "expired", &trusted,
          token(header, "{" CLAIMS ",'exp':1}", pkey, alg), AT_EXPIRED },
        { "no exp", &trusted, token(header, "{" CLAIMS "}", pkey, alg),
          AT_BAD_CLAIM },
        { "another aud", &trusted,
          token(header, "{'iss':'joe','aud':['x','y'],'exp':1}", pkey, alg),
          AT_AUDIENCE_MISMATCH },
        { "exp twice", &trusted,
          token(header, "{" CLAIMS ",'exp':1,'exp':1700000600}", pkey, alg),
          AT_BAD_PAYLOAD },
    };

    for (i = 0; i < N(cases); i++) {
        test_points(format("%s, %s", name, cases[i].name), verify, &cases[i]);
    }

    at_keyset_free(set);
}


typedef struct {
    const char  *name;
    at_str_t     text;
    size_t       keys;          /* of the text; 0: an error */
} keyset_text_t;


/* OpenSSL may skip a key, or the set has no keys and there is an error */
static int
parse_keys(const void *data)
{
    int                   rc;
    at_error_t            err = { { 0 } };
    at_keyset_t          *set;
    const keyset_text_t  *k = data;

    begin();
    set = at_keyset_parse(k->text, ALL, warn, NULL, &err);
    (void) fail_end();

    if (set == NULL) {
        rc = k->keys == 0 ? 0 : err.text[0] != '\0' ? 1 : -1;

    } else {
        rc = set->n == k->keys ? 0 : set->n && set->n < k->keys ? 1 : -1;
    }

    at_keyset_free(set);

    return rc;
}


static int
scopes_of_claim(const void *claim)
{
    int          rc;
    at_scopes_t  scopes;

    begin();
    rc = at_scopes_from_claim(&scopes, claim);
    (void) fail_end();

    if (rc == 0) {
        at_scopes_free(&scopes);
        return 0;
    }

    return rc == -2 && scopes.items == NULL ? 1 : -1;
}


static int
read_file(const void *path)
{
    int         rc;
    at_file_t   file;
    at_error_t  err;

    begin();
    rc = at_file_read(&file, path, 65536, &err);
    (void) fail_end();

    if (rc != 0) {
        return file.data == NULL && err.text[0] != '\0' ? 1 : -1;
    }

    at_file_free(&file);

    return 0;
}


static void
test_small_parts(void)
{
    at_claims_t            *claims;
    const at_json_value_t  *claim;

    must(at_claims_parse(&claims, at_str("{\"x\":[\"a\",\"b\"]}")) == 0,
         "no claims");
    claim = at_json_member(at_claims_object(claims), at_str("x"));

    (void) each_point("the scopes of a claim", scopes_of_claim, claim, 0, 1);
    (void) each_point("a file", read_file, "t/data/README.md", 0, 1);

    at_claims_free(claims);
}


static int
parse_values(const void *data)
{
    int              rc;
    at_claims_t     *claims = (at_claims_t *) &failing;
    const unsigned  *n = data;
    at_str_t         text = str(object_of(*n));

    begin();
    rc = at_claims_parse(&claims, text);
    (void) fail_end();

    rc = rc == -2 && claims == NULL ? 1
         : rc == 0 && at_claims_object(claims)->span == *n ? 0 : -1;
    at_claims_free(claims);

    return rc;
}


/* no claims are returned if the array of values cannot grow */
static void
test_growing(void)
{
    size_t  i;

    /* allocations: claims, sizes of the array */
    static const struct { unsigned n, points; } cases[] = {
        { 64, 2 }, { 65, 3 }, { 128, 3 }, { 129, 4 }, { 1000, 6 },
        { 20000, 11 }
    };

    for (i = 0; i < N(cases); i++) {
        is_int(each_point(format("%u values", cases[i].n), parse_values,
                          &cases[i].n, 0, 1), cases[i].points,
               "%u values: points", cases[i].n);
    }
}


static int
values_of(at_json_t *values, unsigned n)
{
    char  *text = object_of(n);

    return at_json_parse(values, text, strlen(text), AT_JSON_DEPTH_MAX);
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


/* creates a state directory, writes a file and reads it */
static int
use_state(const void *data)
{
    int             rc;
    char           *content = NULL;
    size_t          len;
    at_error_t      err = { { 0 } };
    at_state_key_t  key;
    const char     *path = data, *file = format("%s/data/x", path);

    drop("state");
    begin();
    rc = at_state_inspect(path, (uid_t) -1, &err) == 0
         && at_state_open(&key, path, (uid_t) -1, (gid_t) -1, &err) == 0
         && at_state_write(&key, file, at_str("p"), at_str("x"), &err) == 0
         && at_state_read(&key, file, at_str("p"), 1, &content, &len, &err)
             == 0;
    (void) fail_end();

    if (rc) {
        rc = len == 1 && content[0] == 'x' ? 0 : -1;

    } else {
        rc = content == NULL && err.text[0] != '\0' ? 1 : -1;
    }

    free(content);

    return rc;
}


int
main(void)
{
    size_t       i;
    at_str_t     pem, ec;
    EVP_PKEY    *rsa, *p256, *ed, *weak;
    const char  *jwks;

    must(CRYPTO_set_mem_functions(alloc_openssl_malloc, alloc_openssl_realloc,
                                  alloc_openssl_free) == 1,
         "OpenSSL has memory already");

    rsa = key_rsa(2048);
    p256 = key_ec("P-256");
    ed = key_named("ED25519");
    weak = key_rsa(1024);

    test_tokens(rsa, AT_RS256);
    test_tokens(rsa, AT_PS256);
    test_tokens(p256, AT_ES256);
    test_tokens(ed, AT_EDDSA);

    jwks = format("{\"keys\":[%s,%s,%s]}",
                  jwk(rsa, format(",\"kid\":\"a\",\"issuer\":\"https://x/\","
                                  "\"x5c\":[\"%s\"]", x5c(rsa))),
                  jwk(p256, ",\"kid\":\"b\""), jwk(ed, ",\"kid\":\"c\""));

    pem = pem_public(rsa);
    ec = pem_public(p256);

    const keyset_text_t  files[] = {
        { "a PEM file", pem, 1 },
        { "a PEM file of an EC key", ec, 1 },
        { "a certificate", pem_certificate(rsa), 1 },
        { "a JWK Set", str(jwks), 3 },
        { "a weak key", pem_public(weak), 0 },
        { "a private key", pem_private(rsa, NULL), 0 },
        { "two PEMs", str(format("%.*s%.*s", (int) pem.len, pem.data,
                                 (int) ec.len, ec.data)), 0 },
    };

    for (i = 0; i < N(files); i++) {
        test_points(files[i].name, parse_keys, &files[i]);
    }

    /* not for its parser, which reads beyond a string without memory */
    json_set_alloc_funcs(fail_malloc, free);

    RUN(test_small_parts, test_growing, test_growing_again);

    /* some failures inside OpenSSL have no effect: the file is right, too */
    test_points("state", use_state, in_dir("state/"));

    sign_end();

    return tap_done();
}
