/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <math.h>
#include <stdlib.h>

#include "core/base/at_base64url.h"
#include "core/base/at_crypto.h"
#include "core/jose/at_client.h"
#include "core/jose/at_entra.h"
#include "core/jose/at_key.h"
#include "core/json/at_document.h"
#include "core/jose/at_jwt.h"


/* 9999-12-31T23:59:59Z: what lies beyond is milliseconds or a mistake */
#define AT_TIME_MAX  253402300799.0


static const at_json_limits_t  at_jose_limits = { 8, 64, 8192 };


/*
 * What a header says.  The headers of an issuer's tokens are all the same, as
 * long as it signs with one key: what was found in those of the last few tokens
 * that were good is known by their exact bytes.
 */
typedef struct {
    at_alg_e        alg;
    unsigned        has_typ:1;
    at_str_t        kid;            /* empty: the token names no key */
    at_str_t        typ;
} at_jose_t;

#define AT_VERIFIER_MEMOS     8
#define AT_VERIFIER_MEMO_LEN  512

/* text holds the header as it came, then kid and typ */
typedef struct {
    size_t          len;            /* of the header; 0: free */
    at_jose_t       jose;
    char            text[AT_VERIFIER_MEMO_LEN];
} at_jose_memo_t;

struct at_verifier_s {
    unsigned char  *memory;         /* for the parts of one token, decoded */
    size_t          size;
    size_t          used;
    at_json_t       values;         /* those of a header */
    unsigned        lacks_key:1;    /* of the token before */
    size_t          n_memos;        /* so far: the next one takes the place of
                                       the oldest */
    at_jose_memo_t  memos[AT_VERIFIER_MEMOS];
};

/* a key that was tried on this token, and what came of it */
typedef struct {
    const at_key_t  *key;
    at_signature_e   result;
} at_key_attempt_t;

/* one token while it is examined */
typedef struct {
    at_str_t                header; /* the three parts as they came */
    at_str_t                payload;
    at_str_t                signature;
    at_str_t                signed_text; /* header, dot, payload */

    at_verifier_t          *verifier;
    at_str_t                decoded; /* the signature */
    at_str_t                document; /* the payload, not looked at yet */
    unsigned char          *scratch; /* for the header */

    at_jose_t               jose;
    unsigned                remembered:1; /* that is of a token before */

    at_claims_t            *read;   /* NULL until a signature has held */
    const at_json_value_t  *claims; /* what was read: an object */

    at_key_attempt_t        tried[AT_JWT_KEYS_MAX];
    size_t                  n_tried;
    const at_key_t *signer;         /* the key that verified */

    const at_jwt_query_t *query;
    double          now;
    unsigned        blind:1;        /* a client could not be looked up */
    unsigned        lacks_key:1;    /* an issuer has none of the token's kid */
} at_jwt_t;


/* --- shape and header ---------------------------------------------------- */


static at_verdict_e
at_jwt_split(at_jwt_t *jwt, at_str_t token)
{
    const char  *first, *second, *end;

    end = token.data + token.len;

    first = memchr(token.data, '.', token.len);

    if (first == NULL) {
        return AT_MALFORMED;
    }

    second = memchr(first + 1, '.', (size_t) (end - first - 1));

    if (second == NULL
        || memchr(second + 1, '.', (size_t) (end - second - 1)) != NULL)
    {
        return AT_MALFORMED;
    }

    jwt->header = (at_str_t) { token.data, (size_t) (first - token.data) };
    jwt->payload = (at_str_t) { first + 1, (size_t) (second - first - 1) };
    jwt->signature = (at_str_t) { second + 1, (size_t) (end - second - 1) };
    jwt->signed_text = (at_str_t) { token.data,
                                    (size_t) (second - token.data) };

    if (jwt->header.len == 0 || jwt->payload.len == 0
        || jwt->signature.len == 0)
    {
        return AT_MALFORMED;
    }

    return AT_OK;
}


