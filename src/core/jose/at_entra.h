/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Access tokens of Microsoft Entra: two versions name the client in different
 * claims, and a key may be restricted to one issuer.  GUIDs are compared
 * without regard to case.
 */

#ifndef AT_ENTRA_H
#define AT_ENTRA_H

#include "core/base/at_str.h"
#include "core/json/at_json.h"


#define AT_ENTRA_TENANT_PLACEHOLDER  "{tenantid}"


/*
 * The client of a token: "appid" for version 1.0, "azp" for version 2.0; for a
 * token without "ver", azp if present, or else appid.  Returns 0 with *id, a
 * view of the claims.  Returns -1 if there is no such claim, if one is not a
 * string, if both are present and differ, and for other versions.
 */
int at_entra_client_id(const at_json_value_t *claims, at_str_t *id);

/*
 * Returns 1 if "tid", the GUID of the tenant, is a path segment of "iss" or a
 * label of its host name, or if the token has no tid.
 */
int at_entra_tenant_matches_issuer(const at_json_value_t *claims);

/*
 * Returns 1 if "iss" is issuer, the issuer that a key is restricted to.  Each
 * AT_ENTRA_TENANT_PLACEHOLDER in it stands for the tid of the token, which
 * must be a GUID.
 */
int at_entra_issuer_matches(const at_json_value_t *claims, at_str_t issuer);

/*
 * Returns 1 if a client acts for a user with this token: the token has a
 * "scp", or an "idtyp" that is not "app".
 */
int at_entra_is_delegated(const at_json_value_t *claims);


#endif
