/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The JSON parser of requests: it accepts the same texts as jansson and finds
 * the same values in them, except that jansson has no numbers beyond its types
 * and no U+0000 in a name; nothing that it accepts exceeds its depth.
 */

#include "fuzz.h"


#define FUZZ_DEPTH  32

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
        view = (at_str_t) { value->text, value->n };
        fuzz_assert(fuzz_is_within(view, text));
        fuzz_assert((at_json_string(value, &view) != 0)
                    == at_json_has_nul(value));
        break;

    case AT_JSON_ARRAY:
        for (n = value->n; n; n--) {
            next = fuzz_check_content(next, text);
        }

        break;

    case AT_JSON_OBJECT:
        for (n = value->n; n; n--) {
            view = (at_str_t) { next->text, next->n };
            fuzz_assert(fuzz_is_within(view, text));
            fuzz_assert(at_json_next(next) == next + 1);
            fuzz_assert(at_json_member(value, view) == next + 1);

            next = fuzz_check_content(next + 1, text);
        }

        break;

    default:
        view = (at_str_t) { value->text, value->n };
        fuzz_assert(value->n != 0 && fuzz_is_within(view, text));
    }

    fuzz_assert(next == at_json_next(value));

    return next;
}


/* outside of strings a bracket is a level */
static void
fuzz_check_depth(at_str_t text, unsigned allowed)
{
    int       quoted = 0;
    size_t    i;
    unsigned  depth = 0, deepest = 0;

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
        }
    }

    fuzz_assert(depth == 0 && deepest <= allowed);
}


static int
fuzz_parse(const uint8_t *data, size_t size, unsigned depth, at_json_t *json)
{
    int       rc;
    at_str_t  copy = fuzz_copy(data, size);

    rc = at_json_parse(json, (char *) (uintptr_t) copy.data, copy.len, depth);

    fuzz_assert(rc == 0 || rc == AT_JSON_INVALID || rc == AT_JSON_TOO_COMPLEX);

    if (rc == 0) {
        fuzz_assert(at_json_is(json->items, AT_JSON_OBJECT));
        fuzz_assert(json->items->span <= json->size);
        (void) fuzz_check_content(json->items, copy);
    }

    return rc;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int                   rc;
    json_t               *expected;
    at_str_t              text = fuzz_copy(data, size);
    at_json_t             json = { NULL, 0 };
    json_error_t          err;
    enum json_error_code  code;

    expected = json_loadb(text.data, text.len,
                          JSON_REJECT_DUPLICATES|JSON_ALLOW_NUL, &err);
    code = expected != NULL ? json_error_unknown : json_error_code(&err);

    if (!json_is_object(expected)
        || memchr(text.data, '\0', text.len) != NULL)
    {
        json_decref(expected);
        expected = NULL;
    }

    rc = fuzz_parse(data, size, AT_JSON_DEPTH_MAX, &json);

    if (rc == AT_JSON_TOO_COMPLEX) {
        json_decref(expected);
        expected = NULL;

    } else if (expected != NULL) {
        fuzz_assert(rc == 0);
        fuzz_check_same(json.items, expected);

    } else if (rc == 0) {
        fuzz_assert(code == json_error_numeric_overflow
                    || code == json_error_null_byte_in_key);
    }

    at_json_free(&json);

    if (fuzz_parse(data, size, FUZZ_DEPTH, &reused) == 0) {
        fuzz_check_depth(text, FUZZ_DEPTH);
    }

    json_decref(expected);

    return fuzz_end();
}
