/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "core/json/at_document.h"


static json_t *
at_document_load(at_str_t text, size_t max, size_t flags)
{
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
at_document_parse_with_nul(at_str_t text, size_t max)
{
    return at_document_load(text, max, JSON_REJECT_DUPLICATES|JSON_ALLOW_NUL);
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


/* The limits that the value was parsed with bound the recursion. */
json_t *
at_document_from_json(const at_json_value_t *value)
{
    int                     rc;
    json_t                 *json;
    uint32_t                n;
    const at_json_value_t  *item;

    switch ((at_json_type_e) value->type) {

    case AT_JSON_NULL:
        return json_null();

    case AT_JSON_FALSE:
        return json_false();

    case AT_JSON_TRUE:
        return json_true();

    case AT_JSON_INTEGER:
        return json_integer(value->integer);

    case AT_JSON_REAL:
        return json_real(value->real);

    case AT_JSON_STRING:
        return json_stringn_nocheck(value->text, value->n);

    case AT_JSON_ARRAY:
        json = json_array();
        break;

    default:
        json = json_object();
    }

    item = value + 1;

    for (n = value->n; json != NULL && n; n--) {

        if (value->type == AT_JSON_ARRAY) {
            rc = json_array_append_new(json, at_document_from_json(item));
            item = at_json_next(item);

        } else {
            rc = json_object_setn_new_nocheck(json, item->text, item->n,
                                              at_document_from_json(item + 1));
            item = at_json_next(item + 1);
        }

        if (rc != 0) {
            json_decref(json);
            return NULL;
        }
    }

    return json;
}
