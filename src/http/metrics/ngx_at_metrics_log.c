/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Counts a request in the log phase.
 */

#include "http/metrics/ngx_at_metrics_zone.h"

#include "core/base/at_verdict.h"

#include "http/base/ngx_at_loc_conf.h"
#include "http/base/ngx_at_str.h"
#include "http/request/ngx_at_ctx.h"
#include "http/token/ngx_at_endpoint_request.h"
#include "http/worker/ngx_at_worker.h"


const ngx_str_t  ngx_at_metrics_endpoints[] = {
    ngx_null_string,
    ngx_string("auth_token_login"),
    ngx_string("auth_token_refresh"),
    ngx_string("auth_token_logout"),
    ngx_string("auth_token_session_info"),
    ngx_string("auth_token_oauth"),
    ngx_string("auth_token_jwks"),
    ngx_string("auth_token_metadata")
};


static ngx_uint_t
ngx_at_metrics_endpoint_number(const ngx_str_t *directive)
{
    ngx_uint_t  i;

    for (i = NGX_AT_METRICS_ENDPOINTS - 1; i; i--) {
        if (ngx_at_str_equal(&ngx_at_metrics_endpoints[i], directive)) {
            break;
        }
    }

    return i;
}


/*
 * The issuer block that has verified the token, or the only issuer block that
 * the location trusts.
 */

static ngx_uint_t
ngx_at_metrics_issuer(const ngx_at_ctx_t *ctx)
{
    const u_char           *p;
    const ngx_at_issuer_t  *issuer;

    issuer = NULL;

    if (ctx->identity->issuer) {
        p = (const u_char *) ctx->identity->issuer;
        issuer = (const ngx_at_issuer_t *)
                 (p - offsetof(ngx_at_issuer_t, requirements));

    } else if ((ctx->kind & NGX_AT_JWT) && ctx->conf->ntrusted == 1) {
        issuer = ctx->conf->trusted[0];

    } else if (ctx->kind == NGX_AT_BASIC) {
        issuer = ctx->conf->user_issuer;
    }

    return issuer ? issuer->metrics_index : 0;
}


/* the record of a client or an API token was found, and names it */

static ngx_uint_t
ngx_at_metrics_has_client(const ngx_at_ctx_t *ctx)
{
    return ctx->identity->client.len
           && (ctx->verdict == AT_OK || ctx->verdict == AT_EXPIRED_API_TOKEN
               || (ctx->verdict >= AT_CLIENT_ISSUER_MISMATCH
                   && ctx->verdict <= AT_BLOCKED_ENDPOINT));
}


static void
ngx_at_metrics_add_time(ngx_at_metrics_slot_t *slot, const ngx_at_ctx_t *ctx)
{
    ngx_uint_t  kind, i;

    kind = ctx->kind == NGX_AT_BEARER ? 0
           : ctx->kind == NGX_AT_COOKIE ? 1
           : ctx->kind == NGX_AT_API_TOKEN ? 2 : 3;

    i = 0;

    while (i < NGX_AT_METRICS_BUCKETS - 1
           && ctx->verify_time > ngx_at_metrics_limits[i])
    {
        i++;
    }

    ngx_at_metrics_add(&slot->times[kind][i], 1);
    ngx_at_metrics_add(&slot->time_sums[kind], ctx->verify_time);
}


static void
ngx_at_metrics_count_endpoint(const ngx_http_request_t *r,
    const ngx_at_ctx_t *ctx)
{
    ngx_at_series_t                   series = { .key = 0 };
    const ngx_at_endpoint_request_t  *er;

    er = ctx->endpoint_request;

    if (!er->done || r->headers_out.status == 0) {
        return;
    }

    series.labels.used = 1;
    series.labels.endpoint =
        ngx_at_metrics_endpoint_number(&ctx->conf->token_endpoint->directive);
    series.labels.verdict = er->verdict;
    series.labels.status = r->headers_out.status;
    series.labels.issuer = er->issuer->metrics_index;

    ngx_at_metrics_add(&ngx_at_metrics_slot(ngx_process_slot)
                        ->series[ngx_at_metrics_find_series(series)], 1);
}


static void
ngx_at_metrics_count_decision(const ngx_at_ctx_t *ctx)
{
    u_char                  type;
    ngx_uint_t              granted, i;
    ngx_at_series_t         series = { .key = 0 };
    ngx_at_metrics_slot_t  *slot;

    granted = ctx->phase == NGX_AT_GRANTED || ctx->phase == NGX_AT_OVERRULED;
    slot = ngx_at_metrics_slot(ngx_process_slot);

    series.labels.used = 1;
    series.labels.kind = ctx->kind;
    series.labels.verdict = ctx->verdict;
    series.labels.status = granted ? 0 : ctx->status;
    series.labels.issuer = ngx_at_metrics_issuer(ctx);

    ngx_at_metrics_add(&slot->series[ngx_at_metrics_find_series(series)], 1);

    if (ngx_at_metrics_has_client(ctx)) {
        type = ctx->kind == NGX_AT_API_TOKEN ? 't' : 'c';
        i = ngx_at_metrics_find_client(type, ctx->identity->client);
        ngx_at_metrics_add(&slot->clients[i][granted], 1);
    }

    if (ctx->verify_time) {
        ngx_at_metrics_add_time(slot, ctx);
    }
}


/* adds what the cache of this process has counted since the last call */

void
ngx_at_metrics_add_cache(void)
{
    static at_cache_stats_t  added;

    const at_cache_stats_t  *stats;
    ngx_at_metrics_slot_t   *slot;

    if (ngx_at_worker.cache == NULL) {
        return;
    }

    stats = at_cache_stats(ngx_at_worker.cache);
    slot = ngx_at_metrics_slot(ngx_process_slot);

    if (stats->hits != added.hits) {
        ngx_at_metrics_add(&slot->cache_hits, stats->hits - added.hits);
    }

    if (stats->misses != added.misses) {
        ngx_at_metrics_add(&slot->cache_misses, stats->misses - added.misses);
    }

    if (stats->evictions != added.evictions) {
        ngx_at_metrics_add(&slot->cache_evictions,
                           stats->evictions - added.evictions);
    }

    added = *stats;
}


ngx_int_t
ngx_at_metrics_log_handler(ngx_http_request_t *r)
{
    ngx_at_ctx_t  *ctx;

    if (ngx_at_metrics_zone == NULL || r != r->main) {
        return NGX_OK;
    }

    ctx = ngx_at_find_ctx(r);

    if (ctx == NULL) {
        return NGX_OK;
    }

    if (ctx->endpoint_request) {
        ngx_at_metrics_count_endpoint(r, ctx);

    } else if (ctx->phase != NGX_AT_UNDECIDED) {
        ngx_at_metrics_count_decision(ctx);
    }

    ngx_at_metrics_add_cache();

    return NGX_OK;
}
