/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>

#include <jansson.h>

#include "core/base/at_crypto.h"
#include "core/session/at_token_claims.h"


static const char  at_random_alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/* the arguments of "s%" */
#define at_pack_args(view)  (view).len ? (view).data : "", (view).len

#define AT_RANDOM_ALPHABET_LEN  (sizeof(at_random_alphabet) - 1)

/* larger bytes are skipped: they would make some characters more likely */
#define AT_RANDOM_BYTE_LIMIT                                                  \
    (256 / AT_RANDOM_ALPHABET_LEN * AT_RANDOM_ALPHABET_LEN)


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
at_token_claims_dump(json_t *claims)
{
    char  *text;

    text = json_dumps(claims, JSON_COMPACT);
    json_decref(claims);

    return text;
}


char *
at_token_claims_user(const at_token_claims_t *common,
    const at_user_record_t *user)
{
    return at_token_claims_dump(
               json_pack("{s:s%, s:s%, s:I, s:I, s:s%, s:s%, s:o, s:b}",
                         "iss", at_pack_args(common->issuer),
                         "aud", at_pack_args(common->audience),
                         "exp", (json_int_t) common->expires,
                         "iat", (json_int_t) common->issued,
                         "id", at_pack_args(user->id),
                         "username", at_pack_args(user->username),
                         "scope", at_token_claims_scopes(user->scopes),
                         "isAdmin", (int) user->admin));
}


char *
at_token_claims_client(const at_token_claims_t *common, at_str_t client)
{
    return at_token_claims_dump(
               json_pack("{s:s%, s:s%, s:I, s:I, s:s%, s:s%, s:s}",
                         "iss", at_pack_args(common->issuer),
                         "aud", at_pack_args(common->audience),
                         "exp", (json_int_t) common->expires,
                         "iat", (json_int_t) common->issued,
                         "appid", at_pack_args(client),
                         "sub", at_pack_args(client),
                         "ver", "1.0"));
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
