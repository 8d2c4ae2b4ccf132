/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <jansson.h>

#include "core/base/at_crypto.h"
#include "core/session/at_token_claims.h"


static const char  at_random_alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

#define AT_RANDOM_ALPHABET_LEN  (sizeof(at_random_alphabet) - 1)

/* larger bytes are skipped: they would make some characters more likely */
#define AT_RANDOM_BYTE_LIMIT                                                  \
    (256 / AT_RANDOM_ALPHABET_LEN * AT_RANDOM_ALPHABET_LEN)


/* fails if json_stringn() returns NULL, like json_object_set_new() */
static int
at_claim_set(json_t *claims, const char *name, at_str_t text)
{
    return json_object_set_new(claims, name,
                               json_stringn(text.len ? text.data : "",
                                            text.len));
}


static json_t *
at_token_claims_create(const at_token_claims_t *common)
{
    json_t  *claims;

    claims = json_object();

    if (at_claim_set(claims, "iss", common->issuer) != 0
        || at_claim_set(claims, "aud", common->audience) != 0
        || json_object_set_new(claims, "exp", json_integer(common->expires))
           != 0
        || json_object_set_new(claims, "iat", json_integer(common->issued))
           != 0)
    {
        json_decref(claims);
        return NULL;
    }

    return claims;
}


static json_t *
at_token_claims_scopes(at_list_t list)
{
    json_t    *array;
    at_str_t   scope;

    array = json_array();

    while (at_list_next(&list, &scope)) {
        if (json_array_append_new(array, json_stringn(scope.data, scope.len))
            != 0)
        {
            json_decref(array);
            return NULL;
        }
    }

    return array;
}


static char *
at_token_claims_dump(json_t *claims, int rc)
{
    char  *text;

    text = rc == 0 ? json_dumps(claims, JSON_COMPACT) : NULL;
    json_decref(claims);

    return text;
}


char *
at_token_claims_user(const at_token_claims_t *common,
    const at_user_record_t *user)
{
    int      rc;
    json_t  *claims;

    claims = at_token_claims_create(common);

    rc = at_claim_set(claims, "id", user->id) != 0
         || at_claim_set(claims, "username", user->username) != 0
         || json_object_set_new(claims, "scope",
                                at_token_claims_scopes(user->scopes)) != 0
         || json_object_set_new(claims, "isAdmin", json_boolean(user->admin))
            != 0;

    return at_token_claims_dump(claims, rc);
}


char *
at_token_claims_client(const at_token_claims_t *common, at_str_t client)
{
    int      rc;
    json_t  *claims;

    claims = at_token_claims_create(common);

    rc = at_claim_set(claims, "appid", client) != 0
         || at_claim_set(claims, "sub", client) != 0
         || json_object_set_new(claims, "ver", json_string("1.0")) != 0;

    return at_token_claims_dump(claims, rc);
}


int
at_random_text(char *text, size_t len)
{
    size_t         n, i;
    unsigned char  bytes[64];

    n = 0;

    while (n < len) {
        if (at_random(bytes, sizeof(bytes)) != 0) {
            return -1;
        }

        for (i = 0; i < sizeof(bytes) && n < len; i++) {
            if (bytes[i] < AT_RANDOM_BYTE_LIMIT) {
                text[n++] = at_random_alphabet[bytes[i]
                                               % AT_RANDOM_ALPHABET_LEN];
            }
        }
    }

    at_crypto_cleanse(bytes, sizeof(bytes));

    return 0;
}
