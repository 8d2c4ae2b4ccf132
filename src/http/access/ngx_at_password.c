/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "http/access/ngx_at_password.h"

#include "core/base/at_crypto.h"
#include "core/session/at_password.h"
#include "core/store/at_account.h"
#include "core/store/at_store.h"

#include "http/base/ngx_at_main_conf.h"
#include "http/base/ngx_at_str.h"
#include "http/store/ngx_at_store.h"


static at_store_t *
ngx_at_password_store(ngx_http_request_t *r)
{
    return ngx_at_store_get(ngx_http_get_module_main_conf(r,
                                                  ngx_http_auth_token_module));
}


/* an unknown name leaves empty hashes, which cost as much to compare with */

static at_verdict_e
ngx_at_password_load_hashes(ngx_http_request_t *r, at_store_t *store,
    ngx_at_password_check_t *check)
{
    at_str_t            *hash;
    ngx_str_t            text;
    ngx_uint_t           i;
    at_verdict_e         verdict;
    at_identity_t        identity;
    at_user_record_t     user;
    at_client_record_t   client;

    ngx_memzero(&identity, sizeof(at_identity_t));
    ngx_memzero(check->hashes, sizeof(check->hashes));

    hash = check->hashes;

    if (check->is_client) {
        check->n = AT_CLIENT_SECRETS_MAX;
        verdict = at_account_get_client(&identity, &client, store,
                                        check->name);

        for (i = 0; i < check->n; i++) {
            (void) at_list_next(&client.secrets, &hash[i]);
        }

    } else {
        check->n = 1;
        verdict = at_account_get_user(&identity, &user, store, check->name);

        if (verdict == AT_OK) {
            hash[0] = user.password;
        }
    }

    check->known = verdict == AT_OK;

    /* the hashes are views of the record, which the identity owns */

    for (i = 0; i < check->n; i++) {
        if (hash[i].len == 0) {
            continue;
        }

        text = ngx_at_from_view(hash[i]);
        hash[i].data = (char *) ngx_pstrdup(r->pool, &text);

        if (hash[i].data == NULL) {
            verdict = AT_FAILED;
        }
    }

    at_identity_release(&identity);

    return verdict == AT_UNKNOWN_USER || verdict == AT_UNKNOWN_CLIENT
           ? AT_OK : verdict;
}


/* other checks of the same name and address may have failed meanwhile */

static ngx_uint_t
ngx_at_password_job_ready(ngx_at_job_t *job)
{
    ngx_at_password_check_t *check = job->data;

    check->throttled = ngx_at_is_throttled(&check->throttle);

    return !check->throttled;
}


/* in the thread */

static void
ngx_at_password_job_work(ngx_at_job_t *job)
{
    ngx_at_password_check_t *check = job->data;

    ngx_uint_t  i;

    for (i = 0; i < check->n; i++) {

        switch (at_password_verify(check->hashes[i], check->secret)) {

        case AT_PASSWORD_RIGHT:
            check->matches = 1;
            check->compared = 1;
            return;

        case AT_PASSWORD_WRONG:
            break;

        default:
            return;
        }
    }

    check->compared = 1;
}


at_verdict_e
ngx_at_password_check_start(ngx_http_request_t *r, ngx_at_ctx_t *ctx,
    ngx_at_password_check_t *check)
{
    at_store_t    *store;
    at_verdict_e   verdict;

    if (ngx_at_throttle_init(r, &check->throttle, check->issuer,
                             check->is_client ? 'c' : 'u', check->name)
        != NGX_OK
        || ngx_at_throttle_init_address(r, &check->address, check->issuer)
           != NGX_OK)
    {
        return AT_FAILED;
    }

    if (ngx_at_is_throttled(&check->throttle)) {
        ctx->retry_at = check->throttle.until;
        return AT_THROTTLED;
    }

    if (ngx_at_is_throttled(&check->address)) {
        ctx->retry_at = check->address.until;
        return AT_THROTTLED;
    }

    store = ngx_at_password_store(r);
    verdict = store ? ngx_at_password_load_hashes(r, store, check)
                    : AT_UNAVAILABLE;

    if (verdict != AT_OK) {
        return verdict;
    }

    check->matches = 0;
    check->compared = 0;
    check->job.request = r;
    check->job.data = check;
    check->job.owner = check->address.digest;
    check->job.is_needed = ngx_at_password_job_ready;
    check->job.work = ngx_at_password_job_work;

    verdict = ngx_at_ctx_post(ctx, &check->job, NGX_AT_JOB_HASH);

    if (verdict == AT_PENDING) {
        ngx_at_throttle_record_failure(&check->address);
    }

    return verdict;
}


