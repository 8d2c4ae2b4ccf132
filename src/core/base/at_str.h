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


#endif
