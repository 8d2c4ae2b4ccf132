/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Requirements: scope-claim, scope-literal.
 */

#include "core/authz/at_rights.h"
#include "core/authz/at_scope.h"
#include "tap.h"
#include "values.h"

/* what a token with these scopes, and nothing else, satisfies */
static int
satisfy(const at_scopes_t *scopes, at_str_t required, at_scope_mode_e mode)
{
    at_rights_t  rights;

    memset(&rights, 0, sizeof(rights));
    rights.scopes = *scopes;

    return at_rights_satisfy(&rights, required, mode);
}



/* "0".."n": how many scopes; "-1": refused */
static void
test_from_claim(void)
{
    int           rc;
    size_t        i;
    at_claims_t  *claims;
    at_scopes_t   scopes;

    static const struct {
        const char  *text;
        int          n;
    } cases[] = {
        { "[]", 0 },
        { "\"\"", 0 },
        { "\"   \"", 0 },
        { "[\"read\"]", 1 },
        { "[\"read\", \"write\"]", 2 },
        { "[\"read write\"]", 1 },
        { "\"read\"", 1 },
        { "\"read write\"", 2 },
        { "\" read  write \"", 2 },
        { "\"read\\twrite\"", 1 },
        { "[7]", -1 },
        { "[\"read\", 7]", -1 },
        { "[[\"read\"]]", -1 },
        { "[null]", -1 },
        { "{\"read\": 1}", -1 },
        { "7", -1 },
        { "7.5", -1 },
        { "true", -1 },
        { "null", -1 },
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        claims = values_any(cases[i].text);
        rc = at_scopes_from_claim(&scopes, values_unwrap(claims));

        is_int(rc ? rc : (int) scopes.n, cases[i].n, "%s", cases[i].text);

        at_scopes_free(&scopes);
        at_claims_free(claims);
    }

    is_int(at_scopes_from_claim(&scopes, NULL), 0, "no claim");
    is_int((long long) scopes.n, 0, "no claim is no scope");
    at_scopes_free(&scopes);
    at_scopes_free(&scopes);
}


static void
test_satisfy(void)
{
    size_t        i;
    at_claims_t  *claims;
    at_scopes_t   scopes;

    static const struct {
        const char  *granted;
        const char  *required;
        int          all;
        int          any;
    } cases[] = {
        { "[\"read\"]", "read", 1, 1 },
        { "[\"readonly\"]", "read", 0, 0 },
        { "[\"read\"]", "readonly", 0, 0 },
        { "[\"READ\"]", "read", 0, 0 },
        { "\"read write\"", "read", 1, 1 },
        { "\"read write\"", "write read", 1, 1 },
        { "\"read write\"", "read admin", 0, 1 },
        { "\"read write\"", "admin read", 0, 1 },
        { "\"read write\"", "admin root", 0, 0 },
        { "\"read\"", "read read", 1, 1 },
        { "\"read\\twrite\"", "read", 0, 0 },
        { "\"read\\twrite\"", "read\twrite", 1, 1 },
        { "[\"read write\"]", "read", 0, 0 },
        { "[\"read write\"]", "read write", 0, 0 },
        { "[\" read\"]", "read", 0, 0 },
        { "[\"\"]", "", 0, 0 },
        { "[\"\"]", "read", 0, 0 },
        { "[\"\", \"read\"]", "read", 1, 1 },
        { "[]", "read", 0, 0 },
        { "\"\"", "read", 0, 0 },
        { "\"read\"", "", 0, 0 },
        { "\"read\"", "   ", 0, 0 },
        { "\"read\"", "  read  ", 1, 1 },
        { "[\"*\"]", "read", 0, 0 },
        { "[\"*\"]", "*", 1, 1 },
        { "[\"read*\"]", "read", 0, 0 },
        { "[\"read\"]", "*", 0, 0 },
        { "[\"read\"]", "re.d", 0, 0 },
        { "[\"%72ead\"]", "read", 0, 0 },
        { "[\"r\\u0065ad\"]", "read", 1, 1 },
        { "[\"re\\u0301ad\"]", "r\xc3\xa9" "ad", 0, 0 },
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        claims = values_any(cases[i].granted);
        (void) at_scopes_from_claim(&scopes, values_unwrap(claims));

        is_int(satisfy(&scopes, str(cases[i].required), AT_SCOPE_ALL),
               cases[i].all, "%s has all of '%s'", cases[i].granted,
               cases[i].required);
        is_int(satisfy(&scopes, str(cases[i].required), AT_SCOPE_ANY),
               cases[i].any, "%s has any of '%s'", cases[i].granted,
               cases[i].required);

        at_scopes_free(&scopes);
        at_claims_free(claims);
    }
}


/* the views are of the claim and of the requirement: neither is terminated */
static void
test_bounds(void)
{
    char         *required;
    at_claims_t  *claims;
    at_scopes_t   scopes;

    claims = values_any("\"a ab abc\"");
    (void) at_scopes_from_claim(&scopes, values_unwrap(claims));

    required = malloc(2);
    if (required == NULL) {
        abort();
    }

    memcpy(required, "ab", 2);

    ok(at_scopes_have(&scopes, (at_str_t) { required, 2 }), "ab of \"a ab abc\"");
    ok(satisfy(&scopes, (at_str_t) { required, 2 }, AT_SCOPE_ALL),
       "a requirement that ends where its memory does");
    ok(!at_scopes_have(&scopes, str("abcd")), "abcd is not there");
    ok(!at_scopes_have(&scopes, (at_str_t) { NULL, 0 }), "the empty scope is not there");
    ok(!satisfy(&scopes, (at_str_t) { NULL, 0 }, AT_SCOPE_ANY),
       "an empty requirement is met by none");

    free(required);
    at_scopes_free(&scopes);
    at_claims_free(claims);
}


static void
test_many(void)
{
    char         *text;
    size_t        len;
    unsigned      i;
    at_claims_t  *claims;
    at_scopes_t   scopes;

    text = malloc(10000 * sizeof("\"scope9999\","));
    if (text == NULL) {
        abort();
    }

    len = 0;

    for (i = 0; i < 10000; i++) {
        len += (size_t) sprintf(text + len, "%c\"scope%u\"", i ? ',' : '[', i);
    }

    (void) sprintf(text + len, "]");
    claims = values_any(text);
    free(text);

    is_int(at_scopes_from_claim(&scopes, values_unwrap(claims)), 0,
           "10,000 entries");
    is_int((long long) scopes.n, 10000, "all of them are there");
    ok(satisfy(&scopes, str("scope0 scope9999"), AT_SCOPE_ALL),
       "the first and the last");
    ok(!satisfy(&scopes, str("scope10000"), AT_SCOPE_ALL),
       "and not one more");

    at_scopes_free(&scopes);
    at_claims_free(claims);
}


int
main(void)
{
    test_from_claim();
    test_satisfy();
    test_bounds();
    test_many();

    return tap_done();
}
