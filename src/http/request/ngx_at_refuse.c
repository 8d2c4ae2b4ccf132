/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Refusals.  The access handler marks the request and returns a status; nginx
 * does with it what it does with any ("satisfy", "auth_delay", "error_page");
 * challenge and body are put in when the final status is on its way out.
 */

#include "http/request/ngx_at_refuse.h"

#include "core/authz/at_error_text.h"
#include "core/base/at_str.h"
#include "core/base/at_verdict.h"

#include "http/base/ngx_at_loc_conf.h"
#include "http/base/ngx_at_main_conf.h"
#include "http/base/ngx_at_str.h"
#include "http/request/ngx_at_ctx.h"
#include "http/request/ngx_at_request.h"


#define NGX_AT_SUBJECT_LEN  64


static ngx_http_output_header_filter_pt  ngx_http_next_header_filter;
static ngx_http_output_body_filter_pt    ngx_http_next_body_filter;


/* --- the access phase ---------------------------------------------------- */


static ngx_uint_t
ngx_at_log_level(at_blame_e blame)
{
    switch (blame) {

    case AT_BLAME_CLIENT:
        return NGX_LOG_INFO;

    case AT_BLAME_OPERATOR:
        return NGX_LOG_ERR;

    default:
        return NGX_LOG_CRIT;
    }
}


/* of a token that is verified, but whose issuer may let users choose names */

static u_char *
ngx_at_escape_subject(u_char *p, at_str_t text)
{
    u_char  c;
    size_t  i;

    for (i = 0; i < text.len && i < NGX_AT_SUBJECT_LEN; i++) {
        c = text.data[i];

        if (c < 0x20 || c > 0x7e || c == '"' || c == '\\') {
            p = ngx_sprintf(p, "\\x%02xd", (ngx_uint_t) c);

        } else {
            *p++ = c;
        }
    }

    return i < text.len ? ngx_cpymem(p, "...", 3) : p;
}


/* where another module may still grant */

static ngx_uint_t
ngx_at_satisfy_is_any(ngx_http_request_t *r)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    return clcf->satisfy == NGX_HTTP_SATISFY_ANY;
}


static void
ngx_at_log_refusal(ngx_http_request_t *r, ngx_at_ctx_t *ctx)
{
    u_char                   *p;
    u_char                    hex[NGX_AT_FINGERPRINT_LEN];
    u_char                    who[NGX_AT_SUBJECT_LEN * 4 + 3];
    ngx_str_t                 kind, fingerprint, subject;
    ngx_uint_t                level;
    const at_code_info_t     *code;
    const at_verdict_info_t  *verdict;

    verdict = at_verdict_info(ctx->verdict);
    code = at_code_info(verdict->code);
    level = ngx_at_log_level(verdict->blame);

    if (ctx->logged || r->connection->log->log_level < level) {
        return;
    }

    ctx->logged = 1;

    kind = ngx_at_kind_name(ctx->kind);
    fingerprint = ngx_at_fingerprint(ctx, hex);

    p = ngx_at_escape_subject(who, ctx->identity->subject);
    subject.data = who;
    subject.len = p - who;

    ngx_log_error(level, r->connection->log, 0,
                  "auth_token: %ui %s%s, reason: %s, credential: "
                  "\"%V%s%V\", subject: \"%V\"",
                  ctx->status, code->name.data,
                  ngx_at_satisfy_is_any(r) ? " (satisfy any)" : "",
                  verdict->reason.data, &kind, fingerprint.len ? " " : "", &fingerprint, &subject);
}


static const ngx_at_error_override_t *
ngx_at_error_override(const ngx_at_ctx_t *ctx)
{
    static const ngx_at_error_override_t  none;

    const ngx_at_error_override_t        *errors;

    if (ctx->conf->errors == NULL) {
        return &none;
    }

    errors = ctx->conf->errors->elts;

    return &errors[at_verdict_info(ctx->verdict)->code];
}


