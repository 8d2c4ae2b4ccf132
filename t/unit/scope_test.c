/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Scopes of a token, and required scopes.
 *
 * Requirements: scope-claim, scope-literal.
 */

#include "core/authz/at_rights.h"
#include "core/authz/at_scope.h"
#include "tap.h"
#include "values.h"

/* whether a token with these scopes satisfies a requirement */
static int
satisfy(const at_scopes_t *scopes, at_str_t required, at_scope_mode_e mode)
{
    at_rights_t  rights = { 0 };

    rights.scopes = *scopes;

    return at_rights_satisfy(&rights, required, mode);
}


static void
test_from_claim(void)
{
    int           rc;
    size_t        i;
    at_claims_t  *claims;
    at_scopes_t   scopes;

    static const struct {
        const char  *text;
        int          n;             /* scopes, or -1 */
    } cases[] = {
        { "[]", 0 }, { "\"\"", 0 }, { "\"   \"", 0 }, { "[\"read\"]", 1 },
        { "[\"read\", \"write\"]", 2 }, { "[\"read write\"]", 1 },
        { "\"read\"", 1 }, { "\"read write\"", 2 }, { "\" read  write \"", 2 },
        { "\"read\\twrite\"", 1 }, { "[7]", -1 }, { "[\"read\", 7]", -1 },
        { "[[\"read\"]]", -1 }, { "[null]", -1 }, { "{\"read\": 1}", -1 },
        { "7", -1 }, { "7.5", -1 }, { "true", -1 }, { "null", -1 },
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        claims = values_any(cases[i].text);
        rc = at_scopes_from_claim(&scopes, values_unwrap(claims));

        is_int(rc ? rc : (int) scopes.n, cases[i].n, "claim %s: %d scopes",
               cases[i].text, cases[i].n);

        at_scopes_free(&scopes);
        at_claims_free(claims);
    }

    is_int(at_scopes_from_claim(&scopes, NULL), 0, "a missing claim is valid");
    is_int(scopes.n, 0, "a missing claim has no scopes");
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
        const char *granted, *required; int all, any;
    } cases[] = {
        { "[\"read\"]", "read", 1, 1 }, { "[\"readonly\"]", "read", 0, 0 },
        { "[\"read\"]", "readonly", 0, 0 }, { "[\"READ\"]", "read", 0, 0 },
        { "\"read,write\"", "read", 0, 0 },
        { "\"read\\nwrite\"", "read", 0, 0 },
        { "\"read\\u00a0write\"", "read", 0, 0 },
        { "[\"read \"]", "read", 0, 0 }, { "[\"x.read\"]", "read", 0, 0 },
        { "[\"r?ad\", \"%\", \"^read$\", \"(read)\"]", "read", 0, 0 },
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
        { "[\" read\"]", "read", 0, 0 }, { "[\"\"]", "", 0, 0 },
        { "[\"\"]", "read", 0, 0 }, { "[\"\", \"read\"]", "read", 1, 1 },
        { "[]", "read", 0, 0 }, { "\"\"", "read", 0, 0 },
        { "\"read\"", "", 0, 0 }, { "\"read\"", "   ", 0, 0 },
        { "\"read\"", "  read  ", 1, 1 }, { "[\"*\"]", "read", 0, 0 },
        { "[\"*\"]", "*", 1, 1 }, { "[\"read*\"]", "read", 0, 0 },
        { "[\"read\"]", "*", 0, 0 }, { "[\"read\"]", "re.d", 0, 0 },
        { "[\"%72ead\"]", "read", 0, 0 }, { "[\"r\\u0065ad\"]", "read", 1, 1 },
        { "[\"re\\u0301ad\"]", "r\xc3\xa9" "ad", 0, 0 },
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        claims = values_any(cases[i].granted);
        (void) at_scopes_from_claim(&scopes, values_unwrap(claims));

        is_int(satisfy(&scopes, str(cases[i].required), AT_SCOPE_ALL),
               cases[i].all, "scopes %s, all of '%s'", cases[i].granted,
               cases[i].required);
        is_int(satisfy(&scopes, str(cases[i].required), AT_SCOPE_ANY),
               cases[i].any, "scopes %s, any of '%s'", cases[i].granted,
               cases[i].required);

        at_scopes_free(&scopes);
        at_claims_free(claims);
    }
}


/* neither the scopes nor the requirement are terminated */
static void
test_bounds(void)
{
    char         *required;
    at_scopes_t   scopes;
    at_claims_t  *claims = values_any("\"a ab abc\"");

    (void) at_scopes_from_claim(&scopes, values_unwrap(claims));

    required = malloc(2);
    must(required != NULL, "no memory");

    memcpy(required, "ab", 2);

    ok(at_scopes_have(&scopes, (at_str_t) { required, 2 }),
       "a scope between others is found");
    ok(satisfy(&scopes, (at_str_t) { required, 2 }, AT_SCOPE_ALL),
       "the memory after a requirement is not read");
    ok(!at_scopes_have(&scopes, str("abcd")), "a longer scope is not found");
    ok(!at_scopes_have(&scopes, (at_str_t) { NULL, 0 }), 
       "the empty scope is not found");
    ok(!satisfy(&scopes, (at_str_t) { NULL, 0 }, AT_SCOPE_ANY),
       "an empty requirement denies");

    free(required);
    at_scopes_free(&scopes);
    at_claims_free(claims);
}


static void
test_many(void)
{
    size_t        len;
    unsigned      i;
    at_claims_t  *claims;
    at_scopes_t   scopes;
    char         *text = malloc(10000 * sizeof("\"scope9999\","));

    must(text != NULL, "no memory");

    len = 0;

    for (i = 0; i < 10000; i++) {
        len += (size_t) sprintf(text + len, "%c\"scope%u\"", i ? ',' : '[', i);
    }

    (void) sprintf(text + len, "]");
    claims = values_any(text);
    free(text);

    is_int(at_scopes_from_claim(&scopes, values_unwrap(claims)), 0,
           "10,000 scopes are read");
    is_int(scopes.n, 10000, "10,000 scopes are counted");
    ok(satisfy(&scopes, str("scope0 scope9999"), AT_SCOPE_ALL),
       "the first and the last of 10,000 scopes are found");
    ok(!satisfy(&scopes, str("scope10000"), AT_SCOPE_ALL),
       "another scope is not found");

    at_scopes_free(&scopes);
    at_claims_free(claims);
}


int
main(void)
{
    RUN(test_from_claim, test_satisfy, test_bounds, test_many);

    return tap_done();
}
