/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "http/request/ngx_at_refuse.h"

#include "http/base/ngx_at_str.h"
#include "http/base/ngx_at_main_conf.h"
#include "http/request/ngx_at_credential.h"
#include "http/request/ngx_at_header.h"
#include "http/request/ngx_at_refusal_log.h"


const ngx_at_error_override_t *
ngx_at_error_override(const ngx_at_ctx_t *ctx)
{
    static const ngx_at_error_override_t  none;

    const ngx_at_error_override_t        *errors;

    if (ctx->conf->errors == NULL) {
        return &none;
    }

    errors = ctx->conf->errors->elts;

    return &errors[at_verdict_info(ctx->verdict)->code];
}


ngx_uint_t
ngx_at_satisfy_is_any(ngx_http_request_t *r)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    return clcf->satisfy == NGX_HTTP_SATISFY_ANY;
}


ngx_int_t
ngx_at_refuse(ngx_http_request_t *r, ngx_at_ctx_t *ctx, at_verdict_e verdict)
{
    const at_verdict_info_t  *info;

    info = at_verdict_info(verdict);

    ctx->verdict = verdict;
    ctx->status = ngx_at_error_override(ctx)->status;

    if (ctx->status == 0) {
        ctx->status = info->status ? info->status
                                   : at_code_info(info->code)->status;
    }

    if (ctx->endpoint_request != NULL || !ngx_at_satisfy_is_any(r)
        || info->blame != AT_BLAME_CLIENT)
    {
        ngx_at_log_refusal(r, ctx);
    }

    /* not before: a required scope in the log line may contain variables */
    ctx->phase = NGX_AT_REFUSED;
    ctx->returned_status = ctx->status;

    /* in the access phase nginx asks the next module after 401 and 403 only */

    if (ctx->endpoint_request == NULL && ngx_at_satisfy_is_any(r)
        && ctx->status != NGX_HTTP_UNAUTHORIZED)
    {
        ctx->returned_status = NGX_HTTP_FORBIDDEN;
    }

    ngx_http_set_ctx(r, ctx, ngx_http_auth_token_module);

    return ctx->returned_status;
}


/* --- header fields ------------------------------------------------------- */


/* the realm is a quoted-string (RFC 9110 section 5.6.4) */

ngx_int_t
ngx_at_add_scheme(ngx_http_request_t *r, const ngx_at_ctx_t *ctx,
    const char *scheme, const char *parameters)
{
    u_char     *p, c;
    size_t      i;
    ngx_str_t   value, realm = ngx_string("api");

    if (ctx->conf->realm
        && ngx_http_complex_value(r, ctx->conf->realm, &realm) != NGX_OK)
    {
        return NGX_ERROR;
    }

    p = ngx_pnalloc(r->pool, ngx_strlen(scheme) + sizeof(" realm=\"\"")
                             + realm.len * 2 + ngx_strlen(parameters));
    if (p == NULL) {
        return NGX_ERROR;
    }

    value.data = p;
    p = ngx_sprintf(p, "%s realm=\"", scheme);

    for (i = 0; i < realm.len; i++) {
        c = realm.data[i];

        /* the value of a variable can contain a line break */

        if (c < 0x20 || c == 0x7f) {
            continue;
        }

        if (c == '"' || c == '\\') {
            *p++ = '\\';
        }

        *p++ = c;
    }

    value.len = ngx_sprintf(p, "\"%s", parameters) - value.data;

    return ngx_at_add_header(r, "WWW-Authenticate", &value);
}


/*
 * Browsers send Sec-Fetch-Mode to https and localhost only (W3C Fetch
 * Metadata).  Elsewhere the common field of script libraries must do.
 */

static ngx_uint_t
ngx_at_is_navigation(ngx_http_request_t *r)
{
    return ngx_at_find_header(r, "x-requested-with") == NULL
           && ngx_at_headers_are(r, at_str("sec-fetch-mode"),
                                 at_str("navigate"));
}


