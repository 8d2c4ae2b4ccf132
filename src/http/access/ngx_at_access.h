/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The access phase: authenticate, authorize, grant or refuse.
 */

#ifndef NGX_AT_ACCESS_H
#define NGX_AT_ACCESS_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "core/authz/at_cidr.h"
#include "core/authz/at_endpoint_list.h"
#include "core/authz/at_identity.h"
#include "core/base/at_verdict.h"
#include "core/jose/at_deferred.h"

#include "http/base/ngx_at_loc_conf.h"
#include "http/request/ngx_at_ctx.h"


/*
 * The handler of the access phase.  Returns NGX_OK if the request is granted,
 * NGX_DECLINED if "auth_token" is off, NGX_AGAIN while a password is checked,
 * the status of the refusal, or 204 for a preflight that the module answers.
 * It never sends a header.
 */
ngx_int_t ngx_at_access_handler(ngx_http_request_t *r);

/* notes that another module has granted a refused request; NGX_DECLINED */
ngx_int_t ngx_at_precontent_handler(ngx_http_request_t *r);

/*
 * Verifies the credential for a location and sets ctx->identity.  A further
 * call returns the same verdict without work, unless the location or the state
 * of keys and store has changed.  AT_PENDING: a password must be checked, or,
 * if the caller may wait, a thread verifies a signature.
 */
at_verdict_e ngx_at_authenticate(ngx_http_request_t *r,
    const ngx_at_loc_conf_t *atcf, ngx_at_ctx_t *ctx, ngx_uint_t may_wait);

/*
 * The first part of the authorization, of an authenticated request: origin,
 * address and role.  Scopes and endpoints are checked after it.
 */
at_verdict_e ngx_at_check_caller(ngx_http_request_t *r,
    const ngx_at_ctx_t *ctx);


/* --- ngx_at_policy.c: the conditions of a location ----------------------- */

/* 1 with *addr; 0: a client of a unix socket, which has no address */
ngx_uint_t ngx_at_client_address(ngx_http_request_t *r, at_addr_t *addr);

/* 1 if the location and the identity both allow the client address */
ngx_uint_t ngx_at_address_allowed(ngx_http_request_t *r,
    const ngx_at_loc_conf_t *atcf, const at_identity_t *identity);

/*
 * 1 if no credential is required: for a CORS preflight, if the location allows
 * it, and for a public endpoint.  *endpoint is the entry of the endpoint list,
 * or NULL.
 */
ngx_uint_t ngx_at_request_is_public(ngx_http_request_t *r,
    const ngx_at_loc_conf_t *atcf, const at_endpoint_t **endpoint);


/* --- ngx_at_signature.c: slow signatures, in a thread -------------------- */

/* AT_PENDING, AT_BUSY or AT_FAILED; takes over *deferred in the first call */
at_verdict_e ngx_at_signature_start(ngx_http_request_t *r, ngx_at_ctx_t *ctx,
    at_deferred_t *deferred);

/* AT_OK: *deferred has a further result; AT_PENDING or AT_FAILED */
at_verdict_e ngx_at_signature_finish(ngx_at_ctx_t *ctx,
    at_deferred_t **deferred);


/* --- ngx_at_basic.c ------------------------------------------------------ */

/*
 * Basic authentication (RFC 7617).  A thread hashes the password while the
 * request waits.  The verification cache keeps the result under a MAC of the
 * credential until the store changes, but not longer than the issuer allows.
 */

/* AT_OK: found in the cache; AT_PENDING: the password must be checked */
at_verdict_e ngx_at_basic_lookup(ngx_at_ctx_t *ctx);

/*
 * Checks the password.  AT_PENDING: call it again when nginx runs the access
 * phase again.
 */
at_verdict_e ngx_at_basic_verify(ngx_http_request_t *r, ngx_at_ctx_t *ctx);


#endif
