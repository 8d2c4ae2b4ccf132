/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "http/token/ngx_at_grant.h"

#include "core/base/at_crypto.h"
#include "core/jose/at_key.h"
#include "core/jose/at_mint.h"
#include "core/session/at_session_token.h"
#include "core/session/at_token_claims.h"
#include "core/store/at_account.h"
#include "core/store/at_store.h"

#include "http/base/ngx_at_str.h"
#include "http/base/ngx_at_time.h"
#include "http/keys/ngx_at_signing_key.h"
#include "http/request/ngx_at_refuse.h"
#include "http/store/ngx_at_store.h"
#include "http/token/ngx_at_endpoint_request.h"


/* --- users --------------------------------------------------------------- */


at_verdict_e
ngx_at_session_get_user(ngx_at_endpoint_request_t *er, at_identity_t *identity,
    at_user_record_t *user, const at_session_t *session)
{
    at_store_t    *store;
    at_verdict_e   verdict;
    unsigned char  tag[AT_SESSION_TAG_LEN];

    store = ngx_at_store_get(er->main_conf);

    verdict = store ? at_account_get_user(identity, user, store, session->user)
                    : AT_UNAVAILABLE;

    if (verdict == AT_OK) {
        verdict = at_account_check_user(user, &er->issuer->requirements,
                                        er->ctx->conf->only_user_issuer);
    }

    if (verdict == AT_UNKNOWN_USER || verdict == AT_LOCKED_USER
        || verdict == AT_USER_ISSUER_MISMATCH)
    {
        return AT_CHANGED_USER;
    }

    if (verdict != AT_OK) {
        return verdict;
    }

    if (at_session_user_tag(er->sessions, tag, user) != 0) {
        return AT_FAILED;
    }

    return at_crypto_equal(tag, session->user_tag, AT_SESSION_TAG_LEN)
           ? AT_OK : AT_CHANGED_USER;
}


/* --- tokens -------------------------------------------------------------- */


void
ngx_at_grant_free(void *data)
{
    ngx_at_endpoint_request_t *er = data;

    at_secret_free(er->grant.claims);
    at_secret_free(er->grant.access_token);
    at_secret_free(er->grant.refresh_token);
    at_secret_free(er->grant.copy.access);
    at_secret_free(er->grant.copy.refresh);
}


static at_token_claims_t
ngx_at_grant_claims(const ngx_at_endpoint_request_t *er, at_str_t audience)
{
    at_token_claims_t  claims;

    claims.issuer = er->issuer->requirements.issuers[0];
    claims.audience = audience;
    claims.issued = ngx_time();
    claims.expires = ngx_time() + er->issuer->access_expires;

    return claims;
}


int64_t
ngx_at_session_end(const ngx_at_issuer_t *issuer, int64_t created)
{
    return issuer->refresh_max ? created + issuer->refresh_max * 1000
                                   : INT64_MAX;
}


at_verdict_e
ngx_at_grant_user(ngx_at_endpoint_request_t *er, const at_user_record_t *user)
{
    u_char             *name;
    int64_t             end;
    ngx_pool_t         *pool;
    ngx_at_grant_t     *grant;
    at_token_claims_t   common;
    at_user_record_t    copy;

    grant = &er->grant;
    pool = er->request->pool;

    grant->now = ngx_at_now();

    end = ngx_at_session_end(er->issuer,
                             er->refresh_token.len ? grant->session.created
                                                   : grant->now);
    grant->refresh_expires = grant->now + er->issuer->refresh_expires * 1000;
    grant->refresh_expires = ngx_min(grant->refresh_expires, end);

    common = ngx_at_grant_claims(er, er->issuer->requirements.audiences[0]);
    copy = *user;

    if (copy.id.len == 0) {
        copy.id = copy.username;
    }

    name = ngx_pnalloc(pool, user->username.len + 1);
    grant->refresh_token = at_session_create_token(er->sessions,
                                                   &grant->session,
                                                   er->issuer->refresh_length);
    grant->claims = at_token_claims_user(&common, &copy);

    if (name == NULL || grant->refresh_token == NULL || grant->claims == NULL
        || at_session_user_tag(er->sessions, grant->session.user_tag, user)
           != 0)
    {
        return AT_FAILED;
    }

    ngx_memcpy(name, user->username.data, user->username.len);

    grant->session.user = (at_str_t) { (char *) name, user->username.len };
    grant->session.issuer = ngx_at_view(er->issuer->name);

    return AT_OK;
}


at_verdict_e
ngx_at_grant_client(ngx_at_endpoint_request_t *er, at_str_t client,
    at_str_t audience)
{
    at_token_claims_t  common;

    common = ngx_at_grant_claims(er, audience);
    er->grant.claims = at_token_claims_client(&common, client);

    return er->grant.claims ? AT_OK : AT_FAILED;
}


/* --- in a thread --------------------------------------------------------- */


