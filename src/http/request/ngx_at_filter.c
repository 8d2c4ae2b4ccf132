/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "http/request/ngx_at_refuse.h"

#include "core/authz/at_error_text.h"

#include "http/base/ngx_at_main_conf.h"
#include "http/base/ngx_at_str.h"
#include "http/request/ngx_at_origin.h"
#include "http/request/ngx_at_refusal_log.h"


static ngx_http_output_header_filter_pt  ngx_http_next_header_filter;
static ngx_http_output_body_filter_pt    ngx_http_next_body_filter;


/* --- body ---------------------------------------------------------------- */


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


/* in the format of "auth_token_error_format"; sets the content type, too */

static ngx_int_t
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


/* --- filters ------------------------------------------------------------- */


/* replaces the header fields that nginx has set for its error page */

static ngx_int_t
ngx_at_replace_page(ngx_http_request_t *r, ngx_at_ctx_t *ctx)
{
    if (ngx_at_create_error_body(r, ctx) != NGX_OK
        || ngx_at_add_error_headers(r, ctx) != NGX_OK)
    {
        return NGX_ERROR;
    }

    r->headers_out.status = ctx->status;
    r->headers_out.status_line.len = 0;
    r->err_status = ctx->status;            /* for $status */

    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;
    ngx_str_null(&r->headers_out.charset);

    ngx_http_clear_content_length(r);
    ngx_http_clear_accept_ranges(r);
    ngx_http_clear_last_modified(r);
    ngx_http_clear_etag(r);

    r->headers_out.content_length_n = ctx->body.len;

#if (NGX_HTTP_GZIP)
    /* a body this short grows when it is compressed */
    r->gzip_tested = 1;
    r->gzip_ok = 0;
#endif

    ctx->phase = NGX_AT_BODY_PENDING;

    return NGX_OK;
}


/* the response to a refused request: nginx's error page, or "error_page" */

static ngx_int_t
ngx_at_filter_refusal(ngx_http_request_t *r, ngx_at_ctx_t *ctx)
{
    ngx_at_log_refusal(r, ctx);

    if (r->headers_out.status < NGX_HTTP_BAD_REQUEST) {
        return NGX_OK;
    }

    if (ngx_http_get_module_ctx(r, ngx_http_auth_token_module)
        && r->headers_out.status == ctx->returned_status
        && ngx_at_replace_page(r, ctx) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return r->headers_out.status == ctx->status ? ngx_at_add_challenge(r, ctx)
                                                : NGX_OK;
}


static ngx_int_t
ngx_at_header_filter(ngx_http_request_t *r)
{
    ngx_at_ctx_t             *ctx;
    const ngx_at_loc_conf_t  *atcf;

    if (r != r->main) {
        return ngx_http_next_header_filter(r);
    }

    atcf = ngx_http_get_module_loc_conf(r, ngx_http_auth_token_module);

    if (r->headers_out.status >= NGX_HTTP_BAD_REQUEST || r->error_page) {
        ctx = ngx_at_find_ctx(r);

        if (ctx && ctx->phase == NGX_AT_REFUSED) {
            atcf = ctx->conf;       /* "error_page" may have another one */

            if (ngx_at_filter_refusal(r, ctx) != NGX_OK) {
                return NGX_ERROR;
            }
        }
    }

    return ngx_at_add_cors(r, atcf) == NGX_OK
           ? ngx_http_next_header_filter(r) : NGX_ERROR;
}


static ngx_int_t
ngx_at_body_filter(ngx_http_request_t *r, ngx_chain_t *in)
{
    ngx_buf_t     *b;
    ngx_chain_t   *cl, out;
    ngx_at_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_auth_token_module);

    if (in == NULL || r != r->main || ctx == NULL
        || ctx->phase < NGX_AT_BODY_PENDING)
    {
        return ngx_http_next_body_filter(r, in);
    }

    for (cl = in; cl; cl = cl->next) {
        cl->buf->pos = cl->buf->last;
        cl->buf->file_pos = cl->buf->file_last;
    }

    if (ctx->phase == NGX_AT_BODY_SENT) {
        return NGX_OK;
    }

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->pos = ctx->body.data;
    b->last = ctx->body.data + ctx->body.len;
    b->memory = 1;
    b->last_buf = 1;
    b->last_in_chain = 1;

    out.buf = b;
    out.next = NULL;

    ctx->phase = NGX_AT_BODY_SENT;

    return ngx_http_next_body_filter(r, &out);
}


ngx_int_t
ngx_at_filter_init(ngx_conf_t *cf)
{
    ngx_http_next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_at_header_filter;

    ngx_http_next_body_filter = ngx_http_top_body_filter;
    ngx_http_top_body_filter = ngx_at_body_filter;

    return NGX_OK;
}
