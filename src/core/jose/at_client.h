/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The client of a token, by its claims or by an audience.
 */

#ifndef AT_CLIENT_H
#define AT_CLIENT_H

#include "core/authz/at_issuer.h"
#include "core/base/at_str.h"
#include "core/json/at_json.h"


/*
 * The value of the first client claim of the issuer that is present, or for
 * Entra as in at_entra.h.  Returns a view of the claims, or the empty view if
 * the token has no client or is ambiguous.
 */
at_str_t at_client_id(const at_issuer_t *issuer,
    const at_json_value_t *claims);

/* ID of "api://ID", the Application ID URI of Entra, or of "ID". */
at_str_t at_client_id_from_audience(at_str_t audience);


#endif
