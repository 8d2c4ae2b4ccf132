/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "core/json/at_claim.h"
#include "core/jose/at_client.h"
#include "core/jose/at_entra.h"


at_str_t
at_client_id(const at_issuer_t *issuer, const at_json_value_t *claims)
{
    size_t                  i;
    at_str_t                id;
    const at_json_value_t  *claim;

    if (issuer->entra) {
        return at_entra_client_id(claims, &id) == 0 ? id
                                                    : (at_str_t) { NULL, 0 };
    }

    /* the first claim that is present must be a string */
    for (i = 0; i < issuer->n_client_claims; i++) {
        claim = at_claim_find(claims, &issuer->client_claims[i]);

        if (claim != NULL) {
            return at_json_string(claim, &id) == 0
                   ? id : (at_str_t) { NULL, 0 };
        }
    }

    return (at_str_t) { NULL, 0 };
}


at_str_t
at_client_id_from_audience(at_str_t audience)
{
    at_str_t  scheme;

    scheme = at_str("api://");

    if (audience.len > scheme.len
        && at_str_equal((at_str_t) { audience.data, scheme.len }, scheme))
    {
        audience.data += scheme.len;
        audience.len -= scheme.len;
    }

    return audience;
}
