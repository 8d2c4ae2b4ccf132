/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * A set of keys, which are known by sixteen bytes of their SHA-256: a million
 * of them fit into 32 MiB.
 */

#ifndef CLI_SEEN_H
#define CLI_SEEN_H

#include <stdint.h>

#include "core/base/at_str.h"


/* zeroed, it is empty */
typedef struct {
    size_t      n;
    size_t      size;           /* a power of two */
    uint64_t  (*slots)[2];      /* zeroes: free */
} cli_seen_t;

/* 1; 0 if it was there already; -1 where memory failed */
int cli_seen_add(cli_seen_t *seen, at_str_t key);

/* 1 or 0, -1 where memory failed */
int cli_seen_has(const cli_seen_t *seen, at_str_t key);

void cli_seen_free(cli_seen_t *seen);


#endif
