/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "at_json.h"


typedef struct {
    const at_json_limits_t  *limits;
    unsigned                 members;
} at_json_walk_t;


static int at_json_within(at_json_walk_t *walk, json_t *value, unsigned depth);


static int
at_json_object_within(at_json_walk_t *walk, json_t *object, unsigned depth)
{
    void  *iter;

    for (iter = json_object_iter(object);
         iter != NULL;
         iter = json_object_iter_next(object, iter))
    {
        if (++walk->members > walk->limits->members
            || strlen(json_object_iter_key(iter)) > walk->limits->string
            || !at_json_within(walk, json_object_iter_value(iter), depth + 1))
        {
            return 0;
        }
    }

    return 1;
}


static int
at_json_array_within(at_json_walk_t *walk, json_t *array, unsigned depth)
{
    size_t  i;

    for (i = 0; i < json_array_size(array); i++) {
        if (!at_json_within(walk, json_array_get(array, i), depth + 1)) {
            return 0;
        }
    }

    return 1;
}


/* jansson itself stops at 2048 levels, so that the recursion has an end */
static int
at_json_within(at_json_walk_t *walk, json_t *value, unsigned depth)
{
    switch (json_typeof(value)) {

    case JSON_OBJECT:
        return depth <= walk->limits->depth
               && at_json_object_within(walk, value, depth);

    case JSON_ARRAY:
        return depth <= walk->limits->depth
               && at_json_array_within(walk, value, depth);

    case JSON_STRING:
        return json_string_length(value) <= walk->limits->string;

    default:
        return 1;
    }
}


at_json_e
at_json_parse(json_t **object, at_str_t text, const at_json_limits_t *limits)
{
    json_t          *json;
    json_error_t     error;
    at_json_walk_t   walk = { limits, 0 };

    *object = NULL;

    /* jansson takes a NUL byte behind the document for its end */
    if (text.len == 0 || memchr(text.data, '\0', text.len) != NULL) {
        return AT_JSON_INVALID;
    }

    json = json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES, &error);

    if (json == NULL) {
        return json_error_code(&error) == json_error_out_of_memory
               ? AT_JSON_NO_MEMORY : AT_JSON_INVALID;
    }

    if (!json_is_object(json) || !at_json_within(&walk, json, 1)) {
        json_decref(json);
        return AT_JSON_INVALID;
    }

    *object = json;

    return AT_JSON_OK;
}


int
at_json_string(const json_t *object, const char *name, at_str_t *value)
{
    const json_t  *member;

    member = json_object_get(object, name);

    if (member == NULL) {
        return 0;
    }

    if (!json_is_string(member)) {
        return -1;
    }

    value->data = json_string_value(member);
    value->len = json_string_length(member);

    return 1;
}
