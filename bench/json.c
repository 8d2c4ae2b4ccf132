/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * json
 *
 * The cost of payloads that are made to be slow: prints the mean CPU time of parsing
 * each of them, as long as it fits into tokens of 16k and of 64k.
 */

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/json/at_claim.h"


#define JSON_COUNT   1000

/* the repeated part may print its number */
static const struct { const char *name, *begin, *part, *end; } shapes[] = {
    { "one string", "{\"a\":\"", "x", "\"}" },
    { "escapes", "{\"a\":\"", "\\u0061", "\"}" },
    { "one number", "{\"a\":1", "0", "}" },
    { "numbers", "{\"a\":[", "1,", "1]}" },
    { "empty objects", "{\"a\":[", "{},", "{}]}" },
    { "members", "{", "\"%x\":1,", "\"x\":1}" },
    { "a duplicate at the end", "{", "\"%x\":1,", "\"0\":1}" },
    { "objects of 16 members", "{\"a\":[",
      "{\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1,\"f\":1,\"g\":1,\"h\":1,"
      "\"i\":1,\"j\":1,\"k\":1,\"l\":1,\"m\":1,\"n\":1,\"o\":1,\"p\":1},", "1]}" },
    { "objects of 17 members", "{\"a\":[",
      "{\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1,\"f\":1,\"g\":1,\"h\":1,\"i\":1,"
      "\"j\":1,\"k\":1,\"l\":1,\"m\":1,\"n\":1,\"o\":1,\"p\":1,\"q\":1},", "1]}" },
    { "too many levels", "", "{\"a\":", "1" },
};


static double
json_clock(void)
{
    struct timespec  now;

    (void) clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);

    return (double) now.tv_sec * 1e6 + (double) now.tv_nsec / 1e3;
}


static at_str_t
json_text(char *text, size_t size, unsigned shape)
{
    char      part[256];
    size_t    len, end;
    unsigned  i;

    end = strlen(shapes[shape].end);
    len = (size_t) sprintf(text, "%s", shapes[shape].begin);

    for (i = 0; ; i++) {
        (void) snprintf(part, sizeof(part), shapes[shape].part, i);

        if (len + strlen(part) + end > size) {
            break;
        }

        len += (size_t) sprintf(text + len, "%s", part);
    }

    len += (size_t) sprintf(text + len, "%s", shapes[shape].end);

    return (at_str_t) { text, len };
}


int
main(void)
{
    int           rc = 0;
    double        begin;
    size_t        n;
    unsigned      i, shape;
    at_str_t      text;
    at_claims_t  *claims;
    static char   buf[65536];

    static const size_t  sizes[] = { 12000, 48800 };

    for (n = 0; n < 2; n++) {
        for (shape = 0; shape < sizeof(shapes) / sizeof(shapes[0]); shape++) {
            text = json_text(buf, sizes[n], shape);

            begin = json_clock();

            for (i = 0; i < JSON_COUNT; i++) {
                rc = at_claims_parse(&claims, text);
                at_claims_free(claims);
            }

            (void) printf("%5zu bytes, %-24s %-8s %6.1f us\n", text.len,
                          shapes[shape].name, rc == 0 ? "valid" : "invalid",
                          (json_clock() - begin) / JSON_COUNT);
        }
    }

    return 0;
}
