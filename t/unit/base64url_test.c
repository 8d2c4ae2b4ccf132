/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Requirements: base64-padding, base64-foreign-bytes,
 *   base64-standard-alphabet, base64-length, base64-spare-bits.
 */

#include "core/base/at_base64url.h"
#include "tap.h"


#define ALPHABET                                                              \
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


/*
 * Decodes a heap copy of exactly the size of the text into a heap block of
 * exactly the documented size, so that a sanitizer finds an overrun.  Returns
 * the number of bytes, or -1.
 */
static int
decode(unsigned char *out, at_str_t text)
{
    int             rc;
    size_t          len;
    char           *copy = malloc(text.len + !text.len);
    unsigned char  *dst = malloc(at_base64url_decoded_size(text.len));

    must(copy == NULL || dst != NULL, "no memory");

    if (text.len) {
        memcpy(copy, text.data, text.len);
    }

    text.data = copy;
    rc = at_base64url_decode(dst, &len, text);

    if (rc == 0) {
        memcpy(out, dst, len);
    }

    free(copy);
    free(dst);

    return rc == 0 ? (int) len : -1;
}


static void
test_vectors(void)
{
    int            n;
    char           text[16];
    size_t         i, len;
    unsigned char  out[16];

    /* RFC 4648 section 10, without the padding */
    static const struct { const char *plain, *text; } vectors[] = {
        { "", "" }, { "f", "Zg" }, { "fo", "Zm8" }, { "foo", "Zm9v" },
        { "foob", "Zm9vYg" }, { "fooba", "Zm9vYmE" }, { "foobar", "Zm9vYmFy" },
        { "\xfb\xff\xbf", "-_-_" },
    };

    for (i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        n = decode(out, str(vectors[i].text));
        len = strlen(vectors[i].plain);

        ok(n == (int) len && memcmp(out, vectors[i].plain, len) == 0,
           "decode \"%s\"", vectors[i].text);

        memset(text, 0, sizeof(text));
        at_base64url_encode(text, (const unsigned char *) vectors[i].plain,
                            len);

        is_str(text, vectors[i].text, "encode to \"%s\"", vectors[i].text);
        is_int(at_base64url_encoded_len(len),
               strlen(vectors[i].text), "the length of the encoding");
    }
}


static void
test_refused(void)
{
    size_t         i;
    unsigned char  out[64];

    static const struct { const char *name; at_str_t text; } cases[] = {
        { "one =",                   at_str("Zm8=") },
        { "two =",                   at_str("Zg==") },
        { "four = alone",            at_str("====") },
        { "four = after a group",    at_str("Zm9v====") },
        { "= inside",                at_str("Zm=v") },
        { "space inside",            at_str("Zm v") },
        { "space at the end",        at_str("Zm9v ") },
        { "tab",                     at_str("Zm9\t") },
        { "LF at the end",           at_str("Zm9v\n") },
        { "CR LF at the end",        at_str("Zm9v\r\n") },
        { "0x01",                    at_str("Zm9\x01") },
        { "0x7f",                    at_str("Zm9\x7f") },
        { "0x80",                    at_str("Zm9\x80") },
        { "0xff",                    at_str("\xffm9v") },
        { "NUL inside",              at_str("Zm\0v") },
        { "NUL at the end",          at_str("Zm9v\0\0") },
        { "+ for -",                 at_str("+_-_") },
        { "/ for _",                 at_str("-/-_") },
        { "a mix of both alphabets", at_str("+_-/") },
        { "one character",           at_str("Z") },
        { "five characters",         at_str("Zm9vZ") },
        { "nine characters",         at_str("Zm9vZm9vA") },
        { "a dot",                      at_str("Zm.v") },
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        is_int(decode(out, cases[i].text), -1, "%s", cases[i].name);
    }
}


/* every byte at every position of groups of every length */
static void
test_every_byte(void)
{
    int            accepted, member;
    char           text[7];
    size_t         len, place;
    unsigned       byte, wrong;
    unsigned char  out[16];

    for (len = 2; len <= 7; len++) {
        if (len == 5) {
            continue;
        }

        wrong = 0;

        for (place = 0; place < len; place++) {
            for (byte = 0; byte < 256; byte++) {
                memset(text, 'A', sizeof(text));
                text[place] = (char) byte;

                accepted = decode(out, (at_str_t) { text, len }) != -1;
                member = byte && strchr(ALPHABET, (int) byte) != NULL;

                if (member && place == len - 1) {
                    /* unused bits: 4 in a group of 2, 2 in a group of 3 */
                    member = (strchr(ALPHABET, (int) byte) - ALPHABET)
                             % (len % 4 == 2 ? 16 : len % 4 == 3 ? 4 : 1) == 0;
                }

                wrong += accepted != member;
            }
        }

        is_int(wrong, 0, "each byte at each place of %zu", len);
    }
}


/* other encodings of the same bytes, which lax decoders accept */
static void
test_spare_bits(void)
{
    char           text[4];
    unsigned       value, spare, taken = 0;
    unsigned char  out[16];

    for (value = 0; value < 4; value++) {
        for (spare = 0; spare < 16; spare++) {
            text[0] = 'A';
            text[1] = ALPHABET[value * 16 + spare];
            taken += decode(out, (at_str_t) { text, 2 }) != -1;
        }
    }

    is_int(taken, 4, "four unused bits: one of 16 encodings is valid");

    taken = 0;

    for (value = 0; value < 16; value++) {
        for (spare = 0; spare < 4; spare++) {
            text[0] = 'A';
            text[1] = 'A';
            text[2] = ALPHABET[value * 4 + spare];
            taken += decode(out, (at_str_t) { text, 3 }) != -1;
        }
    }

    is_int(taken, 16, "two unused bits: one of 4 encodings is valid");
}


static void
test_round_trip(void)
{
    int             n;
    char           *text;
    size_t          len, i;
    unsigned        wrong = 0;
    unsigned char   src[300], out[301];

    for (len = 0; len <= sizeof(src); len++) {
        for (i = 0; i < len; i++) {
            src[i] = (unsigned char) rand();
        }

        text = malloc(at_base64url_encoded_len(len) + !len);
        must(text != NULL, "no memory");

        at_base64url_encode(text, src, len);
        n = decode(out, (at_str_t) { text, at_base64url_encoded_len(len) });
        wrong += n != (int) len || memcmp(out, src, len) != 0;

        free(text);
    }

    is_int(wrong, 0, "0 to 300 bytes are encoded and decoded");
}


int
main(void)
{
    srand(1);

    RUN(test_vectors, test_refused, test_every_byte, test_spare_bits,
        test_round_trip);

    is_int(decode((unsigned char[2]) { 0 }, (at_str_t) { NULL, 0 }), 0,
           "an empty text is decoded to no bytes");

    return tap_done();
}