ngx_int_t
ngx_at_refuse(ngx_http_request_t *r, ngx_at_ctx_t *ctx)
{
    ngx_uint_t  status;

    status = ngx_at_error_override(ctx)->status;

    if (status == 0) {
        status = at_verdict_info(ctx->verdict)->status;
    }

    if (status == 0) {
        status = at_code_info(at_verdict_info(ctx->verdict)->code)->status;
    }

    ctx->status = status;
    ctx->returned = status;
    ctx->replace = 0;
    ctx->body_sent = 0;

    ngx_at_log_refusal(r, ctx);

    /* nginx asks the next module after 401 and 403 only */

    if (!ctx->content && ngx_at_satisfy_is_any(r) && status != NGX_HTTP_UNAUTHORIZED) {
        ctx->returned = NGX_HTTP_FORBIDDEN;
    }

    ngx_http_set_ctx(r, ctx, ngx_http_auth_token_module);

    return ctx->returned;
}


/* --- headers ------------------------------------------------------------- */


ngx_int_t
ngx_at_add_header(ngx_http_request_t *r, const char *name, ngx_str_t *value)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    h->hash = 1;
#if (nginx_version >= 1023000)
    h->next = NULL;
#endif
    h->key.data = (u_char *) name;
    h->key.len = ngx_strlen(name);
    h->value = *value;

    return NGX_OK;
}


/* RFC 6750 section 3.1; empty: a challenge without, NULL: none at all */

static char *
ngx_at_challenge_error(const ngx_at_ctx_t *ctx)
{
    at_challenge_e  challenge;

    challenge = at_verdict_info(ctx->verdict)->challenge;

    if (challenge == AT_CHALLENGE_INSUFFICIENT_SCOPE
        && (ctx->status == NGX_HTTP_FORBIDDEN
            || ctx->status == NGX_HTTP_UNAUTHORIZED))
    {
        return ", error=\"insufficient_scope\"";
    }

    /* a 401 has a challenge, whatever it was made from */
    if (ctx->status != NGX_HTTP_UNAUTHORIZED) {
        return NULL;
    }

    return challenge == AT_CHALLENGE_INVALID_TOKEN
           ? ", error=\"invalid_token\"" : "";
}


/* the realm was escaped when it was read */

static ngx_int_t
ngx_at_push_challenge(ngx_http_request_t *r,
    const ngx_at_ctx_t *ctx, const char *scheme,
    const char *rest)
{
    u_char           *p;
    ngx_str_t         value;
    const ngx_str_t  *realm;

    realm = &ctx->conf->realm;

    p = ngx_pnalloc(r->pool, ngx_strlen(scheme) + sizeof(" realm=\"\"")
                             + realm->len + ngx_strlen(rest));
    if (p == NULL) {
        return NGX_ERROR;
    }

    value.data = p;
    value.len = ngx_sprintf(p, "%s realm=\"%V\"%s", scheme, realm, rest) - p;

    return ngx_at_add_header(r, "WWW-Authenticate", &value);
}


/*
 * One for each scheme that is accepted.  The token API has none of its own, and
 * must not make browsers ask for a password.
 */

