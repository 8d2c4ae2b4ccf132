/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "core/json/at_document.h"


at_str_t
at_document_trim(at_str_t text)
{
    (void) at_str_cut_prefix(&text, at_str("\xef\xbb\xbf"));

    while (text.len != 0 && memchr(" \t\r\n", text.data[0], 4) != NULL) {
        text.data++;
        text.len--;
    }

    return text;
}


static json_t *
at_document_load(at_str_t text, size_t max, size_t flags)
{
    text = at_document_trim(text);

    /* jansson reads a NUL byte after the document as its end */
    if (text.len == 0 || text.len > max
        || memchr(text.data, '\0', text.len) != NULL)
    {
        return NULL;
    }

    return json_loadb(text.data, text.len, flags, NULL);
}


json_t *
at_document_parse(at_str_t text, size_t max)
{
    return at_document_load(text, max, JSON_REJECT_DUPLICATES);
}


json_t *
at_document_parse_lenient(at_str_t text, size_t max)
{
    return at_document_load(text, max, JSON_REJECT_DUPLICATES|JSON_ALLOW_NUL
                                       |JSON_DECODE_INT_AS_REAL);
}


int
at_document_string(const json_t *object, const char *name, at_str_t *value)
{
    const json_t  *member;

    member = json_object_get(object, name);

    if (member == NULL) {
        return 0;
    }

    if (!json_is_string(member)) {
        return -1;
    }

    *value = (at_str_t) { json_string_value(member),
                          json_string_length(member) };

    return 1;
}
