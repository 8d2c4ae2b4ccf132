/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * "auth_token_oauth": the token endpoint of RFC 6749, for the clients of the
 * store and their own grant alone (section 4.4).  It answers as the RFC says,
 * not as the rest of the module does.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "core/authz/at_issuer.h"
#include "core/authz/at_record.h"
#include "core/base/at_header.h"
#include "core/base/at_str.h"
#include "core/base/at_verdict.h"
#include "core/base/at_crypto.h"
#include "core/json/at_fields.h"

#include "http/access/ngx_at_password.h"
#include "http/base/ngx_at_str.h"
#include "http/request/ngx_at_credential.h"
#include "http/request/ngx_at_header.h"
#include "http/token/ngx_at_body.h"
#include "http/token/ngx_at_endpoint.h"
#include "http/token/ngx_at_endpoint_request.h"
#include "http/token/ngx_at_grant.h"
#include "http/worker/ngx_at_job.h"


typedef enum {
    NGX_AT_OAUTH_GRANT_TYPE = 0,
    NGX_AT_OAUTH_CLIENT_ID,
    NGX_AT_OAUTH_CLIENT_SECRET,
    NGX_AT_OAUTH_SCOPE,
    NGX_AT_OAUTH_FIELDS
} ngx_at_oauth_field_e;

typedef enum {
    NGX_AT_OAUTH_OK = 0,
    NGX_AT_OAUTH_PENDING,
    NGX_AT_INVALID_REQUEST,
    NGX_AT_INVALID_CLIENT,
    NGX_AT_INVALID_SCOPE,
    NGX_AT_UNSUPPORTED_GRANT,
    NGX_AT_OAUTH_TOO_MANY,
    NGX_AT_OAUTH_FAILED
} ngx_at_oauth_error_e;


static void ngx_at_oauth_body(ngx_http_request_t *r);
static void ngx_at_oauth_checked(ngx_http_request_t *r);
static void ngx_at_oauth_granted(ngx_http_request_t *r);


static const at_str_t
    ngx_at_oauth_names[NGX_AT_OAUTH_FIELDS] =
{
    at_str("grant_type"), at_str("client_id"), at_str("client_secret"),
    at_str("scope")
};

/* RFC 6749 section 5.2 */

static const struct {
    ngx_uint_t   status;
    ngx_str_t    json;
} ngx_at_oauth_errors[] = {

    [NGX_AT_INVALID_REQUEST] =
        { 400, ngx_string("{\"error\":\"invalid_request\"}") },
    [NGX_AT_INVALID_CLIENT] =
        { 401, ngx_string("{\"error\":\"invalid_client\"}") },
    [NGX_AT_INVALID_SCOPE] =
        { 400, ngx_string("{\"error\":\"invalid_scope\"}") },
    [NGX_AT_UNSUPPORTED_GRANT] =
        { 400, ngx_string("{\"error\":\"unsupported_grant_type\"}") },
    [NGX_AT_OAUTH_TOO_MANY] =
        { 429, ngx_string("{\"error\":\"temporarily_unavailable\"}") },
    [NGX_AT_OAUTH_FAILED] =
        { 503, ngx_string("{\"error\":\"temporarily_unavailable\"}") }
};


/* --- refusals ------------------------------------------------------------ */


static ngx_at_oauth_error_e
ngx_at_oauth_error_from_verdict(at_verdict_e verdict)
{
    switch (verdict) {

    case AT_OK:
        return NGX_AT_OAUTH_OK;

    case AT_PENDING:
        return NGX_AT_OAUTH_PENDING;

    case AT_UNKNOWN_CLIENT:
    case AT_WRONG_PASSWORD:
    case AT_DISABLED_CLIENT:
    case AT_CLIENT_ISSUER_MISMATCH:
        return NGX_AT_INVALID_CLIENT;

    case AT_THROTTLED:
    case AT_BUSY:
        return NGX_AT_OAUTH_TOO_MANY;

    default:
        return NGX_AT_OAUTH_FAILED;
    }
}


