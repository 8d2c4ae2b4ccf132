/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The body of a request to a token endpoint.
 */

#ifndef NGX_AT_BODY_H
#define NGX_AT_BODY_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "core/base/at_str.h"
#include "core/base/at_verdict.h"

#include "http/token/ngx_at_endpoint_request.h"


#define NGX_AT_BODY_MAX  8192

/* steps: method and origin; then also length, coding and media type */
at_verdict_e ngx_at_check_post(ngx_at_endpoint_request_t *er);
at_verdict_e ngx_at_check_json_post(ngx_at_endpoint_request_t *er);
at_verdict_e ngx_at_check_form_post(ngx_at_endpoint_request_t *er);

/* the body that was read, in one piece: AT_OK, AT_LARGE_BODY, AT_FAILED */
at_verdict_e ngx_at_get_body(ngx_http_request_t *r, at_str_t *body);


#endif
