/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * A buffer that grows.
 */

#ifndef AT_BYTES_H
#define AT_BYTES_H

#include <stddef.h>


/* All zero: empty. */
typedef struct {
    char    *data;
    size_t   len;
    size_t   size;              /* bytes allocated */
    int      failed;            /* an allocation failed: check it at the end */
} at_bytes_t;

/* Frees the data; leaves the buffer empty. */
void at_bytes_free(at_bytes_t *bytes);

/* Appends a copy of data.  If allocation fails, sets failed instead. */
void at_bytes_append(at_bytes_t *bytes, const void *data, size_t len);


#endif
