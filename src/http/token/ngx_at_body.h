/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The body of a request to a token endpoint.
 */

#ifndef NGX_AT_BODY_H
#define NGX_AT_BODY_H

#include "core/base/at_str.h"
#include "core/base/at_verdict.h"
#include "core/json/at_fields.h"

#include "http/token/ngx_at_endpoint_request.h"


#define NGX_AT_BODY_MAX  8192

typedef at_fields_e (*ngx_at_fields_pt)(at_str_t *values,
    const at_str_t *names, size_t n, at_str_t text, char *buf);


/* steps: ngx_at_check_post(); then length, coding and media type */
at_verdict_e ngx_at_check_json_post(ngx_at_endpoint_request_t *er);
at_verdict_e ngx_at_check_form_post(ngx_at_endpoint_request_t *er);

/* a step: reads the body into memory */
at_verdict_e ngx_at_read_body(ngx_at_endpoint_request_t *er);

/*
 * Parses the body that was read, and cleanses it: the values are views of a
 * copy, or zeroed if the body is empty.  Returns AT_OK, AT_BAD_BODY,
 * AT_LARGE_BODY or AT_FAILED.
 */
at_verdict_e ngx_at_parse_body(ngx_at_endpoint_request_t *er, at_str_t *values,
    const at_str_t *names, size_t n, ngx_at_fields_pt parse);


#endif
