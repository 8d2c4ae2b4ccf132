/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Sessions.  A session begins with a login and consists of a chain of refresh
 * tokens, each of which may be used once (refresh token rotation, RFC 9700,
 * section 4.14.2).  Tokens are stored as an HMAC under the state key: write
 * access to the files does not suffice to forge one.
 *
 * A function that fails sets err.  All times are milliseconds since the epoch.
 */

#ifndef AT_SESSION_H
#define AT_SESSION_H

#include <stdint.h>

#include "core/authz/at_record.h"
#include "core/base/at_error.h"
#include "core/base/at_str.h"
#include "core/session/at_session_db.h"


typedef enum {
    AT_SESSION_FAILED = 0,      /* memory, disk, a damaged or forged record */
    AT_SESSION_OK,
    AT_SESSION_REPEATED,        /* used less than grace ago: the same pair */
    AT_SESSION_UNKNOWN,         /* never issued, or removed after its expiry */
    AT_SESSION_EXPIRED,
    AT_SESSION_USED,            /* used less than grace ago, and its successor
                                   was used */
    AT_SESSION_REUSED,          /* used earlier: the session is now revoked */
    AT_SESSION_REVOKED,         /* the session was revoked before */
    AT_SESSION_LIMITED          /* too many refreshes within a minute */
} at_session_e;

#define AT_SESSION_ID_LEN    22     /* letters and digits */
#define AT_SESSION_TAG_LEN   16
#define AT_SESSION_MINUTE    60000  /* milliseconds */
#define AT_SESSION_BUF_SIZE  1024   /* bytes of user and issuer together */

typedef struct {
    int64_t        grace;       /* milliseconds */
    uint64_t       per_minute;  /* refreshes of a session */
    uint64_t       per_user;    /* sessions */
} at_session_limits_t;

typedef struct {
    char           id[AT_SESSION_ID_LEN];
    at_str_t       user;
    at_str_t       issuer;      /* name of the issuer block */
    int64_t        created;     /* time of the login, if it was found */
    int64_t        minute;      /* start of the minute that is limited */
    unsigned char  user_tag[AT_SESSION_TAG_LEN];
} at_session_t;

/* the tokens that one login or refresh issues */
typedef struct {
    at_str_t       refresh;
    int64_t        refresh_expires;
    at_str_t       access;
    int64_t        access_expires;
} at_session_token_pair_t;

/* terminated; the caller frees both with at_secret_free() */
typedef struct {
    char  *refresh;
    char  *access;
} at_session_copy_t;


/*
 * Login: stores a new session with its first tokens.  If the user has too many
 * sessions, the oldest ones end.
 */
at_session_e at_session_create(at_session_db_t *db,
    const at_session_t *session, const at_session_token_pair_t *pair,
    const at_session_limits_t *limits, int64_t now, at_error_t *err);

/*
 * Reads the session of a refresh token, used or not.  The user and the issuer
 * are copied to buf.  at_session_rotate() checks the session again.
 */
at_session_e at_session_find(at_session_db_t *db, at_session_t *session,
    char buf[AT_SESSION_BUF_SIZE], at_str_t refresh,
    const at_session_limits_t *limits, int64_t now, at_error_t *err);

/*
 * Refresh: marks refresh as used and stores its successor, in one transaction.
 * Of concurrent calls, in any process, one returns AT_SESSION_OK.  The others
 * return AT_SESSION_REPEATED and set *copy to the pair of the first, until the
 * successor is used or grace has passed since the first call.
 */
at_session_e at_session_rotate(at_session_db_t *db, at_str_t refresh,
    const at_session_token_pair_t *next, const at_session_limits_t *limits,
    at_session_copy_t *copy, int64_t now, at_error_t *err);

/*
 * Logout: revokes the sessions of both tokens; either may be empty.  A refresh
 * token, used or not, works until it expires.  An access token also works
 * after that, if it is one of the two latest of its session.  Returns
 * AT_SESSION_UNKNOWN if none of the sessions was active.
 */
at_session_e at_session_revoke(at_session_db_t *db, at_str_t refresh,
    at_str_t access, int64_t now, at_error_t *err);

/* Reads what at_session_revoke() would return, without writing. */
at_session_e at_session_is_active(at_session_db_t *db, at_str_t refresh,
    at_str_t access, int64_t now, at_error_t *err);

/*
 * Reads the session of a valid access token, as at_session_find() does, and
 * its expiry.  Returns AT_SESSION_UNKNOWN without an active session.
 */
at_session_e at_session_find_by_access(at_session_db_t *db,
    at_session_t *session, char buf[AT_SESSION_BUF_SIZE], int64_t *expires,
    at_str_t access, int64_t now, at_error_t *err);


#endif
