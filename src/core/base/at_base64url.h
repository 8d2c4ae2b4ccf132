/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * base64url without padding (RFC 4648 section 5, RFC 7515 section 2), strict:
 * every byte string has exactly one valid encoding.
 */

#ifndef AT_BASE64URL_H
#define AT_BASE64URL_H

#include "core/base/at_str.h"


/* bytes that at_base64url_decode() needs for len characters */
#define at_base64url_decoded_size(len)  ((len) / 4 * 3 + 2)

/* characters of the encoding of len bytes */
#define at_base64url_encoded_len(len)   (((len) * 4 + 2) / 3)


/*
 * Decodes text into dst, which has room for at_base64url_decoded_size() bytes
 * and must not overlap text.  Returns 0 and sets *len.  Returns -1, with dst
 * undefined, for a character outside of the alphabet, a length of 1 modulo 4
 * and unused bits that are set.  An empty text is valid.
 */
int at_base64url_decode(unsigned char *dst, size_t *len, at_str_t text);

/* Writes at_base64url_encoded_len(len) characters, without a terminator. */
void at_base64url_encode(char *dst, const unsigned char *src, size_t len);


#endif
