/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdint.h>

#include <arpa/inet.h>

#include "core/base/at_base64url.h"


#define AT_BASE64URL_VALID  0x40

/*
 * The value of each character, with AT_BASE64URL_VALID set: the "and" of
 * several entries tells whether all characters are valid.
 */
static const unsigned char  at_base64url_values[256] = {
    ['A'] =  64, ['B'] =  65, ['C'] =  66, ['D'] =  67, ['E'] =  68,
    ['F'] =  69, ['G'] =  70, ['H'] =  71, ['I'] =  72, ['J'] =  73,
    ['K'] =  74, ['L'] =  75, ['M'] =  76, ['N'] =  77, ['O'] =  78,
    ['P'] =  79, ['Q'] =  80, ['R'] =  81, ['S'] =  82, ['T'] =  83,
    ['U'] =  84, ['V'] =  85, ['W'] =  86, ['X'] =  87, ['Y'] =  88,
    ['Z'] =  89,
    ['a'] =  90, ['b'] =  91, ['c'] =  92, ['d'] =  93, ['e'] =  94,
    ['f'] =  95, ['g'] =  96, ['h'] =  97, ['i'] =  98, ['j'] =  99,
    ['k'] = 100, ['l'] = 101, ['m'] = 102, ['n'] = 103, ['o'] = 104,
    ['p'] = 105, ['q'] = 106, ['r'] = 107, ['s'] = 108, ['t'] = 109,
    ['u'] = 110, ['v'] = 111, ['w'] = 112, ['x'] = 113, ['y'] = 114,
    ['z'] = 115,
    ['0'] = 116, ['1'] = 117, ['2'] = 118, ['3'] = 119, ['4'] = 120,
    ['5'] = 121, ['6'] = 122, ['7'] = 123, ['8'] = 124, ['9'] = 125,
    ['-'] = 126, ['_'] = 127
};

static const char  at_base64url_alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";


/* the AT_BASE64URL_VALID bits of three characters in the combined bits */
#define AT_BASE64URL_VALID_BITS                                               \
    (AT_BASE64URL_VALID << 12 ^ AT_BASE64URL_VALID << 6                       \
     ^ AT_BASE64URL_VALID)

/*
 * Decodes groups of four characters; their validity is checked at the end.
 * Each group writes four bytes, of which three count: the fourth one of the
 * last group goes into the room for the tail.
 */
static int
at_base64url_decode_quads(unsigned char *dst, const unsigned char *src,
    size_t n)
{
    uint32_t       bits;
    unsigned char  a, b, c, d, all;

    all = AT_BASE64URL_VALID;

    for ( /* void */ ; n; n--) {
        a = at_base64url_values[src[0]];
        b = at_base64url_values[src[1]];
        c = at_base64url_values[src[2]];
        d = at_base64url_values[src[3]];

        all &= a & b & c & d;

        bits = (uint32_t) a << 18 ^ (uint32_t) b << 12 ^ (uint32_t) c << 6 ^ d;
        bits = htonl((bits ^ AT_BASE64URL_VALID_BITS) << 8);
        memcpy(dst, &bits, 4);

        src += 4;
        dst += 3;
    }

    return all ? 0 : -1;
}


/* the last 0 to 3 characters; unused bits must be 0 */
static int
at_base64url_decode_tail(unsigned char *dst, const unsigned char *src,
    size_t n)
{
    size_t         i;
    uint32_t       bits;
    unsigned char  value, all;

    bits = 0;
    all = AT_BASE64URL_VALID;

    for (i = 0; i < n; i++) {
        value = at_base64url_values[src[i]];
        all &= value;
        bits = bits << 6 | (value & (AT_BASE64URL_VALID - 1));
    }

    if (n == 1 || !all) {
        return -1;
    }

    if (n == 2) {
        dst[0] = (unsigned char) (bits >> 4);
        return (bits & 0x0f) ? -1 : 0;
    }

    if (n == 3) {
        dst[0] = (unsigned char) (bits >> 10);
        dst[1] = (unsigned char) (bits >> 2);
        return (bits & 0x03) ? -1 : 0;
    }

    return 0;
}


int
at_base64url_decode(unsigned char *dst, size_t *len, at_str_t text)
{
    size_t                n, tail;
    const unsigned char  *src;

    src = (const unsigned char *) text.data;
    n = text.len / 4;
    tail = text.len % 4;

    if (at_base64url_decode_quads(dst, src, n) != 0
        || at_base64url_decode_tail(dst + n * 3, src + n * 4, tail) != 0)
    {
        return -1;
    }

    *len = n * 3 + tail * 3 / 4;

    return 0;
}


void
at_base64url_encode(char *dst, const unsigned char *src, size_t len)
{
    unsigned  pending;
    uint32_t  bits;

    bits = 0;
    pending = 0;

    for ( /* void */ ; len; len--) {
        bits = bits << 8 | *src++;
        pending += 8;

        while (pending >= 6) {
            pending -= 6;
            *dst++ = at_base64url_alphabet[bits >> pending & 0x3f];
        }
    }

    if (pending) {
        *dst = at_base64url_alphabet[bits << (6 - pending) & 0x3f];
    }
}
