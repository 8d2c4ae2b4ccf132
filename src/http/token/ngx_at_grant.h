/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The tokens that an endpoint issues, and their user.
 */

#ifndef NGX_AT_GRANT_H
#define NGX_AT_GRANT_H

#include "core/authz/at_identity.h"
#include "core/authz/at_record.h"
#include "core/base/at_str.h"
#include "core/base/at_verdict.h"
#include "core/session/at_session.h"

#include "http/worker/ngx_at_job.h"


struct ngx_at_endpoint_request_s;

typedef struct {
    at_session_t       session;
    char              *claims;          /* of the access token, JSON */
    char              *access_token;    /* NULL until it is signed */
    char              *refresh_token;   /* terminated; NULL for a client */
    at_session_copy_t  copy;            /* the pair of a repeated use */
    int64_t            now;             /* milliseconds */
    int64_t            refresh_expires; /* the same */
} ngx_at_grant_t;

/*
 * Reads the user of a session again: scopes may have changed since the login.
 * AT_CHANGED_USER: a change has ended the session.  er->sessions must be set,
 * identity be empty; *user consists of views of identity.
 */
at_verdict_e ngx_at_session_get_user(struct ngx_at_endpoint_request_s *er,
    at_identity_t *identity, at_user_record_t *user,
    const at_session_t *session);

/* when a session ends however it is used, in milliseconds; INT64_MAX: never */
int64_t ngx_at_session_end(const ngx_at_issuer_t *issuer, int64_t created);

/* a cleanup of the request's pool: frees and cleanses er->grant */
void ngx_at_grant_free(void *er);

/*
 * Fill er->grant with all but the access token: AT_OK, AT_FAILED.  A user gets
 * a refresh token, too: er->sessions must be set, and the id of its session.
 */
at_verdict_e ngx_at_grant_user(struct ngx_at_endpoint_request_s *er,
    const at_user_record_t *user);
at_verdict_e ngx_at_grant_client(struct ngx_at_endpoint_request_s *er,
    at_str_t client, at_str_t audience);

/*
 * Work of a job.  The session is new, or that of er->refresh_token, which is
 * then replaced.  If it was replaced before, the grant gets the same tokens as
 * then.  The access token must not be sent unless the session was stored.
 */
void ngx_at_grant_sign(ngx_at_job_t *job);
void ngx_at_grant_store(ngx_at_job_t *job);

/* steps: check the results of these jobs and log failures */
at_verdict_e ngx_at_grant_check_signature(
    struct ngx_at_endpoint_request_s *er);
at_verdict_e ngx_at_grant_check_session(struct ngx_at_endpoint_request_s *er);

at_session_limits_t ngx_at_session_limits(const ngx_at_issuer_t *issuer);

/* the verdict for a session result; AT_OK for new and repeated tokens */
at_verdict_e ngx_at_session_verdict(at_session_e result);


#endif
