/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The page of "auth_token_metrics".
 */

#include "http/metrics/ngx_at_metrics_zone.h"

#include "core/base/at_exposition.h"
#include "core/base/at_verdict.h"
#include "core/store/at_store_stats.h"

#include "http/base/ngx_at_str.h"
#include "http/base/ngx_at_time.h"
#include "http/keys/ngx_at_fetch.h"
#include "http/keys/ngx_at_keys.h"
#include "http/request/ngx_at_credential.h"
#include "http/request/ngx_at_header.h"
#include "http/store/ngx_at_session.h"
#include "http/store/ngx_at_store.h"
#include "http/worker/ngx_at_worker.h"


/* milliseconds: a worker that has not updated its gauges for longer is gone */
#define NGX_AT_METRICS_STALE  5000


static const ngx_uint_t  ngx_at_metrics_kinds[NGX_AT_METRICS_KINDS] = {
    NGX_AT_BEARER, NGX_AT_COOKIE, NGX_AT_API_TOKEN, NGX_AT_BASIC
};


/* a family of one sample */

static void
ngx_at_metrics_write_value(at_exposition_t *page, const char *name,
    at_metric_e type, const char *unit, const char *help, double value)
{
    at_exposition_family(page, name, type, unit, help);
    at_exposition_sample(page, "", NULL, 0, value);
}


/* the sum of a member of all slots; offset is that in the slot */

static uint64_t
ngx_at_metrics_sum(size_t offset)
{
    uint64_t    sum;
    ngx_uint_t  i;

    sum = 0;

    for (i = 0; i < NGX_AT_METRICS_SLOTS; i++) {
        sum += ngx_at_metrics_load((uint64_t *)
                                   ((u_char *) ngx_at_metrics_slot(i)
                                    + offset));
    }

    return sum;
}


static uint64_t
ngx_at_metrics_sum_series(ngx_uint_t i)
{
    return ngx_at_metrics_sum(offsetof(ngx_at_metrics_slot_t, series)
                              + i * sizeof(uint64_t));
}


static at_str_t
ngx_at_metrics_name(const ngx_at_metrics_name_t *name)
{
    return (at_str_t) { (const char *) name->text, name->len };
}


static at_str_t
ngx_at_metrics_kind(ngx_uint_t kind)
{
    ngx_str_t  name;

    name = ngx_at_kind_name(kind);

    return name.len ? ngx_at_view(name) : at_str("none");
}


/* --- requests ------------------------------------------------------------ */


static void
ngx_at_metrics_write_series(at_exposition_t *page, ngx_uint_t i,
    ngx_at_series_t series)
{
    u_char                    buf[NGX_INT_T_LEN];
    ngx_uint_t                status;
    at_label_t                labels[5];
    const at_verdict_info_t  *info;

    info = at_verdict_info(series.labels.verdict);
    status = series.labels.status;

    labels[0].name = "status";
    labels[0].value.data = (char *) buf;
    labels[0].value.len = ngx_sprintf(buf, "%ui", status) - buf;

    if (status == 0) {
        labels[0].value = at_str("granted");
    }

    labels[1] = (at_label_t) { "code", at_code_info(info->code)->name };
    labels[2] = (at_label_t) { "reason", info->reason };
    labels[3].name = "issuer";
    labels[3].value = ngx_at_metrics_name(&ngx_at_metrics_zone->issuers
                                           [series.labels.issuer]);

    if (series.labels.endpoint) {
        labels[4].name = "endpoint";
        labels[4].value = ngx_at_view(ngx_at_metrics_endpoints
                                       [series.labels.endpoint]);
        (void) at_str_cut_prefix(&labels[4].value, at_str("auth_token_"));

    } else {
        labels[4].name = "credential";
        labels[4].value = ngx_at_metrics_kind(series.labels.kind);
    }

    at_exposition_sample(page, "", labels, 5, ngx_at_metrics_sum_series(i));
}


/* decisions about access (0), or requests to token endpoints (1) */

