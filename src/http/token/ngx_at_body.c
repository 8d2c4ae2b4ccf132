/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "http/token/ngx_at_body.h"

#include "core/base/at_crypto.h"

#include "http/access/ngx_at_policy.h"
#include "http/request/ngx_at_header.h"


at_verdict_e
ngx_at_check_post(ngx_at_endpoint_request_t *er)
{
    if (er->request->method != NGX_HTTP_POST) {
        er->ctx->allowed_methods = "POST";
        return AT_BAD_METHOD;
    }

    return ngx_at_origin_allowed(er->request, er->ctx->conf)
           ? AT_OK : AT_ORIGIN_NOT_ALLOWED;
}


/* an empty body needs no media type; parameters of the type are ignored */

static at_verdict_e
ngx_at_check_body_headers(ngx_at_endpoint_request_t *er, const char *type)
{
    size_t               len;
    ngx_str_t           *value;
    at_verdict_e         verdict;
    ngx_http_request_t  *r;

    verdict = ngx_at_check_post(er);

    if (verdict != AT_OK) {
        return verdict;
    }

    r = er->request;

    if (r->headers_in.content_length_n > NGX_AT_BODY_MAX) {
        return AT_LARGE_BODY;
    }

    if (r->headers_in.content_length_n <= 0 && !r->headers_in.chunked) {
        return AT_OK;
    }

    value = ngx_at_find_header(r, "content-type");
    len = ngx_strlen(type);

    if (ngx_at_find_header(r, "content-encoding")
        || value == NULL || value->len < len
        || ngx_strncasecmp(value->data, (u_char *) type, len) != 0)
    {
        return AT_BAD_CONTENT_TYPE;
    }

    return value->len == len || value->data[len] == ';'
           || value->data[len] == ' ' || value->data[len] == '\t'
           ? AT_OK : AT_BAD_CONTENT_TYPE;
}


at_verdict_e
ngx_at_check_json_post(ngx_at_endpoint_request_t *er)
{
    return ngx_at_check_body_headers(er, "application/json");
}


at_verdict_e
ngx_at_check_form_post(ngx_at_endpoint_request_t *er)
{
    return ngx_at_check_body_headers(er, "application/x-www-form-urlencoded");
}


at_verdict_e
ngx_at_get_body(ngx_http_request_t *r, at_str_t *body)
{
    u_char       *p;
    size_t        len;
    ngx_chain_t  *cl;

    *body = (at_str_t) { NULL, 0 };

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

    if (len == 0 || len > NGX_AT_BODY_MAX) {
        return len ? AT_LARGE_BODY : AT_OK;
    }

    cl = r->request_body->bufs;

    if (cl->next == NULL) {
        *body = (at_str_t) { (char *) cl->buf->pos, len };
        return AT_OK;
    }

    p = ngx_pnalloc(r->pool, len);
    if (p == NULL) {
        return AT_FAILED;
    }

    *body = (at_str_t) { (char *) p, len };

    for ( /* void */ ; cl; cl = cl->next) {
        len = cl->buf->last - cl->buf->pos;

        if (len) {
            p = ngx_cpymem(p, cl->buf->pos, len);
            at_crypto_cleanse(cl->buf->pos, len);
        }
    }

    return AT_OK;
}
