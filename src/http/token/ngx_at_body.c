/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "http/token/ngx_at_body.h"

#include "core/base/at_crypto.h"

#include "http/request/ngx_at_header.h"


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
ngx_at_read_body(ngx_at_endpoint_request_t *er)
{
    ngx_int_t            rc;
    ngx_http_request_t  *r;

    r = er->request;

    /* passwords must not be written to a file */

    r->request_body_in_single_buf = 1;
    r->request_body_in_file_only = 0;

    /* all remaining steps may run before this function returns */

    rc = ngx_http_read_client_request_body(r, ngx_at_endpoint_resume);

    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
        ngx_http_finalize_request(r, rc);

    } else {
        r->main->count--;   /* ngx_at_endpoint_handler() holds the request */
    }

    return AT_PENDING;
}


/* the body that was read, in one piece: AT_OK, AT_LARGE_BODY, AT_FAILED */

static at_verdict_e
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


at_verdict_e
ngx_at_parse_body(ngx_at_endpoint_request_t *er, at_str_t *values,
    const at_str_t *names, size_t n, ngx_at_fields_pt parse)
{
    char          *buf;
    at_str_t       body;
    at_fields_e    rc;
    at_verdict_e   verdict;

    ngx_memzero(values, n * sizeof(at_str_t));
    verdict = ngx_at_get_body(er->request, &body);

    if (verdict != AT_OK || body.len == 0) {
        return verdict;
    }

    buf = ngx_pnalloc(er->request->pool, body.len);
    if (buf == NULL) {
        return AT_FAILED;
    }

    rc = parse(values, names, n, body, buf);
    at_crypto_cleanse((void *) (uintptr_t) body.data, body.len);

    if (rc != AT_FIELDS_OK) {
        return rc == AT_FIELDS_INVALID ? AT_BAD_BODY : AT_FAILED;
    }

    return AT_OK;
}