static ngx_int_t
ngx_at_oauth_headers(ngx_http_request_t *r,
    ngx_at_endpoint_request_t *call, ngx_uint_t status)
{
    u_char           *p;
    time_t            wait;
    ngx_str_t         value;
    const ngx_str_t  *realm;

    realm = &call->ctx->conf->realm;
    wait = call->ctx->retry_at - ngx_time();

    p = ngx_pnalloc(r->pool, realm->len + NGX_TIME_T_LEN
                             + sizeof("Basic realm=\"\", charset=\"UTF-8\""));
    if (p == NULL) {
        return NGX_ERROR;
    }

    value.data = p;

    switch (status) {

    case NGX_HTTP_UNAUTHORIZED:
        value.len = ngx_sprintf(p, "Basic realm=\"%V\", charset=\"UTF-8\"",
                                realm)
                    - p;
        return ngx_at_add_header(r, "WWW-Authenticate", &value);

    case NGX_HTTP_TOO_MANY_REQUESTS:
        value.len = ngx_sprintf(p, "%T", wait > 0 ? wait : 1) - p;
        return ngx_at_add_header(r, "Retry-After", &value);

    case NGX_HTTP_SERVICE_UNAVAILABLE:
        ngx_str_set(&value, "1");
        return ngx_at_add_header(r, "Retry-After", &value);

    default:
        return NGX_OK;
    }
}


/* the log has the reason; the client, one of the errors of the RFC */

