/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Input: header (the first line) and payload (the rest) of a token.  Every
 * signature is taken as valid, so that claims are reached.  Each grant is
 * compared with a simple implementation of the rules, which uses jansson;
 * payloads with numbers or names that jansson cannot represent are skipped.
 */

#include <strings.h>

#include <jansson.h>

#define at_key_verify         fuzz_key_verify
#define at_jwt_verify         fuzz_jwt_verify
#define at_jwt_init           fuzz_jwt_init
#define at_verifier_create    fuzz_verifier_create
#define at_verifier_free      fuzz_verifier_free
#define at_jwt_decode_claims  fuzz_jwt_claims
#define at_jwt_decode_header  fuzz_jwt_header

#include "core/jose/at_jwt.c"

#include "fuzz.h"


static const at_str_t  names[] = { at_str(FUZZ_ISSUER) };
static const at_str_t  audiences[] = { at_str("api") };
static const at_str_t  typs[] = { at_str("JWT"), at_str("at+jwt") };

#define FUZZ_TENANT    "d6f3a1b2-5c4e-4f80-9a7b-1e2d3c4b5a69"
#define FUZZ_TEMPLATE  "https://{tenantid}/"

static const at_str_t   entra_names[] = {
    at_str(FUZZ_ISSUER), at_str("https://" FUZZ_TENANT "/")
};
static const at_claim_path_t  entra_claims[] = {
    { 1, { at_str("azp") } }, { 1, { at_str("appid") } }
};

static at_keyset_t  *set, *entra_set;
static at_issuer_t   issuer, entra;


at_signature_e
fuzz_key_verify(at_key_t *key, at_alg_e alg, at_str_t signed_text,
    at_str_t signature)
{
    (void) signed_text;

    fuzz_assert(at_key_algs(key) & at_alg_bit(alg));

    return signature.len == 3 ? AT_SIGNATURE_VALID : AT_SIGNATURE_INVALID;
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
    issuer.user_claim = (at_claim_path_t) { 1, { at_str("username") } };
    issuer.scope_claim = (at_claim_path_t) { 2, { at_str("realm"),
                                                  at_str("scope") } };
    issuer.admin_claim = (at_claim_path_t) { 1, { at_str("isAdmin") } };

    set = at_keyset_parse(at_str(FUZZ_JWKS), issuer.algs, fuzz_warn, NULL,
                          &err);
    fuzz_assert(set != NULL && set->n == 2);

    entra = issuer;
    entra.issuers = entra_names;
    entra.n_issuers = 2;
    entra.n_audiences = 0;
    entra.token_client_audience = 1;
    entra.any_client_audience = 1;
    entra.client_claims = entra_claims;
    entra.n_client_claims = 2;
    entra.entra = 1;

    /* the second key, that of ES256, is of one issuer */
    entra_set = at_keyset_parse(at_str(FUZZ_JWKS),
                                issuer.algs, fuzz_warn, NULL, &err);
    fuzz_assert(entra_set != NULL && entra_set->n == 2);
    entra_set->keys[1].issuer = at_str(FUZZ_TEMPLATE);
}


/* the store has one client */
static int
fuzz_is_client(void *data, at_str_t id)
{
    (void) data;

    return at_str_equal_nocase(id, at_str("known"));
}


static at_str_t
fuzz_token(at_str_t header, at_str_t payload)
{
    at_str_t   one = fuzz_encode(header.data, header.len);
    at_str_t   two = fuzz_encode(payload.data, payload.len);
    size_t     size = one.len + two.len + sizeof("..AAAA");
    char      *token = fuzz_alloc(size);

    (void) snprintf(token, size, "%.*s.%.*s.AAAA", (int) one.len, one.data,
                    (int) two.len, two.data);

    return fuzz_copy(token, size - 1);
}


static double
fuzz_time(const json_t *claims, const char *name, double absent)
{
    const json_t  *claim = json_object_get(claims, name);

    if (claim == NULL) {
        return absent;
    }

    fuzz_assert(json_is_number(claim));

    return json_number_value(claim);
}


/* client is NULL for the first issuer */
static int
fuzz_is_audience(const char *aud, const char *client)
{
    if (client == NULL) {
        return strcmp(aud, "api") == 0;
    }

    if (strncmp(aud, "api://", 6) == 0 && aud[6] != '\0') {
        aud += 6;
    }

    return strcasecmp(aud, client) == 0 || strcasecmp(aud, "known") == 0;
}


