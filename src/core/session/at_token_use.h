/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Use counters of API tokens, in the session database.  A worker adds them up
 * in memory and writes them in batches.
 */

#ifndef AT_TOKEN_USE_H
#define AT_TOKEN_USE_H

#include <stdint.h>

#include "core/base/at_crypto.h"
#include "core/base/at_error.h"
#include "core/session/at_session_db.h"


typedef struct {
    unsigned char  digest[AT_SHA256_LEN];   /* SHA-256 of the API token */
    uint64_t       count;
    int64_t        last;                    /* milliseconds since the epoch */
} at_token_use_t;

/*
 * Adds n counts to the stored counters, in one transaction.  Returns 0, or -1
 * with err set; then no counter has changed.
 */
int at_token_use_add(at_session_db_t *db, const at_token_use_t *uses, size_t n,
    at_error_t *err);

/*
 * Looks up use->digest.  Returns 1 with use->count and use->last set; 0 if the
 * token was never used; -1 if the database cannot be read.
 */
int at_token_use_get(at_session_db_t *db, at_token_use_t *use);


#endif
