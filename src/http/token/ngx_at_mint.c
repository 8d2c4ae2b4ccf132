/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Issued tokens, and the JWK Set endpoint.
 */

#include "core/authz/at_record.h"
#include "core/base/at_error.h"
#include "core/base/at_str.h"
#include "core/base/at_verdict.h"
#include "core/jose/at_jwk.h"
#include "core/base/at_crypto.h"
#include "core/jose/at_key.h"
#include "core/jose/at_mint.h"
#include "core/session/at_session.h"
#include "core/session/at_token_claims.h"
#include "core/store/at_store_digest.h"

#include "http/base/ngx_at_directive.h"
#include "http/base/ngx_at_issuer.h"
#include "http/base/ngx_at_main_conf.h"
#include "http/base/ngx_at_str.h"
#include "http/base/ngx_at_time.h"
#include "http/keys/ngx_at_signing_key.h"
#include "http/token/ngx_at_endpoint.h"
#include "http/token/ngx_at_endpoint_request.h"
#include "http/token/ngx_at_grant.h"
#include "http/worker/ngx_at_job.h"


/* --- the published keys -------------------------------------------------- */


ngx_int_t
ngx_at_jwks_handler(ngx_http_request_t *r)
{
    ngx_int_t                   rc;
    ngx_at_endpoint_request_t  *call;

    call = ngx_at_endpoint_request_create(r);
    if (call == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        call->ctx->allowed_methods = "GET, HEAD";
        return ngx_at_endpoint_request_refuse(call, AT_BAD_METHOD);
    }

    rc = ngx_http_discard_request_body(r);

    return rc == NGX_OK ? ngx_at_reply(r, NGX_HTTP_OK,
                                       &call->issuer->jwks,
                                       "public, max-age=300")
                        : rc;
}


/* --- grants -------------------------------------------------------------- */


static void
ngx_at_grant_free(void *data)
{
    ngx_at_grant_t *grant = data;

    at_mint_text_free(grant->claims);
    at_mint_text_free(grant->access);

    if (grant->refresh) {
        at_crypto_cleanse(grant->refresh, grant->issuer->refresh_length);
    }
}


static ngx_int_t
ngx_at_grant_init(ngx_http_request_t *r,
    ngx_at_grant_t *grant, at_token_claims_t *common)
{
    ngx_pool_cleanup_t  *cln;
    const ngx_at_main_conf_t  *atmcf;

    cln = ngx_pool_cleanup_add(r->pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_at_grant_free;
    cln->data = grant;

    atmcf = ngx_http_get_module_main_conf(r, ngx_http_auth_token_module);
    grant->max_length = atmcf->max_length;

    grant->now = ngx_at_now();
    grant->result = AT_SESSION_FAILED;

    common->issuer = grant->issuer->requirements.issuers[0];
    common->issued = ngx_time();
    common->expires = ngx_time() + grant->issuer->access_expires;

    return NGX_OK;
}


ngx_int_t
ngx_at_grant_user(ngx_http_request_t *r,
    ngx_at_grant_t *grant, const at_user_record_t *user)
{
    u_char            *p;
    at_token_claims_t  common;
    at_user_record_t   copy;

    if (ngx_at_grant_init(r, grant, &common) != NGX_OK) {
        return NGX_ERROR;
    }

    common.audience = grant->issuer->requirements.audiences[0];

    copy = *user;

    if (copy.id.len == 0) {
        copy.id = copy.username;
    }

    p = ngx_pnalloc(r->pool, user->username.len + 1);
    grant->refresh = ngx_pnalloc(r->pool, grant->issuer->refresh_length);
    grant->claims = at_token_claims_user(&common, &copy);

    if (p == NULL || grant->refresh == NULL || grant->claims == NULL
        || at_random_text((char *) grant->refresh,
                          grant->issuer->refresh_length)
           != 0
        || at_session_password_tag(grant->sessions, grant->session.mark,
                                   user->password)
           != 0)
    {
        return NGX_ERROR;
    }

    ngx_memcpy(p, user->username.data, user->username.len);

    grant->session.user.data = (char *) p;
    grant->session.user.len = user->username.len;
    grant->session.issuer = ngx_at_view(grant->issuer->name);

    return NGX_OK;
}


ngx_int_t
ngx_at_grant_client(ngx_http_request_t *r,
    ngx_at_grant_t *grant, at_str_t client, at_str_t audience)
{
    at_token_claims_t  common;

    if (ngx_at_grant_init(r, grant, &common) != NGX_OK) {
        return NGX_ERROR;
    }

    common.audience = audience;

    grant->claims = at_token_claims_client(&common, client);

    return grant->claims ? NGX_OK : NGX_ERROR;
}


void
ngx_at_grant_sign(ngx_at_job_t *job)
{
    ngx_at_grant_t *grant = job->data;

    at_str_t               claims, kid;
    ngx_at_signing_key_t  *key;

    key = grant->issuer->signing_keys.elts;

    claims.data = grant->claims;
    claims.len = ngx_strlen(grant->claims);
    kid.data = key->name;
    kid.len = ngx_strlen(key->name);

    grant->access = at_mint_sign(key->mint, AT_RS256, kid, claims,
                                 &grant->err);

    if (grant->access == NULL) {
        return;
    }

    /* it would be a login that no request is let in with */

    if (ngx_strlen(grant->access) > grant->max_length) {
        (void) at_error(&grant->err, "the access token has %zu bytes, more than "
                        "\"auth_token_max_length\": its scopes are too many",
                        ngx_strlen(grant->access));
        return;
    }

    grant->is_signed = 1;
}


/* what was signed goes out after it was stored, and never else */

void
ngx_at_grant_store(ngx_at_job_t *job)
{
    ngx_at_grant_t *grant = job->data;

    at_session_token_pair_t  pair;

    pair.refresh.data = (char *) grant->refresh;
    pair.refresh.len = grant->issuer->refresh_length;
    pair.refresh_expires = grant->now + grant->issuer->refresh_expires * 1000;
    pair.access.data = grant->access;
    pair.access.len = ngx_strlen(grant->access);
    pair.access_expires = grant->now + grant->issuer->access_expires * 1000;

    grant->result = grant->used.len
                    ? at_session_rotate(grant->sessions, grant->used, &pair,
                                        grant->now,
                                        grant->issuer->refresh_grace,
                                        &grant->err)
                    : at_session_create(grant->sessions, &grant->session, &pair,
                                        grant->now, &grant->err);
}


void
ngx_at_grant_sign_and_store(ngx_at_job_t *job)
{
    ngx_at_grant_t *grant = job->data;

    ngx_at_grant_sign(job);

    if (grant->is_signed) {
        ngx_at_grant_store(job);
    }
}
