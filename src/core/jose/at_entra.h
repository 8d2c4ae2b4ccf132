/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * What Microsoft Entra does in a way of its own: two versions of access tokens,
 * which name the client in different claims, and keys that are each of one
 * issuer.  GUIDs in claims are compared without regard to case.
 */

#ifndef AT_ENTRA_H
#define AT_ENTRA_H

#include "core/base/at_str.h"
#include "core/json/at_json.h"


#define AT_ENTRA_TENANT_PLACEHOLDER  "{tenantid}"


/*
 * The client that a token names: "appid" in version 1.0, "azp" in 2.0; where
 * the token has no "ver", azp, else appid.  Returns 0 with *id a view of the
 * claims; -1 for no such claim, two that differ, one that is no string, and
 * another version.
 */
int at_entra_client_id(const at_json_value_t *claims, at_str_t *id);

/*
 * Whether "tid", the tenant's GUID, is that of "iss": one of its segments, or a
 * label of its host.  A token without a tid is of no tenant that could be
 * another.
 */
int at_entra_tenant_matches_issuer(const at_json_value_t *claims);

/*
 * Whether "iss" is the issuer of a key, which may have AT_ENTRA_TENANT_PLACEHOLDER in the
 * place of the token's tid; tid must be a GUID then.
 */
int at_entra_issuer_matches(const at_json_value_t *claims, at_str_t issuer);

/*
 * Whether a client was given the token for a user: it has a "scp", or an
 * "idtyp" that is not "app".
 */
int at_entra_is_delegated(const at_json_value_t *claims);


#endif
