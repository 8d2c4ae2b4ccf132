/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The scanner of imports: it hands out the same however the input is cut; the
 * whole input is an object, or an array alone, for a parser exactly when all
 * parts are, and then the parts are those that the parser sees.
 */

#include <jansson.h>

#include "cli/record/cli_scan.c"
#include "fuzz.h"


typedef struct {
    size_t    n;
    size_t    len;
    uint32_t  hash;             /* of all that was handed out */
    int       bad;              /* a part that is no JSON */
    json_t   *arrays;           /* what it makes of them */
    json_t   *array;
} fuzz_parts_t;


static void
fuzz_hash(fuzz_parts_t *parts, at_str_t text)
{
    size_t  i;

    for (i = 0; i < text.len; i++) {
        parts->hash = (parts->hash ^ (unsigned char) text.data[i]) * 16777619u;
    }

    parts->hash = (parts->hash ^ 0x100) * 16777619u;
    parts->n++;
    parts->len += text.len;
}


static json_t *
fuzz_load(at_str_t text)
{
    return memchr(text.data, 0, text.len) ? NULL
           : json_loadb(text.data, text.len,
                        JSON_DECODE_ANY|JSON_REJECT_DUPLICATES, NULL);
}


static int
fuzz_take(fuzz_parts_t *parts, at_str_t name, at_str_t text, json_t *value)
{
    json_t  *key;
    char     quoted[CLI_SCAN_NAME + 2];

    fuzz_hash(parts, name);
    fuzz_hash(parts, text);

    quoted[0] = '"';
    memcpy(quoted + 1, name.data, name.len);
    quoted[name.len + 1] = '"';
    key = fuzz_load((at_str_t) { quoted, name.len + 2 });

    if (key == NULL || value == NULL
        || json_object_get(parts->arrays, json_string_value(key)) != NULL)
    {
        parts->bad = 1;
        json_decref(value);

    } else {
        json_object_set_new(parts->arrays, json_string_value(key), value);
    }

    json_decref(key);

    return 0;
}


static int
fuzz_value(void *data, at_str_t name, at_str_t text)
{
    fuzz_assert(text.len > 0 && text.len <= CLI_SCAN_SCALAR);

    return fuzz_take(data, name, text, fuzz_load(text));
}


static int
fuzz_array(void *data, at_str_t name, at_str_t text)
{
    fuzz_parts_t  *parts = data;

    fuzz_assert(text.len == 0);
    parts->array = json_array();

    return fuzz_take(parts, name, text, parts->array);
}


static int
fuzz_element(void *data, at_str_t name, at_str_t text)
{
    json_t        *value;
    fuzz_parts_t  *parts = data;

    fuzz_assert(text.len >= 2 && text.data[0] == '{');
    fuzz_hash(parts, name);
    fuzz_hash(parts, text);
    value = fuzz_load(text);

    if (value == NULL) {
        parts->bad = 1;

    } else if (parts->bad) {
        json_decref(value);

    } else {
        json_array_append_new(parts->array, value);
    }

    return 0;
}


static cli_scan_e
fuzz_scan(at_str_t input, size_t step, int bare, fuzz_parts_t *parts)
{
    size_t      i, n;
    at_str_t    piece;
    cli_scan_e  rc;
    cli_scan_t  scan;

    const cli_scan_handlers_t  handlers = {
        fuzz_value, fuzz_array, fuzz_element, parts
    };

    memset(parts, 0, sizeof(fuzz_parts_t));
    parts->arrays = json_object();
    memset(&scan, 0, sizeof(scan));
    scan.handlers = &handlers;
    scan.bare = bare;
    rc = CLI_SCAN_OK;

    for (i = 0; rc == CLI_SCAN_OK && i < input.len; i += n) {
        n = input.len - i < step ? input.len - i : step;
        piece = fuzz_copy(input.data + i, n);
        rc = cli_scan_feed(&scan, piece.data, piece.len);
        fuzz_free(piece);
    }

    if (rc == CLI_SCAN_OK) {
        rc = cli_scan_end(&scan);
    }

    cli_scan_free(&scan);

    return rc;
}


static void
fuzz_try(at_str_t input, int bare)
{
    json_t        *whole;
    cli_scan_e     first, second;
    fuzz_parts_t   all, cut;

    first = fuzz_scan(input, input.len + 1, bare, &all);
    second = fuzz_scan(input, 1 + input.len % 7, bare, &cut);

    fuzz_assert(first == second && all.hash == cut.hash && all.n == cut.n
                && all.len == cut.len);
    fuzz_assert(first == CLI_SCAN_OK || first == CLI_SCAN_INVALID
                || first == CLI_SCAN_TOO_LONG);

    if (first == CLI_SCAN_OK && !all.bad) {
        whole = fuzz_load(input);
        fuzz_assert(whole != NULL
                    && json_equal(whole, bare ? all.array : all.arrays));
        json_decref(whole);
    }

    json_decref(all.arrays);
    json_decref(cut.arrays);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    at_str_t  input;

    input = fuzz_copy(data, size);
    fuzz_try(input, 0);
    fuzz_try(input, 1);
    fuzz_free(input);

    return 0;
}
