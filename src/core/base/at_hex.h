/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Hexadecimal digits: both cases are read, lower case is written.
 */

#ifndef AT_HEX_H
#define AT_HEX_H

#include "core/base/at_str.h"


/* The value of a digit, 0 to 15, or -1 for any other character. */
static inline int
at_hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }

    c = at_lower(c);

    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}


/* Returns 0, or -1 if text is not exactly len bytes in hexadecimal. */
int at_hex_decode(unsigned char *bytes, size_t len, at_str_t text);

/* Writes 2 * len characters, without a terminator. */
void at_hex_encode(char *text, const unsigned char *bytes, size_t len);


#endif
