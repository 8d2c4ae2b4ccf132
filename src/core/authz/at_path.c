/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "core/authz/at_path.h"
#include "core/base/at_hex.h"
#include "core/base/at_utf8.h"


/* cuts off a character; -1 if it is not plain */
static int
at_path_next_char(at_str_t *path, int encoded)
{
    int  c, high, low;

    c = (unsigned char) path->data[0];
    path->data++;
    path->len--;

    if (c == '%' && encoded) {

        if (path->len < 2) {
            return -1;
        }

        high = at_hex_digit(path->data[0]);
        low = at_hex_digit(path->data[1]);
        path->data += 2;
        path->len -= 2;

        if (high == -1 || low == -1) {
            return -1;
        }

        c = high << 4 | low;

        /* a slash or unreserved, RFC 3986 section 2.3 */

        if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z')
            || (c >= 'a' && c <= 'z') || (c && strchr("/-._~", c)))
        {
            return -1;
        }
    }

    return c < ' ' || c == 0x7f || strchr(";\\%?#", c) != NULL ? -1 : c;
}


static int
at_path_check(at_str_t path, int encoded)
{
    int        c, previous;
    at_utf8_t  utf8 = { 0 };

    if (path.len == 0 || path.data[0] != '/') {
        return -1;
    }

    previous = 0;

    while (path.len) {
        c = at_path_next_char(&path, encoded);

        if (c == -1 || at_utf8_decode(&utf8, (unsigned char) c) != 0) {
            return -1;
        }

        /* C1 control characters */

        if (!utf8.pending && utf8.code >= 0x80 && utf8.code < 0xa0) {
            return -1;
        }

        if ((c == '/'
             && (previous == '/' || previous == '.' || previous == ' '))
            || (c == ' ' && previous == '/'))
        {
            return -1;
        }

        previous = c;
    }

    return utf8.pending || previous == '.' || previous == ' ' ? -1 : 0;
}


int
at_path_is_plain(at_str_t path)
{
    return at_path_check(path, 0) == 0;
}


int
at_path_is_ambiguous(at_str_t raw, at_str_t normalized)
{
    return at_path_check(normalized, 0) != 0
           || (!at_str_equal(raw, normalized) && at_path_check(raw, 1) != 0);
}


at_str_t
at_path_next_segment(at_str_t *path)
{
    at_str_t     segment;
    const char  *slash;

    segment = (at_str_t) { path->data + 1, path->len - 1 };
    slash = memchr(segment.data, '/', segment.len);

    if (slash != NULL) {
        segment.len = (size_t) (slash - segment.data);
    }

    path->data += 1 + segment.len;
    path->len -= 1 + segment.len;

    return segment;
}


at_str_t
at_path_last_segment(at_str_t path)
{
    at_str_t  last;

    last = (at_str_t) { path.data + path.len, 0 };

    while (last.len < path.len && last.data[-1] != '/') {
        last.data--;
        last.len++;
    }

    return last;
}
