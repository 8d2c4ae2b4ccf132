/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "core/base/at_str.h"


at_str_t
at_str_cut(at_str_t *text, char c)
{
    at_str_t     head;
    const char  *end;

    head = *text;
    end = text->len ? memchr(text->data, c, text->len) : NULL;

    if (end == NULL) {
        *text = (at_str_t) { NULL, 0 };
        return head;
    }

    head.len = (size_t) (end - text->data);
    text->data += head.len + 1;
    text->len -= head.len + 1;

    return head;
}


at_str_t
at_str_trim(at_str_t text)
{
    while (text.len && (*text.data == ' ' || *text.data == '\t')) {
        text.data++;
        text.len--;
    }

    while (text.len && (text.data[text.len - 1] == ' '
                        || text.data[text.len - 1] == '\t'))
    {
        text.len--;
    }

    return text;
}


int
at_str_has_only(at_str_t text, at_str_t chars)
{
    size_t  i;

    for (i = 0; i < text.len; i++) {
        if (memchr(chars.data, text.data[i], chars.len) == NULL) {
            return 0;
        }
    }

    return 1;
}


int
at_str_is_printable(at_str_t text)
{
    size_t  i;

    for (i = 0; i < text.len; i++) {
        if ((unsigned char) text.data[i] < ' ' || text.data[i] == 0x7f) {
            return 0;
        }
    }

    return 1;
}


int
at_str_is_visible(at_str_t text, const char *excluded)
{
    size_t         i;
    unsigned char  c;

    for (i = 0; i < text.len; i++) {
        c = (unsigned char) text.data[i];

        if (c <= ' ' || c >= 0x7f || strchr(excluded, c) != NULL) {
            return 0;
        }
    }

    return 1;
}
