/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * "auth_token_oauth": the token endpoint of RFC 6749, for client credentials
 * grants (section 4.4) of clients of the store.  Section 5.2 defines its error
 * responses.
 */

#include "http/token/ngx_at_endpoint_request.h"

#include "core/authz/at_issuer.h"
#include "core/base/at_crypto.h"
#include "core/base/at_header.h"

#include "http/base/ngx_at_str.h"
#include "http/request/ngx_at_credential.h"
#include "http/request/ngx_at_header.h"
#include "http/request/ngx_at_refusal_log.h"
#include "http/request/ngx_at_refuse.h"
#include "http/token/ngx_at_body.h"
#include "http/token/ngx_at_reply.h"


enum {
    NGX_AT_OAUTH_GRANT_TYPE = 0,
    NGX_AT_OAUTH_CLIENT_ID,
    NGX_AT_OAUTH_CLIENT_SECRET,
    NGX_AT_OAUTH_SCOPE,
    NGX_AT_OAUTH_FIELDS
};

typedef struct {
    ngx_uint_t  status;
    ngx_str_t   name;
    ngx_str_t   json;
} ngx_at_oauth_error_t;


/* --- refusals ------------------------------------------------------------ */


#define NGX_AT_OAUTH_ERROR(status, name, description)                         \
    { status, ngx_string(name),                                               \
      ngx_string("{\"error\":\"" name "\",\"error_description\":\""           \
                 description "\"}") }

#define NGX_AT_OAUTH_BAD_REQUEST(description)                                 \
    NGX_AT_OAUTH_ERROR(400, "invalid_request", description)

/* the same for every reason: it must not reveal which clients exist */
#define NGX_AT_OAUTH_BAD_CLIENT                                               \
    NGX_AT_OAUTH_ERROR(401, "invalid_client",                                 \
                       "client unknown or disabled, or wrong secret")


static const ngx_at_oauth_error_t  ngx_at_oauth_unavailable =
    NGX_AT_OAUTH_ERROR(503, "temporarily_unavailable",
                       "no token can be issued at the moment");

static const ngx_at_oauth_error_t  ngx_at_oauth_unsupported_grant_type =
    NGX_AT_OAUTH_ERROR(400, "unsupported_grant_type",
                       "grant_type must be client_credentials");

static const struct {
    at_verdict_e          verdict;
    ngx_at_oauth_error_t  error;
} ngx_at_oauth_errors[] = {
    { AT_BAD_BODY,
      NGX_AT_OAUTH_BAD_REQUEST("the body is not a form with a grant_type") },
    { AT_LARGE_BODY, NGX_AT_OAUTH_BAD_REQUEST("the body is too large") },
    { AT_BAD_CONTENT_TYPE,
      NGX_AT_OAUTH_BAD_REQUEST("the media type must be "
                               "application/x-www-form-urlencoded, "
                               "without a content coding") },
    { AT_SEVERAL_CREDENTIALS,
      NGX_AT_OAUTH_BAD_REQUEST("use one way of client authentication: "
                               "Basic, or client_id and client_secret") },
    { AT_NO_CREDENTIAL,
      NGX_AT_OAUTH_ERROR(401, "invalid_client",
                         "client_id or client_secret is missing") },
    { AT_BAD_BASIC,
      NGX_AT_OAUTH_ERROR(401, "invalid_client",
                         "the Basic credential is malformed") },
    { AT_UNKNOWN_CLIENT, NGX_AT_OAUTH_BAD_CLIENT },
    { AT_WRONG_PASSWORD, NGX_AT_OAUTH_BAD_CLIENT },
    { AT_DISABLED_CLIENT, NGX_AT_OAUTH_BAD_CLIENT },
    { AT_CLIENT_ISSUER_MISMATCH, NGX_AT_OAUTH_BAD_CLIENT },
    { AT_INSUFFICIENT_SCOPE,
      NGX_AT_OAUTH_ERROR(400, "invalid_scope",
                         "scope must be ID/.default or api://ID/.default, "
                         "where ID is the client or an audience") },
    { AT_THROTTLED,
      NGX_AT_OAUTH_ERROR(429, "temporarily_unavailable",
                         "too many wrong secrets") },
    { AT_BUSY,
      NGX_AT_OAUTH_ERROR(429, "temporarily_unavailable",
                         "too many requests") }
};


