/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * "auth_token_session_info": tells a page, which cannot read its cookies, who
 * is logged in and when the access token and the session expire.
 */

#include "http/token/ngx_at_endpoint_request.h"

#include "http/base/ngx_at_str.h"
#include "http/base/ngx_at_time.h"


static size_t
ngx_at_json_string_size(at_str_t text)
{
    return text.len + sizeof("\"\",") - 1
           + ngx_escape_json(NULL, (u_char *) text.data, text.len);
}


static u_char *
ngx_at_json_string(u_char *p, at_str_t text)
{
    *p++ = '"';
    p = (u_char *) ngx_escape_json(p, (u_char *) text.data, text.len);
    *p++ = '"';

    return p;
}


static at_verdict_e
ngx_at_session_info_set_response(ngx_at_endpoint_request_t *er,
    int64_t session_expires)
{
    u_char               *p;
    size_t                i, size;
    int64_t               access_expires;
    const at_scopes_t    *scopes;
    const at_identity_t  *identity;

    identity = &er->ctx->identity_storage;
    scopes = &identity->rights.scopes;

    size = sizeof("{\"user\":,\"scopes\":[],\"access_expires\":,"
                  "\"session_expires\":}")
           + 2 * NGX_INT64_LEN + ngx_at_json_string_size(identity->user);

    for (i = 0; i < scopes->n; i++) {
        size += ngx_at_json_string_size(scopes->items[i]);
    }

    p = ngx_pnalloc(er->request->pool, size);
    if (p == NULL) {
        return AT_FAILED;
    }

    er->response.data = p;

    p = ngx_cpymem(p, "{\"user\":", sizeof("{\"user\":") - 1);
    p = ngx_at_json_string(p, identity->user);
    p = ngx_cpymem(p, ",\"scopes\":[", sizeof(",\"scopes\":[") - 1);

    for (i = 0; i < scopes->n; i++) {
        if (i) {
            *p++ = ',';
        }

        p = ngx_at_json_string(p, scopes->items[i]);
    }

    /* "leeway" is for the clocks of issuers: a page must renew before exp */
    access_expires = identity->expires / 1000
                     - er->issuer->requirements.leeway;

    p = ngx_sprintf(p, "],\"access_expires\":%L,\"session_expires\":%L}",
                    access_expires, session_expires / 1000);

    er->response.len = p - er->response.data;

    return AT_OK;
}


static at_verdict_e
ngx_at_session_info_find(ngx_at_endpoint_request_t *er)
{
    char              buf[AT_SESSION_BUF_SIZE];
    int64_t           expires;
    at_session_t      session;
    at_verdict_e      verdict;
    at_identity_t     identity;
    at_user_record_t  user;

    verdict = ngx_at_endpoint_get_sessions(er);

    if (verdict == AT_OK) {
        verdict = ngx_at_endpoint_verify_access_token(er);
    }

    if (verdict != AT_OK) {
        return verdict;
    }

    switch (at_session_find_by_access(er->sessions, &session, buf, &expires,
                                      ngx_at_view(er->ctx->credential),
                                      ngx_at_now(), &er->err))
    {
    case AT_SESSION_OK:
        break;

    case AT_SESSION_UNKNOWN:
        return AT_REVOKED_SESSION;

    default:
        ngx_log_error(NGX_LOG_ERR, er->request->connection->log, 0,
                      "auth_token: session not read: %s", er->err.text);
        return AT_UNAVAILABLE;
    }

    /* the session may have ended with a change of the user */

    ngx_memzero(&identity, sizeof(at_identity_t));
    verdict = ngx_at_session_get_user(er, &identity, &user, &session);
    at_identity_release(&identity);

    return verdict == AT_OK ? ngx_at_session_info_set_response(er, expires)
                            : verdict;
}


const ngx_at_step_pt  ngx_at_session_info_steps[] = {
    ngx_at_check_get, ngx_at_session_info_find, NULL
};
