/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Writes metrics in the text format of Prometheus, version 0.0.4, or as
 * OpenMetrics 1.0.0.
 */

#ifndef AT_EXPOSITION_H
#define AT_EXPOSITION_H

#include "core/base/at_bytes.h"
#include "core/base/at_str.h"


#define AT_OPENMETRICS_TYPE                                                   \
    "application/openmetrics-text; version=1.0.0; charset=utf-8"
#define AT_PROMETHEUS_TYPE  "text/plain; version=0.0.4; charset=utf-8"

typedef enum {
    AT_METRIC_COUNTER = 0,
    AT_METRIC_GAUGE,
    AT_METRIC_HISTOGRAM
} at_metric_e;

typedef struct {
    const char   *name;
    at_str_t      value;        /* any bytes */
} at_label_t;

/* All zero: an empty page; the caller frees bytes and checks bytes.failed. */
typedef struct {
    at_bytes_t    bytes;
    int           openmetrics;
    const char   *name;         /* of the family that was begun last */
    at_metric_e   type;
} at_exposition_t;


/*
 * Accept (RFC 9110 section 12.5.1).  Returns 1 if the client prefers
 * OpenMetrics to text/plain, or accepts only OpenMetrics of the two.
 */
int at_exposition_prefers_openmetrics(at_str_t accept);

/*
 * Begins a family.  A name ends with its unit, which is "" for a number; the
 * name of a counter is without "_total".
 */
void at_exposition_family(at_exposition_t *page, const char *name,
    at_metric_e type, const char *unit, const char *help);

/*
 * Adds a sample of the family: of a histogram with a suffix ("_bucket"), else
 * with "".  In the value of a label, bytes that are not UTF-8 and control
 * characters other than a line break are replaced by U+FFFD.
 */
void at_exposition_sample(at_exposition_t *page, const char *suffix,
    const at_label_t *labels, size_t n, double value);

/* ends the page */
void at_exposition_end(at_exposition_t *page);


#endif
