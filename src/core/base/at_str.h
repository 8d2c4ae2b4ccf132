/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * A view of bytes owned elsewhere.  It is not terminated, may be empty and may
 * contain any byte.  {NULL, 0} is the empty view.
 */

#ifndef AT_STR_H
#define AT_STR_H

#include <stddef.h>
#include <string.h>


typedef struct {
    const char  *data;
    size_t       len;
} at_str_t;

#define at_str(literal)  ((at_str_t) { literal, sizeof(literal) - 1 })


static inline int
at_str_equal(at_str_t a, at_str_t b)
{
    return a.len == b.len
           && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}


static inline int
at_str_is_one_of(at_str_t text, const at_str_t *items, size_t n)
{
    size_t  i;

    for (i = 0; i < n; i++) {
        if (at_str_equal(text, items[i])) {
            return 1;
        }
    }

    return 0;
}


/* removes prefix; returns 0 if text does not begin with it */
static inline int
at_str_cut_prefix(at_str_t *text, at_str_t prefix)
{
    if (text->len < prefix.len
        || !at_str_equal((at_str_t) { text->data, prefix.len }, prefix))
    {
        return 0;
    }

    text->data += prefix.len;
    text->len -= prefix.len;

    return 1;
}


/* ASCII letters only, in every locale */
static inline char
at_lower(char c)
{
    return (c >= 'A' && c <= 'Z') ? (char) (c | 0x20) : c;
}


static inline int
at_str_equal_nocase(at_str_t a, at_str_t b)
{
    size_t  i;

    if (a.len != b.len) {
        return 0;
    }

    for (i = 0; i < a.len; i++) {
        if (at_lower(a.data[i]) != at_lower(b.data[i])) {
            return 0;
        }
    }

    return 1;
}


/*
 * Cuts off and returns the text before the first c, without c.  If there is no
 * c, returns all of the text and leaves {NULL, 0}.
 */
at_str_t at_str_cut(at_str_t *text, char c);

/* Returns text without spaces and tabs at both ends. */
at_str_t at_str_trim(at_str_t text);

#define AT_UPPER_CASE    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define AT_ALPHANUMERIC  AT_UPPER_CASE "abcdefghijklmnopqrstuvwxyz0123456789"

/* These are 1 for an empty text, too. */

/* 1 if each byte is one of chars */
int at_str_has_only(at_str_t text, at_str_t chars);

/* 1 if no byte is a control character of ASCII */
int at_str_is_printable(at_str_t text);

/* 1 if each byte is a visible character of ASCII, and none of excluded */
int at_str_is_visible(at_str_t text, const char *excluded);


#endif
