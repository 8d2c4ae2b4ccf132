/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <math.h>
#include <stdlib.h>

#include <jansson.h>

#include "core/base/at_base64url.h"
#include "core/base/at_crypto.h"
#include "core/jose/at_entra.h"
#include "core/jose/at_key.h"
#include "core/jose/at_jwt.h"


/* 9999-12-31T23:59:59Z; later dates are milliseconds or mistakes */
#define AT_TIME_MAX  253402300799.0

#define AT_VERIFIER_HEADERS     8       /* cached */
#define AT_VERIFIER_HEADER_LEN  512     /* of a cached one, with its strings */

#define AT_JWT_FAILED_KEYS      32      /* that are remembered for a token */


const at_str_t  at_default_typs[AT_DEFAULT_TYPS] = {
    at_str("JWT"), at_str("at+jwt"), at_str("application/at+jwt")
};


/* a parsed header */
typedef struct {
    at_alg_e  alg;
    unsigned  has_typ:1;
    at_str_t  kid;              /* empty: the token has none */
    at_str_t  x5t;              /* likewise */
    at_str_t  x5t_s256;
    at_str_t  typ;
} at_jose_t;

/* an encoded header and its parsed form, whose strings are views of text */
typedef struct {
    at_str_t   encoded;         /* empty: free */
    at_jose_t  jose;
    char       text[AT_VERIFIER_HEADER_LEN];
} at_cached_header_t;

/*
 * All tokens that an issuer signs with one key have the same header.  The
 * encoded headers of the last valid tokens are kept with their parsed form.
 */
struct at_verifier_s {
    unsigned char       *memory;        /* for the decoded parts of a token */
    size_t               size;
    size_t               used;
    at_json_t            json;          /* of a header */
    size_t               n_headers;     /* cached so far, replaced included */
    at_cached_header_t   headers[AT_VERIFIER_HEADERS];
};

/* how a header selects a key, in the order in which the keys are tried */
enum {
    AT_SELECTED_BY_KID = 0,
    AT_SELECTED_BY_X5T_S256,
    AT_SELECTED_BY_X5T,
    AT_SELECTED_WITHOUT_KID,    /* the key has no kid */
    AT_SELECTED_BY_NOTHING,     /* the token has no kid */

    AT_NOT_SELECTED
};

/* the keys of one issuer that were tried for a token */
typedef struct {
    unsigned  n;                /* verifications */
    unsigned  found:1;          /* a key was selected */
    unsigned  named:1;          /* by kid, x5t#S256 or x5t */
    unsigned  too_many:1;       /* not all selected keys were tried */
} at_key_search_t;

/* a token during its verification */
typedef struct {
    at_str_t                header;         /* the encoded parts */
    at_str_t                payload;
    at_str_t                signature;
    at_str_t                signed_text;    /* header, dot, payload */

    at_verifier_t          *verifier;
    at_str_t                signature_bytes;
    at_str_t                payload_bytes;
    unsigned char          *header_bytes;   /* not decoded if it is cached */

    at_jose_t               jose;
    unsigned                header_cached:1;

    /* before a signature is valid only iss may be used */
    at_claims_t            *parsed;
    const at_json_value_t  *claims;         /* the object in parsed */
    at_str_t                iss;

    const at_key_t         *failed[AT_JWT_FAILED_KEYS];
    size_t                  n_failed;
    const at_key_t         *signer;         /* the key that verified */

    const at_jwt_query_t   *query;
    double                  now;
    unsigned                store_failed:1; /* a client was not looked up */
} at_jwt_t;


/* --- header -------------------------------------------------------------- */


static at_verdict_e
at_jwt_split(at_jwt_t *jwt, at_str_t token)
{
    at_str_t  rest;

    rest = token;
    jwt->header = at_str_cut(&rest, '.');
    jwt->payload = at_str_cut(&rest, '.');
    jwt->signature = rest;
    jwt->signed_text = (at_str_t) { token.data,
                                    jwt->header.len + 1 + jwt->payload.len };

    if (jwt->header.len == 0 || jwt->payload.len == 0
        || jwt->signature.len == 0
        || memchr(rest.data, '.', rest.len) != NULL)
    {
        return AT_MALFORMED;
    }

    return AT_OK;
}


