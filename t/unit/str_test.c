/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The characters and the parts of texts.
 */

#include "core/base/at_utf8.h"
#include "tap.h"


/* each byte alone and between two letters */
static void
test_bytes(void)
{
    int       c, printable, visible, n;
    unsigned  wrong = 0;
    char      text[3] = { 'a', 0, 'b' };

    for (c = 0; c < 256; c++) {
        text[1] = (char) c;
        printable = c >= 0x20 && c != 0x7f;
        visible = c > 0x20 && c < 0x7f && c != '"';

        for (n = 1; n <= 3; n += 2) {
            at_str_t  part = { text + (n == 1), (size_t) n };

            wrong += at_str_is_printable(part) != printable;
            wrong += at_str_is_visible(part, "\"") != visible;
            wrong += at_str_has_only(part, at_str("ab.")) != (c == 'a'
                                                  || c == 'b' || c == '.');
            wrong += at_utf8_is_valid(part) != (c < 0x80);
        }
    }

    is_int(wrong, 0, "control characters, spaces and bytes above 0x7f");
}


static void
test_texts(void)
{
    at_str_t  empty = { NULL, 0 };

    ok(at_str_is_printable(empty) && at_str_is_visible(empty, "")
       && at_str_has_only(empty, at_str("a")) && at_utf8_is_valid(empty),
       "an empty text has no wrong character");
    ok(!at_str_has_only(at_str("a\0"), at_str("a")),
       "the terminator of a list is not part of it");
    ok(at_utf8_is_valid(at_str("\xc3\xa9\xe2\x82\xac\xf0\x9f\x94\x91")),
       "characters of two, three and four bytes");
    ok(!at_utf8_is_valid(at_str("a\xc3")), "a character that is cut off");
}


static void
test_parts(void)
{
    at_str_t  rest = at_str("one,,two");

    is_bytes(at_str_trim(at_str(" \ta \tb\t ")), at_str("a \tb"),
             "spaces and tabs are removed from both ends only");
    is_bytes(at_str_trim(at_str(" \t")), at_str(""), "an empty line");

    is_bytes(at_str_cut(&rest, ','), at_str("one"), "the first part");
    is_bytes(at_str_cut(&rest, ','), at_str(""), "an empty part");
    is_bytes(rest, at_str("two"), "the rest begins behind the separator");
    is_bytes(at_str_cut(&rest, ','), at_str("two"), "the last part");
    ok(rest.data == NULL && rest.len == 0, "nothing is left");
}


int
main(void)
{
    test_bytes();
    test_texts();
    test_parts();

    return tap_done();
}
