/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The body of a refusal, in the format of "auth_token_error_format".
 */

#ifndef NGX_AT_ERROR_BODY_H
#define NGX_AT_ERROR_BODY_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "http/request/ngx_at_ctx.h"


/* sets ctx->body and the response's content type */
ngx_int_t ngx_at_create_error_body(ngx_http_request_t *r, ngx_at_ctx_t *ctx);


#endif