/* All parts must be canonical base64url before any of them is parsed. */
static at_verdict_e
at_jwt_decode(at_jwt_t *jwt)
{
    size_t          signature_size, payload_size, size;
    unsigned char  *memory;
    at_verifier_t  *verifier;

    verifier = jwt->verifier;

    signature_size = at_base64url_decoded_size(jwt->signature.len);
    payload_size = at_base64url_decoded_size(jwt->payload.len);
    size = signature_size + payload_size
           + at_base64url_decoded_size(jwt->header.len);

    if (size > verifier->size) {
        memory = malloc(size);

        if (memory == NULL) {
            return AT_FAILED;
        }

        free(verifier->memory);
        verifier->memory = memory;
        verifier->size = size;
    }

    verifier->used = size;

    memory = verifier->memory;
    jwt->signature_bytes.data = (char *) memory;
    jwt->payload_bytes.data = (char *) memory + signature_size;
    jwt->header_bytes = memory + signature_size + payload_size;

    if (at_base64url_decode(memory, &jwt->signature_bytes.len, jwt->signature)
        != 0
        || at_base64url_decode(memory + signature_size,
                               &jwt->payload_bytes.len, jwt->payload)
           != 0)
    {
        return AT_MALFORMED;
    }

    return AT_OK;
}


static at_verdict_e
at_jwt_read_header(at_jwt_t *jwt, const at_json_value_t *header)
{
    int       rc;
    at_str_t  alg, kid;

    /* RFC 7515 section 4.1.11, RFC 7797; "zip" and "enc" belong to a JWE */
    if (at_json_member(header, at_str("crit")) != NULL
        || at_json_member(header, at_str("b64")) != NULL
        || at_json_member(header, at_str("zip")) != NULL
        || at_json_member(header, at_str("enc")) != NULL)
    {
        return AT_BAD_CRIT;
    }

    rc = at_json_member_string(header, at_str("typ"), &jwt->jose.typ);

    if (rc < 0) {
        return AT_BAD_TYP;
    }

    jwt->jose.has_typ = rc == 1;

    if (at_json_member_string(header, at_str("alg"), &alg) != 1) {
        return AT_BAD_ALG;
    }

    jwt->jose.alg = at_alg_find(alg);

    if (jwt->jose.alg == AT_ALGS) {
        return AT_BAD_ALG;
    }

    rc = at_json_member_string(header, at_str("kid"), &kid);

    if (rc < 0 || (rc == 1 && !at_kid_is_valid(kid))) {
        return AT_BAD_KID;
    }

    if (rc == 1) {
        jwt->jose.kid = kid;
    }

    /* hints: a value of another type or form selects no key */
    (void) at_json_member_string(header, at_str("x5t"), &jwt->jose.x5t);
    (void) at_json_member_string(header, at_str("x5t#S256"),
                                 &jwt->jose.x5t_s256);

    return AT_OK;
}


/* of a failed at_json_parse() */
static at_verdict_e
at_jwt_json_verdict(int rc, at_verdict_e invalid)
{
    switch (rc) {

    case AT_JSON_INVALID:
        return invalid;

    case AT_JSON_TOO_COMPLEX:
        return AT_TOO_COMPLEX;

    default:
        return AT_FAILED;
    }
}


static at_verdict_e
at_jwt_parse_header(at_jwt_t *jwt)
{
    int         rc;
    size_t      len;
    at_json_t  *json;

    if (at_base64url_decode(jwt->header_bytes, &len, jwt->header) != 0) {
        return AT_MALFORMED;
    }

    json = &jwt->verifier->json;
    rc = at_json_parse(json, (char *) jwt->header_bytes, len,
                       AT_JSON_DEPTH_MAX);

    if (rc != 0) {
        return at_jwt_json_verdict(rc, AT_BAD_HEADER);
    }

    return at_jwt_read_header(jwt, json->items);
}


