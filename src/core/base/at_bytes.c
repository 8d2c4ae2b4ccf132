/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>
#include <string.h>

#include "core/base/at_bytes.h"


void
at_bytes_free(at_bytes_t *bytes)
{
    free(bytes->data);
    memset(bytes, 0, sizeof(at_bytes_t));
}


/* Allocates for size bytes in total.  Returns 0, or -1 with failed set. */
static int
at_bytes_reserve(at_bytes_t *bytes, size_t size)
{
    char  *grown;

    if (size <= bytes->size) {
        return 0;
    }

    grown = realloc(bytes->data, size * 2);

    if (grown == NULL) {
        bytes->failed = 1;
        return -1;
    }

    bytes->data = grown;
    bytes->size = size * 2;

    return 0;
}


void
at_bytes_append(at_bytes_t *bytes, const void *data, size_t len)
{
    if (len == 0 || at_bytes_reserve(bytes, bytes->len + len) != 0) {
        return;
    }

    memcpy(bytes->data + bytes->len, data, len);
    bytes->len += len;
}
