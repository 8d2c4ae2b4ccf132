/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * What the content handlers of the token API have in common: a small body with
 * one reading, a job or two, a small answer that nobody may keep.
 */

#include "http/token/ngx_at_endpoint_request.h"

#include "core/base/at_str.h"
#include "core/base/at_verdict.h"
#include "core/base/at_crypto.h"
#include "core/store/at_store_digest.h"

#include "http/access/ngx_at_policy.h"
#include "http/base/ngx_at_issuer.h"
#include "http/base/ngx_at_loc_conf.h"
#include "http/base/ngx_at_main_conf.h"
#include "http/base/ngx_at_str.h"
#include "http/request/ngx_at_ctx.h"
#include "http/request/ngx_at_header.h"
#include "http/request/ngx_at_refuse.h"
#include "http/token/ngx_at_body.h"
#include "http/token/ngx_at_grant.h"


ngx_at_endpoint_request_t *
ngx_at_endpoint_request_create(ngx_http_request_t *r)
{
    ngx_at_ctx_t               *ctx;
    ngx_at_endpoint_request_t  *call;
    const ngx_at_loc_conf_t          *atcf;

    ctx = ngx_at_get_ctx(r);
    call = ngx_pcalloc(r->pool, sizeof(ngx_at_endpoint_request_t));

    if (ctx == NULL || call == NULL) {
        return NULL;
    }

    atcf = ngx_http_get_module_loc_conf(r, ngx_http_auth_token_module);

    /* the identity of the access phase has no rights here */

    ngx_at_ctx_reset(ctx, atcf);
    ctx->endpoint_request = call;

    call->request = r;
    call->ctx = ctx;
    call->issuer = atcf->token_endpoint_issuer;

    return call;
}


ngx_int_t
ngx_at_endpoint_request_refuse(ngx_at_endpoint_request_t *call,
    at_verdict_e verdict)
{
    return ngx_at_refuse(call->request, call->ctx, verdict);
}


ngx_uint_t
ngx_at_endpoint_request_is_busy(ngx_at_endpoint_request_t *call)
{
    if (call->job.busy || call->check.job.busy) {
        return 1;
    }

    if (call->request->connection->error) {
        ngx_http_finalize_request(call->request, NGX_ERROR);
        return 1;
    }

    return 0;
}


void
ngx_at_endpoint_request_run(ngx_http_request_t *r,
    ngx_at_endpoint_step_pt step, ngx_http_event_handler_pt next)
{
    at_verdict_e                verdict;
    ngx_at_endpoint_request_t  *call;

    call = ngx_at_find_ctx(r)->endpoint_request;
    r->write_event_handler = next;

    verdict = step(r, call);

    if (verdict != AT_PENDING) {
        ngx_http_finalize_request(r,
                          ngx_at_endpoint_request_refuse(call, verdict));
    }
}


void
ngx_at_endpoint_request_resume(ngx_http_request_t *r,
    ngx_at_endpoint_step_pt step, ngx_http_event_handler_pt next)
{
    if (!ngx_at_endpoint_request_is_busy(ngx_at_find_ctx(r)->endpoint_request)) {
        ngx_at_endpoint_request_run(r, step, next);
    }
}


/* --- bodies -------------------------------------------------------------- */


/* "type", or "type; parameters", in any case */

static ngx_uint_t
ngx_at_media_type_matches(const ngx_str_t *value, const char *type)
{
    size_t  len;

    len = ngx_strlen(type);

    return value->len >= len
           && ngx_strncasecmp(value->data, (u_char *) type, len) == 0
           && (value->len == len || value->data[len] == ';'
               || value->data[len] == ' ' || value->data[len] == '\t');
}


at_verdict_e
ngx_at_request_check_headers(ngx_http_request_t *r,
    ngx_at_ctx_t *ctx, const char *type)
{
    ngx_str_t  *value;

    if (r->method != NGX_HTTP_POST) {
        ctx->allowed_methods = "POST";
        return AT_BAD_METHOD;
    }

    if (!ngx_at_origin_allowed(r, ctx->conf)) {
        return AT_ORIGIN_NOT_ALLOWED;
    }

    if (r->headers_in.content_length_n > NGX_AT_BODY_MAX) {
        return AT_LARGE_BODY;
    }

    if (r->headers_in.content_length_n <= 0 && !r->headers_in.chunked) {
        return AT_OK;
    }

    if (ngx_at_find_header(r, "content-encoding")) {
        return AT_BAD_CONTENT_TYPE;
    }

    value = ngx_at_find_header(r, "content-type");

    return value && ngx_at_media_type_matches(value, type) ? AT_OK
                                                           : AT_BAD_CONTENT_TYPE;
}


