/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Tokens of Entra: the client, the tenant, the issuer of a key.  The error
 * texts of CIPP.
 *
 * Requirements: store-decisions, issuer, jwk-purpose, scope-claim, audience,
 *   error-codes, error-escaping.
 */

#include "tap.h"

#include "core/jose/at_entra.h"
#include "core/authz/at_error_text.h"
#include "values.h"


#define GUID   "d6f3a1b2-5c4e-4f80-9a7b-1e2d3c4b5a69"
#define UPPER  "D6F3A1B2-5C4E-4F80-9A7B-1E2D3C4B5A69"
#define V1     "https://sts.windows.net/"
#define V2     "https://login.microsoftonline.com/"
#define OTHER  "11111111-2222-3333-4444-555555555555"

#define V2_CLAIMS(tenant)                                                     \
    "{'iss':'" V2 tenant "/v2.0','tid':'" tenant "'}"


static void
test_client(void)
{
    size_t        i;
    at_claims_t  *claims;
    at_issuer_t   issuer = { .entra = 1 };

    static const struct { const char *text, *id; } cases[] = {
        { "{'ver':'1.0','appid':'a'}", "a" },
        { "{'ver':'2.0','azp':'a'}", "a" },
        { "{'ver':'1.0','appid':'a','azp':'a'}", "a" },
        { "{'ver':'1.0','appid':'a','azp':'A'}", "a" },
        { "{'ver':'2.0','appid':'a','azp':'A'}", "A" },
        { "{'azp':'a'}", "a" }, { "{'appid':'a'}", "a" },
        { "{'appid':'A','azp':'a'}", "a" },

        /* ambiguous */
        { "{'ver':'1.0','azp':'a'}", "" }, { "{'ver':'2.0','appid':'a'}", "" },
        { "{'ver':'1.0','appid':'a','azp':'b'}", "" },
        { "{'ver':'2.0','appid':'b','azp':'a'}", "" },
        { "{'appid':'b','azp':'a'}", "" }, { "{'ver':'1.0'}", "" },
        { "{}", "" }, { "{'ver':'3.0','appid':'a','azp':'a'}", "" },
        { "{'ver':'1','appid':'a'}", "" }, { "{'ver':'','appid':'a'}", "" },
        { "{'ver':1.0,'appid':'a'}", "" }, { "{'ver':null,'appid':'a'}", "" },
        { "{'ver':['1.0'],'appid':'a'}", "" },
        { "{'ver':'1.0','appid':7}", "" }, { "{'ver':'1.0','appid':''}", "" },
        { "{'ver':'1.0','appid':['a']}", "" },
        { "{'ver':'1.0','appid':'a','azp':null}", "" },
        { "{'ver':'1.0','appid':'a','azp':''}", "" },
        { "{'ver':'2.0','appid':{},'azp':'a'}", "" },
    };

    for (i = 0; i < N(cases); i++) {
        claims = values_claims(cases[i].text);
        is_bytes(at_client_id(&issuer, at_claims_object(claims)),
                 str(cases[i].id), "entra: the client of %s", cases[i].text);
        at_claims_free(claims);
    }
}


static void
test_tenant(void)
{
    size_t        i;
    at_claims_t  *claims;

    static const struct { const char *claims; int same; } cases[] = {
        { "{'tid':'" GUID "','iss':'" V1 GUID "/'}", 1 },
        { "{'tid':'" GUID "','iss':'" V2 GUID "/v2.0'}", 1 },
        { "{'tid':'" UPPER "','iss':'" V2 GUID "/v2.0'}", 1 },
        { "{'tid':'" GUID "','iss':'https://" GUID ".ciamlogin.com/" GUID
          "/v2.0'}", 1 },
        { "{'tid':'" GUID "','iss':'https://" GUID ".ciamlogin.com'}", 1 },
        { "{'iss':'https://issuer.example'}", 1 },

        { "{'tid':'" GUID "','iss':'" V2 OTHER "/v2.0'}", 0 },
        { "{'tid':'" GUID "','iss':'" V1 "x" GUID "/'}", 0 },
        { "{'tid':'" GUID "','iss':'" V1 GUID "0/'}", 0 },
        { "{'tid':'" GUID "','iss':'" V1 "'}", 0 },
        { "{'tid':'common','iss':'" V2 GUID "/v2.0'}", 0 },
        { "{'tid':'','iss':'" V2 GUID "/v2.0'}", 0 },
        { "{'tid':7,'iss':'" V2 GUID "/v2.0'}", 0 },
        { "{'tid':null,'iss':'" V2 GUID "/v2.0'}", 0 },
        { "{'tid':['" GUID "'],'iss':'" V2 GUID "/v2.0'}", 0 },
        { "{'tid':'" GUID "'}", 0 },
    };

    for (i = 0; i < N(cases); i++) {
        claims = values_claims(cases[i].claims);
        is_int(at_entra_tenant_matches_issuer(at_claims_object(claims)),
               cases[i].same, "tenant and issuer of %s", cases[i].claims);
        at_claims_free(claims);
    }
}


