/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "http/request/ngx_at_filter.h"

#include "http/base/ngx_at_main_conf.h"
#include "http/request/ngx_at_challenge.h"
#include "http/request/ngx_at_ctx.h"
#include "http/request/ngx_at_error_body.h"


static ngx_http_output_header_filter_pt  ngx_http_next_header_filter;
static ngx_http_output_body_filter_pt    ngx_http_next_body_filter;


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


static ngx_int_t
ngx_at_header_filter(ngx_http_request_t *r)
{
    ngx_at_ctx_t  *ctx;

    if (r != r->main || r->headers_out.status < NGX_HTTP_BAD_REQUEST) {
        return ngx_http_next_header_filter(r);
    }

    ctx = ngx_at_find_ctx(r);

    if (ctx == NULL || ctx->phase != NGX_AT_REFUSED) {
        return ngx_http_next_header_filter(r);
    }

    if (ngx_http_get_module_ctx(r, ngx_http_auth_token_module)
        && r->headers_out.status == ctx->returned_status
        && ngx_at_replace_page(r, ctx) != NGX_OK)
    {
        return NGX_ERROR;
    }

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
