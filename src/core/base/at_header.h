/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Values of header fields.  Results of parsing are views of the value.
 */

#ifndef AT_HEADER_H
#define AT_HEADER_H

#include "core/base/at_str.h"


/*
 * Returns 1 if a header field can carry the value unchanged: it is not empty,
 * has no control character and no space at either end.
 */
int at_header_can_carry(at_str_t value);

/*
 * Authorization (RFC 9110 section 11.4).  Returns 1 if the scheme is this one,
 * in any case, and sets *credential: RFC 6750 section 2.1 for "Bearer", RFC
 * 7617 for "Basic".  The credential is empty if it is missing, and if a tab is
 * used in place of a space.  Returns 0 for other schemes.
 */
int at_header_credential(at_str_t value, at_str_t scheme,
    at_str_t *credential);

#define AT_HEADER_BASIC_MAX  2048

/*
 * Decodes a Basic credential into buf, which has room for credential.len
 * bytes; user and password are views of buf.  Returns 0; -1 if the credential
 * is not canonical base64 with padding, is longer than AT_HEADER_BASIC_MAX,
 * has no colon, an empty user or a control character.
 */
int at_header_basic_decode(at_str_t credential, char *buf, at_str_t *user,
    at_str_t *password);

/*
 * Cookie (RFC 6265 section 4.2.1).  Returns the number of cookies with exactly
 * that name.  *cookie is the trimmed value of the last one, or unchanged.
 */
size_t at_header_cookie_find(at_str_t value, at_str_t name, at_str_t *cookie);

/*
 * Origin (RFC 6454 section 7).  Returns 1 if scheme, name and port are those
 * of the server.  secure: the request uses TLS; server: the name of the
 * server; host: the Host header field, for the port.
 */
int at_header_is_same_origin(at_str_t origin, int secure, at_str_t server,
    at_str_t host);


#endif
