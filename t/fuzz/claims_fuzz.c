/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Header (the first line) and payload (the rest) of a token whose signature is
 * good whatever it is: what is behind the signature is reached.  What is
 * granted is checked against a plain reading of the rules.
 */

#include <jansson.h>

#define at_key_verify  fuzz_key_verify
#define at_jwt_verify  fuzz_jwt_verify
#define at_jwt_init    fuzz_jwt_init
#define at_verifier_create  fuzz_verifier_create
#define at_verifier_free    fuzz_verifier_free
#define at_jwt_claims       fuzz_jwt_claims

#include "../../src/core/at_jwt.c"

#include "fuzz.h"


static const at_str_t  names[] = { at_str(FUZZ_ISSUER) };
static const at_str_t  audiences[] = { at_str("api") };
static const at_str_t  typs[] = { at_str("JWT"), at_str("at+jwt") };

static at_keyset_t  *set;
static at_issuer_t   issuer;


at_signature_e
fuzz_key_verify(at_key_t *key, at_alg_e alg, at_str_t signed_text, at_str_t signature)
{
    (void) signed_text;

    fuzz_assert(at_key_algs(key) & at_alg_bit(alg));

    return signature.len == 3 ? AT_SIGNATURE_GOOD : AT_SIGNATURE_BAD;
}


static void
fuzz_warn(void *data, const char *text)
{
    (void) data;
    (void) text;
}


static void
fuzz_init(void)
{
    at_error_t  err;

    issuer.issuers = names;
    issuer.n_issuers = 1;
    issuer.audiences = audiences;
    issuer.n_audiences = 1;
    issuer.typs = typs;
    issuer.n_typs = 2;
    issuer.typ_absent = 1;
    issuer.algs = at_alg_bit(AT_RS256) | at_alg_bit(AT_ES256);
    issuer.leeway = 5;
    issuer.max_age = 3600;
    issuer.user_claim = (at_path_t) { 1, { at_str("username") } };
    issuer.scope_claim = (at_path_t) { 2, { at_str("realm"), at_str("scope") } };
    issuer.admin_claim = (at_path_t) { 1, { at_str("isAdmin") } };

    set = at_keyset_parse(at_str(FUZZ_JWKS), issuer.algs, fuzz_warn, NULL, &err);
    fuzz_assert(set != NULL && set->n == 2);
}


static at_str_t
fuzz_token(at_str_t header, at_str_t payload)
{
    char    *token, *p;
    size_t   len;

    len = at_base64url_encoded_len(header.len) + at_base64url_encoded_len(payload.len)
          + 1 + 5;
    token = fuzz_alloc(len);

    at_base64url_encode(token, (const unsigned char *) header.data, header.len);
    p = token + at_base64url_encoded_len(header.len);
    *p++ = '.';
    at_base64url_encode(p, (const unsigned char *) payload.data, payload.len);
    p += at_base64url_encoded_len(payload.len);
    memcpy(p, ".AAAA", 5);

    return (at_str_t) { token, len };
}


static double
fuzz_time(const json_t *claims, const char *name, double absent)
{
    const json_t  *claim;

    claim = json_object_get(claims, name);

    if (claim == NULL) {
        return absent;
    }

    fuzz_assert(json_is_number(claim));

    return json_number_value(claim);
}


static int
fuzz_has_audience(const json_t *aud)
{
    size_t   i;
    json_t  *item;

    if (json_is_string(aud)) {
        return strcmp(json_string_value(aud), "api") == 0;
    }

    json_array_foreach((json_t *) (uintptr_t) aud, i, item) {
        if (strcmp(json_string_value(item), "api") == 0) {
            return 1;
        }
    }

    return 0;
}


static void
fuzz_check_header(at_str_t text)
{
    json_t      *jose;
    const char  *alg;

    jose = json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES, NULL);
    fuzz_assert(jose != NULL);

    alg = json_string_value(json_object_get(jose, "alg"));

    fuzz_assert(alg && (strcmp(alg, "RS256") == 0 || strcmp(alg, "ES256") == 0));
    fuzz_assert(json_object_get(jose, "crit") == NULL);
    fuzz_assert(json_object_get(jose, "b64") == NULL);
    fuzz_assert(json_object_get(jose, "zip") == NULL);
    fuzz_assert(json_object_get(jose, "enc") == NULL);

    json_decref(jose);
}


static void
fuzz_check_granted(at_str_t header, const at_identity_t *id)
{
    double       exp_, iat;
    const char  *iss;

    fuzz_check_header(header);

    iss = json_string_value(json_object_get(id->claims, "iss"));
    exp_ = fuzz_time(id->claims, "exp", 0);
    iat = fuzz_time(id->claims, "iat", 0);

    fuzz_assert(iss && strcmp(iss, FUZZ_ISSUER) == 0);
    fuzz_assert(fuzz_has_audience(json_object_get(id->claims, "aud")));
    fuzz_assert(exp_ > FUZZ_NOW - 5 && exp_ <= 253402300799.0);
    fuzz_assert((double) id->expires / 1000 < exp_ + 5 + 1);
    fuzz_assert((double) id->expires / 1000 >= exp_ + 5
                || (double) id->expires / 1000 >= iat + 3600 + 5);
    fuzz_assert(fuzz_time(id->claims, "nbf", 0) <= FUZZ_NOW + 5);
    fuzz_assert(iat <= FUZZ_NOW + 5 && iat >= FUZZ_NOW - 3600 - 5);
    fuzz_assert(id->rights.admin == json_is_true(json_object_get(id->claims, "isAdmin")));
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    at_str_t       header, payload, token;
    at_verdict_e   verdict;
    at_trusted_t   trusted;
    at_identity_t  id;
    at_verifier_t *verifier;

    if (set == NULL) {
        fuzz_init();
    }

    header = fuzz_line(&data, &size);
    payload = fuzz_copy(data, size);
    token = fuzz_token(header, payload);
    trusted = (at_trusted_t) { &issuer, &set, 1 };
    memset(&id, 0, sizeof(id));

    verifier = fuzz_verifier_create();
    verdict = fuzz_jwt_verify(verifier, &id, &(at_jwt_query_t) { token,
                              AT_JWT_LEN_MAX, &trusted, 1, FUZZ_NOW });
    fuzz_verifier_free(verifier);

    fuzz_assert(verdict != AT_FAILED);

    if (verdict == AT_OK) {
        fuzz_check_granted(header, &id);

    } else {
        fuzz_assert((id.claims != NULL) == (verdict == AT_EXPIRED
                                            || verdict == AT_TOO_OLD
                                            || verdict == AT_NOT_YET_VALID));
    }

    at_identity_release(&id);
    fuzz_free(header);
    fuzz_free(payload);
    fuzz_free(token);

    return 0;
}