static int
at_jwt_find_cached_header(at_jwt_t *jwt)
{
    size_t                     i;
    const at_cached_header_t  *cached;

    for (i = 0; i < AT_VERIFIER_HEADERS; i++) {
        cached = &jwt->verifier->headers[i];

        if (at_str_equal(cached->encoded, jwt->header)) {
            jwt->jose = cached->jose;
            jwt->header_cached = 1;
            return 1;
        }
    }

    return 0;
}


/* moves text to *p, and *p to the end of the copy */
static void
at_jwt_keep(at_str_t *text, char **p)
{
    if (text->len) {
        text->data = memcpy(*p, text->data, text->len);
        *p += text->len;
    }
}


/* only for valid tokens: an attacker cannot evict the headers in use */
static void
at_jwt_cache_header(at_jwt_t *jwt)
{
    char                *p;
    at_verifier_t       *verifier;
    at_cached_header_t  *cached;

    if (jwt->header_cached
        || jwt->header.len + jwt->jose.kid.len + jwt->jose.x5t.len
           + jwt->jose.x5t_s256.len + jwt->jose.typ.len
           > AT_VERIFIER_HEADER_LEN)
    {
        return;
    }

    verifier = jwt->verifier;

    cached = &verifier->headers[verifier->n_headers++ % AT_VERIFIER_HEADERS];
    cached->encoded = jwt->header;
    cached->jose = jwt->jose;

    p = cached->text;
    at_jwt_keep(&cached->encoded, &p);
    at_jwt_keep(&cached->jose.kid, &p);
    at_jwt_keep(&cached->jose.x5t, &p);
    at_jwt_keep(&cached->jose.x5t_s256, &p);
    at_jwt_keep(&cached->jose.typ, &p);
}


/* --- issuers ------------------------------------------------------------- */


/* The payload is not verified yet: only iss may be used. */
static at_verdict_e
at_jwt_parse_payload(at_jwt_t *jwt)
{
    int  rc;

    rc = at_claims_parse(&jwt->parsed, jwt->payload_bytes);

    if (rc != 0) {
        return at_jwt_json_verdict(rc, AT_BAD_PAYLOAD);
    }

    jwt->claims = at_claims_object(jwt->parsed);

    return at_json_member_string(jwt->claims, at_str("iss"), &jwt->iss) == 1
           ? AT_OK : AT_ISSUER_MISMATCH;
}


/* --- keys ---------------------------------------------------------------- */


static int
at_jwt_typ_is_accepted(const at_jwt_t *jwt, const at_issuer_t *issuer)
{
    size_t  i;

    if (!jwt->jose.has_typ) {
        return issuer->typ_absent;
    }

    for (i = 0; i < issuer->n_typs; i++) {
        if (at_str_equal_nocase(jwt->jose.typ, issuer->typs[i])) {
            return 1;
        }
    }

    return 0;
}


static int
at_keys_are_equal(const at_key_t *one, const at_key_t *two)
{
    return memcmp(at_key_digest(one), at_key_digest(two), AT_SHA256_LEN) == 0;
}


static unsigned
at_jwt_select_key(const at_jose_t *jose, const at_jwk_t *jwk)
{
    if (jose->kid.len && at_str_equal(jose->kid, jwk->kid)) {
        return AT_SELECTED_BY_KID;
    }

    if (jose->x5t_s256.len == AT_X5T_S256_LEN
        && memcmp(jose->x5t_s256.data, jwk->x5t_s256, AT_X5T_S256_LEN) == 0)
    {
        return AT_SELECTED_BY_X5T_S256;
    }

    if (jose->x5t.len == AT_X5T_LEN
        && memcmp(jose->x5t.data, jwk->x5t, AT_X5T_LEN) == 0)
    {
        return AT_SELECTED_BY_X5T;
    }

    if (jwk->kid.len == 0) {
        return AT_SELECTED_WITHOUT_KID;
    }

    return jose->kid.len == 0 ? AT_SELECTED_BY_NOTHING : AT_NOT_SELECTED;
}


