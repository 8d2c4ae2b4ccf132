/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The client of a token, and access tokens of Microsoft Entra: two versions
 * name the client in different claims, and a key may be restricted to one
 * issuer.  GUIDs are compared without regard to case.
 */

#ifndef AT_ENTRA_H
#define AT_ENTRA_H

#include "core/authz/at_issuer.h"
#include "core/base/at_str.h"
#include "core/json/at_json.h"


#define AT_ENTRA_TENANT_PLACEHOLDER  "{tenantid}"


/*
 * Returns the client of a token, a view of the claims: the first client claim
 * of the issuer that is present.  For an issuer of Entra it is "appid" if the
 * version is 1.0, "azp" if it is 2.0; for a token without "ver" it is azp if
 * present, or else appid.  The result is empty if the token has no client, if
 * a claim is not a string, if appid and azp differ, and for other versions.
 */
at_str_t at_client_id(const at_issuer_t *issuer,
    const at_json_value_t *claims);

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