static ngx_int_t
ngx_at_add_challenge(ngx_http_request_t *r, ngx_at_ctx_t *ctx)
{
    char        *error;
    ngx_uint_t   accept;

    error = ngx_at_challenge_error(ctx);
    if (error == NULL) {
        return NGX_OK;
    }

    accept = ctx->content ? NGX_AT_BEARER : ctx->conf->accept;

    if (!(accept & (NGX_AT_JWT|NGX_AT_BASIC))) {
        return ngx_at_push_challenge(r, ctx, "ApiKey", error);
    }

    if ((accept & NGX_AT_JWT)
        && ngx_at_push_challenge(r, ctx, "Bearer", error)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if ((accept & NGX_AT_BASIC) && ctx->status == NGX_HTTP_UNAUTHORIZED) {
        return ngx_at_push_challenge(r, ctx, "Basic", ", charset=\"UTF-8\"");
    }

    return NGX_OK;
}


static ngx_int_t
ngx_at_add_number(ngx_http_request_t *r, const char *name, time_t number)
{
    ngx_str_t  value;

    value.data = ngx_pnalloc(r->pool, NGX_TIME_T_LEN);
    if (value.data == NULL) {
        return NGX_ERROR;
    }

    value.len = ngx_sprintf(value.data, "%T", number) - value.data;

    return ngx_at_add_header(r, name, &value);
}


/* when to come again, in both ways that clients read */

static ngx_int_t
ngx_at_add_rate_limit_headers(ngx_http_request_t *r, const ngx_at_ctx_t *ctx)
{
    time_t  wait;

    wait = ctx->retry - ngx_time();
    wait = wait > 0 ? wait : 1;

    if (ngx_at_add_number(r, "Retry-After", wait) != NGX_OK
        || ngx_at_add_number(r, "X-RateLimit-Remaining", 0)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_at_add_number(r, "X-RateLimit-Reset", ngx_time() + wait);
}


static ngx_int_t
ngx_at_add_refusal_headers(ngx_http_request_t *r, ngx_at_ctx_t *ctx)
{
    ngx_str_t  allow, no_store = ngx_string("no-store");
    ngx_str_t  one_second = ngx_string("1");

    if (ngx_at_add_header(r, "Cache-Control", &no_store) != NGX_OK) {
        return NGX_ERROR;
    }

    if (at_verdict_info(ctx->verdict)->code == AT_API_TOO_MANY_REQUESTS) {
        return ngx_at_add_rate_limit_headers(r, ctx);
    }

    if (ctx->status == NGX_HTTP_NOT_ALLOWED && ctx->allow) {
        allow.data = (u_char *) ctx->allow;
        allow.len = ngx_strlen(ctx->allow);
        return ngx_at_add_header(r, "Allow", &allow);
    }

    if (ctx->status == NGX_HTTP_SERVICE_UNAVAILABLE) {
        return ngx_at_add_header(r, "Retry-After", &one_second);
    }

    return NGX_OK;
}


/* --- bodies -------------------------------------------------------------- */


/* of the statuses that a refusal may be given (RFC 9110 section 15.5, 15.6) */

static char *
ngx_at_reason_phrase(ngx_uint_t status)
{
    ngx_uint_t  i;

    static const struct {
        ngx_uint_t   status;
        char        *phrase;
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
ngx_at_json_escape(ngx_pool_t *pool, ngx_str_t *dst, const ngx_str_t *src)
{
    dst->len = src->len + ngx_escape_json(NULL, src->data, src->len);
    dst->data = ngx_pnalloc(pool, dst->len);

    if (dst->data == NULL) {
        return NGX_ERROR;
    }

    (void) ngx_escape_json(dst->data, src->data, src->len);

    return NGX_OK;
}


static ngx_int_t
ngx_at_error_text(ngx_pool_t *pool, ngx_str_t *dst, const ngx_at_ctx_t *ctx)
{
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


/* the operator's message, the reason's, the code's */

static ngx_int_t
ngx_at_error_message(ngx_pool_t *pool, ngx_str_t *dst, const ngx_at_ctx_t *ctx)
{
    const at_verdict_info_t        *verdict;
    const ngx_at_error_override_t  *error;

    error = ngx_at_error_override(ctx);

    if (error->message.data) {
        *dst = error->message;
        return NGX_OK;
    }

    if (ctx->conf->error_format == NGX_AT_TEXT) {
        return ngx_at_error_text(pool, dst, ctx);
    }

    verdict = at_verdict_info(ctx->verdict);

    *dst = ngx_at_from_view(verdict->message.len
                                      ? verdict->message
                                      : at_code_info(verdict->code)->message);
    return NGX_OK;
}


static ngx_int_t
ngx_at_make_body(ngx_http_request_t *r, ngx_at_ctx_t *ctx)
{
    char         *name, *phrase;
    u_char       *p;
    size_t        len;
    ngx_str_t     message, text;
    ngx_uint_t    format;

    format = ctx->conf->error_format;

    if (ngx_at_error_message(r->pool, &message, ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    if (format == NGX_AT_TEXT) {
        ctx->body = message;
        ngx_str_set(&r->headers_out.content_type, "text/plain");
        return NGX_OK;
    }

    if (ngx_at_json_escape(r->pool, &text, &message) != NGX_OK) {
        return NGX_ERROR;
    }

    name = (char *) at_code_info(at_verdict_info(ctx->verdict)->code)->name.data;
    phrase = ngx_at_reason_phrase(ctx->status);

    len = sizeof("{\"type\":\"about:blank\",\"title\":\"\",\"status\":999,"
                 "\"detail\":\"\",\"code\":\"\"}")
          + ngx_strlen(phrase) + text.len + ngx_strlen(name);

    p = ngx_pnalloc(r->pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ctx->body.data = p;

    if (format == NGX_AT_PROBLEM) {
        p = ngx_sprintf(p, "{\"type\":\"about:blank\",\"title\":\"%s\","
                        "\"status\":%ui,\"detail\":\"%V\",\"code\":\"%s\"}",
                        phrase, ctx->status, &text, name);
        ngx_str_set(&r->headers_out.content_type, "application/problem+json");

    } else {
        p = ngx_sprintf(p, "{\"code\":\"%s\",\"message\":\"%V\"}", name, &text);
        ngx_str_set(&r->headers_out.content_type, "application/json");
    }

    ctx->body.len = p - ctx->body.data;

    return NGX_OK;
}


/* ours takes the place of the page that nginx made for the status */

static ngx_int_t
ngx_at_replace_page(ngx_http_request_t *r, ngx_at_ctx_t *ctx)
{
    if (ngx_at_make_body(r, ctx) != NGX_OK
        || ngx_at_add_refusal_headers(r, ctx) != NGX_OK)
    {
        return NGX_ERROR;
    }

    r->headers_out.status = ctx->status;
    r->headers_out.status_line.len = 0;
    r->err_status = ctx->status;            /* $status */

    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;
    ngx_str_null(&r->headers_out.charset);

    ngx_http_clear_content_length(r);
    ngx_http_clear_accept_ranges(r);
    ngx_http_clear_last_modified(r);
    ngx_http_clear_etag(r);

    r->headers_out.content_length_n = ctx->body.len;

#if (NGX_HTTP_GZIP)
    /* compressed it would be chunked, and longer */
    r->gzip_tested = 1;
    r->gzip_ok = 0;
#endif

    ctx->replace = 1;

    return NGX_OK;
}


static ngx_int_t
ngx_at_header_filter(ngx_http_request_t *r)
{
    ngx_at_ctx_t  *ctx;

    if (r != r->main || r->headers_out.status < NGX_HTTP_BAD_REQUEST) {
        return ngx_http_next_header_filter(r);
    }

    ctx = ngx_at_find_ctx(r);

    if (ctx == NULL || !ctx->decided || ctx->verdict == AT_OK || ctx->passed) {
        return ngx_http_next_header_filter(r);
    }

    if (ngx_http_get_module_ctx(r, ngx_http_auth_token_module)
        && r->headers_out.status == ctx->returned)
    {
        if (ngx_at_replace_page(r, ctx) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    /* also on an operator's page that keeps the status: RFC 9110, 15.5.2 */

    if (r->headers_out.status == ctx->status
        && ngx_at_add_challenge(r, ctx) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_next_header_filter(r);
}


static ngx_int_t
ngx_at_body_filter(ngx_http_request_t *r, ngx_chain_t *in)
{
    ngx_buf_t     *b;
    ngx_chain_t   *cl, out;
    ngx_at_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_auth_token_module);

    if (in == NULL || r != r->main || ctx == NULL || !ctx->replace) {
        return ngx_http_next_body_filter(r, in);
    }

    for (cl = in; cl; cl = cl->next) {
        cl->buf->pos = cl->buf->last;
        cl->buf->file_pos = cl->buf->file_last;
    }

    if (ctx->body_sent) {
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

    ctx->body_sent = 1;

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
