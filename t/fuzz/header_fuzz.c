/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Authorization, Cookie and Origin: results are views of the value; parsing a
 * result again gives the same result.
 */

#include "core/base/at_header.h"
#include "fuzz.h"


static void
check_bearer(at_str_t value)
{
    size_t    i;
    at_str_t  token = { NULL, 0 };

    if (!at_header_credential(value, at_str("Bearer"), &token)) {
        return;
    }

    fuzz_assert(fuzz_is_within(token, value));
    fuzz_assert(token.len == 0
                || token.data + token.len == value.data + value.len);
    fuzz_assert(token.len == 0
                || (token.data[0] != ' ' && token.data[0] != '\t'));

    for (i = 0; i < value.len && value.data[i] == '\t'; i++) { /* void */ }

    fuzz_assert(i == 0 || token.len == 0);
}


/* compared with a plain count of ";" and names */
static void
check_cookie(at_str_t value)
{
    size_t    i, start = 1, n = 0;
    at_str_t  cookie = { NULL, 0 }, name = at_str("accessToken");

    for (i = 0; i < value.len; i++) {
        if (value.data[i] == ';') {
            start = 1;

        } else if (value.data[i] != ' ' && value.data[i] != '\t') {
            n += start && value.len - i > name.len
                 && memcmp(value.data + i, "accessToken=", name.len + 1) == 0;
            start = 0;
        }
    }

    fuzz_assert(at_header_cookie_find(value, name, &cookie) == n);
    fuzz_assert(n == 0 || fuzz_is_within(cookie, value));
    fuzz_assert(n == 0 || memchr(cookie.data, ';', cookie.len) == NULL);
}


/* an origin has one notation */
static void
check_origin(at_str_t value)
{
    char      origin[64];
    at_str_t  server = at_str("a.example");

    (void) snprintf(origin, sizeof(origin), "%.*s",
                    value.len < 60 ? (int) value.len : 60, value.data);

    if (at_header_is_same_origin((at_str_t) { origin, strlen(origin) },
                                 0, server, at_str("a.example:8080")))
    {
        fuzz_assert(strlen(origin) == sizeof("http://a.example:8080") - 1
                    || strlen(origin) == sizeof("http://a.example:08080") - 1);
    }

    (void) at_header_is_same_origin(value, 1, value, value);
    (void) at_header_is_same_origin(at_str("http://a:1"), 0, at_str("a"),
                                    value);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    at_str_t  value = (at_str_t) { (const char *) data, size };

    check_bearer(value);
    check_cookie(value);
    check_origin(value);

    return 0;
}