static int
fuzz_has_audience(const json_t *aud, const char *client)
{
    size_t   i;
    json_t  *item;

    if (json_is_string(aud)) {
        return fuzz_is_audience(json_string_value(aud), client);
    }

    json_array_foreach((json_t *) (uintptr_t) aud, i, item) {
        if (fuzz_is_audience(json_string_value(item), client)) {
            return 1;
        }
    }

    return 0;
}


static const char *
fuzz_text(const json_t *claims, const char *name)
{
    return json_string_value(json_object_get(claims, name));
}


/* the client of a token of Entra's */
static const char *
fuzz_client(const json_t *claims)
{
    const char  *ver, *appid, *azp, *client;

    ver = fuzz_text(claims, "ver");
    appid = fuzz_text(claims, "appid");
    azp = fuzz_text(claims, "azp");

    fuzz_assert((ver != NULL) == (json_object_get(claims, "ver") != NULL));

    client = ver == NULL ? (azp ? azp : appid)
             : strcmp(ver, "1.0") == 0 ? appid
             : strcmp(ver, "2.0") == 0 ? azp : NULL;

    fuzz_assert(client != NULL && *client != '\0');
    fuzz_assert(appid == NULL || azp == NULL || strcasecmp(appid, azp) == 0);

    return client;
}


static void
fuzz_check_entra(const json_t *claims, int es256)
{
    const char  *iss, *tid;

    iss = fuzz_text(claims, "iss");
    tid = fuzz_text(claims, "tid");

    fuzz_assert((tid != NULL) == (json_object_get(claims, "tid") != NULL));
    fuzz_assert(tid == NULL
                || (*iss == 'h' && strcasecmp(tid, FUZZ_TENANT) == 0));

    /* its key is of that one tenant's issuer */
    fuzz_assert(es256 != 1 || (strcmp(iss, "https://" FUZZ_TENANT "/") == 0
                           && tid && strcasecmp(tid, FUZZ_TENANT) == 0));
}


/* whether the algorithm is ES256; -1 if it is not known */
static int
fuzz_check_header(at_str_t text)
{
    int          es256;
    json_t      *jose;
    const char  *alg;

    jose = fuzz_json(text);

    if (jose == NULL) {
        return -1;
    }

    alg = fuzz_text(jose, "alg");

    fuzz_assert(alg && (strcmp(alg, "RS256") == 0
                        || strcmp(alg, "ES256") == 0));
    fuzz_assert(json_object_get(jose, "crit") == NULL);
    fuzz_assert(json_object_get(jose, "b64") == NULL);
    fuzz_assert(json_object_get(jose, "zip") == NULL);
    fuzz_assert(json_object_get(jose, "enc") == NULL);

    es256 = strcmp(alg, "ES256") == 0;
    json_decref(jose);

    return es256;
}


/* an access token, not bound to a key */
static void
fuzz_check_kind(at_str_t header, const json_t *claims)
{
    json_t      *jose = fuzz_json(header);
    const char  *typ, *use, *jose_typ;

    typ = fuzz_text(claims, "typ");
    use = fuzz_text(claims, "token_use");
    jose_typ = fuzz_text(jose, "typ");

    fuzz_assert(!typ || (strcasecmp(typ, "ID") && strcasecmp(typ, "Refresh")
                         && strcasecmp(typ, "Offline")
                         && strcasecmp(typ, "Logout")));
    fuzz_assert(use ? strcmp(use, "access") == 0
                    : json_object_get(claims, "token_use") == NULL);
    fuzz_assert(!json_object_get(claims, "at_hash")
                && !json_object_get(claims, "c_hash")
                && !json_is_object(json_object_get(claims, "events")));
    fuzz_assert(!json_object_get(claims, "nonce")
                || json_object_get(claims, "scope")
                || json_object_get(claims, "scp")
                || (typ && (!strcmp(typ, "Bearer") || !strcmp(typ, "DPoP")))
                || (jose_typ && !strcasecmp(jose_typ, "at+jwt")));
    fuzz_assert(!json_object_get(claims, "cnf")
                || json_is_null(json_object_get(claims, "cnf")));

    json_decref(jose);
}