/* issuers may share keys: a key that failed is not tried again */
static int
at_jwt_key_failed(const at_jwt_t *jwt, const at_key_t *key)
{
    size_t  i;

    for (i = 0; i < jwt->n_failed; i++) {
        if (at_keys_are_equal(jwt->failed[i], key)) {
            return 1;
        }
    }

    return 0;
}


static at_signature_e
at_jwt_try_key(at_jwt_t *jwt, at_key_t *key, at_key_search_t *search)
{
    at_signature_e  result;

    if (jwt->signer != NULL && at_keys_are_equal(jwt->signer, key)) {
        return AT_SIGNATURE_VALID;
    }

    if (at_jwt_key_failed(jwt, key)) {
        return AT_SIGNATURE_INVALID;
    }

    if (search->n == AT_JWT_KEYS_MAX) {
        search->too_many = 1;
        return AT_SIGNATURE_INVALID;
    }

    search->n++;
    result = at_key_verify(key, jwt->jose.alg, jwt->signed_text,
                           jwt->signature_bytes);

    if (result == AT_SIGNATURE_VALID) {
        jwt->signer = key;

    } else if (result == AT_SIGNATURE_INVALID
               && jwt->n_failed < AT_JWT_FAILED_KEYS)
    {
        jwt->failed[jwt->n_failed++] = key;
    }

    return result;
}


/* tries the keys that are selected in this way */
static at_signature_e
at_jwt_try_keys(at_jwt_t *jwt, const at_trusted_issuer_t *trusted,
    unsigned selection, at_key_search_t *search)
{
    size_t              i, k;
    at_signature_e      result;
    const at_jwk_t     *jwk;
    const at_keyset_t  *set;

    for (i = 0; i < trusted->n_sets; i++) {
        set = trusted->sets[i];

        for (k = 0; set != NULL && k < set->n; k++) {
            jwk = &set->keys[k];

            if (!(at_key_algs(jwk->key) & at_alg_bit(jwt->jose.alg))
                || at_jwt_select_key(&jwt->jose, jwk) != selection)
            {
                continue;
            }

            search->found = 1;
            search->named |= selection <= AT_SELECTED_BY_X5T;
            result = at_jwt_try_key(jwt, jwk->key, search);

            if (result != AT_SIGNATURE_INVALID || search->too_many) {
                return result;
            }
        }
    }

    return AT_SIGNATURE_INVALID;
}


/* returns 1 if the keys of a source have not been read or fetched yet */
static int
at_issuer_keys_are_pending(const at_trusted_issuer_t *trusted)
{
    size_t  i;

    for (i = 0; i < trusted->n_sets; i++) {
        if (trusted->sets[i] == NULL) {
            return 1;
        }
    }

    return trusted->n_sets == 0;
}


size_t
at_issuer_keys_without_kid(const at_trusted_issuer_t *trusted)
{
    size_t              i, k, n, most;
    unsigned            alg;
    const at_keyset_t  *set;

    most = 0;

    for (alg = 0; alg < AT_ALGS; alg++) {
        n = 0;

        for (i = 0; i < trusted->n_sets; i++) {
            set = trusted->sets[i];

            for (k = 0; set != NULL && k < set->n; k++) {
                n += set->keys[k].kid.len == 0
                     && (at_key_algs(set->keys[k].key) & at_alg_bit(alg));
            }
        }

        most = n > most ? n : most;
    }

    return most;
}


