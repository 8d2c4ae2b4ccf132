/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Sessions: the refresh tokens that are out, in an LMDB environment of the
 * workers' own, beside the store, so that a refresh invalidates nothing there.
 * A session is a family: the chain of refresh tokens that one login began, of
 * which the last one alone is good.  Tokens are known by an HMAC under the state
 * key: neither a reader nor another writer of the files can make one up.
 *
 * Functions that write wait for other writers and are durable when they return,
 * so they run in a thread, one at a time of one at_session_db_t.  Functions that
 * read never wait and may run on the event loop at the same time.  A function
 * that fails sets err.  All times are milliseconds since the epoch.
 */

#ifndef AT_SESSION_H
#define AT_SESSION_H

#include <stdint.h>

#include "core/base/at_crypto.h"
#include "core/base/at_error.h"
#include "core/session/at_state.h"
#include "core/base/at_str.h"


typedef struct at_session_db_s  at_session_db_t;

typedef enum {
    AT_SESSION_FAILED = 0,      /* memory, disk, or a record that is damaged or
                                   forged (wrong MAC) */
    AT_SESSION_OK,
    AT_SESSION_UNKNOWN,         /* never there, or forgotten */
    AT_SESSION_EXPIRED,
    AT_SESSION_USED,            /* within the grace: another one has won */
    AT_SESSION_REUSED,          /* after it: the family is dead now */
    AT_SESSION_REVOKED            /* its family was ended before */
} at_session_e;

#define AT_SESSION_TAG_LEN  16

/* whose session it is; mark changes with the user's password (at_session_password_tag) */
typedef struct {
    at_str_t       user;
    at_str_t       issuer;      /* name of the block */
    unsigned char  mark[AT_SESSION_TAG_LEN];
} at_session_t;

/* two tokens that go out together, and their ends */
typedef struct {
    at_str_t        refresh;
    int64_t         refresh_expires;
    at_str_t        access;
    int64_t         access_expires;
} at_session_token_pair_t;


/*
 * Opens the environment in path, and makes it where it is missing: by the
 * workers' user, after the last fork, once in a process.  Without a key it is
 * there already, and for at_token_use_get() alone.  NULL with err set.
 */
at_session_db_t *at_session_db_open(const char *path, const at_state_key_t *key,
    at_error_t *err);
void at_session_db_close(at_session_db_t *sessions);

/*
 * 0 once its files were removed, or others took their place: what is read and
 * written here is then seen by nobody who opened them later.
 */
int at_session_db_is_current(const at_session_db_t *sessions);

/* a keyed digest of a password's hash, that a session keeps; 0 or -1 */
int at_session_password_tag(const at_session_db_t *sessions,
    unsigned char mark[AT_SESSION_TAG_LEN], at_str_t hash);

/* after a login: a family of its own */
at_session_e at_session_create(at_session_db_t *sessions,
    const at_session_t *session, const at_session_token_pair_t *pair,
    int64_t now, at_error_t *err);

/*
 * Reads whose a refresh token is, used or not, of a live family; copies of the
 * texts go to buf.  A writer may be at work: what is found is looked at again
 * by at_session_rotate().
 */
#define AT_SESSION_BUF_SIZE  1024

at_session_e at_session_find(at_session_db_t *sessions, at_session_t *session,
    char buf[AT_SESSION_BUF_SIZE], at_str_t refresh, int64_t now,
    at_error_t *err);

/*
 * Uses up refresh and stores its successor, in one transaction: of all that try
 * at once, in any process, one gets AT_SESSION_OK.  Less than grace after its
 * use the others get AT_SESSION_USED, later ones AT_SESSION_REUSED.
 */
at_session_e at_session_rotate(at_session_db_t *sessions, at_str_t refresh,
    const at_session_token_pair_t *next, int64_t now, int64_t grace,
    at_error_t *err);

/*
 * Logout: ends the families of a refresh token, used or not, and of an access
 * token, until these have expired; either may be empty.  AT_SESSION_UNKNOWN if
 * there was none.
 */
at_session_e at_session_revoke(at_session_db_t *sessions, at_str_t refresh,
    at_str_t access, int64_t now, at_error_t *err);

/*
 * Removes what has expired, at most max records in one transaction.  Returns
 * how many, or -1.
 */
int at_session_db_clean(at_session_db_t *sessions, int64_t now, int max,
    at_error_t *err);


/* uses of API tokens: added up in a worker, written in batches */
typedef struct {
    unsigned char   digest[AT_SHA256_LEN];      /* the store's key */
    uint64_t        count;
    int64_t         last;
} at_token_use_t;

/* adds to what is there; 0, or -1 where it failed: then nothing was added */
int at_token_use_add(at_session_db_t *sessions, const at_token_use_t *uses,
    size_t n, at_error_t *err);

/* 1 with use->count and use->last, 0 if there is none, -1 */
int at_token_use_get(at_session_db_t *sessions, at_token_use_t *use);


#endif
