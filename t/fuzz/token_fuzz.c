/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * A whole token with verification of its signature: only tokens signed with
 * the keys of the RFCs are granted.
 */

#include <openssl/err.h>

#include "core/jose/at_jwt.h"
#include "fuzz.h"


/* the signed texts of RFC 7515 A.2 and A.3, and of RFC 8037 A.4 */
#define PAYLOAD                                                               \
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNv"\
    "bS9pc19yb290Ijp0cnVlfQ."

static const at_str_t  known[] = {
    at_str("eyJhbGciOiJSUzI1NiJ9." PAYLOAD),
    at_str("eyJhbGciOiJFUzI1NiJ9." PAYLOAD),
    at_str("eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.")
};

static const at_str_t  names[] = { at_str(FUZZ_ISSUER) };

static at_keyset_t  *set;
static at_issuer_t   issuer;


static void
fuzz_init(void)
{
    at_error_t  err;

    issuer.issuers = names;
    issuer.n_issuers = 1;
    issuer.any_audience = 1;
    issuer.typ_absent = 1;
    issuer.algs = (1u << AT_ALGS) - 1;
    issuer.max_age = AT_NO_MAX_AGE;

    set = at_keyset_parse(at_str(FUZZ_JWKS), issuer.algs, fuzz_warn, NULL,
                          &err);
    fuzz_assert(set != NULL);
}


/* a verdict that a token gets only after its signature held */
static int
fuzz_is_past_signature(at_verdict_e verdict)
{
    return verdict == AT_OK
           || (verdict >= AT_BAD_CLAIM && verdict <= AT_EXPIRED);
}


/* what the log line of a refusal is made of */
static void
fuzz_check_parts(at_str_t token, at_verdict_e verdict)
{
    at_claims_t  *header, *claims;

    header = at_jwt_decode_header(token);
    claims = at_jwt_decode_claims(token);

    fuzz_assert(verdict < AT_UNKNOWN_KID || verdict > AT_EXPIRED
                || (header != NULL && claims != NULL));

    at_claims_free(header);
    at_claims_free(claims);
}


static int
fuzz_is_known(at_str_t token)
{
    size_t  i;

    for (i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (token.len > known[i].len
            && memcmp(token.data, known[i].data, known[i].len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    at_str_t             token;
    at_verdict_e         verdict;
    at_trusted_issuer_t  trusted;
    at_identity_t        id = { 0 };
    at_verifier_t       *verifier;

    if (set == NULL) {
        fuzz_init();
    }

    trusted = (at_trusted_issuer_t) { &issuer, &set, 1, 0 };
    token = fuzz_copy(data, size);

    /* a new verifier, so that a sanitizer finds an overrun of its memory */
    verifier = at_verifier_create();
    verdict = at_jwt_verify(verifier, &id, &(at_jwt_query_t) { token,
                            AT_JWT_LEN_DEFAULT, &trusted, 1, FUZZ_NOW, NULL,
                            NULL });
    at_verifier_free(verifier);

    fuzz_assert(verdict != AT_FAILED);
    fuzz_assert(!fuzz_is_past_signature(verdict) || fuzz_is_known(token));
    fuzz_assert((verdict == AT_OK) == (id.claims != NULL));
    fuzz_check_parts(token, verdict);
    fuzz_assert(ERR_peek_error() == 0);

    at_identity_release(&id);

    return fuzz_end();
}