void
ngx_at_grant_sign(ngx_at_job_t *job)
{
    ngx_at_endpoint_request_t *er = job->data;

    char                  *token;
    at_str_t               claims, kid;
    ngx_at_signing_key_t  *key;

    key = er->issuer->signing_keys.elts;

    claims.data = er->grant.claims;
    claims.len = ngx_strlen(claims.data);
    kid.data = key->name;
    kid.len = ngx_strlen(kid.data);

    token = at_mint_sign(key->mint, key->alg, kid, claims, &er->err);

    if (token && ngx_strlen(token) > er->main_conf->max_length) {
        (void) at_error(&er->err, "the access token has %zu bytes, more than "
                        "\"auth_token_max_length\": it has too many scopes",
                        ngx_strlen(token));
        at_secret_free(token);
        token = NULL;
    }

    er->grant.access_token = token;
}


at_session_limits_t
ngx_at_session_limits(const ngx_at_issuer_t *issuer)
{
    at_session_limits_t  limits;

    limits.grace = issuer->refresh_grace;
    limits.per_minute = issuer->refreshes_per_minute;
    limits.per_user = issuer->sessions_per_user;

    return limits;
}


void
ngx_at_grant_store(ngx_at_job_t *job)
{
    ngx_at_endpoint_request_t *er = job->data;

    int64_t                   now;
    ngx_at_grant_t           *grant;
    at_session_limits_t       limits;
    at_session_token_pair_t   pair;

    grant = &er->grant;
    now = grant->now;

    if (grant->access_token == NULL) {
        return;
    }

    limits = ngx_at_session_limits(er->issuer);

    pair.refresh.data = grant->refresh_token;
    pair.refresh.len = ngx_strlen(grant->refresh_token);
    pair.refresh_expires = grant->refresh_expires;
    pair.access.data = grant->access_token;
    pair.access.len = ngx_strlen(grant->access_token);
    pair.access_expires = now + er->issuer->access_expires * 1000;

    if (er->refresh_token.len == 0) {
        er->session_result = at_session_create(er->sessions, &grant->session,
                                               &pair, &limits, now, &er->err);
        return;
    }

    /* the copy of a write whose group failed */
    at_secret_free(grant->copy.access);
    at_secret_free(grant->copy.refresh);

    er->session_result = at_session_rotate(er->sessions, er->refresh_token,
                                           &pair, &limits, &grant->copy, now,
                                           &er->err);
}


/* --- results ------------------------------------------------------------- */


at_verdict_e
ngx_at_grant_check_signature(ngx_at_endpoint_request_t *er)
{
    if (er->grant.access_token) {
        return AT_OK;
    }

    ngx_log_error(NGX_LOG_ERR, er->request->connection->log, 0,
                  "auth_token: access token not signed: %s", er->err.text);

    return AT_UNAVAILABLE;
}


at_verdict_e
ngx_at_session_verdict(at_session_e result)
{
    static const at_verdict_e  verdicts[] = {
        [AT_SESSION_FAILED] = AT_UNAVAILABLE,
        [AT_SESSION_OK] = AT_OK,
        [AT_SESSION_REPEATED] = AT_OK,
        [AT_SESSION_UNKNOWN] = AT_UNKNOWN_REFRESH_TOKEN,
        [AT_SESSION_EXPIRED] = AT_EXPIRED_REFRESH_TOKEN,
        [AT_SESSION_USED] = AT_ROTATED_REFRESH_TOKEN,
        [AT_SESSION_REUSED] = AT_REUSED_REFRESH_TOKEN,
        [AT_SESSION_REVOKED] = AT_REVOKED_SESSION,
        [AT_SESSION_LIMITED] = AT_TOO_MANY_REFRESHES
    };

    return verdicts[result];
}


at_verdict_e
ngx_at_grant_check_session(ngx_at_endpoint_request_t *er)
{
    u_char        buf[NGX_AT_ESCAPED_NAME_LEN];
    ngx_str_t     user;
    at_verdict_e  verdict;

    verdict = ngx_at_session_verdict(er->session_result);

    if (er->session_result == AT_SESSION_REPEATED) {
        at_secret_free(er->grant.access_token);
        at_secret_free(er->grant.refresh_token);
        er->grant.access_token = er->grant.copy.access;
        er->grant.refresh_token = er->grant.copy.refresh;
        er->grant.copy = (at_session_copy_t) { NULL, NULL };

    } else if (verdict == AT_TOO_MANY_REFRESHES) {
        er->ctx->retry_at = ngx_time() + AT_SESSION_MINUTE / 1000;
    }

    if (verdict == AT_REUSED_REFRESH_TOKEN) {
        user = ngx_at_escape_name(buf, er->grant.session.user);
        ngx_log_error(NGX_LOG_WARN, er->request->connection->log, 0,
                      "auth_token: refresh token reuse detected, "
                      "session revoked, user: \"%V\"", &user);

    } else if (verdict == AT_UNAVAILABLE) {
        ngx_log_error(NGX_LOG_ERR, er->request->connection->log, 0,
                      "auth_token: session not stored: %s", er->err.text);
    }

    return verdict;
}
