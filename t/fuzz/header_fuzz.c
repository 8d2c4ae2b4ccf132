/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Authorization, Cookie and Origin: results are views of the value; parsing a
 * result again gives the same result.
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/at_header.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void
check(int holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "not so: %s\n", what);
        abort();
    }
}


static int
is_within(at_str_t part, at_str_t whole)
{
    return part.data >= whole.data
           && part.data + part.len <= whole.data + whole.len;
}


static void
check_bearer(at_str_t value)
{
    size_t    i;
    at_str_t  token = (at_str_t) { NULL, 0 };

    if (!at_header_credential(value, at_str("Bearer"), &token)) {
        return;
    }

    check(is_within(token, value), "a token is a part of the value");
    check(token.len == 0 || token.data + token.len == value.data + value.len,
          "a token extends to the end of the value");
    check(token.len == 0 || (token.data[0] != ' ' && token.data[0] != '\t'),
          "a token does not begin with a blank");

    for (i = 0; i < value.len && value.data[i] == '\t'; i++) { /* void */ }

    check(i == 0 || token.len == 0, "a tab in front spoils it");
}


/* a plain count of ";" and names, to hold the parser against */
static void
check_cookie(at_str_t value)
{
    size_t    i, start = 1, n = 0;
    at_str_t  cookie, name;

    name = at_str("accessToken");
    cookie = (at_str_t) { NULL, 0 };

    for (i = 0; i < value.len; i++) {
        if (value.data[i] == ';') {
            start = 1;

        } else if (value.data[i] != ' ' && value.data[i] != '\t') {
            n += start && value.len - i > name.len
                 && memcmp(value.data + i, "accessToken=", name.len + 1) == 0;
            start = 0;
        }
    }

    check(at_header_cookie_find(value, name, &cookie) == n,
          "the cookies counted");
    check(n == 0 || is_within(cookie, value),
          "a cookie is a part of the value");
    check(n == 0 || memchr(cookie.data, ';', cookie.len) == NULL,
          "it holds no end of one");
}


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
        check(strlen(origin) == sizeof("http://a.example:8080") - 1
              || strlen(origin) == sizeof("http://a.example:08080") - 1,
              "an origin is told in one way");
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