/* room for the parts of this token, side by side */
static at_verdict_e
at_verifier_reserve(at_jwt_t *jwt)
{
    size_t          size;
    unsigned char  *memory;
    at_verifier_t  *verifier;

    verifier = jwt->verifier;
    size = at_base64url_decoded_size(jwt->signature.len)
           + at_base64url_decoded_size(jwt->payload.len)
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

    return AT_OK;
}


static void
at_verifier_cleanse(at_verifier_t *verifier)
{
    if (verifier->used) {
        at_crypto_cleanse(verifier->memory, verifier->used);
        verifier->used = 0;
    }
}


/*
 * All three parts must be canonical before any is read; of the payload that is
 * all, until a signature over it holds.
 */
static at_verdict_e
at_jwt_decode(at_jwt_t *jwt)
{
    unsigned char  *signature, *payload;

    signature = jwt->verifier->memory;
    payload = signature + at_base64url_decoded_size(jwt->signature.len);

    jwt->decoded.data = (char *) signature;
    jwt->document.data = (char *) payload;
    jwt->scratch = payload + at_base64url_decoded_size(jwt->payload.len);

    return at_base64url_decode(signature, &jwt->decoded.len, jwt->signature)
           == 0
           && at_base64url_decode(payload, &jwt->document.len, jwt->payload)
              == 0
           ? AT_OK : AT_MALFORMED;
}


static at_verdict_e
at_jwt_read_header(at_jwt_t *jwt, const at_json_value_t *header)
{
    int       rc;
    at_str_t  alg, kid;

    /* RFC 7515 section 4.1.11, RFC 7797; a JWE's members mean a JWE */
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
    size_t      len;
    at_json_t  *values;

    if (at_base64url_decode(jwt->scratch, &len, jwt->header) != 0) {
        return AT_MALFORMED;
    }

    values = &jwt->verifier->values;

    switch (at_json_parse(values, (char *) jwt->scratch, len,
                          &at_jose_limits))
    {

    case 0:
        return at_jwt_read_header(jwt, values->items);

    case -1:
        return AT_BAD_HEADER;

    default:
        return AT_FAILED;
    }
}


static int
at_jwt_find_cached_header(at_jwt_t *jwt)
{
    size_t                 i;
    const at_jose_memo_t  *memo;

    for (i = 0; i < AT_VERIFIER_MEMOS; i++) {
        memo = &jwt->verifier->memos[i];

        if (memo->len == jwt->header.len
            && memcmp(memo->text, jwt->header.data, memo->len) == 0)
        {
            jwt->jose = memo->jose;
            jwt->remembered = 1;
            return 1;
        }
    }

    return 0;
}