static void
ngx_at_metrics_write_all_series(at_exposition_t *page, ngx_uint_t endpoints)
{
    ngx_uint_t       i;
    ngx_at_series_t  series;

    for (i = 0; i < NGX_AT_METRICS_SERIES; i++) {
        series.key = ngx_at_metrics_load(&ngx_at_metrics_zone->series[i].key);

        if (series.key && (series.labels.endpoint != 0) == endpoints) {
            ngx_at_metrics_write_series(page, i, series);
        }
    }
}


static void
ngx_at_metrics_write_throttled(at_exposition_t *page)
{
    uint64_t                  n[AT_VERDICTS];
    ngx_uint_t                i;
    at_label_t                label;
    ngx_at_series_t           series;
    const at_verdict_info_t  *info;

    ngx_memzero(n, sizeof(n));

    for (i = 0; i < NGX_AT_METRICS_SERIES; i++) {
        series.key = ngx_at_metrics_load(&ngx_at_metrics_zone->series[i].key);

        if (series.key) {
            n[series.labels.verdict] += ngx_at_metrics_sum_series(i);
        }
    }

    at_exposition_family(page, "auth_token_throttled_requests",
                         AT_METRIC_COUNTER, "",
                         "Requests that got 429, also at token endpoints.");

    for (i = 0; i < AT_VERDICTS; i++) {
        info = at_verdict_info(i);

        if (info->code == AT_API_TOO_MANY_REQUESTS) {
            label = (at_label_t) { "reason", info->reason };
            at_exposition_sample(page, "", &label, 1, n[i]);
        }
    }
}


/* clients without a request, and the other ones, have no sample */

static void
ngx_at_metrics_write_client(at_exposition_t *page, ngx_uint_t i,
    at_str_t type, at_str_t client)
{
    uint64_t    n;
    ngx_uint_t  granted;
    at_label_t  labels[] = { { "decision", at_str("refused") },
                             { "type", type }, { "client", client } };

    for (granted = 0; granted < 2; granted++) {
        n = ngx_at_metrics_sum(offsetof(ngx_at_metrics_slot_t, clients)
                               + (2 * i + granted) * sizeof(uint64_t));

        if (granted) {
            labels[0].value = at_str("granted");
        }

        if (n) {
            at_exposition_sample(page, "", labels, 3, n);
        }
    }
}


static void
ngx_at_metrics_write_clients(at_exposition_t *page)
{
    ngx_uint_t                    i, n;
    const ngx_at_metrics_name_t  *name;

    at_exposition_family(page, "auth_token_client_decisions",
        AT_METRIC_COUNTER, "",
        "Decisions about requests of known clients and API tokens.");

    n = __atomic_load_n(&ngx_at_metrics_zone->n_clients, __ATOMIC_ACQUIRE);

    for (i = 0; i < n; i++) {
        name = &ngx_at_metrics_zone->clients[i];

        ngx_at_metrics_write_client(page, i,
                                    name->type == 't' ? at_str("api_token")
                                                      : at_str("client"),
                                    ngx_at_metrics_name(name));
    }

    ngx_at_metrics_write_client(page, ngx_at_metrics_zone->max_clients,
                                at_str("other"), at_str("other"));
}


static void
ngx_at_metrics_write_times(at_exposition_t *page, ngx_uint_t kind)
{
    u_char      limit[NGX_INT_T_LEN];
    uint64_t    n;
    ngx_uint_t  i;
    at_label_t  labels[] = {
        { "credential", ngx_at_metrics_kind(ngx_at_metrics_kinds[kind]) },
        { "le", { (char *) limit, 0 } }
    };

    n = 0;

    for (i = 0; i < NGX_AT_METRICS_BUCKETS; i++) {
        n += ngx_at_metrics_sum(offsetof(ngx_at_metrics_slot_t, times)
                                + (kind * NGX_AT_METRICS_BUCKETS + i)
                                  * sizeof(uint64_t));

        labels[1].value.len =
            snprintf((char *) limit, sizeof(limit), "%g",
                     i + 1 < NGX_AT_METRICS_BUCKETS
                     ? ngx_at_metrics_limits[i] / 1e9 : 0);

        if (i + 1 == NGX_AT_METRICS_BUCKETS) {
            labels[1].value = at_str("+Inf");
        }

        at_exposition_sample(page, "_bucket", labels, 2, n);
    }

    at_exposition_sample(page, "_count", labels, 1, n);

    n = ngx_at_metrics_sum(offsetof(ngx_at_metrics_slot_t, time_sums)
                           + kind * sizeof(uint64_t));
    at_exposition_sample(page, "_sum", labels, 1, n / 1e9);
}