/* the text of a string or number, else empty */
static int
fuzz_is_name(at_str_t name, const json_t *claim)
{
    int      same;
    json_t  *number;

    if (!json_is_number(claim)) {
        return fuzz_is_text(name, json_string_value(claim));
    }

    number = fuzz_json(name);
    same = json_equal(number, claim);
    json_decref(number);

    return same;
}


/* user, subject and number of scopes by the configured claims */
static void
fuzz_check_names(const at_identity_t *id, const json_t *claims)
{
    const json_t  *scope;
    const json_t  *user = json_object_get(claims, "username");

    scope = json_object_get(json_object_get(claims, "realm"), "scope");

    fuzz_assert(fuzz_is_name(id->user, user));
    fuzz_assert(fuzz_is_name(id->subject, id->user.len
                             ? user : json_object_get(claims, "sub")));
    fuzz_assert(scope == NULL || json_is_string(scope)
                || json_is_array(scope));
    fuzz_assert(!json_is_array(scope)
                || id->rights.scopes.n == json_array_size(scope));
    fuzz_assert(scope != NULL || id->rights.scopes.n == 0);
}


/* by the payload parsed with jansson */
static void
fuzz_check_granted(at_str_t header, at_str_t payload, const at_identity_t *id)
{
    double       exp_, iat;
    json_t      *claims;
    const char  *iss, *client = NULL;
    int          es256;

    fuzz_assert(memchr(payload.data, '\0', payload.len) == NULL);
    claims = fuzz_json(payload);

    if (claims == NULL) {
        return;
    }

    fuzz_assert(json_is_object(claims));
    es256 = fuzz_check_header(header);
    fuzz_check_kind(header, claims);

    iss = fuzz_text(claims, "iss");
    exp_ = fuzz_time(claims, "exp", 0);
    iat = fuzz_time(claims, "iat", 0);

    if (id->issuer->entra) {
        client = fuzz_client(claims);
        fuzz_check_entra(claims, es256);

    } else {
        fuzz_assert(iss && strcmp(iss, FUZZ_ISSUER) == 0);
    }

    fuzz_assert(fuzz_has_audience(json_object_get(claims, "aud"), client));
    fuzz_assert(exp_ > FUZZ_NOW - 5 && exp_ <= 253402300799.0);
    fuzz_assert((double) id->expires / 1000 < exp_ + 5 + 1);
    fuzz_assert((double) id->expires / 1000 >= exp_ + 5
                || (double) id->expires / 1000 >= iat + 3600 + 5);
    fuzz_assert(fuzz_time(claims, "nbf", 0) <= FUZZ_NOW + 5);
    fuzz_assert(iat <= FUZZ_NOW + 5 && iat >= FUZZ_NOW - 3600 - 5);
    fuzz_assert(id->rights.admin
                == json_is_true(json_object_get(claims, "isAdmin")));
    fuzz_check_names(id, claims);
    fuzz_check_same(at_claims_object(id->claims), claims);

    json_decref(claims);
}


static void
fuzz_verify(at_str_t header, at_str_t payload, at_str_t token,
    at_trusted_issuer_t *trusted)
{
    at_verdict_e    verdict;
    at_identity_t   id = { 0 };
    at_verifier_t  *verifier = fuzz_verifier_create();

    verdict = fuzz_jwt_verify(verifier, &id, &(at_jwt_query_t) { token,
                              AT_JWT_LEN_MAX, trusted, 1, FUZZ_NOW,
                              fuzz_is_client, NULL });
    fuzz_verifier_free(verifier);

    fuzz_assert(verdict != AT_FAILED && verdict != AT_UNAVAILABLE);

    if (verdict == AT_OK) {
        fuzz_check_granted(header, payload, &id);

    } else {
        fuzz_assert((id.claims != NULL) == (verdict == AT_EXPIRED
                                            || verdict == AT_TOO_OLD
                                            || verdict == AT_NOT_YET_VALID));
    }

    at_identity_release(&id);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    at_str_t  header, payload, token;

    if (set == NULL) {
        fuzz_init();
    }

    header = fuzz_line(&data, &size);
    payload = fuzz_copy(data, size);
    token = fuzz_token(header, payload);

    fuzz_verify(header, payload, token,
                &(at_trusted_issuer_t) { &issuer, &set, 1, 0 });
    fuzz_verify(header, payload, token,
                &(at_trusted_issuer_t) { &entra, &entra_set, 1, 0 });

    return fuzz_end();
}