/* only what was signed: nobody else can drive the known ones out */
static void
at_jwt_cache_header(at_jwt_t *jwt)
{
    char            *p;
    at_jose_memo_t  *memo;
    at_jose_t       *jose;

    if (jwt->remembered
        || jwt->header.len + jwt->jose.kid.len + jwt->jose.typ.len
           > AT_VERIFIER_MEMO_LEN)
    {
        return;
    }

    memo = &jwt->verifier->memos[jwt->verifier->n_memos++
                                 % AT_VERIFIER_MEMOS];
    memo->len = jwt->header.len;
    memo->jose = jwt->jose;

    jose = &memo->jose;
    p = memo->text;

    memcpy(p, jwt->header.data, jwt->header.len);
    p += jwt->header.len;

    if (jose->kid.len) {
        memcpy(p, jose->kid.data, jose->kid.len);
        jose->kid.data = p;
        p += jose->kid.len;
    }

    if (jose->typ.len) {
        memcpy(p, jose->typ.data, jose->typ.len);
        jose->typ.data = p;
    }
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


/* issuers may share keys: each is asked once */
static at_signature_e
at_jwt_try_key(at_jwt_t *jwt, at_key_t *key)
{
    size_t             i;
    at_key_attempt_t  *tried;

    for (i = 0; i < jwt->n_tried; i++) {
        tried = &jwt->tried[i];

        if (memcmp(at_key_digest(tried->key), at_key_digest(key),
                   AT_SHA256_LEN)
            == 0)
        {
            return tried->result;
        }
    }

    if (jwt->n_tried == AT_JWT_KEYS_MAX) {
        return AT_SIGNATURE_INVALID;
    }

    tried = &jwt->tried[jwt->n_tried++];
    tried->key = key;
    tried->result = at_key_verify(key, jwt->jose.alg, jwt->signed_text,
                                  jwt->decoded);

    return tried->result;
}


typedef enum {
    AT_KEYS_WITH_KID,              /* those with the token's kid */
    AT_KEYS_WITHOUT_KID,           /* those without a kid */
    AT_KEYS_ANY                 /* for a token without a kid */
} at_key_match_e;


static int
at_jwt_key_matches(const at_jwt_t *jwt, const at_jwk_t *jwk, at_key_match_e which)
{
    at_str_t  kid;

    if (!(at_key_algs(jwk->key) & at_alg_bit(jwt->jose.alg))) {
        return 0;
    }

    switch (which) {

    case AT_KEYS_WITH_KID:
        kid = (at_str_t) { jwk->kid, jwk->kid_len };
        return kid.len != 0 && at_str_equal(kid, jwt->jose.kid);

    case AT_KEYS_WITHOUT_KID:
        return jwk->kid_len == 0;

    default:
        return 1;
    }
}


/* *n counts the keys of this issuer that were tried */
static at_signature_e
at_jwt_try_keys(at_jwt_t *jwt, const at_trusted_issuer_t *trusted, at_key_match_e which,
    unsigned *n)
{
    size_t              i, k;
    at_signature_e      result;
    const at_keyset_t  *set;

    for (i = 0; i < trusted->n_sets; i++) {
        set = trusted->sets[i];

        for (k = 0; set != NULL && k < set->n; k++) {
            if (!at_jwt_key_matches(jwt, &set->keys[k], which)) {
                continue;
            }

            if (*n == AT_JWT_KEYS_PER_ISSUER) {
                return AT_SIGNATURE_INVALID;
            }

            (*n)++;
            result = at_jwt_try_key(jwt, set->keys[k].key);

            if (result != AT_SIGNATURE_INVALID) {
                jwt->signer = set->keys[k].key;
                return result;
            }
        }
    }

    return AT_SIGNATURE_INVALID;
}


/* is there a source whose keys are not known yet? */
static int
at_jwt_keys_are_pending(const at_trusted_issuer_t *trusted)
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
    unsigned        n, named;
    at_signature_e  result;

    n = 0;
    named = 0;

    if (jwt->jose.kid.len == 0) {
        result = at_jwt_try_keys(jwt, trusted, AT_KEYS_ANY, &n);

    } else {
        result = at_jwt_try_keys(jwt, trusted, AT_KEYS_WITH_KID, &n);
        named = n;

        if (result == AT_SIGNATURE_INVALID) {
            result = at_jwt_try_keys(jwt, trusted, AT_KEYS_WITHOUT_KID, &n);
        }
    }

    switch (result) {

    case AT_SIGNATURE_VALID:
        return AT_OK;

    case AT_SIGNATURE_INVALID:
        jwt->lacks_key |= jwt->jose.kid.len != 0 && named == 0;

        /* the key may be one of those that are not there yet */
        if (named == 0 && at_jwt_keys_are_pending(trusted)) {
            return AT_UNAVAILABLE;
        }

        if (n == 0) {
            return jwt->jose.kid.len ? AT_UNKNOWN_KID : AT_NO_KEY;
        }

        return AT_BAD_SIGNATURE;

    default:
        return AT_FAILED;
    }
}


/* --- claims -------------------------------------------------------------- */


static at_verdict_e
at_jwt_parse_payload(at_jwt_t *jwt)
{
    if (jwt->claims != NULL) {
        return AT_OK;
    }

    switch (at_claims_parse(&jwt->read, jwt->document)) {

    case 0:
        jwt->claims = at_claims_object(jwt->read);
        return AT_OK;

    case -1:
        return AT_BAD_PAYLOAD;

    default:
        return AT_FAILED;
    }
}


