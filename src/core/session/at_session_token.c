/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <errno.h>
#include <stdlib.h>

#include "core/session/at_session_table.h"
#include "core/session/at_session_token.h"
#include "core/session/at_token_claims.h"


/* letters and digits of the MAC, 65 bits */
#define AT_TOKEN_MAC_LEN  11


int
at_session_mac(const at_session_db_t *db, unsigned char mac[AT_SHA256_LEN],
    at_str_t purpose, at_str_t text)
{
    return at_state_mac(mac, &db->key, purpose, text) == 0 ? 0 : ENOMEM;
}


int
at_session_user_tag(const at_session_db_t *db,
    unsigned char tag[AT_SESSION_TAG_LEN], const at_user_record_t *user)
{
    int            rc;
    char           text[sizeof(user->session_epoch) + AT_TEXT_MAX];
    size_t         len;
    unsigned char  mac[AT_SHA256_LEN];

    if (user->password.len > AT_TEXT_MAX) {
        return -1;
    }

    len = (size_t) (at_append(at_append(text, &user->session_epoch,
                                        sizeof(user->session_epoch)),
                              user->password.data, user->password.len)
                    - text);

    rc = at_session_mac(db, mac, at_str("user record of a session"),
                        (at_str_t) { text, len });
    at_crypto_cleanse(text, len);

    if (rc == 0) {
        memcpy(tag, mac, AT_SESSION_TAG_LEN);
    }

    return rc == 0 ? 0 : -1;
}


/* --- refresh tokens ------------------------------------------------------ */


static int
at_token_mac(const at_session_db_t *db, char text[AT_TOKEN_MAC_LEN],
    at_str_t token)
{
    static const char  alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                    "abcdefghijklmnopqrstuvwxyz0123456789";

    int            i;
    unsigned char  mac[AT_SHA256_LEN];

    if (at_session_mac(db, mac, at_str("text of a refresh token"), token)
        != 0)
    {
        return -1;
    }

    for (i = 0; i < AT_TOKEN_MAC_LEN; i++) {
        text[i] = alphabet[mac[i] % (sizeof(alphabet) - 1)];
    }

    return 0;
}


int
at_session_set_id(at_session_t *session)
{
    return at_random_text(session->id, AT_SESSION_ID_LEN);
}


char *
at_session_create_token(const at_session_db_t *db, const at_session_t *session,
    size_t len)
{
    char    *token;
    size_t   signed_len;

    if (len < AT_REFRESH_TOKEN_MIN || len > AT_REFRESH_TOKEN_MAX) {
        return NULL;
    }

    token = calloc(1, len + 1);

    if (token == NULL) {
        return NULL;
    }

    signed_len = len - AT_TOKEN_MAC_LEN;
    memcpy(token, session->id, AT_SESSION_ID_LEN);

    if (at_random_text(token + AT_SESSION_ID_LEN,
                       signed_len - AT_SESSION_ID_LEN) != 0
        || at_token_mac(db, token + signed_len,
                        (at_str_t) { token, signed_len }) != 0)
    {
        at_secret_free(token);
        return NULL;
    }

    return token;
}


int
at_session_token_is_authentic(const at_session_db_t *db, at_str_t token)
{
    char    mac[AT_TOKEN_MAC_LEN];
    size_t  signed_len;

    if (token.len < AT_REFRESH_TOKEN_MIN || token.len > AT_REFRESH_TOKEN_MAX) {
        return 0;
    }

    signed_len = token.len - AT_TOKEN_MAC_LEN;

    if (at_token_mac(db, mac, (at_str_t) { token.data, signed_len }) != 0) {
        return -1;
    }

    return at_crypto_equal(mac, token.data + signed_len, AT_TOKEN_MAC_LEN);
}
