/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Tokens that are made here.  The keys that sign are read by the master, as
 * root: no other program of the workers' user can read their files.
 */

#include "http/token/ngx_at_mint.h"

#include "core/authz/at_record.h"
#include "core/base/at_error.h"
#include "core/base/at_file.h"
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
#include "http/request/ngx_at_cache.h"
#include "http/token/ngx_at_endpoint.h"
#include "http/token/ngx_at_endpoint_request.h"
#include "http/token/ngx_at_grant.h"
#include "http/worker/ngx_at_job.h"


#define NGX_AT_SIGNING_KEYS_MAX  2  /* the new one and the old one */
#define NGX_AT_PEM_SIZE          65536


struct ngx_at_signing_key_s {
    ngx_str_t               path;
    ngx_str_t               kid;
    ngx_at_conf_position_t  where;
    at_mint_t              *mint;
    char                   *jwk;
    char                   *name;               /* kid, or the thumbprint */
};


/* --- configuration ------------------------------------------------------- */


static void
ngx_at_mint_free(void *data)
{
    ngx_at_issuer_t *issuer = data;

    ngx_uint_t             i;
    ngx_at_signing_key_t  *key;

    key = issuer->signing_keys.elts;

    for (i = 0; i < issuer->signing_keys.nelts; i++) {
        at_mint_free(key[i].mint);
        at_mint_text_free(key[i].jwk);
        at_mint_text_free(key[i].name);
        key[i].mint = NULL;
    }
}


char *
ngx_at_mint_add_key(ngx_conf_t *cf,
    ngx_at_issuer_t *issuer, ngx_str_t *path, ngx_str_t *kid)
{
    ngx_at_signing_key_t  *key;

    if (path->len == 0) {
        return ngx_at_conf_invalid_value(cf, path, "it is empty");
    }

    if (kid->data && !at_kid_is_valid(ngx_at_view(*kid))) {
        return ngx_at_conf_invalid_value(cf, kid,
                                         "it is no kid that a verifier takes");
    }

    if (ngx_at_full_path(cf, path) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    if (issuer->signing_keys.elts == NULL
        && ngx_array_init(&issuer->signing_keys, cf->pool,
                          NGX_AT_SIGNING_KEYS_MAX,
                          sizeof(ngx_at_signing_key_t))
           != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (issuer->signing_keys.nelts == NGX_AT_SIGNING_KEYS_MAX) {
        return "stands there more than twice";
    }

    key = ngx_array_push(&issuer->signing_keys);
    if (key == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(key, sizeof(ngx_at_signing_key_t));

    key->path = *path;
    key->kid = *kid;
    ngx_at_conf_note_position(cf, &key->where);
    issuer->signing_key_position = key->where;
    issuer->has_users = 1;

    return NGX_CONF_OK;
}


/* a worker must not be able to read it, nor anybody else */

static ngx_int_t
ngx_at_mint_check_owner(const char *path, at_error_t *err)
{
    struct stat  st;

    if (stat(path, &st) != 0) {
        return at_error(err, "\"%s\": %s", path, strerror(errno));
    }

    if ((st.st_mode & 077) || st.st_uid != geteuid()) {
        return at_error(err, "\"%s\" can be read by others than the user that "
                        "starts nginx; mend it with: chown %ld %s; "
                        "chmod 600 %s", path, (long) geteuid(), path, path);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_at_mint_read_key(ngx_at_signing_key_t *key, at_error_t *err)
{
    at_str_t    pem;
    at_file_t   file;
    at_error_t  reason;

    if (ngx_at_mint_check_owner((char *) key->path.data, err) != NGX_OK
        || at_file_read(&file, (char *) key->path.data,
                        NGX_AT_PEM_SIZE, err)
           != 0)
    {
        return NGX_ERROR;
    }

    pem.data = file.data;
    pem.len = file.len;

    key->mint = at_mint_create(pem, &reason);
    at_file_free(&file);

    if (key->mint == NULL
        || at_mint_public_jwk(key->mint, AT_RS256,
                              ngx_at_view(key->kid), &key->jwk,
                              &key->name, &reason)
           != 0)
    {
        return at_error(err, "\"%s\" %s", key->path.data, reason.text);
    }

    return NGX_OK;
}


/* RFC 7517 section 5 */

static char *
ngx_at_mint_build_jwks(ngx_conf_t *cf, ngx_at_issuer_t *issuer)
{
    u_char                *p;
    size_t                 len;
    ngx_uint_t             i;
    ngx_at_signing_key_t  *key;

    key = issuer->signing_keys.elts;
    len = sizeof("{\"keys\":[]}");

    for (i = 0; i < issuer->signing_keys.nelts; i++) {
        len += ngx_strlen(key[i].jwk) + 1;
    }

    p = ngx_pnalloc(cf->pool, len);
    if (p == NULL) {
        return NGX_CONF_ERROR;
    }

    issuer->jwks.data = p;
    p = ngx_sprintf(p, "{\"keys\":[");

    for (i = 0; i < issuer->signing_keys.nelts; i++) {
        p = ngx_sprintf(p, "%s%s", i ? "," : "", key[i].jwk);
    }

    p = ngx_sprintf(p, "]}");
    issuer->jwks.len = p - issuer->jwks.data;

    return NGX_CONF_OK;
}


char *
ngx_at_mint_load_keys(ngx_conf_t *cf, ngx_at_issuer_t *issuer)
{
    at_error_t             err;
    ngx_uint_t             i;
    ngx_pool_cleanup_t    *cln;
    ngx_at_signing_key_t  *key;

    if (issuer->signing_keys.nelts == 0) {
        return NGX_CONF_OK;
    }

    if (!(issuer->requirements.algs & at_alg_bit(AT_RS256))) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"signing_key\" of \"auth_token_issuer %V\" signs "
                      "RS256, which its \"algorithms\" do not take in %V:%ui",
                      &issuer->name, &issuer->signing_key_position.file,
                      issuer->signing_key_position.line);
        return NGX_CONF_ERROR;
    }

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NGX_CONF_ERROR;
    }

    cln->handler = ngx_at_mint_free;
    cln->data = issuer;

    key = issuer->signing_keys.elts;

    for (i = 0; i < issuer->signing_keys.nelts; i++) {
        if (ngx_at_mint_read_key(&key[i], &err) != NGX_OK) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "\"signing_key\" of \"auth_token_issuer %V\": %s "
                          "in %V:%ui",
                          &issuer->name, err.text, &key[i].where.file,
                          key[i].where.line);
            return NGX_CONF_ERROR;
        }
    }

    return ngx_at_mint_build_jwks(cf, issuer);
}


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
        call->ctx->allow = "GET, HEAD";
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
