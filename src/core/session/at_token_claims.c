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

/* bytes from there on would make some characters more likely */
#define AT_RANDOM_BYTE_LIMIT  (256 / AT_RANDOM_ALPHABET_LEN * AT_RANDOM_ALPHABET_LEN)


static json_t *
at_token_claims_string(at_str_t text)
{
    return json_stringn(text.len ? text.data : "", text.len);
}


static int
at_token_claims_set_common(json_t *claims, const at_token_claims_t *grant)
{
    if (json_object_set_new(claims, "iss", at_token_claims_string(grant->issuer)) != 0
        || json_object_set_new(claims, "aud", at_token_claims_string(grant->audience))
           != 0
        || json_object_set_new(claims, "exp", json_integer(grant->expires)) != 0
        || json_object_set_new(claims, "iat", json_integer(grant->issued))
           != 0)
    {
        return -1;
    }

    return 0;
}


static json_t *
at_token_claims_scopes(at_list_t list)
{
    json_t    *array;
    at_str_t   scope;

    array = json_array();

    while (at_list_next(&list, &scope)) {
        if (json_array_append_new(array, at_token_claims_string(scope)) != 0) {
            json_decref(array);
            return NULL;
        }
    }

    return array;
}


/* the text, or NULL where a part of the claims failed */
static char *
at_token_claims_dump(json_t *claims, int rc)
{
    char  *text;

    text = rc == 0 ? json_dumps(claims, JSON_COMPACT) : NULL;
    json_decref(claims);

    return text;
}


char *
at_token_claims_user(const at_token_claims_t *grant, const at_user_record_t *user)
{
    int      rc;
    json_t  *claims;

    claims = json_object();

    rc = at_token_claims_set_common(claims, grant) != 0
         || json_object_set_new(claims, "id", at_token_claims_string(user->id)) != 0
         || json_object_set_new(claims, "username",
                                at_token_claims_string(user->username)) != 0
         || json_object_set_new(claims, "scope", at_token_claims_scopes(user->scopes))
            != 0
         || json_object_set_new(claims, "isAdmin", json_boolean(user->admin))
            != 0;

    return at_token_claims_dump(claims, rc);
}


char *
at_token_claims_client(const at_token_claims_t *grant, at_str_t client)
{
    int      rc;
    json_t  *claims;

    claims = json_object();

    rc = at_token_claims_set_common(claims, grant) != 0
         || json_object_set_new(claims, "appid", at_token_claims_string(client)) != 0
         || json_object_set_new(claims, "sub", at_token_claims_string(client)) != 0
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
                text[n++] = at_random_alphabet[bytes[i] % AT_RANDOM_ALPHABET_LEN];
            }
        }
    }

    at_crypto_cleanse(bytes, sizeof(bytes));

    return 0;
}
