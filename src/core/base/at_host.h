/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Host and port of a URL or of a Host header (RFC 3986 section 3.2).
 */

#ifndef AT_HOST_H
#define AT_HOST_H

#include "core/base/at_str.h"


/*
 * Splits "host" or "host:port".  The host may be an IPv6 address in brackets,
 * which are kept.  Without a colon port->data is NULL; the port may be empty.
 */
void at_host_split(at_str_t text, at_str_t *host, at_str_t *port);

/* A decimal number of one to five digits, 1 to 65535, else 0. */
unsigned at_port_parse(at_str_t digits);


#endif