static at_verdict_e
at_jwt_verify_signature(at_jwt_t *jwt, at_trusted_issuer_t *trusted)
{
    unsigned         selection;
    at_signature_e   result;
    at_key_search_t  search = { 0, 0, 0, 0 };

    result = AT_SIGNATURE_INVALID;

    for (selection = AT_SELECTED_BY_KID;
         selection < AT_NOT_SELECTED && result == AT_SIGNATURE_INVALID
         && !search.too_many;
         selection++)
    {
        result = at_jwt_try_keys(jwt, trusted, selection, &search);
    }

    if (result != AT_SIGNATURE_INVALID) {
        return result == AT_SIGNATURE_VALID ? AT_OK : AT_FAILED;
    }

    trusted->lacks_key = 1;

    /* a key that is still missing may be the right one */
    if (!search.named && at_issuer_keys_are_pending(trusted)) {
        return AT_UNAVAILABLE;
    }

    if (!search.found) {
        return jwt->jose.kid.len ? AT_UNKNOWN_KID : AT_NO_KEY;
    }

    return search.too_many ? AT_TOO_MANY_KEYS : AT_BAD_SIGNATURE;
}


/* --- claims -------------------------------------------------------------- */


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


/*
 * A JWK of Entra may be restricted to one issuer.  The same key may be listed
 * again, unrestricted or for another issuer: one match is enough.
 */
static at_verdict_e
at_jwt_check_key_issuer(const at_jwt_t *jwt,
    const at_trusted_issuer_t *trusted)
{
    size_t              i, k;
    const at_jwk_t     *jwk;
    const at_keyset_t  *set;

    for (i = 0; i < trusted->n_sets; i++) {
        set = trusted->sets[i];

        for (k = 0; set != NULL && k < set->n; k++) {
            jwk = &set->keys[k];

            if (at_keys_are_equal(jwk->key, jwt->signer)
                && (at_key_algs(jwk->key) & at_alg_bit(jwt->jose.alg))
                && at_jwt_select_key(&jwt->jose, jwk) != AT_NOT_SELECTED
                && (jwk->issuer.len == 0
                    || at_entra_issuer_matches(jwt->claims, jwk->issuer)))
            {
                return AT_OK;
            }
        }
    }

    return AT_KEY_ISSUER_MISMATCH;
}


/* "ID" or the Application ID URI "api://ID", of this client or of any */
static int
at_jwt_is_client_audience(at_jwt_t *jwt, const at_issuer_t *issuer,
    at_str_t audience)
{
    int       rc;
    at_str_t  id;

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

    rc = jwt->query->is_client ? jwt->query->is_client(jwt->query->data, id)
                               : -1;
    jwt->store_failed |= rc == -1;

    return rc == 1;
}


/* RFC 7519 section 4.1.3: a string, or an array of strings */
static at_verdict_e
at_jwt_check_audience(at_jwt_t *jwt, const at_issuer_t *issuer)
{
    int                     found;
    uint32_t                n;
    at_str_t                value;
    const at_json_value_t  *aud;

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
                || at_jwt_is_client_audience(jwt, issuer, value);
    }

    return found ? AT_OK : AT_AUDIENCE_MISMATCH;
}


static at_verdict_e
at_jwt_check_times(const at_jwt_t *jwt, const at_issuer_t *issuer,
    double *expires)
{
    int     has_exp, has_nbf, has_iat, limited;
    double  exp, nbf, iat, leeway;

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
    if ((has_nbf && floor(nbf) > jwt->now + leeway)
        || (limited && floor(iat) > jwt->now + leeway))
    {
        return AT_NOT_YET_VALID;
    }

    if (limited && jwt->now - iat > (double) issuer->max_age + leeway) {
        return AT_TOO_OLD;
    }

    if (jwt->now >= exp + leeway) {
        return AT_EXPIRED;
    }

    *expires = exp + leeway;

    if (limited && iat + (double) issuer->max_age + leeway < *expires) {
        *expires = iat + (double) issuer->max_age + leeway;
    }

    return AT_OK;
}


