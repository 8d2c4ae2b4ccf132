/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * What the tokens that are issued here say: claims for at_mint_sign().
 */

#ifndef AT_TOKEN_CLAIMS_H
#define AT_TOKEN_CLAIMS_H

#include <stdint.h>

#include "core/authz/at_record.h"
#include "core/base/at_str.h"


typedef struct {
    at_str_t                issuer;
    at_str_t                audience;
    int64_t                 issued;     /* seconds since the epoch */
    int64_t                 expires;
} at_token_claims_t;

/*
 * Of a user: exactly id, exp, iat, scope[], username, isAdmin, aud, iss.  A
 * terminated JSON text, which the caller frees; NULL where memory failed, or
 * for a text that is not UTF-8.
 */
char *at_token_claims_user(const at_token_claims_t *grant, const at_user_record_t *user);

/* of a client: exactly iss, aud, exp, iat, appid, sub, ver */
char *at_token_claims_client(const at_token_claims_t *grant, at_str_t client);


/*
 * What is made of random numbers that nobody can guess: len letters and
 * digits, of nearly 6 bits each.  0, or -1: then there are none.
 */
int at_random_text(char *text, size_t len);


#endif
