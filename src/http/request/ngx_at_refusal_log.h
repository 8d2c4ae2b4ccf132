/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Log lines about refused requests: status, code, reason and fingerprint of
 * the credential, then the facts that the decision compared: what the request
 * has, and what the configuration requires.
 *
 * Every value is escaped and limited in length.  Of a JWT only iss, kid and
 * alg are named before its signature is verified, and never the token.
 */

#ifndef NGX_AT_REFUSAL_LOG_H
#define NGX_AT_REFUSAL_LOG_H

#include "http/request/ngx_at_ctx.h"


#define NGX_AT_LOG_TEXT_LEN  1024

/*
 * Logs the refusal, once for each request.  With "satisfy any" the header
 * filter calls it, because another module may grant the request.
 */
void ngx_at_log_refusal(ngx_http_request_t *r, ngx_at_ctx_t *ctx);

/*
 * Logs a refusal that the client has caused, at "auth_token_log_level".  More
 * than 100 such lines a second are counted instead, except at level info: the
 * next line states their number.
 */
void ngx_at_log_client_error(ngx_http_request_t *r, const ngx_at_ctx_t *ctx,
    const ngx_str_t *text);

/*
 * Writes the facts of a refusal, such as
 *
 *     , audience: "other", expected audience: "https://api.example.com"
 *
 * between pos and end.  Returns the position after them.
 */
u_char *ngx_at_refusal_facts(u_char *pos, u_char *end, ngx_http_request_t *r,
    const ngx_at_ctx_t *ctx);


#endif
