/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Basic authentication (RFC 7617) in the access phase.  A thread hashes the
 * password while the request waits.  The verification cache keeps the result
 * under a MAC of the credential until the store changes, but not longer than
 * the issuer allows.
 */

#ifndef NGX_AT_BASIC_H
#define NGX_AT_BASIC_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "core/base/at_verdict.h"

#include "http/request/ngx_at_ctx.h"


/* AT_OK: found in the cache; AT_PENDING: the password must be checked */
at_verdict_e ngx_at_basic_lookup(ngx_at_ctx_t *ctx);

/*
 * Checks the password.  AT_PENDING: call it again when nginx runs the access
 * phase again.
 */
at_verdict_e ngx_at_basic_verify(ngx_http_request_t *r, ngx_at_ctx_t *ctx);


#endif
