/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "http/request/ngx_at_refusal_log.h"

#include "http/base/ngx_at_str.h"
#include "http/request/ngx_at_credential.h"
#include "http/request/ngx_at_refuse.h"
#include "http/worker/ngx_at_worker.h"


#define NGX_AT_LOG_LINES  100   /* per second and worker process */


/* counts a line; 1: too many in this second, it is suppressed */

static ngx_uint_t
ngx_at_log_is_limited(ngx_uint_t level)
{
    ngx_at_worker_log_t  *limit;

    if (level == NGX_LOG_INFO) {
        return 0;
    }

    limit = &ngx_at_worker.refusal_log;

    if (limit->second != ngx_time()) {
        limit->second = ngx_time();
        limit->lines = 0;
    }

    if (limit->lines == NGX_AT_LOG_LINES) {
        limit->suppressed++;
        return 1;
    }

    limit->lines++;

    return 0;
}


static void
ngx_at_log_line(ngx_log_t *log, ngx_uint_t level, const ngx_str_t *text)
{
    ngx_uint_t  *suppressed;

    suppressed = &ngx_at_worker.refusal_log.suppressed;

    if (*suppressed && level != NGX_LOG_INFO) {
        ngx_log_error(level, log, 0, "auth_token: %V, suppressed: %ui", text,
                      *suppressed);
        *suppressed = 0;

    } else {
        ngx_log_error(level, log, 0, "auth_token: %V", text);
    }
}


void
ngx_at_log_client_error(ngx_http_request_t *r, const ngx_at_ctx_t *ctx,
    const ngx_str_t *text)
{
    ngx_uint_t  level;

    level = ctx->conf->log_level;

    if (r->connection->log->log_level >= level
        && !ngx_at_log_is_limited(level))
    {
        ngx_at_log_line(r->connection->log, level, text);
    }
}


void
ngx_at_log_refusal(ngx_http_request_t *r, ngx_at_ctx_t *ctx)
{
    u_char                    hex[NGX_AT_FINGERPRINT_LEN];
    u_char                    buf[NGX_AT_ESCAPED_NAME_LEN];
    u_char                    line[NGX_AT_LOG_TEXT_LEN];
    ngx_log_t                *log;
    ngx_str_t                 kind, fingerprint, subject, text;
    ngx_uint_t                level;
    const at_verdict_info_t  *info;

    info = at_verdict_info(ctx->verdict);
    log = r->connection->log;

    level = info->blame == AT_BLAME_CLIENT ? ctx->conf->log_level
            : info->blame == AT_BLAME_OPERATOR ? NGX_LOG_ERR : NGX_LOG_CRIT;

    if (ctx->logged || log->log_level < level) {
        return;
    }

    ctx->logged = 1;

    if (info->blame == AT_BLAME_CLIENT && ngx_at_log_is_limited(level)) {
        return;
    }

    kind = ngx_at_kind_name(ctx->kind);
    fingerprint = ngx_at_fingerprint(ctx, hex);
    subject = ngx_at_escape_name(buf, ctx->identity->subject);

    text.data = line;
    text.len = ngx_snprintf(line, sizeof(line),
                            "%ui %s%s, reason: %s, credential: "
                            "\"%V%s%V\", subject: \"%V\"",
                            ctx->status, at_code_info(info->code)->name.data,
                            ngx_at_satisfy_is_any(r) ? " (satisfy any)" : "",
                            info->reason.data, &kind,
                            fingerprint.len ? " " : "", &fingerprint,
                            &subject)
               - line;

    text.len = ngx_at_refusal_facts(line + text.len, line + sizeof(line), r,
                                    ctx)
               - line;

    if (info->blame == AT_BLAME_CLIENT) {
        ngx_at_log_line(log, level, &text);

    } else {
        ngx_log_error(level, log, 0, "auth_token: %V", &text);
    }
}
