/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "http/request/ngx_at_credential.h"

#include "core/base/at_crypto.h"
#include "core/base/at_header.h"

#include "http/base/ngx_at_str.h"
#include "http/request/ngx_at_header.h"


static ngx_uint_t
ngx_at_read_authorization(ngx_http_request_t *r, at_str_t scheme,
    ngx_str_t *credential)
{
    at_str_t           text;
    ngx_str_t         *value;
    ngx_uint_t         n;
    ngx_at_headers_t   headers = ngx_at_headers(r);

    n = 0;

    while ((value = ngx_at_next_header(&headers, at_str("authorization")))
           != NULL)
    {
        if (at_header_credential(ngx_at_view(*value), scheme, &text)) {
            *credential = ngx_at_from_view(text);
            n++;
        }
    }

    return n;
}


ngx_uint_t
ngx_at_read_bearer(ngx_http_request_t *r, ngx_str_t *credential)
{
    return ngx_at_read_authorization(r, at_str("Bearer"), credential);
}


ngx_uint_t
ngx_at_read_basic(ngx_http_request_t *r, ngx_str_t *credential)
{
    return ngx_at_read_authorization(r, at_str("Basic"), credential);
}


ngx_uint_t
ngx_at_read_cookie(ngx_http_request_t *r, const ngx_str_t *name,
    ngx_str_t *credential)
{
    at_str_t           cookie = { NULL, 0 };
    ngx_str_t         *value;
    ngx_uint_t         n;
    ngx_at_headers_t   headers = ngx_at_headers(r);

    n = 0;

    while ((value = ngx_at_next_header(&headers, at_str("cookie"))) != NULL) {
        n += at_header_cookie_find(ngx_at_view(*value), ngx_at_view(*name),
                                   &cookie);
    }

    *credential = ngx_at_from_view(cookie);

    return n;
}


at_verdict_e
ngx_at_read_credential(ngx_http_request_t *r, ngx_at_ctx_t *ctx)
{
    at_str_t           name;
    ngx_str_t         *value, api_token, other;
    ngx_uint_t         accept, kind, n, others;
    ngx_at_headers_t   headers = ngx_at_headers(r);

    ngx_str_null(&api_token);
    ngx_str_null(&other);
    accept = ctx->conf->accept;
    n = 0;

    if (accept & NGX_AT_API_TOKEN) {
        name = ngx_at_view(ctx->conf->api_header);

        while ((value = ngx_at_next_header(&headers, name)) != NULL) {
            api_token = *value;
            n++;
        }
    }

    kind = NGX_AT_BEARER;
    others = accept & NGX_AT_BEARER ? ngx_at_read_bearer(r, &other) : 0;

    if (others == 0 && (accept & NGX_AT_BASIC)) {
        kind = NGX_AT_BASIC;
        others = ngx_at_read_basic(r, &other);
    }

    if (n == 0 && others == 0 && (accept & NGX_AT_COOKIE)) {
        kind = NGX_AT_COOKIE;
        others = ngx_at_read_cookie(r, &ctx->conf->cookie, &other);
    }

    if (n == 1 && others == 0) {
        ctx->kind = NGX_AT_API_TOKEN;
        ctx->credential = api_token;
        return AT_OK;
    }

    if (n == 0 && others == 1) {
        ctx->kind = kind;
        ctx->credential = other;
        return AT_OK;
    }

    if (n + others == 0) {
        return accept == NGX_AT_API_TOKEN ? AT_NO_API_TOKEN : AT_NO_CREDENTIAL;
    }

    return others ? AT_SEVERAL_CREDENTIALS : AT_SEVERAL_API_TOKENS;
}


ngx_str_t
ngx_at_fingerprint(const ngx_at_ctx_t *ctx, u_char buf[NGX_AT_FINGERPRINT_LEN])
{
    ngx_str_t      hex = ngx_null_string;
    unsigned char  digest[AT_SHA256_LEN];

    /* a password can be guessed from its digest */

    if (ctx->credential.len == 0 || ctx->kind == NGX_AT_BASIC
        || at_sha256(digest, ngx_at_view(ctx->credential)) != 0)
    {
        return hex;
    }

    hex.data = buf;
    hex.len = ngx_hex_dump(buf, digest, NGX_AT_FINGERPRINT_LEN / 2) - buf;

    return hex;
}


ngx_str_t
ngx_at_kind_name(ngx_uint_t kind)
{
    ngx_uint_t  i;
    ngx_str_t   unknown = ngx_null_string;

    static const struct {
        ngx_uint_t  kind;
        ngx_str_t   name;
    } kinds[] = {
        { NGX_AT_API_TOKEN, ngx_string("api_token") },
        { NGX_AT_BEARER, ngx_string("bearer") },
        { NGX_AT_COOKIE, ngx_string("cookie") },
        { NGX_AT_BASIC, ngx_string("basic") },
        { NGX_AT_REFRESH, ngx_string("refresh_token") }
    };

    for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (kinds[i].kind == kind) {
            return kinds[i].name;
        }
    }

    return unknown;
}
