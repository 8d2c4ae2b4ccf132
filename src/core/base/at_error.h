/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * An error message for the operator: one line without a line end, truncated to
 * the size of the buffer.  It never contains a key, a token or a password.
 */

#ifndef AT_ERROR_H
#define AT_ERROR_H

#include <stdarg.h>
#include <stdio.h>


typedef struct {
    char  text[512];
} at_error_t;


/* Returns -1, for: return at_error(err, "..."); */
__attribute__((format(printf, 2, 3)))
static inline int
at_error(at_error_t *err, const char *fmt, ...)
{
    va_list  args;

    va_start(args, fmt);
    (void) vsnprintf(err->text, sizeof(err->text), fmt, args);
    va_end(args);

    return -1;
}


#endif
