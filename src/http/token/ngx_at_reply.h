/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The response of a token endpoint.
 */

#ifndef NGX_AT_REPLY_H
#define NGX_AT_REPLY_H

#include "core/base/at_verdict.h"

#include "http/token/ngx_at_endpoint_request.h"


/* returns a value for ngx_http_finalize_request(); discards an unread body */
ngx_int_t ngx_at_reply(ngx_http_request_t *r, ngx_uint_t status,
    const ngx_str_t *json, const char *cache_control);

/* a step: sets both cookies to the tokens of the grant, clears them without */
at_verdict_e ngx_at_set_cookies(ngx_at_endpoint_request_t *er);


#endif
