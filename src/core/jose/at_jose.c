/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "core/jose/at_jose.h"
#include "core/jose/at_key.h"


const at_str_t  at_default_typs[AT_DEFAULT_TYPS] = {
    at_str("JWT"), at_str("at+jwt"), at_str("application/at+jwt")
};


at_verdict_e
at_jose_read(at_jose_t *jose, const at_json_value_t *header)
{
    int       rc;
    at_str_t  alg, kid;

    memset(jose, 0, sizeof(at_jose_t));

    /* RFC 7515 section 4.1.11, RFC 7797; "zip" and "enc" belong to a JWE */
    if (at_json_member(header, at_str("crit")) != NULL
        || at_json_member(header, at_str("b64")) != NULL
        || at_json_member(header, at_str("zip")) != NULL
        || at_json_member(header, at_str("enc")) != NULL)
    {
        return AT_BAD_CRIT;
    }

    rc = at_json_member_string(header, at_str("typ"), &jose->typ);

    if (rc < 0) {
        return AT_BAD_TYP;
    }

    jose->has_typ = rc == 1;

    if (at_json_member_string(header, at_str("alg"), &alg) != 1) {
        return AT_BAD_ALG;
    }

    jose->alg = at_alg_find(alg);

    if (jose->alg == AT_ALGS) {
        return AT_BAD_ALG;
    }

    rc = at_json_member_string(header, at_str("kid"), &kid);

    if (rc < 0 || (rc == 1 && !at_kid_is_valid(kid))) {
        return AT_BAD_KID;
    }

    if (rc == 1) {
        jose->kid = kid;
    }

    /* hints: a value of another type or form selects no key */
    (void) at_json_member_string(header, at_str("x5t"), &jose->x5t);
    (void) at_json_member_string(header, at_str("x5t#S256"), &jose->x5t_s256);

    return AT_OK;
}


int
at_jose_typ_is_accepted(const at_jose_t *jose, const at_issuer_t *issuer)
{
    size_t  i;

    if (!jose->has_typ) {
        return issuer->typ_absent;
    }

    for (i = 0; i < issuer->n_typs; i++) {
        if (at_str_equal_nocase(jose->typ, issuer->typs[i])) {
            return 1;
        }
    }

    return 0;
}


at_selection_e
at_jose_select_key(const at_jose_t *jose, const at_jwk_t *jwk)
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
