/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * UTF-8 (RFC 3629), strict: overlong forms, surrogates and characters above
 * U+10FFFF are errors.
 */

#ifndef AT_UTF8_H
#define AT_UTF8_H

#include <stdint.h>

#include "core/base/at_str.h"


/* A decoder; all zero before the first byte. */
typedef struct {
    uint32_t  code;             /* of the character, complete if !pending */
    uint32_t  min;              /* a lower code makes the form overlong */
    unsigned  pending;          /* continuation bytes still to come */
} at_utf8_t;


/*
 * Decodes one byte.  Returns 0, or -1 if the text is not UTF-8.  A text is
 * complete if pending is 0 after its last byte.
 */
static inline int
at_utf8_decode(at_utf8_t *utf8, unsigned char c)
{
    static const uint32_t  min[] = { 0, 0x80, 0x800, 0x10000 };

    if (utf8->pending) {
        utf8->code = utf8->code << 6 | (c & 0x3f);

        if ((c & 0xc0) != 0x80) {
            return -1;
        }

        if (--utf8->pending) {
            return 0;
        }

        return utf8->code < utf8->min || utf8->code > 0x10ffff
               || (utf8->code >= 0xd800 && utf8->code <= 0xdfff) ? -1 : 0;
    }

    if (c < 0x80) {
        utf8->code = c;
        return 0;
    }

    if (c < 0xc0 || c > 0xf7) {
        return -1;
    }

    utf8->pending = 1 + (c >= 0xe0) + (c >= 0xf0);
    utf8->min = min[utf8->pending];
    utf8->code = c & (0x3fu >> utf8->pending);

    return 0;
}


static inline int
at_utf8_is_valid(at_str_t text)
{
    size_t     i;
    at_utf8_t  utf8 = { 0, 0, 0 };

    for (i = 0; i < text.len; i++) {
        if (at_utf8_decode(&utf8, (unsigned char) text.data[i]) != 0) {
            return 0;
        }
    }

    return utf8.pending == 0;
}


/* Writes 1 to 4 bytes; returns the position after them. */
static inline char *
at_utf8_encode(char *out, uint32_t code)
{
    if (code < 0x80) {
        *out++ = (char) code;
        return out;
    }

    if (code < 0x800) {
        *out++ = (char) (0xc0 | code >> 6);

    } else if (code < 0x10000) {
        *out++ = (char) (0xe0 | code >> 12);
        *out++ = (char) (0x80 | (code >> 6 & 0x3f));

    } else {
        *out++ = (char) (0xf0 | code >> 18);
        *out++ = (char) (0x80 | (code >> 12 & 0x3f));
        *out++ = (char) (0x80 | (code >> 6 & 0x3f));
    }

    *out++ = (char) (0x80 | (code & 0x3f));

    return out;
}


#endif