/* another character in place of a hyphen or a digit, in tid and in iss */
static void
test_tenant_form(void)
{
    char          text[256], *tid, *iss;
    size_t        i;
    unsigned      accepted = 0;
    at_claims_t  *claims;

    for (i = 0; i < strlen(GUID); i++) {
        (void) snprintf(text, sizeof(text), "{'tid':'" GUID "','iss':'" V2 GUID
                        "/v2.0'}");
        tid = strstr(text, GUID);
        iss = strstr(tid + 1, GUID);
        tid[i] = iss[i] = GUID[i] == '-' ? '0' : 'g';

        claims = values_claims(text);
        accepted += at_entra_tenant_matches_issuer(at_claims_object(claims));
        at_claims_free(claims);
    }

    is_int(accepted, 0, "a tenant that is not a GUID is refused");
}


static void
test_key_issuer(void)
{
    size_t        i;
    at_claims_t  *claims;

    static const struct { const char *issuer, *claims; int fits; } cases[] = {
        { V2 "{tenantid}/v2.0", V2_CLAIMS(GUID), 1 },
        { V2 GUID "/v2.0", V2_CLAIMS(GUID), 1 },
        { V2 GUID "/v2.0", "{'iss':'" V2 GUID "/v2.0'}", 1 },
        { "{tenantid}", "{'iss':'" GUID "','tid':'" GUID "'}", 1 },
        { "https://{tenantid}.example/{tenantid}/",
          "{'iss':'https://" GUID ".example/" GUID "/','tid':'" GUID "'}", 1 },

        /* the issuer of the other version */
        { V2 "{tenantid}/v2.0", "{'iss':'" V1 GUID "/','tid':'" GUID "'}", 0 },

        /* no tid, or one that is not a GUID */
        { V2 "{tenantid}/v2.0", "{'iss':'" V2 GUID "/v2.0'}", 0 },
        { V2 "{tenantid}/v2.0", "{'iss':'" V2 GUID "/v2.0','tid':7}", 0 },
        { V2 "{tenantid}/v2.0", V2_CLAIMS(""), 0 },
        { V2 "{tenantid}/v2.0", V2_CLAIMS("common"), 0 },
        { V2 "{tenantid}/v2.0", V2_CLAIMS("{tenantid}"), 0 },
        { V2 "{tenantid}/v2.0",
          V2_CLAIMS("g6f3a1b2-5c4e-4f80-9a7b-1e2d3c4b5a69"), 0 },
        { V2 "{tenantid}/v2.0",
          V2_CLAIMS("d6f3a1b2-5c4e-4f80-9a7b1-e2d3c4b5a69"), 0 },

        /* another tenant */
        { V2 "{tenantid}/v2.0",
          "{'iss':'" V2 GUID "/v2.0','tid':'" OTHER "'}", 0 },
        { V2 OTHER "/v2.0", V2_CLAIMS(GUID), 0 },

        /* the whole issuer, and not more */
        { V2 "{tenantid}/v2.0",
          "{'iss':'" V2 GUID "/v2.0/','tid':'" GUID "'}", 0 },
        { V2 "{tenantid}/v2.0/", V2_CLAIMS(GUID), 0 },
        { V2 "{tenantid}", "{'iss':'" V2 "','tid':'" GUID "'}", 0 },
        { V2 "{tenantid", "{'iss':'" V2 GUID "','tid':'" GUID "'}", 0 },
        { V2 "{TenantId}", "{'iss':'" V2 GUID "','tid':'" GUID "'}", 0 },

        { V1, "{'tid':'" GUID "'}", 0 }, { V1, "{'iss':['" V1 "']}", 0 },
        { V1, "{'iss':''}", 0 },
    };

    for (i = 0; i < N(cases); i++) {
        claims = values_claims(cases[i].claims);
        is_int(at_entra_issuer_matches(at_claims_object(claims),
                                       str(cases[i].issuer)), cases[i].fits,
               "a key of %s, %s", cases[i].issuer, cases[i].claims);
        at_claims_free(claims);
    }
}


static void
test_delegated(void)
{
    size_t        i;
    at_claims_t  *claims;

    static const struct { const char *text; int delegated; } cases[] = {
        { "{}", 0 }, { "{'idtyp':'app'}", 0 },
        { "{'roles':['X'],'idtyp':'app'}", 0 },
        { "{'scp':'user_impersonation'}", 1 }, { "{'scp':''}", 1 },
        { "{'scp':null}", 1 }, { "{'scp':'x','idtyp':'app'}", 1 },
        { "{'idtyp':'user'}", 1 }, { "{'idtyp':'APP'}", 1 },
        { "{'idtyp':''}", 1 }, { "{'idtyp':null}", 1 },
        { "{'idtyp':['app']}", 1 },
    };

    for (i = 0; i < N(cases); i++) {
        claims = values_claims(cases[i].text);
        is_int(at_entra_is_delegated(at_claims_object(claims)),
               cases[i].delegated, "delegated: %s", cases[i].text);
        at_claims_free(claims);
    }
}


/* --- sentences ----------------------------------------------------------- */


