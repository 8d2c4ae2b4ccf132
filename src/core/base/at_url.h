/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * URLs of key sources and of proxies (RFC 3986).
 */

#ifndef AT_URL_H
#define AT_URL_H

#include "core/base/at_str.h"


#define AT_URL_LEN_MAX  2048

/*
 * Whether url is an https URL with a host, without user information and
 * without a fragment.  http is valid only for a loopback address ("localhost"
 * is a name and not an address).
 */
int at_url_is_valid(at_str_t url);

/* Whether url is http or https with a host and an optional port, no more. */
int at_url_is_valid_proxy(at_str_t url);

int at_url_is_https(at_str_t url);


#endif
