/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * URLs of key sources and of proxies; hosts and ports (RFC 3986).
 */

#ifndef AT_URL_H
#define AT_URL_H

#include "core/base/at_str.h"


#define AT_URL_LEN_MAX  2048

/*
 * Splits "host" or "host:port".  The host may be an IPv6 address in brackets,
 * which are kept.  Without a colon port->data is NULL; the port may be empty.
 */
void at_host_split(at_str_t text, at_str_t *host, at_str_t *port);

/* A decimal number of one to five digits, 1 to 65535, else 0. */
unsigned at_port_parse(at_str_t digits);

/*
 * Whether url is an https URL with a host, without user information and
 * without a fragment.  http is valid only for a loopback address ("localhost"
 * is a name and not an address).
 */
int at_url_is_valid(at_str_t url);

/* Whether url is http or https with a host and an optional port, no more. */
int at_url_is_origin(at_str_t url);

/*
 * Removes the port of an origin if it is that of the scheme, as browsers do
 * (RFC 6454 section 6.2).
 */
at_str_t at_url_cut_default_port(at_str_t origin);

int at_url_is_https(at_str_t url);


#endif