static ngx_int_t
ngx_at_oauth_refuse(ngx_at_endpoint_request_t *call,
    ngx_at_oauth_error_e error, at_verdict_e verdict)
{
    ngx_str_t            json;
    ngx_uint_t           status, level;
    ngx_http_request_t  *r;

    r = call->request;
    status = ngx_at_oauth_errors[error].status;
    json = ngx_at_oauth_errors[error].json;

    level = status == NGX_HTTP_SERVICE_UNAVAILABLE ? NGX_LOG_ERR
                                                   : NGX_LOG_INFO;

    ngx_log_error(level, r->connection->log, 0, "auth_token: %ui %V, reason: %s",
                  status, &json, at_verdict_info(verdict)->reason.data);

    if (ngx_at_oauth_headers(r, call, status) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_at_reply(r, status, &json, "no-store");
}


ngx_int_t
ngx_at_oauth_handler(ngx_http_request_t *r)
{
    ngx_int_t                   rc;
    at_verdict_e                verdict;
    ngx_at_endpoint_request_t  *call;

    call = ngx_at_endpoint_request_create(r);
    if (call == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    verdict = ngx_at_request_check_headers(r, call->ctx,
                                         "application/x-www-form-urlencoded");
    if (verdict == AT_OK) {
        return ngx_at_endpoint_request_read_body(call, ngx_at_oauth_body);
    }

    if (verdict == AT_BAD_METHOD || verdict == AT_ORIGIN_NOT_ALLOWED) {
        return ngx_at_endpoint_request_refuse(call, verdict);
    }

    rc = ngx_http_discard_request_body(r);

    return rc == NGX_OK ? ngx_at_oauth_refuse(call,
                                              NGX_AT_INVALID_REQUEST,
                                              verdict)
                        : rc;
}


/* --- the request --------------------------------------------------------- */


/*
 * RFC 6749 section 2.3.1: both halves are encoded as in a form, and then as
 * RFC 7617 says.  A client uses one way to tell who it is.
 */

static ngx_int_t
ngx_at_oauth_basic(ngx_http_request_t *r, at_str_t values[NGX_AT_OAUTH_FIELDS])
{
    char        *buf, *plain;
    size_t       len, n;
    at_str_t     user, password;
    ngx_str_t    credential;

    if (ngx_at_find_header(r, "authorization") == NULL) {
        return NGX_OK;
    }

    if (values[NGX_AT_OAUTH_CLIENT_SECRET].data
        || ngx_at_read_basic(r, &credential) != 1)
    {
        return NGX_DECLINED;
    }

    n = credential.len > AT_HEADER_BASIC_MAX ? 1 : credential.len;
    buf = ngx_pnalloc(r->pool, n * 2);
    if (buf == NULL) {
        return NGX_ERROR;
    }

    if (at_header_basic_decode(ngx_at_view(credential), buf,
                               &user, &password)
        != 0)
    {
        return NGX_ABORT;
    }

    plain = buf + n;

    if (at_fields_decode(plain, &len, user) != 0) {
        return NGX_ABORT;
    }

    user = (at_str_t) { plain, len };
    plain += len;

    if (at_fields_decode(plain, &len, password) != 0) {
        return NGX_ABORT;
    }

    if (values[NGX_AT_OAUTH_CLIENT_ID].len
        && !at_str_equal(values[NGX_AT_OAUTH_CLIENT_ID], user))
    {
        return NGX_DECLINED;
    }

    values[NGX_AT_OAUTH_CLIENT_ID] = user;
    values[NGX_AT_OAUTH_CLIENT_SECRET] = (at_str_t) { plain, len };
    at_crypto_cleanse(buf, n);

    return NGX_OK;
}


static ngx_at_oauth_error_e
ngx_at_oauth_read(ngx_http_request_t *r,
    ngx_at_endpoint_request_t *call, at_verdict_e *verdict)
{
    char     *buf;
    at_str_t  body, values[NGX_AT_OAUTH_FIELDS];

    *verdict = ngx_at_get_body(r, &body);

    if (*verdict == AT_LARGE_BODY) {
        return NGX_AT_INVALID_REQUEST;
    }

    buf = ngx_pnalloc(r->pool, body.len + 1);

    if (*verdict != AT_OK || buf == NULL) {
        *verdict = AT_FAILED;
        return NGX_AT_OAUTH_FAILED;
    }

    *verdict = AT_BAD_BODY;

    if (at_fields_from_form(values, ngx_at_oauth_names,
                            NGX_AT_OAUTH_FIELDS, body, buf)
        != AT_FIELDS_OK)
    {
        return NGX_AT_INVALID_REQUEST;
    }

    at_crypto_cleanse((void *) (uintptr_t) body.data, body.len);

    if (values[NGX_AT_OAUTH_GRANT_TYPE].len == 0) {
        return NGX_AT_INVALID_REQUEST;
    }

    if (!at_str_equal(values[NGX_AT_OAUTH_GRANT_TYPE],
                      at_str("client_credentials")))
    {
        return NGX_AT_UNSUPPORTED_GRANT;
    }

    switch (ngx_at_oauth_basic(r, values)) {

    case NGX_OK:
        break;

    case NGX_DECLINED:
        return NGX_AT_INVALID_REQUEST;

    case NGX_ABORT:
        *verdict = AT_BAD_BASIC;
        return NGX_AT_INVALID_CLIENT;

    default:
        *verdict = AT_FAILED;
        return NGX_AT_OAUTH_FAILED;
    }

    if (values[NGX_AT_OAUTH_CLIENT_ID].len == 0
        || values[NGX_AT_OAUTH_CLIENT_SECRET].len == 0)
    {
        *verdict = AT_NO_CREDENTIAL;
        return NGX_AT_INVALID_CLIENT;
    }

    call->check.client = 1;
    call->check.issuer = call->issuer;
    call->check.only_issuer = call->ctx->conf->only_issuer;
    call->check.name = values[NGX_AT_OAUTH_CLIENT_ID];
    call->check.secret = values[NGX_AT_OAUTH_CLIENT_SECRET];
    call->scope = values[NGX_AT_OAUTH_SCOPE];

    return NGX_AT_OAUTH_OK;
}


static void
ngx_at_oauth_body(ngx_http_request_t *r)
{
    at_verdict_e                verdict;
    ngx_at_endpoint_request_t  *call;
    ngx_at_oauth_error_e        error;

    call = ngx_at_find_ctx(r)->endpoint_request;
    r->write_event_handler = ngx_at_oauth_checked;

    error = ngx_at_oauth_read(r, call, &verdict);

    if (error == NGX_AT_OAUTH_OK) {
        verdict = ngx_at_password_check_start(r, call->ctx, &call->check);
        error = ngx_at_oauth_error_from_verdict(verdict);
    }

    if (error != NGX_AT_OAUTH_PENDING) {
        ngx_http_finalize_request(r,
                                  ngx_at_oauth_refuse(call, error, verdict));
    }
}


/* --- the token ----------------------------------------------------------- */


static ngx_uint_t
ngx_at_has_audience(const at_issuer_t *demands, at_str_t audience)
{
    size_t  i;

    for (i = 0; i < demands->n_audiences; i++) {
        if (at_str_equal(demands->audiences[i], audience)) {
            return 1;
        }
    }

    return 0;
}


/*
 * "api://ID/.default": ID is an audience of the block, or the client itself.
 * None is the first audience.  *audience is a view of the scope, or of the block.
 */

static ngx_int_t
ngx_at_oauth_audience(ngx_pool_t *pool,
    const at_issuer_t *demands, at_str_t scope, at_str_t client,
    at_str_t *audience)
{
    at_str_t   id, head = at_str("api://"), tail = at_str("/.default");
    ngx_str_t  name;

    if (demands->n_audiences) {
        *audience = demands->audiences[0];

    } else {
        name = ngx_at_from_view(client);
        audience->len = head.len + client.len;
        audience->data = ngx_pnalloc(pool, audience->len);

        if (audience->data == NULL) {
            return NGX_ERROR;
        }

        (void) ngx_sprintf((u_char *) (uintptr_t) audience->data, "%s%V",
                           head.data, &name);
    }

    if (scope.len == 0) {
        return NGX_OK;
    }

    if (scope.len <= head.len + tail.len
        || ngx_memcmp(scope.data, head.data, head.len) != 0
        || ngx_memcmp(scope.data + scope.len - tail.len, tail.data, tail.len)
           != 0)
    {
        return NGX_DECLINED;
    }

    scope.len -= tail.len;
    id = (at_str_t) { scope.data + head.len, scope.len - head.len };

    if (ngx_at_has_audience(demands, scope)) {
        *audience = scope;
        return NGX_OK;
    }

    if (ngx_at_has_audience(demands, id)) {
        *audience = id;
        return NGX_OK;
    }

    return at_str_equal_nocase(id, client) ? NGX_OK : NGX_DECLINED;
}


static ngx_at_oauth_error_e
ngx_at_oauth_grant(ngx_http_request_t *r,
    ngx_at_endpoint_request_t *call, at_verdict_e *verdict)
{
    at_str_t            audience;
    ngx_int_t           rc;
    at_client_record_t  client;

    *verdict = ngx_at_password_check_finish_client(r, call->ctx, &call->check,
                                                   &call->ctx->identity_storage, &client);
    if (*verdict != AT_OK) {
        return ngx_at_oauth_error_from_verdict(*verdict);
    }

    rc = ngx_at_oauth_audience(r->pool, &call->issuer->requirements,
                               call->scope, client.id, &audience);
    if (rc == NGX_DECLINED) {
        *verdict = AT_INSUFFICIENT_SCOPE;
        return NGX_AT_INVALID_SCOPE;
    }

    *verdict = AT_FAILED;
    call->grant.issuer = call->issuer;

    if (rc != NGX_OK
        || ngx_at_grant_client(r, &call->grant, client.id,
                               audience)
           != NGX_OK)
    {
        return NGX_AT_OAUTH_FAILED;
    }

    call->job.request = r;
    call->job.data = &call->grant;
    call->job.work = ngx_at_grant_sign;

    return ngx_at_job_post_signature(&call->job) == NGX_OK
           ? NGX_AT_OAUTH_PENDING
           : NGX_AT_OAUTH_FAILED;
}


static void
ngx_at_oauth_checked(ngx_http_request_t *r)
{
    at_verdict_e                verdict;
    ngx_at_endpoint_request_t  *call;
    ngx_at_oauth_error_e        error;

    call = ngx_at_find_ctx(r)->endpoint_request;

    if (ngx_at_endpoint_request_is_busy(call)) {
        return;
    }

    r->write_event_handler = ngx_at_oauth_granted;

    error = ngx_at_oauth_grant(r, call, &verdict);

    if (error != NGX_AT_OAUTH_PENDING) {
        ngx_http_finalize_request(r,
                                  ngx_at_oauth_refuse(call, error, verdict));
    }
}


static ngx_int_t
ngx_at_oauth_answer(ngx_http_request_t *r, ngx_at_endpoint_request_t *call)
{
    u_char     *p;
    ngx_str_t   json, pragma = ngx_string("no-cache");

    if (!call->grant.is_signed) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "auth_token: no token was signed: %s",
                      call->grant.err.text);
        return ngx_at_oauth_refuse(call, NGX_AT_OAUTH_FAILED, AT_FAILED);
    }

    p = ngx_pnalloc(r->pool, ngx_strlen(call->grant.access) + NGX_TIME_T_LEN
                             + sizeof("{\"access_token\":\"\",\"token_type\":"
                                      "\"Bearer\",\"expires_in\":}"));
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    json.data = p;
    json.len = ngx_sprintf(p, "{\"access_token\":\"%s\",\"token_type\":"
                           "\"Bearer\",\"expires_in\":%T}",
                           call->grant.access, call->issuer->access_expires)
               - p;

    if (ngx_at_add_header(r, "Pragma", &pragma) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_at_reply(r, NGX_HTTP_OK, &json, "no-store");
}


static void
ngx_at_oauth_granted(ngx_http_request_t *r)
{
    ngx_at_endpoint_request_t  *call;

    call = ngx_at_find_ctx(r)->endpoint_request;

    if (!ngx_at_endpoint_request_is_busy(call)) {
        ngx_http_finalize_request(r, ngx_at_oauth_answer(r, call));
    }
}
