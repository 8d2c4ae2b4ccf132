/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The client id of a token, from its claims or from an audience.
 */

#ifndef AT_CLIENT_H
#define AT_CLIENT_H

#include "core/authz/at_issuer.h"
#include "core/base/at_str.h"
#include "core/json/at_json.h"


/*
 * Returns the first client claim of the issuer that is present, or the result
 * of at_entra_client_id() for an issuer of Entra.  The result is a view of the
 * claims; it is empty if the token has no client or is ambiguous.
 */
at_str_t at_client_id(const at_issuer_t *issuer,
    const at_json_value_t *claims);

/* Returns ID for "api://ID", the Application ID URI of Entra, and for "ID". */
at_str_t at_client_id_from_audience(at_str_t audience);


#endif
