/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Claims of the access tokens that the token endpoints issue, for
 * at_mint_sign(); and random text for refresh tokens.
 */

#ifndef AT_TOKEN_CLAIMS_H
#define AT_TOKEN_CLAIMS_H

#include <stdint.h>

#include "core/authz/at_record.h"
#include "core/base/at_str.h"


typedef struct {
    at_str_t  issuer;
    at_str_t  audience;
    int64_t   issued;           /* seconds since the epoch */
    int64_t   expires;
} at_token_claims_t;

/*
 * The claims as a terminated JSON text, which the caller frees; NULL without
 * memory, or if a text is not UTF-8.  User: id, exp, iat, scope[], username,
 * isAdmin, aud, iss.  Client: iss, aud, exp, iat, appid, sub, ver.
 */
char *at_token_claims_user(const at_token_claims_t *common,
    const at_user_record_t *user);
char *at_token_claims_client(const at_token_claims_t *common, at_str_t client);


/*
 * Random letters and digits, nearly 6 bits each.  Returns 0, or -1: then text
 * is not random.
 */
int at_random_text(char *text, size_t len);


#endif
