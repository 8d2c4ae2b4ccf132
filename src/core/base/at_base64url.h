/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * base64url without padding (RFC 4648 section 5, RFC 7515 section 2), strict:
 * every byte string has exactly one spelling that is accepted.
 */

#ifndef AT_BASE64URL_H
#define AT_BASE64URL_H

#include "core/base/at_str.h"


/* room for the decoded form of len characters */
#define at_base64url_decoded_size(len)  ((len) / 4 * 3 + 2)

/* length of the encoded form of len bytes */
#define at_base64url_encoded_len(len)   (((len) * 4 + 2) / 3)


/*
 * Decodes text into dst, which has room for at_base64url_decoded_size() bytes
 * and may not overlap it.  Returns 0 and sets *len; -1 if a character is not
 * of the alphabet, if the length is 1 modulo 4, or if unused bits are set.
 * What dst holds after -1 is of no use.  Empty text is empty bytes.
 */
int at_base64url_decode(unsigned char *dst, size_t *len, at_str_t text);

/* Writes at_base64url_encoded_len(len) characters, without a terminator. */
void at_base64url_encode(char *dst, const unsigned char *src, size_t len);


#endif
