/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The header of a JWT (RFC 7515 section 4).
 */

#ifndef AT_JOSE_H
#define AT_JOSE_H

#include "core/authz/at_issuer.h"
#include "core/base/at_str.h"
#include "core/base/at_verdict.h"
#include "core/jose/at_jwk.h"
#include "core/json/at_json.h"


/* The strings are views of the parsed header; empty: the header has none. */
typedef struct {
    at_alg_e  alg;
    unsigned  has_typ:1;
    at_str_t  kid;
    at_str_t  x5t;
    at_str_t  x5t_s256;
    at_str_t  typ;
} at_jose_t;

/* How a header selects a key, in the order in which the keys are tried. */
typedef enum {
    AT_SELECTED_BY_KID = 0,
    AT_SELECTED_BY_X5T_S256,
    AT_SELECTED_BY_X5T,
    AT_SELECTED_WITHOUT_KID,    /* the key has no kid */
    AT_SELECTED_BY_NOTHING,     /* the token has no kid */

    AT_NOT_SELECTED
} at_selection_e;


/* Returns AT_OK, AT_BAD_CRIT, AT_BAD_TYP, AT_BAD_ALG or AT_BAD_KID. */
at_verdict_e at_jose_read(at_jose_t *jose, const at_json_value_t *header);

int at_jose_typ_is_accepted(const at_jose_t *jose, const at_issuer_t *issuer);

/* Does not compare the algorithm. */
at_selection_e at_jose_select_key(const at_jose_t *jose,
    const at_jwk_t *jwk);


#endif
