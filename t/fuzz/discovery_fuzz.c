/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Input: a URL, which is also the issuer, Cache-Control, and Age in a line each;
 * then a discovery document.
 */

#include <ctype.h>

#include "core/fetch/at_cache_control.h"
#include "core/fetch/at_discovery.h"
#include "core/base/at_url.h"
#include "fuzz.h"


/* a valid URL begins with its scheme and has printable characters only */
static void
fuzz_check_url(at_str_t url)
{
    size_t  i, from;

    if (strncmp(url.data, "https://", 8) == 0) {
        from = 8;

    } else {
        fuzz_assert(strncmp(url.data, "http://127.", 11) == 0
                    || strncmp(url.data, "http://[", 8) == 0);
        from = 7;
    }

    fuzz_assert(url.len > from);

    for (i = 0; i < url.len; i++) {
        fuzz_assert(isgraph((unsigned char) url.data[i]));
        fuzz_assert(url.data[i] != '#' && url.data[i] != '"');
    }

    for (i = from; i < url.len && strchr("/?", url.data[i]) == NULL; i++) {
        fuzz_assert(url.data[i] != '@');
    }
}


static void
fuzz_url(at_str_t text)
{
    at_error_t   err;
    char        *url = at_discovery_url(text, &err);

    if (at_url_is_valid(text)) {
        fuzz_check_url(text);
    } else {
        fuzz_assert(url == NULL);
    }

    if (url) {
        fuzz_assert(strstr(url, "/.well-known/openid-configuration") != NULL);
        fuzz_check_url((at_str_t) { url, strlen(url) });
        free(url);
    }

    if (at_url_is_origin(text)) {
        fuzz_assert(memchr(text.data, '@', text.len) == NULL);
    }
}


static void
fuzz_max_age(at_str_t control, at_str_t age)
{
    int64_t  plain, aged;

    plain = at_cache_control_max_age(control, (at_str_t) { NULL, 0 });
    aged = at_cache_control_max_age(control, age);

    fuzz_assert(plain >= -1 && plain <= INT32_MAX);
    fuzz_assert(aged <= plain && (aged == -1) == (plain == -1));
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char        *uri;
    at_str_t     issuer, control, age, document;
    at_error_t   err = { 0 };

    issuer = fuzz_line(&data, &size);
    control = fuzz_line(&data, &size);
    age = fuzz_line(&data, &size);
    document = fuzz_copy(data, size);

    fuzz_url(issuer);
    fuzz_max_age(control, age);

    uri = at_discovery_parse(document, issuer, &err);

    if (uri) {
        fuzz_assert(at_url_is_valid((at_str_t) { uri, strlen(uri) }));
        fuzz_check_url((at_str_t) { uri, strlen(uri) });
        free(uri);

    } else {
        fuzz_assert(err.text[0] != '\0' && strchr(err.text, '\n') == NULL);
    }

    return fuzz_end();
}