ngx_int_t
ngx_at_endpoint_request_read_body(ngx_at_endpoint_request_t *call,
    ngx_http_client_body_handler_pt handler)
{
    ngx_int_t            rc;
    ngx_http_request_t  *r;

    r = call->request;

    /* a password has no business in a file */

    r->request_body_in_single_buf = 1;
    r->request_body_in_file_only = 0;

    rc = ngx_http_read_client_request_body(r, handler);

    return rc >= NGX_HTTP_SPECIAL_RESPONSE ? rc : NGX_DONE;
}


at_verdict_e
ngx_at_get_body(ngx_http_request_t *r, at_str_t *body)
{
    u_char       *p;
    size_t        len;
    ngx_chain_t  *cl;

    body->data = NULL;
    body->len = 0;

    if (r->request_body == NULL) {
        return AT_FAILED;
    }

    if (r->request_body->temp_file) {
        return AT_LARGE_BODY;
    }

    len = 0;

    for (cl = r->request_body->bufs; cl; cl = cl->next) {
        len += cl->buf->last - cl->buf->pos;
    }

    if (len == 0) {
        return AT_OK;
    }

    if (len > NGX_AT_BODY_MAX) {
        return AT_LARGE_BODY;
    }

    cl = r->request_body->bufs;

    body->data = (char *) cl->buf->pos;
    body->len = len;

    if (cl->next == NULL) {
        return AT_OK;
    }

    p = ngx_pnalloc(r->pool, len);
    if (p == NULL) {
        return AT_FAILED;
    }

    body->data = (char *) p;

    for ( /* void */ ; cl; cl = cl->next) {
        len = cl->buf->last - cl->buf->pos;

        if (len) {
            p = ngx_cpymem(p, cl->buf->pos, len);
            at_crypto_cleanse(cl->buf->pos, len);
        }
    }

    return AT_OK;
}


/* --- answers ------------------------------------------------------------- */


ngx_int_t
ngx_at_reply(ngx_http_request_t *r, ngx_uint_t status,
    const ngx_str_t *json, const char *cache)
{
    ngx_int_t    rc;
    ngx_buf_t   *b;
    ngx_str_t    value;
    ngx_chain_t  out;

    value.data = (u_char *) cache;
    value.len = ngx_strlen(cache);

    if (ngx_at_add_header(r, "Cache-Control", &value) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->headers_out.status = status;
    r->headers_out.content_length_n = json->len;
    ngx_str_set(&r->headers_out.content_type, "application/json");
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->pos = json->data;
    b->last = json->data + json->len;
    b->memory = 1;
    b->last_buf = 1;
    b->last_in_chain = 1;

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}


static ngx_int_t
ngx_at_add_cookie(ngx_http_request_t *r, const ngx_str_t *name,
    at_str_t content, time_t expires, const ngx_str_t *path)
{
    u_char     *p;
    u_char      date[sizeof("Mon, 28 Sep 1970 06:00:00 GMT")];
    ngx_str_t   value, text;

    text = ngx_at_from_view(content);

    p = ngx_pnalloc(r->pool, name->len + text.len + path->len
                             + NGX_TIME_T_LEN + sizeof(date)
                             + sizeof("=; Max-Age=; Path=; Expires=; HttpOnly; "
                                      "Secure; SameSite=Strict"));
    if (p == NULL) {
        return NGX_ERROR;
    }

    *ngx_http_time(date, expires ? ngx_time() + expires : 0) = '\0';

    value.data = p;
    value.len = ngx_sprintf(p, "%V=%V; Max-Age=%T; Path=%V; Expires=%s; "
                            "HttpOnly; Secure; SameSite=Strict",
                            name, &text, expires, path, date)
                - p;

    return ngx_at_add_header(r, "Set-Cookie", &value);
}


ngx_int_t
ngx_at_set_cookies(ngx_http_request_t *r,
    const ngx_at_issuer_t *issuer,
    const ngx_at_grant_t *grant)
{
    time_t            kept;
    at_str_t          access, refresh;
    ngx_str_t         root = ngx_string("/");
    ngx_table_elt_t  *first;

    access = (at_str_t) { NULL, 0 };
    refresh = access;
    kept = 0;

    if (grant) {
        kept = issuer->access_cookie_expires ? issuer->access_cookie_expires
                                   : issuer->access_expires;
        access.data = grant->access;
        access.len = ngx_strlen(grant->access);
        refresh.data = (char *) grant->refresh;
        refresh.len = issuer->refresh_length;
    }

    if (ngx_at_add_cookie(r, &issuer->access_cookie, access, kept,
                          &root)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    first = (ngx_table_elt_t *) r->headers_out.headers.last->elts
            + r->headers_out.headers.last->nelts - 1;

    if (ngx_at_add_cookie(r, &issuer->refresh_cookie, refresh,
                          grant ? issuer->refresh_expires : 0,
                          &issuer->refresh_path)
        != NGX_OK)
    {
        /* both or none: half of a pair is no use to anybody */
        first->hash = 0;
        return NGX_ERROR;
    }

    return NGX_OK;
}
