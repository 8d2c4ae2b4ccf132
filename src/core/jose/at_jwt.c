/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>

#include <jansson.h>

#include "core/base/at_base64url.h"
#include "core/base/at_crypto.h"
#include "core/jose/at_entra.h"
#include "core/jose/at_jose.h"
#include "core/jose/at_jwt_claims.h"
#include "core/jose/at_key.h"


#define AT_VERIFIER_HEADERS     8       /* cached */
#define AT_VERIFIER_HEADER_LEN  512     /* of a cached one, with its strings */

#define AT_JWT_FAILED_KEYS      32      /* that are remembered for a token */


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
    at_deferred_t          *deferred;       /* NULL: verify at once */
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

    return at_jose_read(&jwt->jose, json->items);
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


/* --- payload ------------------------------------------------------------- */


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
at_keys_are_equal(const at_key_t *one, const at_key_t *two)
{
    return memcmp(at_key_digest(one), at_key_digest(two), AT_SHA256_LEN) == 0;
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
    result = jwt->deferred
             ? at_deferred_verify(jwt->deferred, key, jwt->jose.alg,
                                  jwt->signed_text, jwt->signature_bytes)
             : at_key_verify(key, jwt->jose.alg, jwt->signed_text,
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
                || at_jose_select_key(&jwt->jose, jwk) != selection)
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
        return result == AT_SIGNATURE_VALID ? AT_OK
               : result == AT_SIGNATURE_PENDING ? AT_PENDING : AT_FAILED;
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
                && at_jose_select_key(&jwt->jose, jwk) != AT_NOT_SELECTED
                && (jwk->issuer.len == 0
                    || at_entra_issuer_matches(jwt->claims, jwk->issuer)))
            {
                return AT_OK;
            }
        }
    }

    return AT_KEY_ISSUER_MISMATCH;
}


/* --- verification -------------------------------------------------------- */


static at_verdict_e
at_jwt_try_issuer(at_identity_t *identity, at_jwt_t *jwt,
    at_trusted_issuer_t *trusted)
{
    at_verdict_e        verdict;
    at_jwt_claims_t     claims;
    const at_issuer_t  *issuer;

    issuer = trusted->issuer;

    if (!at_jose_typ_is_accepted(&jwt->jose, issuer)) {
        return AT_BAD_TYP;
    }

    if (!(issuer->algs & at_alg_bit(jwt->jose.alg))) {
        return AT_BAD_ALG;
    }

    verdict = at_jwt_verify_signature(jwt, trusted);

    if (verdict == AT_OK) {
        verdict = at_jwt_check_key_issuer(jwt, trusted);
    }

    if (verdict != AT_OK) {
        return verdict;
    }

    claims = (at_jwt_claims_t) { jwt->claims, jwt->jose.typ, issuer,
                                 jwt->query, 0 };
    verdict = at_jwt_check_claims(identity, &claims);
    jwt->store_failed |= claims.store_failed;

    return verdict;
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

        if (verdict == AT_PENDING) {
            at_identity_release(identity);
            return AT_PENDING;
        }

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


static at_verdict_e
at_jwt_parse(at_jwt_t *jwt)
{
    at_verdict_e  verdict;

    verdict = at_jwt_split(jwt, jwt->query->token);

    if (verdict == AT_OK) {
        verdict = at_jwt_decode(jwt);
    }

    if (verdict == AT_OK && !at_jwt_find_cached_header(jwt)) {
        verdict = at_jwt_parse_header(jwt);
    }

    return verdict == AT_OK ? at_jwt_parse_payload(jwt) : verdict;
}


at_verdict_e
at_jwt_verify(at_verifier_t *verifier, at_identity_t *identity,
    const at_jwt_query_t *query)
{
    return at_jwt_verify_deferred(verifier, identity, query, NULL);
}


at_verdict_e
at_jwt_verify_deferred(at_verifier_t *verifier, at_identity_t *identity,
    const at_jwt_query_t *query, at_deferred_t *deferred)
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
    jwt.deferred = deferred;

    verdict = at_jwt_parse(&jwt);

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


static at_claims_t *
at_jwt_decode_part(at_str_t part)
{
    size_t          len, size;
    at_claims_t    *claims;
    unsigned char  *document;

    size = at_base64url_decoded_size(part.len);
    document = malloc(size);

    if (document == NULL) {
        return NULL;
    }

    claims = NULL;

    if (at_base64url_decode(document, &len, part) == 0) {
        (void) at_claims_parse(&claims, (at_str_t) { (char *) document, len });
    }

    at_crypto_cleanse(document, size);
    free(document);

    return claims;
}


at_claims_t *
at_jwt_decode_claims(at_str_t token)
{
    at_jwt_t  jwt;

    return at_jwt_split(&jwt, token) == AT_OK ? at_jwt_decode_part(jwt.payload)
                                              : NULL;
}


at_claims_t *
at_jwt_decode_header(at_str_t token)
{
    at_jwt_t  jwt;

    return at_jwt_split(&jwt, token) == AT_OK ? at_jwt_decode_part(jwt.header)
                                              : NULL;
}
