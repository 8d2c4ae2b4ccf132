/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdio.h>

#include "core/base/at_exposition.h"
#include "core/base/at_utf8.h"


#define AT_REPLACEMENT_CHARACTER  "\xef\xbf\xbd"


/* --- Accept -------------------------------------------------------------- */


/* a weight of "0" to "1" with three digits, in thousandths */
static int
at_accept_weight(at_str_t parameters)
{
    int       weight, unit;
    size_t    i;
    at_str_t  parameter;

    while (parameters.len) {
        parameter = at_str_trim(at_str_cut(&parameters, ';'));

        if (parameter.len < 3 || at_lower(parameter.data[0]) != 'q'
            || parameter.data[1] != '=')
        {
            continue;
        }

        if (parameter.data[2] != '0') {
            return 1000;
        }

        weight = 0;
        unit = 100;

        for (i = 4; i < parameter.len && unit != 0; i++, unit /= 10) {
            if (parameter.data[i] >= '0' && parameter.data[i] <= '9') {
                weight += unit * (parameter.data[i] - '0');
            }
        }

        return weight;
    }

    return 1000;
}


int
at_exposition_prefers_openmetrics(at_str_t accept)
{
    int       weight, openmetrics, plain;
    at_str_t  range, type;

    openmetrics = 0;
    plain = 0;

    while (accept.len) {
        range = at_str_cut(&accept, ',');
        type = at_str_trim(at_str_cut(&range, ';'));
        weight = at_accept_weight(range);

        if (at_str_equal_nocase(type, at_str("application/openmetrics-text"))
            && weight > openmetrics)
        {
            openmetrics = weight;
        }

        if (at_str_equal_nocase(type, at_str("text/plain"))
            && weight > plain)
        {
            plain = weight;
        }
    }

    return openmetrics > 0 && openmetrics >= plain;
}


/* --- the page ------------------------------------------------------------ */


static void
at_exposition_text(at_exposition_t *page, const char *text)
{
    at_bytes_append(&page->bytes, text, strlen(text));
}


void
at_exposition_family(at_exposition_t *page, const char *name,
    at_metric_e type, const char *unit, const char *help)
{
    static const char *const  types[] = { "counter", "gauge", "histogram" };

    const char  *total;

    page->name = name;
    page->type = type;

    /* in the older format the suffix is a part of the name */
    total = type == AT_METRIC_COUNTER && !page->openmetrics ? "_total" : "";

    at_exposition_text(page, "# HELP ");
    at_exposition_text(page, name);
    at_exposition_text(page, total);
    at_exposition_text(page, " ");
    at_exposition_text(page, help);
    at_exposition_text(page, "\n# TYPE ");
    at_exposition_text(page, name);
    at_exposition_text(page, total);
    at_exposition_text(page, " ");
    at_exposition_text(page, types[type]);
    at_exposition_text(page, "\n");

    if (page->openmetrics && unit[0] != '\0') {
        at_exposition_text(page, "# UNIT ");
        at_exposition_text(page, name);
        at_exposition_text(page, " ");
        at_exposition_text(page, unit);
        at_exposition_text(page, "\n");
    }
}


/* the length of the character at the beginning of text; 0: it is not UTF-8 */
static size_t
at_character_len(at_str_t text)
{
    size_t     i;
    at_utf8_t  utf8 = { 0, 0, 0 };

    for (i = 0; i < text.len; i++) {
        if (at_utf8_decode(&utf8, (unsigned char) text.data[i]) != 0) {
            return 0;
        }

        if (utf8.pending == 0) {
            return i + 1;
        }
    }

    return 0;
}


static void
at_exposition_value(at_exposition_t *page, at_str_t value)
{
    char    c;
    size_t  len;

    while (value.len) {
        c = value.data[0];
        len = at_character_len(value);

        if (c == '\n') {
            at_exposition_text(page, "\\n");

        } else if (len == 0 || (c >= 0 && c < ' ') || c == 0x7f) {
            at_exposition_text(page, AT_REPLACEMENT_CHARACTER);

        } else {
            if (c == '"' || c == '\\') {
                at_exposition_text(page, "\\");
            }

            at_bytes_append(&page->bytes, value.data, len);
        }

        len = len ? len : 1;
        value = (at_str_t) { value.data + len, value.len - len };
    }
}


void
at_exposition_sample(at_exposition_t *page, const char *suffix,
    const at_label_t *labels, size_t n, double value)
{
    char    number[32];
    size_t  i;

    at_exposition_text(page, page->name);
    at_exposition_text(page, page->type == AT_METRIC_COUNTER ? "_total"
                                                             : suffix);

    for (i = 0; i < n; i++) {
        at_exposition_text(page, i == 0 ? "{" : "\",");
        at_exposition_text(page, labels[i].name);
        at_exposition_text(page, "=\"");
        at_exposition_value(page, labels[i].value);
    }

    /* integers up to 10^15 are exact */
    (void) snprintf(number, sizeof(number), "%s %.15g\n", n ? "\"}" : "",
                    value);
    at_exposition_text(page, number);
}


void
at_exposition_end(at_exposition_t *page)
{
    if (page->openmetrics) {
        at_exposition_text(page, "# EOF\n");
    }
}