/*
 * A claim that names somebody: a string, or a number, whose text is the name.
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
at_jwt_fill_identity(at_identity_t *identity, at_jwt_t *jwt,
    const at_issuer_t *issuer)
{
    int                     rc;
    at_str_t                sub;
    const at_json_value_t  *claim;

    identity->issuer = issuer;
    claim = at_claim_find(jwt->claims, &issuer->user_claim);

    if (at_jwt_read_name(&identity->user, claim) != 0
        || at_jwt_read_name(&sub, at_json_member(jwt->claims, at_str("sub")))
           != 0
        || (identity->user.len == 0 && issuer->user_required))
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


/* the issuer of the key, the tenant of Entra, the client, aud */
static at_verdict_e
at_jwt_check_parties(at_jwt_t *jwt, const at_trusted_issuer_t *trusted)
{
    at_verdict_e        verdict;
    const at_issuer_t  *issuer;

    issuer = trusted->issuer;
    verdict = at_jwt_check_key_issuer(jwt, trusted);

    if (verdict != AT_OK) {
        return verdict;
    }

    if (issuer->entra
        && (!at_entra_tenant_matches_issuer(jwt->claims)
            || at_client_id(issuer, jwt->claims).len == 0))
    {
        return AT_BAD_CLAIM;
    }

    return at_jwt_check_audience(jwt, issuer);
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
at_jwt_is_access_token(const at_jwt_t *jwt)
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
           || at_str_equal_nocase(jwt->jose.typ, at_str("at+jwt"))
           || at_str_equal_nocase(jwt->jose.typ,
                                  at_str("application/at+jwt"));
}


static at_verdict_e
at_jwt_check_kind(const at_jwt_t *jwt, const at_issuer_t *issuer)
{
    if (!issuer->any_kind && !at_jwt_is_access_token(jwt)) {
        return AT_WRONG_KIND;
    }

    /* RFC 7800: the caller must prove possession of a key */
    return issuer->ignore_cnf || !at_jwt_has_value(jwt->claims, at_str("cnf"))
           ? AT_OK : AT_UNPROVEN;
}


static at_verdict_e
at_jwt_check_claims(at_identity_t *identity, at_jwt_t *jwt,
    const at_trusted_issuer_t *trusted)
{
    double        expires;
    at_verdict_e  verdict;

    expires = 0;
    verdict = at_jwt_check_parties(jwt, trusted);

    if (verdict == AT_OK) {
        verdict = at_jwt_check_kind(jwt, trusted->issuer);
    }

    if (verdict == AT_OK) {
        verdict = at_jwt_fill_identity(identity, jwt, trusted->issuer);
    }

    /* AT_EXPIRED means that everything but the time is right: check it last */
    if (verdict == AT_OK) {
        verdict = at_jwt_check_times(jwt, trusted->issuer, &expires);
    }

    if (verdict == AT_OK) {
        /* now is rounded down: the token expires with the next second */
        identity->expires = expires <= AT_TIME_MAX
                            ? (int64_t) ceil(expires) * 1000 : AT_NEVER;
    }

    return verdict;
}


/* --- verification -------------------------------------------------------- */


static at_verdict_e
at_jwt_try_issuer(at_identity_t *identity, at_jwt_t *jwt,
    at_trusted_issuer_t *trusted)
{
    at_verdict_e        verdict;
    const at_issuer_t  *issuer;

    issuer = trusted->issuer;

    if (!at_jwt_typ_is_accepted(jwt, issuer)) {
        return AT_BAD_TYP;
    }

    if (!(issuer->algs & at_alg_bit(jwt->jose.alg))) {
        return AT_BAD_ALG;
    }

    verdict = at_jwt_verify_signature(jwt, trusted);

    return verdict == AT_OK ? at_jwt_check_claims(identity, jwt, trusted)
                            : verdict;
}


/*
 * AT_OK from the first issuer with this iss that accepts, or the latest
 * refusal.
 */
