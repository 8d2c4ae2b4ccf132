/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The client that a token names, and audiences that are clients'.
 */

#ifndef AT_CLIENT_H
#define AT_CLIENT_H

#include "core/authz/at_issuer.h"
#include "core/base/at_str.h"
#include "core/json/at_json.h"


/*
 * By the first of the issuer's client claims that is there, or as Entra has it:
 * a view of the claims; the empty one if the token names no client, or in a way
 * that has no one reading.
 */
at_str_t at_client_id(const at_issuer_t *issuer, const at_json_value_t *claims);

/* the client in "api://ID", Entra's Application ID URI, or in a bare "ID" */
at_str_t at_client_id_from_audience(at_str_t audience);


#endif
