/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <math.h>

#include "core/base/at_header.h"
#include "core/jose/at_entra.h"
#include "core/jose/at_jwt_claims.h"


/* 9999-12-31T23:59:59Z; later dates are milliseconds or mistakes */
#define AT_TIME_MAX  253402300799.0


/* a NumericDate (RFC 7519 section 2); 0: missing, -1: invalid */
static int
at_jwt_numeric_date(const at_json_value_t *claims, at_str_t name,
    double *value)
{
    const at_json_value_t  *claim;

    claim = at_json_member(claims, name);

    if (claim == NULL) {
        return 0;
    }

    if (at_json_number(claim, value) != 0) {
        return -1;
    }

    return isfinite(*value) && *value <= AT_TIME_MAX ? 1 : -1;
}


/* "ID" or the Application ID URI "api://ID", of this client or of any */
static int
at_jwt_is_client_audience(at_jwt_claims_t *jwt, at_str_t audience)
{
    int                    rc;
    at_str_t               id;
    const at_issuer_t     *issuer;
    const at_jwt_query_t  *query;

    issuer = jwt->issuer;
    query = jwt->query;

    id = audience;
    (void) at_str_cut_prefix(&id, at_str("api://"));

    if (!issuer->token_client_audience || id.len == 0) {
        return 0;
    }

    if (at_str_equal_nocase(id, at_client_id(issuer, jwt->claims))) {
        return 1;
    }

    if (!issuer->any_client_audience) {
        return 0;
    }

    rc = query->is_client ? query->is_client(query->data, id) : -1;
    jwt->store_failed |= rc == -1;

    return rc == 1;
}


/* RFC 7519 section 4.1.3: a string, or an array of strings */
static at_verdict_e
at_jwt_check_audience(at_jwt_claims_t *jwt)
{
    int                     found;
    uint32_t                n;
    at_str_t                value;
    const at_issuer_t      *issuer;
    const at_json_value_t  *aud;

    issuer = jwt->issuer;
    aud = at_json_member(jwt->claims, at_str("aud"));

    if (aud == NULL) {
        return issuer->any_audience ? AT_OK : AT_AUDIENCE_MISMATCH;
    }

    found = issuer->any_audience;
    n = 1;

    if (aud->type == AT_JSON_ARRAY) {
        n = aud->n;
        aud++;
    }

    for ( /* void */ ; n; n--) {

        /* strings have no content: the next item follows at once */
        if (at_json_string(aud++, &value) != 0) {
            return AT_BAD_CLAIM;
        }

        found = found
                || at_str_is_one_of(value, issuer->audiences,
                                    issuer->n_audiences)
                || at_jwt_is_client_audience(jwt, value);
    }

    return found ? AT_OK : AT_AUDIENCE_MISMATCH;
}


static at_verdict_e
at_jwt_check_times(const at_jwt_claims_t *jwt, double *expires)
{
    int                 has_exp, has_nbf, has_iat, limited;
    double              now, exp, nbf, iat, leeway;
    const at_issuer_t  *issuer;

    issuer = jwt->issuer;
    now = (double) jwt->query->now;
    exp = 0;
    nbf = 0;
    iat = 0;

    has_exp = at_jwt_numeric_date(jwt->claims, at_str("exp"), &exp);
    has_nbf = at_jwt_numeric_date(jwt->claims, at_str("nbf"), &nbf);
    has_iat = at_jwt_numeric_date(jwt->claims, at_str("iat"), &iat);

    limited = issuer->max_age != AT_NO_MAX_AGE;
    leeway = (double) issuer->leeway;

    if (has_exp != 1 || has_nbf < 0 || has_iat < 0
        || (limited && has_iat != 1))
    {
        return AT_BAD_CLAIM;
    }

    /* now is rounded down: a fraction of the second may have passed */
    if ((has_nbf && floor(nbf) > now + leeway)
        || (limited && floor(iat) > now + leeway))
    {
        return AT_NOT_YET_VALID;
    }

    if (limited && now - iat > (double) issuer->max_age + leeway) {
        return AT_TOO_OLD;
    }

    if (now >= exp + leeway) {
        return AT_EXPIRED;
    }

    *expires = exp + leeway;

    if (limited && iat + (double) issuer->max_age + leeway < *expires) {
        *expires = iat + (double) issuer->max_age + leeway;
    }

    return AT_OK;
}


/*
 * A claim that names a user: a string, or a number, whose text is the name.
 * The name is empty without the claim, and for other types.  Returns -1 for a
 * string that contains U+0000.
 */
static int
at_jwt_read_name(at_str_t *name, const at_json_value_t *claim)
{
    *name = (at_str_t) { NULL, 0 };

    if (at_json_is(claim, AT_JSON_NUMBER)) {
        *name = (at_str_t) { claim->text, claim->n };
    }

    return at_json_is(claim, AT_JSON_STRING) ? at_json_string(claim, name) : 0;
}