static const ngx_at_oauth_error_t *
ngx_at_oauth_error(ngx_at_endpoint_request_t *er, at_verdict_e verdict)
{
    ngx_uint_t  i;

    if (er->unsupported_grant_type) {
        return &ngx_at_oauth_unsupported_grant_type;
    }

    for (i = 0; i < sizeof(ngx_at_oauth_errors)
                    / sizeof(ngx_at_oauth_errors[0]); i++)
    {
        if (ngx_at_oauth_errors[i].verdict == verdict) {
            return &ngx_at_oauth_errors[i].error;
        }
    }

    return &ngx_at_oauth_unavailable;
}


/* the reason is logged; the client gets one of the errors of the RFC */

ngx_int_t
ngx_at_oauth_refuse(ngx_at_endpoint_request_t *er, at_verdict_e verdict)
{
    u_char                       line[NGX_AT_LOG_TEXT_LEN];
    ngx_int_t                    rc;
    ngx_str_t                    text;
    const ngx_at_oauth_error_t  *error;

    if (verdict == AT_BAD_METHOD || verdict == AT_ORIGIN_NOT_ALLOWED) {
        return ngx_at_refuse(er->request, er->ctx, verdict);
    }

    error = ngx_at_oauth_error(er, verdict);

    text.data = line;
    text.len = ngx_snprintf(line, sizeof(line), "%ui %V, reason: %s",
                            error->status, &error->name,
                            at_verdict_info(verdict)->reason.data)
               - line;

    if (error->status == NGX_HTTP_SERVICE_UNAVAILABLE) {
        ngx_log_error(NGX_LOG_ERR, er->request->connection->log, 0,
                      "auth_token: %V", &text);

    } else {
        ngx_at_log_client_error(er->request, er->ctx, &text);
    }

    switch (error->status) {

    case NGX_HTTP_UNAUTHORIZED:
        /* RFC 6749 section 5.2: only to a client that used this header */
        rc = ngx_at_find_header(er->request, "authorization")
             ? ngx_at_add_scheme(er->request, er->ctx, "Basic",
                                 ", charset=\"UTF-8\"")
             : NGX_OK;
        break;

    case NGX_HTTP_TOO_MANY_REQUESTS:
        rc = ngx_at_add_number(er->request, "Retry-After",
                               ngx_max(er->ctx->retry_at - ngx_time(), 1));
        break;

    case NGX_HTTP_SERVICE_UNAVAILABLE:
        rc = ngx_at_add_number(er->request, "Retry-After", 1);
        break;

    default:
        rc = NGX_OK;
    }

    if (rc != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_at_reply(er->request, error->status, &error->json, "no-store");
}


/* --- the client ---------------------------------------------------------- */


/*
 * RFC 6749 section 2.3.1: id and secret are form-encoded before they are put
 * into the credential of RFC 7617.  A request uses one method only.
 */

static at_verdict_e
ngx_at_oauth_read_basic(ngx_http_request_t *r,
    at_str_t values[NGX_AT_OAUTH_FIELDS])
{
    char          *buf, *plain;
    size_t         n, id_len, secret_len;
    at_str_t       user, password, id;
    ngx_str_t      credential;
    at_verdict_e   verdict;

    if (ngx_at_find_header(r, "authorization") == NULL) {
        return AT_OK;
    }

    if (values[NGX_AT_OAUTH_CLIENT_SECRET].len
        || ngx_at_read_basic(r, &credential) != 1)
    {
        return AT_SEVERAL_CREDENTIALS;
    }

    n = credential.len > AT_HEADER_BASIC_MAX ? 1 : credential.len;
    buf = ngx_pnalloc(r->pool, n * 2);
    if (buf == NULL) {
        return AT_FAILED;
    }

    plain = buf + n;
    id_len = 0;
    secret_len = 0;
    ngx_memzero(&id, sizeof(at_str_t));
    verdict = AT_BAD_BASIC;

    if (at_header_basic_decode(ngx_at_view(credential), buf, &user, &password)
        == 0
        && at_fields_decode(plain, &id_len, user) == 0
        && at_fields_decode(plain + id_len, &secret_len, password) == 0)
    {
        id = (at_str_t) { plain, id_len };
        verdict = values[NGX_AT_OAUTH_CLIENT_ID].len
                  && !at_str_equal(values[NGX_AT_OAUTH_CLIENT_ID], id)
                  ? AT_SEVERAL_CREDENTIALS : AT_OK;
    }

    if (verdict != AT_OK) {
        at_crypto_cleanse(buf, n * 2);
        return verdict;
    }

    at_crypto_cleanse(buf, n);

    values[NGX_AT_OAUTH_CLIENT_ID] = id;
    values[NGX_AT_OAUTH_CLIENT_SECRET] = (at_str_t) { plain + id_len,
                                                      secret_len };
    return AT_OK;
}


static at_verdict_e
ngx_at_oauth_check_client(ngx_at_endpoint_request_t *er)
{
    static const at_str_t  names[NGX_AT_OAUTH_FIELDS] = {
        at_str("grant_type"), at_str("client_id"), at_str("client_secret"),
        at_str("scope")
    };

    at_str_t      values[NGX_AT_OAUTH_FIELDS];
    at_verdict_e  verdict;

    verdict = ngx_at_parse_body(er, values, names, NGX_AT_OAUTH_FIELDS,
                                at_fields_from_form);
    if (verdict != AT_OK) {
        return verdict;
    }

    if (values[NGX_AT_OAUTH_GRANT_TYPE].len == 0) {
        return AT_BAD_BODY;
    }

    if (!at_str_equal(values[NGX_AT_OAUTH_GRANT_TYPE],
                      at_str("client_credentials")))
    {
        er->unsupported_grant_type = 1;
        return AT_BAD_BODY;
    }

    verdict = ngx_at_oauth_read_basic(er->request, values);

    if (verdict != AT_OK) {
        return verdict;
    }

    if (values[NGX_AT_OAUTH_CLIENT_ID].len == 0
        || values[NGX_AT_OAUTH_CLIENT_SECRET].len == 0)
    {
        return AT_NO_CREDENTIAL;
    }

    er->scope = values[NGX_AT_OAUTH_SCOPE];

    er->password_check.is_client = 1;
    er->password_check.issuer = er->issuer;
    er->password_check.only_issuer = er->ctx->conf->only_issuer;
    er->password_check.name = values[NGX_AT_OAUTH_CLIENT_ID];
    er->password_check.secret = values[NGX_AT_OAUTH_CLIENT_SECRET];

    return ngx_at_password_check_start(er->request, er->ctx,
                                       &er->password_check);
}


/* --- the access token ---------------------------------------------------- */


/* the first one of the issuer block or, with "audience clients", api://ID */

static at_verdict_e
ngx_at_oauth_default_audience(ngx_pool_t *pool, const at_issuer_t *issuer,
    at_str_t client, at_str_t *audience)
{
    u_char  *p;
    size_t   len;

    if (issuer->n_audiences) {
        *audience = issuer->audiences[0];
        return AT_OK;
    }

    len = sizeof("api://") - 1 + client.len;

    p = ngx_pnalloc(pool, len);
    if (p == NULL) {
        return AT_FAILED;
    }

    *audience = (at_str_t) { (char *) p, len };
    p = ngx_cpymem(p, "api://", sizeof("api://") - 1);
    ngx_memcpy(p, client.data, client.len);

    return AT_OK;
}


/*
 * A scope is "AUDIENCE/.default", where AUDIENCE is one of the issuer block,
 * or "CLIENT/.default", which keeps the default.  Both may begin with
 * "api://".
 */

static at_verdict_e
ngx_at_oauth_select_audience(const at_issuer_t *issuer, at_str_t scope,
    at_str_t client, at_str_t *audience)
{
    size_t    i;
    at_str_t  name, prefix = at_str("api://"), suffix = at_str("/.default");

    if (scope.len == 0) {
        return AT_OK;
    }

    if (scope.len <= suffix.len
        || ngx_memcmp(scope.data + scope.len - suffix.len, suffix.data,
                      suffix.len)
           != 0)
    {
        return AT_INSUFFICIENT_SCOPE;
    }

    scope.len -= suffix.len;

    if (at_str_is_one_of(scope, issuer->audiences, issuer->n_audiences)) {
        *audience = scope;
        return AT_OK;
    }

    (void) at_str_cut_prefix(&scope, prefix);

    for (i = 0; i < issuer->n_audiences; i++) {
        name = issuer->audiences[i];
        (void) at_str_cut_prefix(&name, prefix);

        if (scope.len && at_str_equal(scope, name)) {
            *audience = issuer->audiences[i];
            return AT_OK;
        }
    }

    return at_str_equal_nocase(scope, client) ? AT_OK : AT_INSUFFICIENT_SCOPE;
}


static at_verdict_e
ngx_at_oauth_sign(ngx_at_endpoint_request_t *er)
{
    at_str_t      id, audience = { NULL, 0 };
    at_verdict_e  verdict;

    verdict = ngx_at_password_check_finish(er->request, er->ctx,
                                           &er->password_check);
    id = er->password_check.client.id;

    if (verdict == AT_OK) {
        verdict = ngx_at_oauth_default_audience(er->request->pool,
                                                &er->issuer->requirements, id,
                                                &audience);
    }

    if (verdict == AT_OK) {
        verdict = ngx_at_oauth_select_audience(&er->issuer->requirements,
                                               er->scope, id, &audience);
    }

    if (verdict == AT_OK) {
        verdict = ngx_at_grant_client(er, id, audience);
    }

    return verdict == AT_OK ? ngx_at_endpoint_post(er, ngx_at_grant_sign,
                                                   NGX_AT_JOB_SIGNATURE)
                            : verdict;
}


/* RFC 6749 section 5.1 */

static at_verdict_e
ngx_at_oauth_set_response(ngx_at_endpoint_request_t *er)
{
    u_char     *p;
    ngx_str_t   no_cache = ngx_string("no-cache");

    p = ngx_pnalloc(er->request->pool,
                    ngx_strlen(er->grant.access_token) + NGX_TIME_T_LEN
                    + sizeof("{\"access_token\":\"\",\"token_type\":"
                             "\"Bearer\",\"expires_in\":}"));

    if (p == NULL
        || ngx_at_add_header(er->request, "Pragma", &no_cache) != NGX_OK)
    {
        return AT_FAILED;
    }

    er->response.data = p;
    er->response.len = ngx_sprintf(p, "{\"access_token\":\"%s\","
                                   "\"token_type\":\"Bearer\","
                                   "\"expires_in\":%T}",
                                   er->grant.access_token,
                                   er->issuer->access_expires)
                       - p;

    return AT_OK;
}


const ngx_at_step_pt  ngx_at_oauth_steps[] = {
    ngx_at_check_form_post,
    ngx_at_read_body,
    ngx_at_oauth_check_client,
    ngx_at_oauth_sign,
    ngx_at_grant_check_signature,
    ngx_at_oauth_set_response,
    NULL
};
