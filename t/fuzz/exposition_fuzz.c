/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Metrics: Accept, and the names of clients and issuers as label values.  A
 * sample is one line of valid UTF-8, whose quotes are balanced.
 */

#include "core/base/at_exposition.h"
#include "core/base/at_utf8.h"
#include "fuzz.h"


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int              quotes;
    size_t           i;
    at_str_t         text, line;
    at_label_t       label;
    at_exposition_t  page = { .name = "x" };

    text = (at_str_t) { (const char *) data, size };
    label = (at_label_t) { "l", text };

    (void) at_exposition_prefers_openmetrics(text);

    at_exposition_sample(&page, "", &label, 1, 1);
    fuzz_assert(!page.bytes.failed);

    line = (at_str_t) { page.bytes.data, page.bytes.len };
    quotes = 0;

    for (i = 0; i < line.len; i++) {
        if (line.data[i] == '\\') {
            i++;

        } else {
            quotes += line.data[i] == '"';
            fuzz_assert(line.data[i] != '\n' || i == line.len - 1);
        }
    }

    fuzz_assert(quotes == 2 && at_utf8_is_valid(line));
    fuzz_assert(line.data[line.len - 1] == '\n');

    at_bytes_free(&page.bytes);

    return 0;
}