/* a NumericDate (RFC 7519 section 2): 1 there, 0 not there, -1 not one */
static int
at_jwt_numeric_date(const at_json_value_t *claims, at_str_t name, double *value)
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


static int
at_jwt_is_one_of(at_str_t value, const at_str_t *accepted, size_t n)
{
    size_t  i;

    for (i = 0; i < n; i++) {
        if (at_str_equal(value, accepted[i])) {
            return 1;
        }
    }

    return 0;
}


static at_verdict_e
at_jwt_check_issuer(const at_jwt_t *jwt, const at_issuer_t *issuer)
{
    at_str_t  iss;

    switch (at_json_member_string(jwt->claims, at_str("iss"), &iss)) {

    case 1:
        return at_jwt_is_one_of(iss, issuer->issuers, issuer->n_issuers)
               ? AT_OK : AT_ISSUER_MISMATCH;

    case 0:
        return AT_ISSUER_MISMATCH;

    default:
        return AT_BAD_CLAIM;
    }
}


static int
at_jwt_key_matches_issuer(const at_jwt_t *jwt, const at_jwk_t *jwk)
{
    at_str_t  issuer;

    if (!at_jwt_key_matches(jwt, jwk, jwt->jose.kid.len && jwk->kid_len
                                      ? AT_KEYS_WITH_KID : AT_KEYS_ANY)
        || memcmp(at_key_digest(jwk->key), at_key_digest(jwt->signer),
                  AT_SHA256_LEN)
           != 0)
    {
        return 0;
    }

    issuer = (at_str_t) { jwk->issuer, jwk->issuer_len };

    return issuer.len == 0 || at_entra_issuer_matches(jwt->claims, issuer);
}


/*
 * A key may be one issuer's alone.  The same key may be there once more without
 * saying so, or for another issuer: one that fits is enough.
 */
static at_verdict_e
at_jwt_check_key_issuer(const at_jwt_t *jwt, const at_trusted_issuer_t *trusted)
{
    size_t              i, k;
    const at_keyset_t  *set;

    for (i = 0; i < trusted->n_sets; i++) {
        set = trusted->sets[i];

        for (k = 0; set != NULL && k < set->n; k++) {
            if (at_jwt_key_matches_issuer(jwt, &set->keys[k])) {
                return AT_OK;
            }
        }
    }

    return AT_KEY_ISSUER_MISMATCH;
}


/* the audience of a client: the token's own, or any that the store has */
static int
at_jwt_is_client_audience(at_jwt_t *jwt, const at_issuer_t *issuer,
    at_str_t audience)
{
    int       rc;
    at_str_t  id;

    id = at_client_id_from_audience(audience);

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
    jwt->blind |= rc == -1;

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

        /* a string has nothing within: the next one is the one behind it */
        if (at_json_string(aud++, &value) != 0) {
            return AT_BAD_CLAIM;
        }

        found = found
                || at_jwt_is_one_of(value, issuer->audiences, issuer->n_audiences)
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

    /* now is in whole seconds, and has begun: a fraction of it may have passed */
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
    int       rc;
    at_str_t  sub;

    identity->issuer = issuer;
    (void) at_json_string(at_claim_find(jwt->claims, &issuer->user_claim),
                          &identity->user);

    sub = (at_str_t) { NULL, 0 };

    if (at_json_member_string(jwt->claims, at_str("sub"), &sub) < 0) {
        return AT_BAD_CLAIM;
    }

    identity->subject = identity->user.len ? identity->user : sub;

    identity->rights.admin = issuer->admin_claim.n != 0
                             && at_json_is(at_claim_find(jwt->claims,
                                                         &issuer->admin_claim),
                                           AT_JSON_TRUE);

    rc = at_scopes_from_claim(&identity->rights.scopes,
                              at_claim_find(jwt->claims, &issuer->scope_claim));

    return rc == 0 ? AT_OK : rc == -1 ? AT_BAD_CLAIM : AT_FAILED;
}


