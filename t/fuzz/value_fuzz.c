/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * What comes with a token is read as documents are: both readers take the same
 * texts, and find the same in them.
 */

#include "core/json/at_json.h"
#include "fuzz.h"


static const at_json_limits_t  header = { 8, 64, 8192 };
static const at_json_limits_t  payload = { 32, 256, 8192 };

/* used again and again, as a verifier does with those of headers */
static at_values_t  used;


static const at_value_t *fuzz_check_within(const at_value_t *value, at_str_t text);


static void
fuzz_check_view(at_str_t view, at_str_t text)
{
    fuzz_assert(view.data >= text.data && view.len <= text.len
                && view.data + view.len <= text.data + text.len);
}


/* each member is found by its name */
static const at_value_t *
fuzz_check_members(const at_value_t *object, at_str_t text)
{
    uint32_t           n;
    at_str_t           name;
    const at_value_t  *next;

    next = object + 1;

    for (n = object->n; n; n--) {
        fuzz_assert(at_value_string(next, &name) == 0);
        fuzz_check_view(name, text);
        fuzz_assert(at_value_next(next) == next + 1);
        fuzz_assert(at_value_member(object, name) == next + 1);

        next = fuzz_check_within(next + 1, text);
    }

    return next;
}


/* the place behind the value, as its span says and as what is within it says */
static const at_value_t *
fuzz_check_within(const at_value_t *value, at_str_t text)
{
    uint32_t           n;
    at_str_t           view;
    const at_value_t  *next;

    next = value + 1;

    switch (value->type) {

    case AT_VALUE_STRING:
        fuzz_assert(at_value_string(value, &view) == 0);
        fuzz_check_view(view, text);
        break;

    case AT_VALUE_ARRAY:
        for (n = value->n; n; n--) {
            next = fuzz_check_within(next, text);
        }

        break;

    case AT_VALUE_OBJECT:
        next = fuzz_check_members(value, text);
        break;

    default:
        fuzz_assert(value->type < AT_VALUE_STRING && value->n == 0);
    }

    fuzz_assert(next == at_value_next(value));

    return next;
}


/* the same, and in the same order; of -0.0 and 0.0 the text alone says which */
static void
fuzz_check_same(json_t *object, const at_value_t *value)
{
    char    *one, *two;
    json_t  *other;

    other = at_json_from_value(value);

    fuzz_assert(json_equal(object, other));

    one = json_dumps(object, JSON_COMPACT);
    two = json_dumps(other, JSON_COMPACT);

    fuzz_assert(one != NULL && two != NULL && strcmp(one, two) == 0);

    free(one);
    free(two);
    json_decref(other);
}


static void
fuzz_read(const uint8_t *data, size_t size, const at_json_limits_t *limits,
    at_values_t *values)
{
    int         rc;
    json_t     *object;
    at_str_t    text, copy;
    at_json_e   expected;

    text = fuzz_copy(data, size);
    copy = fuzz_copy(data, size);

    expected = at_json_parse(&object, text, limits);
    rc = at_values_parse(values, (char *) (uintptr_t) copy.data, copy.len, limits);

    fuzz_assert(expected != AT_JSON_NO_MEMORY && (rc == 0 || rc == -1));
    fuzz_assert((rc == 0) == (expected == AT_JSON_OK));

    if (rc == 0) {
        fuzz_assert(at_value_is(values->items, AT_VALUE_OBJECT));
        fuzz_assert(values->items->span <= values->size);
        (void) fuzz_check_within(values->items, copy);
        fuzz_check_same(object, values->items);
    }

    json_decref(object);
    fuzz_free(text);
    fuzz_free(copy);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    at_values_t  values;

    memset(&values, 0, sizeof(at_values_t));
    fuzz_read(data, size, &header, &values);
    at_values_free(&values);

    fuzz_read(data, size, &payload, &used);

    return 0;
}
