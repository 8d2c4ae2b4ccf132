/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Passwords, and secrets of clients.  What is asked for costs the same work
 * whether the name exists or not, and that work waits its turn; who failed too
 * often does not get it.
 */

#include "http/access/ngx_at_password.h"

#include "core/authz/at_identity.h"
#include "core/authz/at_record.h"
#include "core/base/at_str.h"
#include "core/base/at_verdict.h"
#include "core/base/at_crypto.h"
#include "core/session/at_password.h"
#include "core/store/at_account.h"
#include "core/store/at_store.h"

#include "http/access/ngx_at_throttle.h"
#include "http/base/ngx_at_main_conf.h"
#include "http/request/ngx_at_ctx.h"
#include "http/store/ngx_at_store.h"
#include "http/worker/ngx_at_job.h"


/* a user has one hash; of a client's two the first that fits is enough */

static void
ngx_at_password_check_work(ngx_at_job_t *job)
{
    ngx_at_password_check_t *check = job->data;

    ngx_uint_t  i;

    for (i = 0; i < check->n; i++) {

        switch (at_password_verify(check->hashes[i], check->secret)) {

        case AT_PASSWORD_RIGHT:
            check->right = 1;
            check->judged = 1;
            return;

        case AT_PASSWORD_WRONG:
            break;

        default:
            return;
        }
    }

    check->judged = 1;
}


/* others of the pair may have failed while it waited */

static ngx_uint_t
ngx_at_password_check_is_allowed(ngx_at_job_t *job)
{
    ngx_at_password_check_t *check = job->data;

    const ngx_at_main_conf_t  *atmcf;

    atmcf = ngx_http_get_module_main_conf(job->request,
                                          ngx_http_auth_token_module);

    check->throttled = ngx_at_is_throttled(atmcf, check->issuer, &check->pair);
    return !check->throttled;
}


