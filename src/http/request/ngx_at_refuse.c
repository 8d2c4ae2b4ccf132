/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "http/request/ngx_at_refuse.h"

#include "http/base/ngx_at_main_conf.h"
#include "http/request/ngx_at_credential.h"


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


static ngx_uint_t
ngx_at_satisfy_is_any(ngx_http_request_t *r)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    return clcf->satisfy == NGX_HTTP_SATISFY_ANY;
}


ngx_str_t
ngx_at_escape_name(u_char buf[NGX_AT_ESCAPED_NAME_LEN], at_str_t name)
{
    u_char      c, *p;
    size_t      i;
    ngx_str_t   escaped;

    p = buf;

    for (i = 0; i < name.len && i < NGX_AT_NAME_LEN; i++) {
        c = name.data[i];

        if (c < 0x20 || c > 0x7e || c == '"' || c == '\\') {
            p = ngx_sprintf(p, "\\x%02xd", (ngx_uint_t) c);

        } else {
            *p++ = c;
        }
    }

    if (i < name.len) {
        p = ngx_cpymem(p, "...", 3);
    }

    escaped.data = buf;
    escaped.len = p - buf;

    return escaped;
}


static void
ngx_at_log_refusal(ngx_http_request_t *r, ngx_at_ctx_t *ctx)
{
    u_char                    hex[NGX_AT_FINGERPRINT_LEN];
    u_char                    buf[NGX_AT_ESCAPED_NAME_LEN];
    ngx_str_t                 kind, fingerprint, subject;
    ngx_uint_t                level;
    const at_verdict_info_t  *info;

    info = at_verdict_info(ctx->verdict);

    switch (info->blame) {

    case AT_BLAME_CLIENT:
        level = NGX_LOG_INFO;
        break;

    case AT_BLAME_OPERATOR:
        level = NGX_LOG_ERR;
        break;

    default:
        level = NGX_LOG_CRIT;
    }

    if (ctx->logged || r->connection->log->log_level < level) {
        return;
    }

    ctx->logged = 1;

    kind = ngx_at_kind_name(ctx->kind);
    fingerprint = ngx_at_fingerprint(ctx, hex);
    subject = ngx_at_escape_name(buf, ctx->identity->subject);

    ngx_log_error(level, r->connection->log, 0,
                  "auth_token: %ui %s%s, reason: %s, credential: "
                  "\"%V%s%V\", subject: \"%V\"",
                  ctx->status, at_code_info(info->code)->name.data,
                  ngx_at_satisfy_is_any(r) ? " (satisfy any)" : "",
                  info->reason.data, &kind, fingerprint.len ? " " : "",
                  &fingerprint, &subject);
}


ngx_int_t
ngx_at_refuse(ngx_http_request_t *r, ngx_at_ctx_t *ctx, at_verdict_e verdict)
{
    const at_verdict_info_t  *info;

    info = at_verdict_info(verdict);

    ctx->verdict = verdict;
    ctx->phase = NGX_AT_REFUSED;
    ctx->status = ngx_at_error_override(ctx)->status;

    if (ctx->status == 0) {
        ctx->status = info->status ? info->status
                                   : at_code_info(info->code)->status;
    }

    ngx_at_log_refusal(r, ctx);

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
