/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * "auth_token_jwks": the JWK Set (RFC 7517 section 5) of an issuer's signing
 * keys.
 */

#include "http/token/ngx_at_endpoint.h"

#include "http/token/ngx_at_endpoint_request.h"


static at_verdict_e
ngx_at_jwks_check_method(ngx_at_endpoint_request_t *er)
{
    if (er->request->method & (NGX_HTTP_GET|NGX_HTTP_HEAD)) {
        return AT_OK;
    }

    er->ctx->allowed_methods = "GET, HEAD";

    return AT_BAD_METHOD;
}


static at_verdict_e
ngx_at_jwks_set_response(ngx_at_endpoint_request_t *er)
{
    er->response = er->issuer->jwks;
    er->cache_control = "public, max-age=300";

    return AT_OK;
}


static const ngx_at_step_pt  ngx_at_jwks_steps[] = {
    ngx_at_jwks_check_method,
    ngx_at_jwks_set_response,
    NULL
};


ngx_int_t
ngx_at_jwks_handler(ngx_http_request_t *r)
{
    return ngx_at_endpoint_handle(r, ngx_at_jwks_steps,
                                  ngx_at_endpoint_refuse);
}
