/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "core/base/at_hex.h"


int
at_hex_decode(unsigned char *bytes, size_t len, at_str_t text)
{
    int     high, low;
    size_t  i;

    if (text.len != 2 * len) {
        return -1;
    }

    for (i = 0; i < len; i++) {
        high = at_hex_digit(text.data[2 * i]);
        low = at_hex_digit(text.data[2 * i + 1]);

        if (high == -1 || low == -1) {
            return -1;
        }

        bytes[i] = (unsigned char) (high << 4 | low);
    }

    return 0;
}


void
at_hex_encode(char *text, const unsigned char *bytes, size_t len)
{
    size_t  i;

    static const char  digits[] = "0123456789abcdef";

    for (i = 0; i < len; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 0xf];
    }
}