#define USERS   "GET /api/ListUsers"
#define DENIED  "Access to this CIPP API endpoint is not allowed, "
#define LACKS   " does not have the required permission: Identity.User.Read"

#define YOU_LACK                                                              \
    DENIED "you do not have the required permission: Identity.User.Read"
#define USER_LACKS                                                            \
    DENIED "the user does not have the required permission"
#define CLIENT_LACKS                                                          \
    DENIED "the API Client does not have the required permission"


static at_str_t
sentence(at_verdict_e verdict, const at_identity_t *identity,
    const at_endpoint_t *endpoint)
{
    static char  buf[1024];
    size_t       n = at_error_text(NULL, 0, verdict, identity, endpoint);

    memset(buf, '#', sizeof(buf));

    /* a buffer of half the size gets the first half */
    if (at_error_text(buf, n / 2, verdict, identity, endpoint) != n
        || buf[n / 2] != '#' || at_error_text(buf, n, verdict, identity,
                                              endpoint) != n || buf[n] != '#')
    {
        return at_str("another length");
    }

    return (at_str_t) { buf, n };
}


static void
test_sentences(void)
{
    size_t         i;
    at_identity_t  who = { 0 };
    at_endpoint_t  endpoint = { .scope = at_str("Identity.User.Read") };

    static const struct {
        at_verdict_e  verdict;
        const char   *role, *endpoint, *sentence, *name;
    } cases[] = {
        { AT_ENDPOINT_NOT_GRANTED, "readonly", USERS, DENIED "the 'readonly' "
          "base role" LACKS, "CIPP's sentence for readonly" },
        { AT_ENDPOINT_NOT_GRANTED, "Editor", USERS, DENIED "the 'Editor' base "
          "role" LACKS, "CIPP's sentence for Editor" },
        { AT_ENDPOINT_NOT_GRANTED, "ADMIN", USERS, DENIED "the 'ADMIN' base "
          "role" LACKS, "CIPP's sentence for ADMIN" },
        { AT_ENDPOINT_NOT_GRANTED, "superadmin", USERS, DENIED "the "
          "'superadmin' base role" LACKS, "CIPP's sentence for superadmin" },
        { AT_ENDPOINT_NOT_GRANTED, "helpdesk", USERS, YOU_LACK,
          "CIPP's sentence, a custom role" },
        { AT_BLOCKED_ENDPOINT, "helpdesk", USERS, DENIED "the custom role "
          "'helpdesk' has blocked this endpoint: ListUsers",
          "CIPP's sentence, blocked" },
        { AT_BLOCKED_ENDPOINT, "helpdesk", "GET /", DENIED "the custom role "
          "'helpdesk' has blocked this endpoint: GET /",
          "CIPP's sentence, an endpoint without a name" },
        { AT_BLOCKED_ENDPOINT, "a\r\nb\x7f\xc3\xa9'<x>", "GET /", DENIED "the "
          "custom role 'a??b?\xc3\xa9'<x>' has blocked this endpoint: GET /",
          "control characters are replaced" },
        { AT_ENDPOINT_NOT_GRANTED, "x", NULL, USER_LACKS,
          "without an entry in the endpoint list" },
        { AT_NO_ROLE, "x", USERS, USER_LACKS, "CIPP's sentence, no role" },
        { AT_INSUFFICIENT_SCOPE, "x", USERS, USER_LACKS,
          "a required scope of the location" },
        { AT_ADDRESS_NOT_ALLOWED, "x", USERS, CLIENT_LACKS,
          "CIPP's sentence, address" },
        { AT_DISABLED_CLIENT, "x", USERS, CLIENT_LACKS,
          "CIPP's sentence, disabled" },
        { AT_UNKNOWN_ENDPOINT, "x", NULL, "Endpoint not found",
          "CIPP's sentence, no endpoint" },
        { AT_DELEGATED, "x", USERS, "Access denied: unable to resolve roles "
          "for the authenticated principal", "CIPP's sentence, a user" },
        { AT_BAD_SIGNATURE, "x", NULL, "You do not have permission to view "
          "this directory or page.", "CIPP's sentence, 401" },
        { AT_FAILED, "x", NULL, "Authentication Unavailable", "503" },
    };

    who.rights.from = AT_RIGHTS_ROLE;

    for (i = 0; i < N(cases); i++) {
        who.role = str(cases[i].role);
        endpoint.text = str(cases[i].endpoint ? cases[i].endpoint : "");

        is_bytes(sentence(cases[i].verdict, &who,
                          cases[i].endpoint ? &endpoint : NULL),
                 str(cases[i].sentence), "%s", cases[i].name);
    }

    who.role = at_str("superadmin");
    who.rights.from = AT_RIGHTS_SCOPES_AND_ROLE;
    endpoint.text = at_str(USERS);
    is_bytes(sentence(AT_ENDPOINT_NOT_GRANTED, &who, &endpoint),
             at_str(YOU_LACK), "a required scope beside the role");
}


int
main(void)
{
    RUN(test_client, test_tenant, test_tenant_form, test_key_issuer,
        test_delegated, test_sentences);

    return tap_done();
}
