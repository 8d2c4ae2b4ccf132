/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * What a session gets before it is stored: the tag of its user, its id, and
 * the text of a refresh token.  This text consists of the id, random
 * characters, and a MAC of both, all in letters and digits.  The MAC proves
 * that this server issued a token whose record was removed, so that its reuse
 * is detected.
 */

#ifndef AT_SESSION_TOKEN_H
#define AT_SESSION_TOKEN_H

#include "core/session/at_session.h"


#define AT_REFRESH_TOKEN_MIN  44        /* characters */
#define AT_REFRESH_TOKEN_MAX  512


/*
 * Keyed digest of the password hash and the session epoch of a user.  A
 * session stores it, and a refresh compares it: a change of either ends all
 * sessions of the user for good.  Returns 0, or -1.
 */
int at_session_user_tag(const at_session_db_t *db,
    unsigned char tag[AT_SESSION_TAG_LEN], const at_user_record_t *user);

/* Sets the id of a new session.  Returns 0, or -1 without random bytes. */
int at_session_set_id(at_session_t *session);

/*
 * Returns a new token of len characters, terminated, which the caller frees
 * with at_secret_free(); or NULL.
 */
char *at_session_create_token(const at_session_db_t *db,
    const at_session_t *session, size_t len);

/* Whether this server issued the token: 1, 0, or -1 without memory. */
int at_session_token_is_authentic(const at_session_db_t *db, at_str_t token);


#endif