static at_verdict_e
ngx_at_password_result(ngx_at_ctx_t *ctx, ngx_at_password_check_t *check)
{
    at_crypto_cleanse((void *) (uintptr_t) check->secret.data,
                      check->secret.len);
    check->secret.len = 0;

    if (check->throttled) {
        ctx->retry_at = check->throttle.until;
        return AT_THROTTLED;
    }

    if (!check->compared) {
        return AT_FAILED;
    }

    if (check->matches) {
        return AT_OK;
    }

    if (!check->known) {
        return check->is_client ? AT_UNKNOWN_CLIENT : AT_UNKNOWN_USER;
    }

    return AT_WRONG_PASSWORD;
}


/* reads the record again: its password may have changed meanwhile */

static at_verdict_e
ngx_at_password_check_user(ngx_at_password_check_t *check, at_store_t *store,
    at_identity_t *identity)
{
    at_verdict_e  verdict;

    verdict = at_account_get_user(identity, &check->user, store, check->name);

    if (verdict != AT_OK) {
        return verdict;
    }

    if (!at_str_equal(check->user.password, check->hashes[0])) {
        return AT_WRONG_PASSWORD;
    }

    return at_account_check_user(&check->user,
                                 check->issuer ? &check->issuer->requirements
                                               : NULL,
                                 check->only_issuer);
}


static at_verdict_e
ngx_at_password_check_client(ngx_at_password_check_t *check, at_store_t *store,
    at_identity_t *identity)
{
    at_str_t      hash;
    at_list_t     secrets;
    at_verdict_e  verdict;

    verdict = at_account_get_client(identity, &check->client, store,
                                    check->name);

    if (verdict != AT_OK) {
        return verdict;
    }

    secrets = check->client.secrets;

    while (at_list_next(&secrets, &hash)) {
        if (at_str_equal(hash, check->hashes[0])
            || at_str_equal(hash, check->hashes[1]))
        {
            return at_account_check_client(&check->client,
                                           &check->issuer->requirements,
                                           check->only_issuer);
        }
    }

    return AT_WRONG_PASSWORD;
}


at_verdict_e
ngx_at_password_check_finish(ngx_http_request_t *r, ngx_at_ctx_t *ctx,
    ngx_at_password_check_t *check)
{
    at_store_t     *store;
    at_verdict_e    verdict;
    at_identity_t  *identity;

    verdict = ngx_at_password_result(ctx, check);

    if (verdict == AT_OK) {
        store = ngx_at_password_store(r);
        identity = &ctx->identity_storage;

        if (store == NULL) {
            verdict = AT_UNAVAILABLE;

        } else if (check->is_client) {
            verdict = ngx_at_password_check_client(check, store, identity);

        } else {
            verdict = ngx_at_password_check_user(check, store, identity);
        }
    }

    switch (verdict) {

    case AT_OK:
    case AT_NO_SCOPES:
        ngx_at_throttle_clear_failures(&check->throttle);
        ngx_at_throttle_undo_failure(&check->address);
        break;

    case AT_FAILED:
    case AT_UNAVAILABLE:
    case AT_THROTTLED:
        ngx_at_throttle_undo_failure(&check->address);
        break;

    /* includes the correct password of a disabled account */

    default:
        ngx_at_throttle_record_failure(&check->throttle);
    }

    return verdict;
}
