/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * OpenID Connect Discovery 1.0.
 */

#ifndef AT_DISCOVERY_H
#define AT_DISCOVERY_H

#include "core/base/at_error.h"
#include "core/base/at_str.h"


/*
 * The URL of the metadata of an issuer (section 4).  The issuer must be a URL
 * that at_url_is_valid() accepts, without a query.  Returns a terminated
 * string for free(), or NULL with err set.
 */
char *at_discovery_url(at_str_t issuer, at_error_t *err);

/*
 * The jwks_uri of a metadata document, whose issuer must be equal to issuer.
 * The jwks_uri must be valid, too, and https if the issuer is.  Returns a
 * terminated string for free(), or NULL with err set.
 */
char *at_discovery_parse(at_str_t document, at_str_t issuer, at_error_t *err);


#endif
