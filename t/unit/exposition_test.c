/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The text of metrics: both formats, label values, Accept.
 *
 * Requirements: metrics-format.
 */

#include <stdlib.h>

#include "core/base/at_exposition.h"
#include "tap.h"


static void
test_accept(void)
{
    size_t  i;

    static const struct {
        const char  *accept;
        int          expected;
    } cases[] = {
        { "", 0 },
        { "*/*", 0 },
        { "text/plain", 0 },
        { "application/openmetrics-text", 1 },
        { "Application/OpenMetrics-Text; version=1.0.0", 1 },
        { "application/openmetrics-text;version=1.0.0,"
          "application/openmetrics-text;version=0.0.1;q=0.75,"
          "text/plain;version=0.0.4;q=0.5,*/*;q=0.1", 1 },
        { "application/openmetrics-text;q=0.5,text/plain;q=0.5", 1 },
        { "application/openmetrics-text;q=0.4,text/plain;q=0.5", 0 },
        { "application/openmetrics-text;q=0.45,text/plain;q=0.5", 0 },
        { "application/openmetrics-text;q=0.501,text/plain;q=0.5", 1 },
        { "text/plain;q=0.9 , application/openmetrics-text", 1 },
        { "text/plain, application/openmetrics-text;q=0.9", 0 },
        { "application/openmetrics-text;q=0", 0 },
        { "application/openmetrics-text;q=0.000", 0 },
        { "application/openmetrics-text ; Q=1", 1 },
        { "application/openmetrics-text;q=", 1 },
        { "application/openmetrics-textual", 0 },
        { "x-application/openmetrics-text", 0 },
        { ",;,=;q,;;q=0.x", 0 },
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ok(at_exposition_prefers_openmetrics(
               (at_str_t) { cases[i].accept, strlen(cases[i].accept) })
           == cases[i].expected,
           "Accept: %s", cases[i].accept);
    }
}


static void
write_page(at_exposition_t *page)
{
    at_label_t  labels[] = {
        { "issuer", at_str("main") }, { "le", at_str("0.1") }
    };

    at_exposition_family(page, "x_requests", AT_METRIC_COUNTER, "", "Help.");
    at_exposition_sample(page, "", labels, 1, 12345678901234);
    at_exposition_family(page, "x_age_seconds", AT_METRIC_GAUGE, "seconds",
                         "Age.");
    at_exposition_sample(page, "", NULL, 0, 1.5);
    at_exposition_family(page, "x_time_seconds", AT_METRIC_HISTOGRAM,
                         "seconds", "Time.");
    at_exposition_sample(page, "_bucket", labels, 2, 0);
    at_exposition_sample(page, "_count", labels, 1, 1);
    at_exposition_end(page);
}


static void
is_page(at_exposition_t *page, const char *expected, const char *name)
{
    ok(!page->bytes.failed && page->bytes.len == strlen(expected)
       && memcmp(page->bytes.data, expected, page->bytes.len) == 0,
       "%s", name);
    at_bytes_free(&page->bytes);
}


static void
test_formats(void)
{
    at_exposition_t  page = { .openmetrics = 0 };

    write_page(&page);
    is_page(&page,
            "# HELP x_requests_total Help.\n"
            "# TYPE x_requests_total counter\n"
            "x_requests_total{issuer=\"main\"} 12345678901234\n"
            "# HELP x_age_seconds Age.\n"
            "# TYPE x_age_seconds gauge\n"
            "x_age_seconds 1.5\n"
            "# HELP x_time_seconds Time.\n"
            "# TYPE x_time_seconds histogram\n"
            "x_time_seconds_bucket{issuer=\"main\",le=\"0.1\"} 0\n"
            "x_time_seconds_count{issuer=\"main\"} 1\n",
            "the text format of Prometheus");

    page.openmetrics = 1;
    write_page(&page);
    is_page(&page,
            "# HELP x_requests Help.\n"
            "# TYPE x_requests counter\n"
            "x_requests_total{issuer=\"main\"} 12345678901234\n"
            "# HELP x_age_seconds Age.\n"
            "# TYPE x_age_seconds gauge\n"
            "# UNIT x_age_seconds seconds\n"
            "x_age_seconds 1.5\n"
            "# HELP x_time_seconds Time.\n"
            "# TYPE x_time_seconds histogram\n"
            "# UNIT x_time_seconds seconds\n"
            "x_time_seconds_bucket{issuer=\"main\",le=\"0.1\"} 0\n"
            "x_time_seconds_count{issuer=\"main\"} 1\n"
            "# EOF\n",
            "OpenMetrics");
}


static void
test_label_values(void)
{
    size_t           i;
    at_label_t       label;
    char             expected[128];
    at_exposition_t  page = { .openmetrics = 0 };

    static const struct {
        at_str_t     value;
        const char  *expected;
    } cases[] = {
        { at_str(""), "" },
        { at_str("a b"), "a b" },
        { at_str("a\"b\\c\nd"), "a\\\"b\\\\c\\nd" },
        { at_str("gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80"),
          "gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80" },
        { at_str("a\0b\tc\x7f"),
          "a\xef\xbf\xbd" "b\xef\xbf\xbd" "c\xef\xbf\xbd" },
        { at_str("\xff" "a\xc3"), "\xef\xbf\xbd" "a\xef\xbf\xbd" },
        { at_str("\xc3\"}"), "\xef\xbf\xbd\\\"}" },
        { at_str("\xe2\x82"), "\xef\xbf\xbd\xef\xbf\xbd" },
        { at_str("\xed\xa0\x80"), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        label = (at_label_t) { "l", cases[i].value };
        page.name = "x";
        page.type = AT_METRIC_GAUGE;
        at_exposition_sample(&page, "", &label, 1, 1);

        (void) snprintf(expected, sizeof(expected), "x{l=\"%s\"} 1\n",
                        cases[i].expected);
        is_page(&page, expected, "a label value is escaped");
    }
}


int
main(void)
{
    test_accept();
    test_formats();
    test_label_values();

    return tap_done();
}