static void
ngx_at_metrics_write_requests(at_exposition_t *page)
{
    ngx_uint_t  i;

    at_exposition_family(page, "auth_token_decisions", AT_METRIC_COUNTER, "",
        "Decisions about access: status of the response, or granted.");
    ngx_at_metrics_write_all_series(page, 0);

    at_exposition_family(page, "auth_token_endpoint_requests",
                         AT_METRIC_COUNTER, "",
                         "Requests to token endpoints.");
    ngx_at_metrics_write_all_series(page, 1);

    ngx_at_metrics_write_value(page, "auth_token_other_requests",
        AT_METRIC_COUNTER, "",
        "Requests in no other counter: too many combinations of labels.",
        ngx_at_metrics_sum_series(NGX_AT_METRICS_SERIES));

    ngx_at_metrics_write_throttled(page);
    ngx_at_metrics_write_clients(page);

    at_exposition_family(page, "auth_token_verify_duration_seconds",
        AT_METRIC_HISTOGRAM, "seconds",
        "Time of verifications, with the wait for a thread. A credential in "
        "the verification cache needs none.");

    for (i = 0; i < NGX_AT_METRICS_KINDS; i++) {
        ngx_at_metrics_write_times(page, i);
    }
}


/* --- worker processes ---------------------------------------------------- */


static void
ngx_at_metrics_write_workers(at_exposition_t *page)
{
    int64_t                   oldest;
    ngx_uint_t                i, k, workers;
    at_label_t                label;
    ngx_at_metrics_gauges_t   sum, *gauges;

    static const at_str_t  queues[NGX_AT_METRICS_QUEUES] = {
        at_str("passwords"), at_str("signatures"), at_str("sessions")
    };

    ngx_at_metrics_publish();
    ngx_memzero(&sum, sizeof(ngx_at_metrics_gauges_t));

    oldest = ngx_at_steady_now() - NGX_AT_METRICS_STALE;
    workers = 0;

    for (i = 0; i < NGX_MAX_PROCESSES; i++) {
        gauges = &ngx_at_metrics_zone->gauges[i];

        if (gauges->updated < oldest) {
            continue;
        }

        workers++;
        sum.cache_entries += gauges->cache_entries;
        sum.cache_bytes += gauges->cache_bytes;

        for (k = 0; k < NGX_AT_METRICS_QUEUES; k++) {
            sum.queued[k] += gauges->queued[k];
        }
    }

    ngx_at_metrics_write_value(page, "auth_token_workers", AT_METRIC_GAUGE, "",
        "Worker processes, also when they are shutting down.", workers);

    at_exposition_family(page, "auth_token_queued_jobs", AT_METRIC_GAUGE, "",
        "Jobs that wait for a thread: passwords to check, slow signatures to "
        "verify, sessions to write.");

    for (k = 0; k < NGX_AT_METRICS_QUEUES; k++) {
        label = (at_label_t) { "queue", queues[k] };
        at_exposition_sample(page, "", &label, 1, sum.queued[k]);
    }

    ngx_at_metrics_write_value(page, "auth_token_cache_hits",
        AT_METRIC_COUNTER, "", "Credentials found in a verification cache.",
        ngx_at_metrics_sum(offsetof(ngx_at_metrics_slot_t, cache_hits)));
    ngx_at_metrics_write_value(page, "auth_token_cache_misses",
        AT_METRIC_COUNTER, "",
        "Credentials not found in a verification cache.",
        ngx_at_metrics_sum(offsetof(ngx_at_metrics_slot_t, cache_misses)));
    ngx_at_metrics_write_value(page, "auth_token_cache_evictions",
        AT_METRIC_COUNTER, "", "Entries that were evicted to make room.",
        ngx_at_metrics_sum(offsetof(ngx_at_metrics_slot_t, cache_evictions)));
    ngx_at_metrics_write_value(page, "auth_token_cache_entries",
        AT_METRIC_GAUGE, "", "Entries of the verification caches.",
        sum.cache_entries);
    ngx_at_metrics_write_value(page, "auth_token_cache_bytes",
        AT_METRIC_GAUGE, "bytes", "Memory of the verification caches.",
        sum.cache_bytes);
}


