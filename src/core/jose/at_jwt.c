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
#define AT_VERIFIER_HEADER_LEN  512     /* of a cached one, with kid and typ */


static const at_json_limits_t  at_jose_limits = { 8, 64, 8192 };

const at_str_t  at_default_typs[AT_DEFAULT_TYPS] = {
    at_str("JWT"), at_str("at+jwt"), at_str("application/at+jwt")
};


/* a parsed header */
typedef struct {
    at_alg_e  alg;
    unsigned  has_typ:1;
    at_str_t  kid;              /* empty: the token names no key */
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
    unsigned             missed_kid:1;  /* in the last token */
    size_t               n_headers;     /* cached so far, replaced included */
    at_cached_header_t   headers[AT_VERIFIER_HEADERS];
};

/* the result of a key for this token */
typedef struct {
    const at_key_t  *key;
    at_signature_e   result;
} at_key_attempt_t;

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

    at_claims_t            *parsed;         /* NULL before a signature is
                                               valid */
    const at_json_value_t  *claims;         /* the object in parsed */

    at_key_attempt_t        attempts[AT_JWT_KEYS_MAX];
    size_t                  n_attempts;
    const at_key_t         *signer;         /* the key that verified */

    const at_jwt_query_t   *query;
    double                  now;
    unsigned                store_failed:1; /* a client was not looked up */
    unsigned                missed_kid:1;   /* an issuer lacks the kid */
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

    return AT_OK;
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
    rc = at_json_parse(json, (char *) jwt->header_bytes, len, &at_jose_limits);

    if (rc != 0) {
        return rc == -1 ? AT_BAD_HEADER : AT_FAILED;
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
        || jwt->header.len + jwt->jose.kid.len + jwt->jose.typ.len
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
    at_jwt_keep(&cached->jose.typ, &p);
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


/* issuers may share keys: each key is tried once */
static at_signature_e
at_jwt_try_key(at_jwt_t *jwt, at_key_t *key)
{
    size_t             i;
    at_key_attempt_t  *attempt;

    for (i = 0; i < jwt->n_attempts; i++) {
        attempt = &jwt->attempts[i];

        if (at_keys_are_equal(attempt->key, key)) {
            return attempt->result;
        }
    }

    if (jwt->n_attempts == AT_JWT_KEYS_MAX) {
        return AT_SIGNATURE_INVALID;
    }

    attempt = &jwt->attempts[jwt->n_attempts++];
    attempt->key = key;
    attempt->result = at_key_verify(key, jwt->jose.alg, jwt->signed_text,
                                    jwt->signature_bytes);

    return attempt->result;
}


/*
 * Tries the keys with this kid; an empty one stands for keys without a kid,
 * NULL for all keys.  Increases *n by the number of keys that were tried.
 */
static at_signature_e
at_jwt_try_keys(at_jwt_t *jwt, const at_trusted_issuer_t *trusted,
    const at_str_t *kid, unsigned *n)
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
                || (kid != NULL && !at_str_equal(jwk->kid, *kid)))
            {
                continue;
            }

            if (*n == AT_JWT_KEYS_PER_ISSUER) {
                return AT_SIGNATURE_INVALID;
            }

            (*n)++;
            result = at_jwt_try_key(jwt, jwk->key);

            if (result != AT_SIGNATURE_INVALID) {
                jwt->signer = jwk->key;
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


static at_verdict_e
at_jwt_verify_signature(at_jwt_t *jwt, const at_trusted_issuer_t *trusted)
{
    unsigned        n, with_kid;
    at_signature_e  result;
    const at_str_t  no_kid = { NULL, 0 };

    n = 0;
    with_kid = 0;

    if (jwt->jose.kid.len == 0) {
        result = at_jwt_try_keys(jwt, trusted, NULL, &n);

    } else {
        result = at_jwt_try_keys(jwt, trusted, &jwt->jose.kid, &n);
        with_kid = n;

        if (result == AT_SIGNATURE_INVALID) {
            result = at_jwt_try_keys(jwt, trusted, &no_kid, &n);
        }
    }

    if (result != AT_SIGNATURE_INVALID) {
        return result == AT_SIGNATURE_VALID ? AT_OK : AT_FAILED;
    }

    jwt->missed_kid |= jwt->jose.kid.len != 0 && with_kid == 0;

    /* a key that is still missing may be the right one */
    if (with_kid == 0 && at_issuer_keys_are_pending(trusted)) {
        return AT_UNAVAILABLE;
    }

    if (n == 0) {
        return jwt->jose.kid.len ? AT_UNKNOWN_KID : AT_NO_KEY;
    }

    return AT_BAD_SIGNATURE;
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
                && (jwk->kid.len == 0 || jwt->jose.kid.len == 0
                    || at_str_equal(jwk->kid, jwt->jose.kid))
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


static at_verdict_e
at_jwt_fill_identity(at_identity_t *identity, at_jwt_t *jwt,
    const at_issuer_t *issuer)
{
    int                     rc;
    at_str_t                sub;
    const at_json_value_t  *claim;

    identity->issuer = issuer;

    claim = at_claim_find(jwt->claims, &issuer->user_claim);
    (void) at_json_string(claim, &identity->user);

    sub = (at_str_t) { NULL, 0 };

    if (at_json_member_string(jwt->claims, at_str("sub"), &sub) < 0) {
        return AT_BAD_CLAIM;
    }

    identity->subject = identity->user.len ? identity->user : sub;

    claim = at_claim_find(jwt->claims, &issuer->admin_claim);
    identity->rights.admin = at_json_is(claim, AT_JSON_TRUE);

    claim = at_claim_find(jwt->claims, &issuer->scope_claim);
    rc = at_scopes_from_claim(&identity->rights.scopes, claim);

    return rc == 0 ? AT_OK : rc == -1 ? AT_BAD_CLAIM : AT_FAILED;
}


/* checks iss, the issuer of the key, the tenant of Entra, the client, aud */
static at_verdict_e
at_jwt_check_parties(at_jwt_t *jwt, const at_trusted_issuer_t *trusted)
{
    int                 rc;
    at_str_t            iss;
    at_verdict_e        verdict;
    const at_issuer_t  *issuer;

    issuer = trusted->issuer;
    rc = at_json_member_string(jwt->claims, at_str("iss"), &iss);

    if (rc < 0) {
        return AT_BAD_CLAIM;
    }

    if (rc == 0
        || !at_str_is_one_of(iss, issuer->issuers, issuer->n_issuers))
    {
        return AT_ISSUER_MISMATCH;
    }

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


static at_verdict_e
at_jwt_check_claims(at_identity_t *identity, at_jwt_t *jwt,
    const at_trusted_issuer_t *trusted)
{
    double        expires;
    at_verdict_e  verdict;

    expires = 0;
    verdict = at_jwt_check_parties(jwt, trusted);

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
    const at_trusted_issuer_t *trusted)
{
    int                 rc;
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

    if (verdict != AT_OK) {
        return verdict;
    }

    if (jwt->parsed == NULL) {
        rc = at_claims_parse(&jwt->parsed, jwt->payload_bytes);

        if (rc != 0) {
            return rc == -1 ? AT_BAD_PAYLOAD : AT_FAILED;
        }

        jwt->claims = at_claims_object(jwt->parsed);
    }

    return at_jwt_check_claims(identity, jwt, trusted);
}


/* AT_OK from the first issuer that accepts, or the latest refusal */
static at_verdict_e
at_jwt_try_issuers(at_identity_t *identity, at_jwt_t *jwt,
    const at_trusted_issuer_t *trusted, size_t n)
{
    size_t         i;
    at_verdict_e   verdict, furthest;
    at_identity_t  candidate;

    furthest = AT_FAILED;

    for (i = 0; i < n; i++) {
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
    at_jwt_t      jwt;
    at_verdict_e  verdict;

    verifier->missed_kid = 0;

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
        verdict = at_jwt_try_issuers(identity, &jwt, query->trusted, query->n);
    }

    if (verdict == AT_OK) {
        at_jwt_cache_header(&jwt);
    }

    verifier->missed_kid = jwt.missed_kid && jwt.signer == NULL;
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


int
at_verifier_missed_kid(const at_verifier_t *verifier)
{
    return verifier->missed_kid;
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