static at_verdict_e
at_jwt_try_issuers(at_identity_t *identity, at_jwt_t *jwt,
    at_trusted_issuer_t *trusted, size_t n)
{
    size_t              i;
    at_verdict_e        verdict, furthest;
    at_identity_t       candidate;
    const at_issuer_t  *issuer;

    furthest = n ? AT_ISSUER_MISMATCH : AT_FAILED;

    for (i = 0; i < n; i++) {
        issuer = trusted[i].issuer;

        if (!at_str_is_one_of(jwt->iss, issuer->issuers, issuer->n_issuers)) {
            continue;
        }

        memset(&candidate, 0, sizeof(at_identity_t));

        verdict = at_jwt_try_issuer(&candidate, jwt, &trusted[i]);

        if (verdict == AT_OK || verdict == AT_FAILED || verdict > furthest) {
            at_identity_release(identity);
            *identity = candidate;
            furthest = verdict;

        } else {
            at_identity_release(&candidate);
        }

        if (verdict == AT_OK || verdict == AT_FAILED) {
            break;
        }
    }

    /* the store failed: the client might have been accepted */
    if (jwt->store_failed && furthest != AT_OK && furthest != AT_FAILED) {
        furthest = AT_UNAVAILABLE;
    }

    if (furthest == AT_OK || furthest == AT_EXPIRED || furthest == AT_TOO_OLD
        || furthest == AT_NOT_YET_VALID)
    {
        identity->claims = jwt->parsed;
        jwt->parsed = NULL;

    } else {
        at_identity_release(identity);
    }

    return furthest;
}


at_verdict_e
at_jwt_verify(at_verifier_t *verifier, at_identity_t *identity,
    const at_jwt_query_t *query)
{
    size_t        i;
    at_jwt_t      jwt;
    at_verdict_e  verdict;

    for (i = 0; i < query->n; i++) {
        query->trusted[i].lacks_key = 0;
    }

    if (query->token.len > query->max_len
        || query->token.len > AT_JWT_LEN_MAX)
    {
        return AT_TOO_LONG;
    }

    if (query->token.len == 0) {
        return AT_MALFORMED;
    }

    memset(&jwt, 0, sizeof(at_jwt_t));
    jwt.verifier = verifier;
    jwt.query = query;
    jwt.now = (double) query->now;

    verdict = at_jwt_split(&jwt, query->token);

    if (verdict == AT_OK) {
        verdict = at_jwt_decode(&jwt);
    }

    if (verdict == AT_OK && !at_jwt_find_cached_header(&jwt)) {
        verdict = at_jwt_parse_header(&jwt);
    }

    if (verdict == AT_OK) {
        verdict = at_jwt_parse_payload(&jwt);
    }

    if (verdict == AT_OK) {
        verdict = at_jwt_try_issuers(identity, &jwt, query->trusted, query->n);
    }

    if (verdict == AT_OK) {
        at_jwt_cache_header(&jwt);
    }

    /* another issuer has the key */
    for (i = 0; jwt.signer != NULL && i < query->n; i++) {
        query->trusted[i].lacks_key = 0;
    }

    at_crypto_cleanse(verifier->memory, verifier->used);
    verifier->used = 0;
    at_claims_free(jwt.parsed);

    return verdict;
}


void
at_jwt_init(void)
{
    json_object_seed(0);
}


at_verifier_t *
at_verifier_create(void)
{
    return calloc(1, sizeof(at_verifier_t));
}


void
at_verifier_free(at_verifier_t *verifier)
{
    if (verifier != NULL) {
        at_json_free(&verifier->json);
        free(verifier->memory);
        free(verifier);
    }
}


at_claims_t *
at_jwt_decode_claims(at_str_t token)
{
    size_t          len, size;
    at_jwt_t        jwt;
    at_claims_t    *claims;
    unsigned char  *document;

    memset(&jwt, 0, sizeof(at_jwt_t));

    if (at_jwt_split(&jwt, token) != AT_OK) {
        return NULL;
    }

    size = at_base64url_decoded_size(jwt.payload.len);
    document = malloc(size);

    if (document == NULL) {
        return NULL;
    }

    claims = NULL;

    if (at_base64url_decode(document, &len, jwt.payload) == 0) {
        (void) at_claims_parse(&claims, (at_str_t) { (char *) document, len });
    }

    at_crypto_cleanse(document, size);
    free(document);

    return claims;
}
