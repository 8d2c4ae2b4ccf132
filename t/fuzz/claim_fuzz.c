/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Input: a path in the first line, claims in the rest.  A valid path is the
 * only notation of its names and finds the same members as jansson; the text
 * of a claim has the returned length.
 */

#include "core/json/at_claim.h"
#include "fuzz.h"


/* names with their dots and backslashes escaped, and dots between them */
static void
fuzz_check_path(const at_claim_path_t *path, at_str_t text)
{
    char    *again;
    size_t   i, j, len;

    fuzz_assert(path->n > 0 && path->n <= AT_CLAIM_PATH_NAMES);

    again = fuzz_alloc(2 * text.len + AT_CLAIM_PATH_NAMES);
    len = 0;

    for (i = 0; i < path->n; i++) {
        fuzz_assert(path->names[i].len > 0);

        if (i) {
            again[len++] = '.';
        }

        for (j = 0; j < path->names[i].len; j++) {
            if (strchr(".\\", path->names[i].data[j])
                && path->names[i].data[j])
            {
                again[len++] = '\\';
            }

            again[len++] = path->names[i].data[j];
        }
    }

    fuzz_assert(at_str_equal((at_str_t) { again, len }, text));
}


static void
fuzz_check_text(const at_json_value_t *claim)
{
    size_t  len = at_claim_to_text(claim, NULL, 0);

    fuzz_assert(at_claim_to_text(claim, fuzz_alloc(len), len) == len);
    fuzz_assert(at_claim_to_text(claim, fuzz_alloc(len / 2), len / 2) == len);
}


static void
fuzz_claims(const at_json_value_t *claims, const json_t *plain,
    const at_claim_path_t *path)
{
    size_t                  i;
    const at_json_value_t  *claim = at_claim_find(claims, path);

    fuzz_check_same(claims, plain);
    fuzz_check_text(claims);

    for (i = 0; i < path->n && plain; i++) {
        plain = json_object_getn(plain, path->names[i].data,
                                 path->names[i].len);
    }

    fuzz_check_same(claim, plain);

    if (claim) {
        fuzz_check_text(claim);
    }

    claim = at_claim_find_nocase(claims, path->names[0]);

    if (claim) {
        fuzz_check_text(claim);
    }
}


/* the input may be any value: it is wrapped in an object */
static void
fuzz_read(const uint8_t *data, size_t size, const at_claim_path_t *path)
{
    json_t       *plain;
    at_claims_t  *claims;
    at_str_t      text = fuzz_wrap(data, size);

    if (at_claims_parse(&claims, text) == 0) {
        plain = fuzz_json(text);

        /* NULL: numbers beyond the types of jansson, or U+0000 in a name */
        if (plain != NULL) {
            fuzz_claims(at_json_member(at_claims_object(claims), at_str("v")),
                        json_object_get(plain, "v"), path);
        }

        json_decref(plain);
    }

    at_claims_free(claims);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    at_str_t         line = fuzz_line(&data, &size);
    at_str_t         copy = fuzz_copy(line.data, line.len);
    at_claim_path_t  path;

    if (at_claim_path_parse(&path, (char *) (uintptr_t) copy.data, copy.len)
        == 0)
    {
        fuzz_check_path(&path, line);
        fuzz_read(data, size, &path);
    }

    return fuzz_end();
}