/* --- keys and databases -------------------------------------------------- */


static void
ngx_at_metrics_write_keys(at_exposition_t *page, ngx_http_request_t *r,
    const ngx_at_main_conf_t *atmcf)
{
    ngx_int_t             value;
    ngx_uint_t            i, k;
    at_label_t            label;
    ngx_at_issuer_t     **issuers;
    ngx_at_key_stats_t    stats;

    static const struct {
        const char   *name;
        at_metric_e   type;
        const char   *unit;
        const char   *help;
        size_t        offset;           /* in stats */
    } families[] = {
        { "auth_token_issuer_keys", AT_METRIC_GAUGE, "",
          "Keys in use for tokens of the issuer.",
          offsetof(ngx_at_key_stats_t, keys) },
        { "auth_token_issuer_keys_age_seconds", AT_METRIC_GAUGE, "seconds",
          "Time since the keys in use were fetched.",
          offsetof(ngx_at_key_stats_t, age) },
        { "auth_token_issuer_key_fetches", AT_METRIC_COUNTER, "",
          "Fetches of keys, successful or not.",
          offsetof(ngx_at_key_stats_t, fetches) },
        { "auth_token_issuer_key_fetch_failures", AT_METRIC_COUNTER, "",
          "Failed fetches of keys.",
          offsetof(ngx_at_key_stats_t, failures) },
        { "auth_token_issuer_next_key_fetch_seconds", AT_METRIC_GAUGE,
          "seconds", "Time until keys are fetched again.",
          offsetof(ngx_at_key_stats_t, next) }
    };

    issuers = atmcf->issuers.elts;

    for (k = 0; k < sizeof(families) / sizeof(families[0]); k++) {
        at_exposition_family(page, families[k].name, families[k].type,
                             families[k].unit, families[k].help);

        for (i = 0; i < atmcf->issuers.nelts; i++) {
            ngx_at_fetch_get_stats(r, issuers[i], &stats);

            value = *(ngx_int_t *) ((u_char *) &stats + families[k].offset);
            label.name = "issuer";
            label.value = ngx_at_view(issuers[i]->name);

            if (value >= 0) {
                at_exposition_sample(page, "", &label, 1, value);
            }
        }
    }
}


static void
ngx_at_metrics_write_store(at_exposition_t *page,
    const ngx_at_main_conf_t *atmcf)
{
    int               available;
    at_store_t       *store;
    ngx_uint_t        i;
    at_label_t        label;
    at_store_stats_t  stats;

    static const struct {
        at_table_e  table;
        at_str_t    kind;
    } kinds[] = {
        { AT_TABLE_TOKENS, at_str("api_token") },
        { AT_TABLE_CLIENTS, at_str("client") },
        { AT_TABLE_USERS, at_str("user") },
        { AT_TABLE_ROLES, at_str("role") }
    };

    store = ngx_at_store_get(atmcf);
    available = store && at_store_get_stats(store, &stats) == 0;

    ngx_at_metrics_write_value(page, "auth_token_store_available",
        AT_METRIC_GAUGE, "", "1 if the store can be read, else 0.",
        available);

    if (!available) {
        return;
    }

    at_exposition_family(page, "auth_token_store_records", AT_METRIC_GAUGE, "",
                         "Records of the store, by kind.");

    for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        label = (at_label_t) { "kind", kinds[i].kind };
        at_exposition_sample(page, "", &label, 1,
                             stats.records[kinds[i].table]);
    }

    ngx_at_metrics_write_value(page, "auth_token_store_revision",
        AT_METRIC_GAUGE, "", "Number of the last change of the store.",
        stats.revision);
    ngx_at_metrics_write_value(page, "auth_token_store_age_seconds",
        AT_METRIC_GAUGE, "seconds", "Time since the last change of the store.",
        ngx_max(ngx_time() - stats.modified, 0));

    if (ngx_at_metrics_zone->expiring >= 0) {
        ngx_at_metrics_write_value(page,
            "auth_token_store_expiring_api_tokens", AT_METRIC_GAUGE, "",
            "API tokens that expire within 7 days.",
            ngx_at_metrics_zone->expiring);
    }
}