/* whose token it is, and for whom */
static at_verdict_e
at_jwt_check_parties(at_jwt_t *jwt, const at_trusted_issuer_t *trusted)
{
    at_verdict_e        verdict;
    const at_issuer_t  *issuer;

    issuer = trusted->issuer;
    verdict = at_jwt_check_issuer(jwt, issuer);

    if (verdict == AT_OK) {
        verdict = at_jwt_check_key_issuer(jwt, trusted);
    }

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
    double              expires;
    at_verdict_e        verdict, times;
    const at_issuer_t  *issuer;

    issuer = trusted->issuer;
    verdict = at_jwt_check_parties(jwt, trusted);

    if (verdict != AT_OK) {
        return verdict;
    }

    /* a claim of the wrong type comes before the time: expired is last */
    verdict = at_jwt_fill_identity(identity, jwt, issuer);

    if (verdict != AT_OK) {
        return verdict;
    }

    expires = 0;
    times = at_jwt_check_times(jwt, issuer, &expires);

    if (times == AT_OK) {
        /* now is in whole seconds: it has expired with the next one */
        identity->expires = expires <= AT_TIME_MAX
                            ? (int64_t) ceil(expires) * 1000 : AT_NEVER;
    }

    return times;
}


/* --- the whole ----------------------------------------------------------- */


static at_verdict_e
at_jwt_try_issuer(at_identity_t *identity, at_jwt_t *jwt,
    const at_trusted_issuer_t *trusted)
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

    if (verdict != AT_OK) {
        return verdict;
    }

    verdict = at_jwt_parse_payload(jwt);

    if (verdict != AT_OK) {
        return verdict;
    }

    return at_jwt_check_claims(identity, jwt, trusted);
}


static int
at_jwt_verdict_has_identity(at_verdict_e verdict)
{
    return verdict == AT_OK || verdict == AT_EXPIRED || verdict == AT_TOO_OLD
           || verdict == AT_NOT_YET_VALID;
}


/* the first issuer that grants, else the refusal that came furthest */
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

    /* what an issuer could not know may have been the answer */
    if (jwt->blind && furthest != AT_OK && furthest != AT_FAILED) {
        furthest = AT_UNAVAILABLE;
    }

    if (at_jwt_verdict_has_identity(furthest)) {
        identity->claims = jwt->read;
        jwt->read = NULL;

    } else {
        at_identity_release(identity);
    }

    return furthest;
}


static at_verdict_e
at_jwt_examine(at_identity_t *identity, at_jwt_t *jwt,
    const at_jwt_query_t *query)
{
    at_verdict_e  verdict;

    verdict = at_jwt_split(jwt, query->token);

    if (verdict != AT_OK) {
        return verdict;
    }

    verdict = at_verifier_reserve(jwt);

    if (verdict != AT_OK) {
        return verdict;
    }

    verdict = at_jwt_decode(jwt);

    if (verdict == AT_OK && !at_jwt_find_cached_header(jwt)) {
        verdict = at_jwt_parse_header(jwt);
    }

    if (verdict != AT_OK) {
        return verdict;
    }

    verdict = at_jwt_try_issuers(identity, jwt, query->trusted, query->n);

    if (verdict == AT_OK) {
        at_jwt_cache_header(jwt);
    }

    return verdict;
}


at_verdict_e
at_jwt_verify(at_verifier_t *verifier, at_identity_t *identity,
    const at_jwt_query_t *query)
{
    at_jwt_t      jwt;
    at_verdict_e  verdict;

    verifier->lacks_key = 0;

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

    verdict = at_jwt_examine(identity, &jwt, query);

    verifier->lacks_key = jwt.lacks_key && jwt.signer == NULL;
    at_verifier_cleanse(verifier);
    at_claims_free(jwt.read);

    return verdict;
}


void
at_jwt_init(void)
{
    at_document_init();
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
        at_json_free(&verifier->values);
        free(verifier->memory);
        free(verifier);
    }
}


int
at_verifier_missed_kid(const at_verifier_t *verifier)
{
    return verifier->lacks_key;
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
