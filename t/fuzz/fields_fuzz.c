/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Bodies and Basic credentials: values are inside of the given buffer and have
 * no control characters; the result is the same for the same input.
 */

#include "core/json/at_fields.h"
#include "core/base/at_header.h"
#include "core/session/at_password.h"
#include "fuzz.h"


static const at_str_t  names[] = { at_str("username"), at_str("password") };


static int
is_within(at_str_t part, const char *buf, size_t len)
{
    return part.data == NULL
           || fuzz_is_within(part, (at_str_t) { buf, len });
}


static int
has_nul(at_str_t text)
{
    return text.len && memchr(text.data, '\0', text.len) != NULL;
}


static int
is_plain(at_str_t text)
{
    size_t  i;

    for (i = 0; i < text.len; i++) {
        if ((unsigned char) text.data[i] < ' ' || text.data[i] == 0x7f) {
            return 0;
        }
    }

    return 1;
}


static void
check_json(at_str_t text, char *buf)
{
    at_str_t  values[2];

    if (at_fields_from_json(values, names, 2, text, buf) != AT_FIELDS_OK) {
        return;
    }

    fuzz_assert(is_within(values[0], buf, text.len)
                && is_within(values[1], buf, text.len));
    fuzz_assert(!has_nul(values[0]) && !has_nul(values[1]));
    fuzz_assert(text.len >= values[0].len + values[1].len + 29
                || (values[0].len == 0 && values[1].len == 0));
}


static void
check_form(at_str_t text, char *buf)
{
    size_t    i;
    at_str_t  values[2];

    if (at_fields_from_form(values, names, 2, text, buf) != AT_FIELDS_OK) {
        return;
    }

    for (i = 0; i < 2; i++) {
        fuzz_assert(is_within(values[i], buf, text.len));
        fuzz_assert(is_plain(values[i]));
    }
}


static void
check_basic(at_str_t text, char *buf)
{
    at_str_t  credential, user, password;

    if (!at_header_credential(text, at_str("Basic"), &credential)) {
        credential = text;
    }

    if (at_header_basic_decode(credential, buf, &user, &password) != 0) {
        return;
    }

    fuzz_assert(is_within(user, buf, credential.len)
                && is_within(password, buf, credential.len));
    fuzz_assert(is_plain(user) && is_plain(password));
    fuzz_assert(user.len > 0 && memchr(user.data, ':', user.len) == NULL);
    fuzz_assert((user.len + 1 + password.len + 2) / 3 * 4 == credential.len);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char      *buf;
    at_str_t   text;

    /* exactly the documented size */
    buf = fuzz_alloc(size);
    text = (at_str_t) { (const char *) data, size };

    check_json(text, buf);
    check_form(text, buf);
    check_basic(text, buf);

    /* a hash that is valid has a prefix, and ends as all do */
    fuzz_assert(!at_password_hash_is_valid(text)
                || (text.len > 50 && text.data[0] == '$'));

    return fuzz_end();
}
