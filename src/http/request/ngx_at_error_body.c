/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "http/request/ngx_at_error_body.h"

#include "core/authz/at_error_text.h"
#include "core/base/at_verdict.h"

#include "http/base/ngx_at_str.h"
#include "http/request/ngx_at_refuse.h"


/* the statuses that "auth_token_error" accepts (RFC 9110, 15.5 and 15.6) */

static const char *
ngx_at_reason_phrase(ngx_uint_t status)
{
    ngx_uint_t  i;

    static const struct {
        ngx_uint_t   status;
        const char  *phrase;
    } phrases[] = {
        { 400, "Bad Request" },
        { 401, "Unauthorized" },
        { 402, "Payment Required" },
        { 403, "Forbidden" },
        { 404, "Not Found" },
        { 405, "Method Not Allowed" },
        { 406, "Not Acceptable" },
        { 407, "Proxy Authentication Required" },
        { 409, "Conflict" },
        { 410, "Gone" },
        { 413, "Content Too Large" },
        { 415, "Unsupported Media Type" },
        { 421, "Misdirected Request" },
        { 422, "Unprocessable Content" },
        { 426, "Upgrade Required" },
        { 429, "Too Many Requests" },
        { 451, "Unavailable For Legal Reasons" },
        { 500, "Internal Server Error" },
        { 501, "Not Implemented" },
        { 502, "Bad Gateway" },
        { 503, "Service Unavailable" },
        { 504, "Gateway Timeout" }
    };

    for (i = 0; i < sizeof(phrases) / sizeof(phrases[0]); i++) {
        if (phrases[i].status == status) {
            return phrases[i].phrase;
        }
    }

    return "Error";
}


static ngx_int_t
ngx_at_error_message(ngx_pool_t *pool, const ngx_at_ctx_t *ctx, ngx_str_t *dst)
{
    const at_verdict_info_t        *info;
    const ngx_at_error_override_t  *override;

    override = ngx_at_error_override(ctx);

    if (override->message.data) {
        *dst = override->message;
        return NGX_OK;
    }

    if (ctx->conf->error_format == NGX_AT_TEXT) {
        dst->len = at_error_text(NULL, 0, ctx->verdict, ctx->identity,
                                 ctx->endpoint);
        dst->data = ngx_pnalloc(pool, dst->len);

        if (dst->data == NULL) {
            return NGX_ERROR;
        }

        (void) at_error_text((char *) dst->data, dst->len, ctx->verdict,
                             ctx->identity, ctx->endpoint);
        return NGX_OK;
    }

    info = at_verdict_info(ctx->verdict);

    *dst = ngx_at_from_view(info->message.len
                            ? info->message
                            : at_code_info(info->code)->message);
    return NGX_OK;
}


ngx_int_t
ngx_at_create_error_body(ngx_http_request_t *r, ngx_at_ctx_t *ctx)
{
    u_char      *p;
    ngx_str_t    message, escaped;
    at_str_t     code;
    const char  *phrase;

    if (ngx_at_error_message(r->pool, ctx, &message) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ctx->conf->error_format == NGX_AT_TEXT) {
        ctx->body = message;
        ngx_str_set(&r->headers_out.content_type, "text/plain");
        return NGX_OK;
    }

    code = at_code_info(at_verdict_info(ctx->verdict)->code)->name;
    phrase = ngx_at_reason_phrase(ctx->status);

    escaped.len = message.len + ngx_escape_json(NULL, message.data,
                                                message.len);
    escaped.data = ngx_pnalloc(r->pool, escaped.len);

    p = ngx_pnalloc(r->pool, sizeof("{\"type\":\"about:blank\",\"title\":\"\","
                                    "\"status\":999,\"detail\":\"\","
                                    "\"code\":\"\"}")
                             + ngx_strlen(phrase) + escaped.len + code.len);

    if (escaped.data == NULL || p == NULL) {
        return NGX_ERROR;
    }

    (void) ngx_escape_json(escaped.data, message.data, message.len);

    ctx->body.data = p;

    if (ctx->conf->error_format == NGX_AT_PROBLEM) {
        p = ngx_sprintf(p, "{\"type\":\"about:blank\",\"title\":\"%s\","
                        "\"status\":%ui,\"detail\":\"%V\",\"code\":\"%s\"}",
                        phrase, ctx->status, &escaped, code.data);
        ngx_str_set(&r->headers_out.content_type, "application/problem+json");

    } else {
        p = ngx_sprintf(p, "{\"code\":\"%s\",\"message\":\"%V\"}", code.data,
                        &escaped);
        ngx_str_set(&r->headers_out.content_type, "application/json");
    }

    ctx->body.len = p - ctx->body.data;

    return NGX_OK;
}
