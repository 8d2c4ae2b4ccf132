/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The credential of a request: reading it, and naming it in logs.
 */

#ifndef NGX_AT_CREDENTIAL_H
#define NGX_AT_CREDENTIAL_H

#include "core/base/at_verdict.h"

#include "http/request/ngx_at_ctx.h"


/* return how many credentials of a kind there are; *credential is the last */
ngx_uint_t ngx_at_read_bearer(ngx_http_request_t *r, ngx_str_t *credential);
ngx_uint_t ngx_at_read_basic(ngx_http_request_t *r, ngx_str_t *credential);
ngx_uint_t ngx_at_read_cookie(ngx_http_request_t *r, const ngx_str_t *name,
    ngx_str_t *credential);

/*
 * Sets kind and credential of ctx to the only credential of the kinds that
 * ctx->conf accepts.  A cookie is ignored beside a credential in a header.
 * Returns AT_OK, or the verdict on none or several.
 */
at_verdict_e ngx_at_read_credential(ngx_http_request_t *r, ngx_at_ctx_t *ctx);

/* the first 12 hexadecimal digits of SHA-256; empty for Basic */
#define NGX_AT_FINGERPRINT_LEN  12

ngx_str_t ngx_at_fingerprint(const ngx_at_ctx_t *ctx,
    u_char buf[NGX_AT_FINGERPRINT_LEN]);

/* "bearer", "api_token" ... */
ngx_str_t ngx_at_kind_name(ngx_uint_t kind);


#endif