/*
 * The schemes to offer, as bits of "auth_token_accept".  On a Basic challenge
 * a browser asks for a password, which must not happen to a script that calls
 * an API, or where a password cannot help.
 */

static ngx_uint_t
ngx_at_challenge_schemes(ngx_http_request_t *r, const ngx_at_ctx_t *ctx)
{
    ngx_uint_t  schemes;

    if (ctx->endpoint_request) {
        return NGX_AT_BEARER;
    }

    schemes = ctx->conf->challenge_schemes;

    if ((schemes & NGX_AT_BASIC)
        && (!ctx->conf->local_users || !ngx_at_is_navigation(r)))
    {
        schemes &= ~NGX_AT_BASIC;
    }

    /* a 401 must have a challenge (RFC 9110 section 15.5.2) */

    return schemes ? schemes : NGX_AT_BEARER;
}


ngx_int_t
ngx_at_add_challenge(ngx_http_request_t *r, const ngx_at_ctx_t *ctx)
{
    ngx_uint_t       schemes, unauthorized;
    const char      *error;
    at_challenge_e   challenge;

    challenge = at_verdict_info(ctx->verdict)->challenge;
    unauthorized = ctx->status == NGX_HTTP_UNAUTHORIZED;

    if (challenge == AT_CHALLENGE_INSUFFICIENT_SCOPE
        && (unauthorized || ctx->status == NGX_HTTP_FORBIDDEN))
    {
        error = ", error=\"insufficient_scope\"";

    } else if (unauthorized) {
        error = challenge == AT_CHALLENGE_INVALID_TOKEN
                ? ", error=\"invalid_token\"" : "";

    } else {
        return NGX_OK;
    }

    schemes = ngx_at_challenge_schemes(r, ctx);

    if ((schemes & NGX_AT_BEARER)
        && ngx_at_add_scheme(r, ctx, "Bearer", error) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if ((schemes & NGX_AT_API_TOKEN)
        && (unauthorized || !(schemes & NGX_AT_BEARER))
        && ngx_at_add_scheme(r, ctx, "ApiKey",
                             schemes & NGX_AT_BEARER ? "" : error)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return (schemes & NGX_AT_BASIC) && unauthorized
           ? ngx_at_add_scheme(r, ctx, "Basic", ", charset=\"UTF-8\"")
           : NGX_OK;
}


ngx_int_t
ngx_at_add_number(ngx_http_request_t *r, const char *name, time_t number)
{
    ngx_str_t  value;

    value.data = ngx_pnalloc(r->pool, NGX_TIME_T_LEN);
    if (value.data == NULL) {
        return NGX_ERROR;
    }

    value.len = ngx_sprintf(value.data, "%T", number) - value.data;

    return ngx_at_add_header(r, name, &value);
}


ngx_int_t
ngx_at_add_error_headers(ngx_http_request_t *r, const ngx_at_ctx_t *ctx)
{
    time_t     wait;
    ngx_str_t  allow, no_store = ngx_string("no-store");

    if (ngx_at_add_header(r, "Cache-Control", &no_store) != NGX_OK) {
        return NGX_ERROR;
    }

    if (at_verdict_info(ctx->verdict)->code == AT_API_TOO_MANY_REQUESTS) {
        wait = ngx_max(ctx->retry_at - ngx_time(), 1);

        if (ngx_at_add_number(r, "Retry-After", wait) != NGX_OK
            || ngx_at_add_number(r, "X-RateLimit-Remaining", 0) != NGX_OK)
        {
            return NGX_ERROR;
        }

        return ngx_at_add_number(r, "X-RateLimit-Reset", ngx_time() + wait);
    }

    if (ctx->status == NGX_HTTP_NOT_ALLOWED && ctx->allowed_methods) {
        allow.data = (u_char *) ctx->allowed_methods;
        allow.len = ngx_strlen(ctx->allowed_methods);
        return ngx_at_add_header(r, "Allow", &allow);
    }

    return ctx->status == NGX_HTTP_SERVICE_UNAVAILABLE
           ? ngx_at_add_number(r, "Retry-After", 1) : NGX_OK;
}