static at_verdict_e
at_jwt_fill_identity(at_identity_t *identity, const at_jwt_claims_t *jwt)
{
    int                     rc;
    at_str_t                sub;
    const at_issuer_t      *issuer;
    const at_json_value_t  *claim;

    issuer = jwt->issuer;
    identity->issuer = issuer;
    claim = at_claim_find(jwt->claims, &issuer->user_claim);

    if (at_jwt_read_name(&identity->user, claim) != 0
        || at_jwt_read_name(&sub, at_json_member(jwt->claims, at_str("sub")))
           != 0
        || (issuer->user_required && !at_header_can_carry(identity->user)))
    {
        return AT_BAD_CLAIM;
    }

    identity->subject = identity->user.len ? identity->user : sub;

    claim = at_claim_find(jwt->claims, &issuer->admin_claim);

    if (claim != NULL && at_json_has_nul(claim)) {
        return AT_BAD_CLAIM;
    }

    identity->rights.admin = at_json_is(claim, AT_JSON_TRUE);

    claim = at_claim_find(jwt->claims, &issuer->scope_claim);
    rc = at_scopes_from_claim(&identity->rights.scopes, claim);

    return rc == 0 ? AT_OK : rc == -1 ? AT_BAD_CLAIM : AT_FAILED;
}


/* a member that is present and not null */
static int
at_jwt_has_value(const at_json_value_t *claims, at_str_t name)
{
    const at_json_value_t  *value;

    value = at_json_member(claims, name);

    return value != NULL && value->type != AT_JSON_NULL;
}


/*
 * RFC 8725 section 3.12.  The claims typ of Keycloak and token_use of Cognito
 * name the kind.  OpenID Connect defines at_hash, c_hash and nonce for ID
 * tokens and events for logout tokens; older Keycloak and Azure AD B2C also
 * put nonce into access tokens.
 */
static int
at_jwt_is_access_token(const at_jwt_claims_t *jwt)
{
    size_t                  i;
    at_str_t                typ, use;
    const at_json_value_t  *claims, *token_use;

    static const at_str_t  other_typs[] = {
        at_str("ID"), at_str("Refresh"), at_str("Offline"), at_str("Logout")
    };

    claims = jwt->claims;
    typ = (at_str_t) { NULL, 0 };
    use = (at_str_t) { NULL, 0 };

    token_use = at_json_member(claims, at_str("token_use"));
    (void) at_json_string(token_use, &use);
    (void) at_json_member_string(claims, at_str("typ"), &typ);

    for (i = 0; i < sizeof(other_typs) / sizeof(other_typs[0]); i++) {
        if (at_str_equal_nocase(typ, other_typs[i])) {
            return 0;
        }
    }

    if (at_json_member(claims, at_str("at_hash")) != NULL
        || at_json_member(claims, at_str("c_hash")) != NULL
        || at_json_is(at_json_member(claims, at_str("events")),
                      AT_JSON_OBJECT)
        || (token_use != NULL && !at_str_equal(use, at_str("access"))))
    {
        return 0;
    }

    return at_json_member(claims, at_str("nonce")) == NULL
           || at_jwt_has_value(claims, at_str("scope"))
           || at_jwt_has_value(claims, at_str("scp"))
           || at_str_equal(typ, at_str("Bearer"))
           || at_str_equal(typ, at_str("DPoP"))
           || at_str_equal_nocase(jwt->typ, at_str("at+jwt"))
           || at_str_equal_nocase(jwt->typ, at_str("application/at+jwt"));
}


at_verdict_e
at_jwt_check_claims(at_identity_t *identity, at_jwt_claims_t *jwt)
{
    double              expires;
    at_verdict_e        verdict;
    const at_issuer_t  *issuer;

    issuer = jwt->issuer;

    if (issuer->entra
        && (!at_entra_tenant_matches_issuer(jwt->claims)
            || at_client_id(issuer, jwt->claims).len == 0))
    {
        return AT_BAD_CLAIM;
    }

    verdict = at_jwt_check_audience(jwt);

    if (verdict != AT_OK) {
        return verdict;
    }

    if (!issuer->any_kind && !at_jwt_is_access_token(jwt)) {
        return AT_WRONG_KIND;
    }

    /* RFC 7800: the caller must prove possession of a key */
    if (!issuer->ignore_cnf && at_jwt_has_value(jwt->claims, at_str("cnf"))) {
        return AT_UNPROVEN;
    }

    verdict = at_jwt_fill_identity(identity, jwt);

    if (verdict != AT_OK) {
        return verdict;
    }

    /* AT_EXPIRED means that everything but the time is right: check it last */
    expires = 0;
    verdict = at_jwt_check_times(jwt, &expires);

    if (verdict == AT_OK) {
        /* now is rounded down: the token expires with the next second */
        identity->expires = expires <= AT_TIME_MAX
                            ? (int64_t) ceil(expires) * 1000 : AT_NEVER;
    }

    return verdict;
}
