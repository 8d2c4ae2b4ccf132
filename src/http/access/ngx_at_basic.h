/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Basic authentication in the access phase.
 */

#ifndef NGX_AT_BASIC_H
#define NGX_AT_BASIC_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "core/base/at_verdict.h"

#include "http/base/ngx_at_main_conf.h"
#include "http/request/ngx_at_ctx.h"


/* AT_OK if it is remembered; AT_PENDING: it must be hashed */
at_verdict_e ngx_at_basic_lookup(ngx_http_request_t *r,
    const ngx_at_main_conf_t *atmcf, ngx_at_ctx_t *ctx);

/* what became of AT_PENDING; AT_PENDING again while it is under way */
at_verdict_e ngx_at_basic_verify(ngx_http_request_t *r, ngx_at_ctx_t *ctx);


#endif