static void
ngx_at_metrics_write_sessions(at_exposition_t *page,
    const ngx_at_main_conf_t *atmcf)
{
    int               usage;
    at_session_db_t  *sessions;

    sessions = ngx_at_sessions_get(atmcf);
    usage = sessions ? at_session_db_usage(sessions) : -1;

    ngx_at_metrics_write_value(page, "auth_token_session_database_available",
        AT_METRIC_GAUGE, "",
        "1 if the session database can be used, else 0.", usage >= 0);

    if (usage < 0) {
        return;
    }

    ngx_at_metrics_write_value(page, "auth_token_session_database_usage_ratio",
        AT_METRIC_GAUGE, "ratio",
        "Used part of the session database. Login and refresh stop at 0.9.",
        usage / 100.0);

    if (ngx_at_metrics_zone->sessions >= 0) {
        ngx_at_metrics_write_value(page, "auth_token_sessions",
            AT_METRIC_GAUGE, "",
            "Sessions that are neither expired nor revoked.",
            ngx_at_metrics_zone->sessions);
    }
}


/* --- the response -------------------------------------------------------- */


static void
ngx_at_metrics_free_page(void *data)
{
    at_bytes_free(data);
}


static ngx_int_t
ngx_at_metrics_send(ngx_http_request_t *r, at_exposition_t *page)
{
    ngx_str_t                  type, no_store = ngx_string("no-store");
    at_bytes_t                *bytes;
    ngx_pool_cleanup_t        *cln;
    ngx_http_complex_value_t   body;

    cln = ngx_pool_cleanup_add(r->pool, sizeof(at_bytes_t));

    if (cln == NULL || page->bytes.failed
        || ngx_at_add_header(r, "Cache-Control", &no_store) != NGX_OK)
    {
        at_bytes_free(&page->bytes);
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    bytes = cln->data;
    *bytes = page->bytes;
    cln->handler = ngx_at_metrics_free_page;

    ngx_str_set(&type, AT_PROMETHEUS_TYPE);

    if (page->openmetrics) {
        ngx_str_set(&type, AT_OPENMETRICS_TYPE);
    }

    ngx_memzero(&body, sizeof(ngx_http_complex_value_t));
    body.value.data = (u_char *) bytes->data;
    body.value.len = bytes->len;

    return ngx_http_send_response(r, NGX_HTTP_OK, &type, &body);
}


ngx_int_t
ngx_at_metrics_handler(ngx_http_request_t *r)
{
    ngx_str_t                 *accept;
    at_exposition_t            page;
    const ngx_at_main_conf_t  *atmcf;

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return NGX_HTTP_NOT_ALLOWED;
    }

    if (ngx_at_metrics_zone == NULL) {
        return NGX_HTTP_SERVICE_UNAVAILABLE;
    }

    atmcf = ngx_http_get_module_main_conf(r, ngx_http_auth_token_module);
    accept = ngx_at_find_header(r, "accept");

    ngx_memzero(&page, sizeof(at_exposition_t));
    page.openmetrics = accept
                       && at_exposition_prefers_openmetrics(
                              ngx_at_view(*accept));

    ngx_at_metrics_write_requests(&page);
    ngx_at_metrics_write_workers(&page);

    if (atmcf->issuers.nelts) {
        ngx_at_metrics_write_keys(&page, r, atmcf);
    }

    if (atmcf->store_path.data) {
        ngx_at_metrics_write_store(&page, atmcf);
    }

    if (atmcf->write_pool) {
        ngx_at_metrics_write_sessions(&page, atmcf);
    }

    at_exposition_end(&page);

    return ngx_at_metrics_send(r, &page);
}
