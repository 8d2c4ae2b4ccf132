/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Values of request headers, as they came.  Results are views of the value.
 */

#ifndef AT_HEADER_H
#define AT_HEADER_H

#include "core/base/at_str.h"


/*
 * Authorization (RFC 6750 section 2.1, RFC 9110 section 11.4).  Returns 1 if
 * the value is meant as a bearer credential, with the token behind one or more
 * spaces; it is empty if there is none, and if a tab spoils the beginning,
 * which does not hide the meaning.  0 for any other scheme.
 */
int at_header_bearer_parse(at_str_t value, at_str_t *token);

/*
 * Basic (RFC 7617).  Returns 1 if the value is meant as such a credential, with
 * its text behind the spaces; 0 for any other scheme.
 */
int at_header_basic_parse(at_str_t value, at_str_t *credential);

#define AT_HEADER_BASIC_MAX  2048

/*
 * Decodes that text into buf, which has room for as many bytes: user and
 * password are views of it.  Returns 0, or -1: it is no canonical base64 with
 * its padding, is longer than AT_HEADER_BASIC_MAX, has no colon, an empty user
 * or a control character.
 */
int at_header_basic_decode(at_str_t credential, char *buf, at_str_t *user,
    at_str_t *password);

/*
 * Cookie (RFC 6265 section 4.2.1): how many cookies of exactly that name there
 * are.  *cookie is the value of the last one, without space around it; it is
 * left alone if there is none.
 */
size_t at_header_cookie_find(at_str_t value, at_str_t name, at_str_t *cookie);

/*
 * Origin (RFC 6454 section 7): whether it is that of a request, by scheme, name
 * and port of the server.  host is the Host header, of which the port counts.
 */
int at_header_is_same_origin(at_str_t origin, int secure, at_str_t server,
    at_str_t host);


#endif
