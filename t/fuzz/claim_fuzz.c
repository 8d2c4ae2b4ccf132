/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * A path in the first line, claims in the rest: a path that is taken is the
 * only spelling of its names, and a claim's text is as long as it says.
 */

#include <jansson.h>

#include "at_claim.h"
#include "fuzz.h"


/* names with their dots and backslashes escaped, and dots between them */
static void
fuzz_check_path(const at_path_t *path, at_str_t text)
{
    char    *again;
    size_t   i, j, len;

    fuzz_assert(path->n > 0 && path->n <= AT_PATH_NAMES);

    again = fuzz_alloc(2 * text.len + AT_PATH_NAMES);
    len = 0;

    for (i = 0; i < path->n; i++) {
        fuzz_assert(path->names[i].len > 0);

        if (i) {
            again[len++] = '.';
        }

        for (j = 0; j < path->names[i].len; j++) {
            if (strchr(".\\", path->names[i].data[j]) && path->names[i].data[j]) {
                again[len++] = '\\';
            }

            again[len++] = path->names[i].data[j];
        }
    }

    fuzz_assert(len == text.len && memcmp(again, text.data, len) == 0);
    free(again);
}


static void
fuzz_check_text(const json_t *claim)
{
    char     *buf, *half;
    ssize_t   len;

    len = at_claim_text(claim, NULL, 0);
    fuzz_assert(len >= 0);

    buf = fuzz_alloc((size_t) len);
    fuzz_assert(at_claim_text(claim, buf, (size_t) len) == len);
    free(buf);

    half = fuzz_alloc((size_t) len / 2);
    fuzz_assert(at_claim_text(claim, half, (size_t) len / 2) == len);
    free(half);
}


static void
fuzz_claims(const json_t *claims, const at_path_t *path)
{
    size_t         i;
    const json_t  *claim, *plain;

    claim = at_claim_find(claims, path);
    plain = claims;

    for (i = 0; i < path->n && plain; i++) {
        plain = json_object_getn(plain, path->names[i].data, path->names[i].len);
    }

    fuzz_assert(claim == plain);

    if (claim) {
        fuzz_check_text(claim);
    }

    claim = at_claim_find_nocase(claims, path->names[0]);

    if (claim) {
        fuzz_check_text(claim);
    }

    fuzz_check_text(claims);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t     *claims;
    at_str_t    line, copy;
    at_path_t   path;

    line = fuzz_line(&data, &size);
    copy = fuzz_copy(line.data, line.len);

    if (at_path_parse(&path, (char *) (uintptr_t) copy.data, copy.len) == 0) {
        fuzz_check_path(&path, line);

        claims = json_loadb((const char *) data, size, JSON_DECODE_ANY, NULL);

        if (claims) {
            fuzz_claims(claims, &path);
            json_decref(claims);
        }
    }

    fuzz_free(line);
    fuzz_free(copy);

    return 0;
}
