/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The JSON parser of requests: it accepts the same texts as jansson and finds
 * the same values in them; nothing that it accepts exceeds its limits.
 */

#include "fuzz.h"


static const at_json_limits_t  header = { 8, 64, 8192 };
static const at_json_limits_t  payload = { 32, 256, 8192 };
static const at_json_limits_t  unlimited = {
    UINT32_MAX, UINT32_MAX, SIZE_MAX
};

/* reused for all inputs, as a verifier does it for headers */
static at_json_t  reused;


/* returns the value after this one: its span and its content must agree */
static const at_json_value_t *
fuzz_check_content(const at_json_value_t *value, at_str_t text)
{
    uint32_t                n;
    at_str_t                view;
    const at_json_value_t  *next = value + 1;

    switch (value->type) {

    case AT_JSON_STRING:
        fuzz_assert(at_json_string(value, &view) == 0);
        fuzz_assert(fuzz_is_within(view, text));
        break;

    case AT_JSON_ARRAY:
        for (n = value->n; n; n--) {
            next = fuzz_check_content(next, text);
        }

        break;

    case AT_JSON_OBJECT:
        for (n = value->n; n; n--) {
            fuzz_assert(at_json_string(next, &view) == 0);
            fuzz_assert(fuzz_is_within(view, text));
            fuzz_assert(at_json_next(next) == next + 1);
            fuzz_assert(at_json_member(value, view) == next + 1);

            next = fuzz_check_content(next + 1, text);
        }

        break;

    default:
        fuzz_assert(value->type < AT_JSON_STRING && value->n == 0);
    }

    fuzz_assert(next == at_json_next(value));

    return next;
}


/* outside of strings a bracket is a level, and a colon is a member */
static void
fuzz_check_limits(at_str_t text, const at_json_limits_t *limits)
{
    int       quoted = 0;
    size_t    i;
    unsigned  depth = 0, deepest = 0, colons = 0;

    for (i = 0; i < text.len; i++) {
        if (quoted) {
            if (text.data[i] == '\\') {
                i++;

            } else if (text.data[i] == '"') {
                quoted = 0;
            }

            continue;
        }

        switch (text.data[i]) {

        case '"':
            quoted = 1;
            break;

        case '{':
        case '[':
            depth++;
            deepest = depth > deepest ? depth : deepest;
            break;

        case '}':
        case ']':
            depth--;
            break;

        case ':':
            colons++;
        }
    }

    fuzz_assert(depth == 0 && deepest <= limits->depth);
    fuzz_assert(colons <= limits->members);
}


static int
fuzz_parse(const uint8_t *data, size_t size, const at_json_limits_t *limits,
    at_json_t *json, const json_t *expected)
{
    int       rc;
    at_str_t  copy = fuzz_copy(data, size);

    rc = at_json_parse(json, (char *) (uintptr_t) copy.data, copy.len, limits);

    fuzz_assert(rc == 0 || rc == -1);

    if (rc == 0) {
        fuzz_assert(expected != NULL);
        fuzz_assert(at_json_is(json->items, AT_JSON_OBJECT));
        fuzz_assert(json->items->span <= json->size);
        (void) fuzz_check_content(json->items, copy);
    }

    return rc;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    at_json_t   json = { NULL, 0 };
    at_str_t    text = fuzz_copy(data, size);
    json_t     *expected = at_document_parse(text, SIZE_MAX);

    if (!json_is_object(expected)) {
        json_decref(expected);
        expected = NULL;
    }

    fuzz_assert((fuzz_parse(data, size, &unlimited, &json, expected) == 0)
                == (expected != NULL));

    if (expected != NULL) {
        fuzz_check_same(json.items, expected);
    }

    at_json_free(&json);

    if (fuzz_parse(data, size, &header, &json, expected) == 0) {
        fuzz_check_limits(text, &header);
    }

    at_json_free(&json);

    if (fuzz_parse(data, size, &payload, &reused, expected) == 0) {
        fuzz_check_limits(text, &payload);
    }

    json_decref(expected);

    return fuzz_end();
}