static ngx_int_t
ngx_at_password_check_copy_hash(ngx_pool_t *pool, at_str_t *copy, at_str_t text)
{
    u_char  *p;

    p = ngx_pnalloc(pool, text.len + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(p, text.data, text.len);

    copy->data = (char *) p;
    copy->len = text.len;

    return NGX_OK;
}


/* the hashes to compare with; those of nobody are empty */

static at_verdict_e
ngx_at_password_check_load_hashes(ngx_http_request_t *r, at_store_t *store,
    ngx_at_password_check_t *check)
{
    at_str_t            hash;
    ngx_uint_t          i;
    at_verdict_e        verdict;
    at_identity_t       identity;
    at_user_record_t    user;
    at_client_record_t  client;

    ngx_memzero(&identity, sizeof(at_identity_t));
    ngx_memzero(check->hashes, sizeof(check->hashes));

    check->n = check->client ? AT_CLIENT_SECRETS_MAX : 1;

    if (check->client) {
        verdict = at_account_get_client(&identity, &client, store,
                                        check->name);
        check->known = verdict == AT_OK;

        for (i = 0; i < AT_CLIENT_SECRETS_MAX; i++) {
            if (at_list_next(&client.secrets, &hash)
                && ngx_at_password_check_copy_hash(r->pool, &check->hashes[i],
                                                   hash)
                   != NGX_OK)
            {
                verdict = AT_FAILED;
            }
        }

    } else {
        verdict = at_account_get_user(&identity, &user, store, check->name);
        check->known = verdict == AT_OK;

        if (check->known
            && ngx_at_password_check_copy_hash(r->pool, &check->hashes[0],
                                               user.password)
               != NGX_OK)
        {
            verdict = AT_FAILED;
        }
    }

    at_identity_release(&identity);

    return verdict == AT_UNKNOWN_USER || verdict == AT_UNKNOWN_CLIENT
           ? AT_OK : verdict;
}


at_verdict_e
ngx_at_password_check_start(ngx_http_request_t *r,
    ngx_at_ctx_t *ctx, ngx_at_password_check_t *check)
{
    at_store_t          *store;
    at_verdict_e         verdict;
    const ngx_at_main_conf_t  *atmcf;

    atmcf = ngx_http_get_module_main_conf(r, ngx_http_auth_token_module);
    store = ngx_at_store_get(atmcf);

    if (ngx_at_throttle_key_init(r, &check->pair,
                                 check->client ? 'c' : 'u',
                                 check->name)
        != NGX_OK)
    {
        return AT_FAILED;
    }

    if (ngx_at_is_throttled(atmcf, check->issuer, &check->pair)) {
        ctx->retry_at = check->pair.until;
        return AT_THROTTLED;
    }

    verdict = store ? ngx_at_password_check_load_hashes(r, store, check)
                    : AT_UNAVAILABLE;

    if (verdict != AT_OK) {
        return verdict;
    }

    check->right = 0;
    check->judged = 0;
    check->job.request = r;
    check->job.data = check;
    check->job.ready = ngx_at_password_check_is_allowed;
    check->job.work = ngx_at_password_check_work;

    switch (ngx_at_job_post_hash(&check->job)) {

    case NGX_OK:
        return AT_PENDING;

    case NGX_BUSY:
        ctx->retry_at = ngx_time() + 1;
        return AT_BUSY;

    default:
        return AT_FAILED;
    }
}


/* AT_OK where the secret was right; it is not needed any more */

static at_verdict_e
ngx_at_password_check_get_result(ngx_http_request_t *r,
    ngx_at_ctx_t *ctx, ngx_at_password_check_t *check)
{
    const ngx_at_main_conf_t  *atmcf;

    at_crypto_cleanse((void *) (uintptr_t) check->secret.data,
                      check->secret.len);
    check->secret.len = 0;

    if (check->throttled) {
        ctx->retry_at = check->pair.until;
        return AT_THROTTLED;
    }

    if (!check->judged) {
        return AT_FAILED;
    }

    if (check->right) {
        return AT_OK;
    }

    atmcf = ngx_http_get_module_main_conf(r, ngx_http_auth_token_module);

    ngx_at_throttle_record_failure(atmcf, check->issuer, &check->pair);

    if (!check->known) {
        return check->client ? AT_UNKNOWN_CLIENT : AT_UNKNOWN_USER;
    }

    return AT_WRONG_PASSWORD;
}


/* of a right password, too, that opens nothing */

static at_verdict_e
ngx_at_password_check_update_throttle(ngx_http_request_t *r,
    ngx_at_password_check_t *check, at_verdict_e verdict)
{
    const ngx_at_main_conf_t  *atmcf;

    atmcf = ngx_http_get_module_main_conf(r, ngx_http_auth_token_module);

    switch (verdict) {

    case AT_OK:
    case AT_NO_SCOPES:
        ngx_at_throttle_clear_failures(atmcf, &check->pair);
        break;

    case AT_FAILED:
    case AT_UNAVAILABLE:
        break;

    default:
        ngx_at_throttle_record_failure(atmcf, check->issuer, &check->pair);
    }

    return verdict;
}


at_verdict_e
ngx_at_password_check_finish_user(ngx_http_request_t *r,
    ngx_at_ctx_t *ctx, ngx_at_password_check_t *check,
    at_identity_t *identity, at_user_record_t *user)
{
    at_store_t          *store;
    at_verdict_e         verdict;
    const ngx_at_main_conf_t  *atmcf;

    verdict = ngx_at_password_check_get_result(r, ctx, check);

    if (verdict != AT_OK) {
        return verdict;
    }

    atmcf = ngx_http_get_module_main_conf(r, ngx_http_auth_token_module);
    store = ngx_at_store_get(atmcf);

    verdict = store ? at_account_get_user(identity, user, store, check->name)
                    : AT_UNAVAILABLE;

    /* the password that was right may be another one by now */

    if (verdict == AT_OK && !at_str_equal(user->password, check->hashes[0])) {
        verdict = AT_WRONG_PASSWORD;
    }

    if (verdict == AT_OK) {
        verdict = at_account_check_user(user, check->issuer
                                              ? &check->issuer->requirements : NULL,
                                        check->only_issuer);
    }

    return ngx_at_password_check_update_throttle(r, check, verdict);
}


at_verdict_e
ngx_at_password_check_finish_client(ngx_http_request_t *r,
    ngx_at_ctx_t *ctx, ngx_at_password_check_t *check,
    at_identity_t *identity, at_client_record_t *client)
{
    at_str_t             hash;
    at_list_t            rest;
    ngx_uint_t           found;
    at_store_t          *store;
    at_verdict_e         verdict;
    const ngx_at_main_conf_t  *atmcf;

    verdict = ngx_at_password_check_get_result(r, ctx, check);

    if (verdict != AT_OK) {
        return verdict;
    }

    atmcf = ngx_http_get_module_main_conf(r, ngx_http_auth_token_module);
    store = ngx_at_store_get(atmcf);

    verdict = store ? at_account_get_client(identity, client, store,
                                            check->name)
                    : AT_UNAVAILABLE;

    /* one of the secrets that were compared must be there still */

    if (verdict == AT_OK) {
        rest = client->secrets;
        found = 0;

        while (at_list_next(&rest, &hash)) {
            found |= at_str_equal(hash, check->hashes[0])
                     || at_str_equal(hash, check->hashes[1]);
        }

        verdict = found ? at_account_check_client(client,
                                                  &check->issuer->requirements,
                                                  check->only_issuer)
                        : AT_WRONG_PASSWORD;
    }

    return ngx_at_password_check_update_throttle(r, check, verdict);
}
