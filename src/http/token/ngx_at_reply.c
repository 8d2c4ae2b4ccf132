/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "http/token/ngx_at_reply.h"

#include "http/base/ngx_at_str.h"
#include "http/request/ngx_at_header.h"


/* bytes of name and value (RFC 6265bis section 5.6) */
#define NGX_AT_COOKIE_MAX  4096


ngx_int_t
ngx_at_reply(ngx_http_request_t *r, ngx_uint_t status, const ngx_str_t *json,
    const char *cache_control)
{
    ngx_str_t                 value, type = ngx_string("application/json");
    ngx_http_complex_value_t  body;

    value.data = (u_char *) cache_control;
    value.len = ngx_strlen(cache_control);

    if (ngx_at_add_header(r, "Cache-Control", &value) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_memzero(&body, sizeof(ngx_http_complex_value_t));
    body.value = *json;

    return ngx_http_send_response(r, status, &type, &body);
}


static ngx_int_t
ngx_at_add_cookie(ngx_http_request_t *r, const ngx_str_t *name,
    at_str_t content, time_t max_age, const ngx_at_cookie_scope_t *scope)
{
    u_char     *p;
    u_char      date[sizeof("Mon, 28 Sep 1970 06:00:00 GMT")];
    ngx_str_t   value, text;

    text = ngx_at_from_view(content);

    if (name->len + text.len > NGX_AT_COOKIE_MAX) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "auth_token: the cookie \"%V\" has %uz bytes, browsers "
                      "ignore more than %d", name, name->len + text.len,
                      NGX_AT_COOKIE_MAX);
    }

    p = ngx_pnalloc(r->pool, name->len + text.len + scope->path.len
                         + scope->domain.len + scope->same_site.len
                         + NGX_TIME_T_LEN + sizeof(date)
                         + sizeof("=; Max-Age=; Path=; Domain=; Expires=; "
                                  "HttpOnly; Secure; SameSite="));
    if (p == NULL) {
        return NGX_ERROR;
    }

    *ngx_http_time(date, max_age ? ngx_time() + max_age : 0) = '\0';

    value.data = p;
    p = ngx_sprintf(p, "%V=%V; Max-Age=%T; Path=%V; Expires=%s; "
                    "HttpOnly; Secure; SameSite=%V", name, &text, max_age,
                    &scope->path, date, &scope->same_site);

    if (scope->domain.len) {
        p = ngx_sprintf(p, "; Domain=%V", &scope->domain);
    }

    value.len = p - value.data;

    return ngx_at_add_header(r, "Set-Cookie", &value);
}


at_verdict_e
ngx_at_set_cookies(ngx_at_endpoint_request_t *er)
{
    time_t                  access_max_age, refresh_max_age;
    at_str_t                access, refresh;
    ngx_table_elt_t        *first;
    ngx_http_request_t     *r;
    const ngx_at_issuer_t  *issuer;

    r = er->request;
    issuer = er->issuer;

    access = (at_str_t) { NULL, 0 };
    refresh = (at_str_t) { NULL, 0 };
    access_max_age = 0;
    refresh_max_age = 0;

    if (er->grant.access_token) {
        access.data = er->grant.access_token;
        access.len = ngx_strlen(access.data);
        access_max_age = issuer->access_cookie_expires
                         ? issuer->access_cookie_expires
                         : issuer->access_expires;

        refresh.data = er->grant.refresh_token;
        refresh.len = ngx_strlen(refresh.data);
        refresh_max_age = (er->grant.refresh_expires - er->grant.now + 999)
                          / 1000;
    }

    if (ngx_at_add_cookie(r, &issuer->access_cookie, access, access_max_age,
                          &issuer->access_scope)
        != NGX_OK)
    {
        return AT_FAILED;
    }

    first = (ngx_table_elt_t *) r->headers_out.headers.last->elts
            + r->headers_out.headers.last->nelts - 1;

    if (ngx_at_add_cookie(r, &issuer->refresh_cookie, refresh, refresh_max_age,
                          &issuer->refresh_scope)
        != NGX_OK)
    {
        first->hash = 0;    /* both cookies or none */
        return AT_FAILED;
    }

    return AT_OK;
}
