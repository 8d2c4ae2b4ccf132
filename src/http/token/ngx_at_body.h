/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Request bodies of the token endpoints.
 */

#ifndef NGX_AT_BODY_H
#define NGX_AT_BODY_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "core/base/at_str.h"
#include "core/base/at_verdict.h"

#include "http/request/ngx_at_ctx.h"


/* AT_OK, AT_BAD_METHOD, AT_LARGE_BODY, AT_BAD_CONTENT_TYPE; an empty body has no type */
#define NGX_AT_BODY_MAX  8192

at_verdict_e ngx_at_request_check_headers(ngx_http_request_t *r,
    ngx_at_ctx_t *ctx, const char *type);

/* the body that was read, in one piece: AT_OK, AT_LARGE_BODY, AT_FAILED */
at_verdict_e ngx_at_get_body(ngx_http_request_t *r, at_str_t *body);

/* overwrites what the buffers of the body hold */
void ngx_at_cleanse_body(ngx_http_request_t *r);


#endif
