/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * What is taken is an object within its limits, and the same when it is
 * written down and read again.
 */

#include "core/json/at_json.h"
#include "fuzz.h"


static const at_json_limits_t  header = { 8, 64, 8192 };
static const at_json_limits_t  payload = { 32, 256, 8192 };


/* outside of strings a bracket is a level, and a colon is a member */
static void
fuzz_check_limits(at_str_t text, const at_json_limits_t *limits)
{
    int       quoted;
    size_t    i;
    unsigned  depth, deepest, colons;

    quoted = 0;
    depth = 0;
    deepest = 0;
    colons = 0;

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


static void
fuzz_parse(const uint8_t *data, size_t size, const at_json_limits_t *limits)
{
    char       *dump;
    json_t     *object, *again;
    at_str_t    text, twice;
    at_json_e   rc;

    text = fuzz_copy(data, size);
    rc = at_json_parse(&object, text, limits);

    fuzz_assert((rc == AT_JSON_OK) == (object != NULL));

    if (object) {
        fuzz_assert(json_is_object(object));
        fuzz_assert(memchr(data, 0, size) == NULL);
        fuzz_check_limits(text, limits);

        dump = json_dumps(object, JSON_COMPACT);
        fuzz_assert(dump != NULL);

        twice = (at_str_t) { dump, strlen(dump) };
        fuzz_assert(at_json_parse(&again, twice, limits) == AT_JSON_OK);
        fuzz_assert(json_equal(object, again));

        json_decref(again);
        free(dump);
    }

    json_decref(object);
    fuzz_free(text);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_parse(data, size, &header);
    fuzz_parse(data, size, &payload);

    return 0;
}
