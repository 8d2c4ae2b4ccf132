/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Functions for fuzz targets: copies of exactly the size of a part of the
 * input, so that a sanitizer finds an overrun; comparisons; keys of the RFCs.
 */

#ifndef FUZZ_H
#define FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/at_base64url.h"
#include "core/base/at_str.h"
#include "core/json/at_claim.h"
#include "core/json/at_document.h"


#define FUZZ_UNUSED  __attribute__((unused))

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


#define fuzz_assert(condition)                                                \
    do {                                                                      \
        if (!(condition)) {                                                   \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);   \
            abort();                                                          \
        }                                                                     \
    } while (0)


static void   **fuzz_memory;
static size_t   fuzz_n_memory;


/* freed by fuzz_end() */
FUZZ_UNUSED static void *
fuzz_alloc(size_t size)
{
    void  *data = malloc(size ? size : 1);

    if (fuzz_n_memory % 64 == 0) {
        fuzz_memory = realloc(fuzz_memory,
                              (fuzz_n_memory + 64) * sizeof(void *));
    }

    fuzz_assert(data != NULL && fuzz_memory != NULL);

    fuzz_memory[fuzz_n_memory++] = data;

    return data;
}


/* frees the memory of an input; returns 0 */
FUZZ_UNUSED static int
fuzz_end(void)
{
    while (fuzz_n_memory) {
        free(fuzz_memory[--fuzz_n_memory]);
    }

    return 0;
}


/* a copy of exactly its size */
FUZZ_UNUSED static at_str_t
fuzz_copy(const void *data, size_t len)
{
    char  *copy = fuzz_alloc(len);

    if (len) {
        memcpy(copy, data, len);
    }

    return (at_str_t) { copy, len };
}


/* removes the first line, or all of the input if it has no line end */
FUZZ_UNUSED static at_str_t
fuzz_line(const uint8_t **data, size_t *size)
{
    size_t          len;
    at_str_t        line;
    const uint8_t  *end = *size ? memchr(*data, '\n', *size) : NULL;

    len = end ? (size_t) (end - *data) : *size;
    line = fuzz_copy(*data, len);

    *data += len + (end != NULL);
    *size -= len + (end != NULL);

    return line;
}


/* in base64url */
FUZZ_UNUSED static at_str_t
fuzz_encode(const void *data, size_t size)
{
    size_t   len = at_base64url_encoded_len(size);
    char    *text = fuzz_alloc(len);

    at_base64url_encode(text, data, size);

    return (at_str_t) { text, len };
}


/* {"v":DATA}, as claims are an object */
FUZZ_UNUSED static at_str_t
fuzz_wrap(const uint8_t *data, size_t size)
{
    char  *text = fuzz_alloc(size + 6);

    memcpy(text, "{\"v\":", 5);

    if (size) {
        memcpy(text + 5, data, size);
    }

    text[size + 5] = '}';

    return (at_str_t) { text, size + 6 };
}


/* whether part is a view of whole */
FUZZ_UNUSED static int
fuzz_is_within(at_str_t part, at_str_t whole)
{
    return part.data >= whole.data && part.len <= whole.len
           && part.data + part.len <= whole.data + whole.len;
}


FUZZ_UNUSED static int
fuzz_is_text(at_str_t view, const char *text)
{
    return at_str_equal(view, (at_str_t) { text, text ? strlen(text) : 0 });
}


/* parsed with jansson, or NULL */
FUZZ_UNUSED static json_t *
fuzz_json(at_str_t text)
{
    return json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES
                                           |JSON_ALLOW_NUL|JSON_DECODE_ANY,
                      NULL);
}


/* the same members in the same order; only the text tells 0.0 from -0.0 */
FUZZ_UNUSED static void
fuzz_check_same(const at_json_value_t *value, const json_t *expected)
{
    char    *text, *one, *two;
    size_t   len;
    json_t  *json;

    fuzz_assert((value != NULL) == (expected != NULL));

    if (value) {
        len = at_claim_to_json(value, NULL, 0);
        text = fuzz_alloc(len);
        (void) at_claim_to_json(value, text, len);

        json = fuzz_json((at_str_t) { text, len });
        fuzz_assert(json_equal(json, expected));

        one = json_dumps(expected, JSON_COMPACT | JSON_ENCODE_ANY);
        two = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);
        fuzz_assert(one != NULL && two != NULL && strcmp(one, two) == 0);

        free(one);
        free(two);
        json_decref(json);
    }
}


/* a function for warnings that ignores them */
FUZZ_UNUSED static void
fuzz_warn(void *data, const char *text)
{
    (void) data;
    (void) text;
}


/* RFC 7515 A.2 and A.3, RFC 8037 A.1 */
#define FUZZ_JWKS                                                             \
    "{\"keys\":[{\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\""                     \
    "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw"    \
    "-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690"   \
    "r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UT"  \
    "o7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXF"  \
    "vUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ\"},"   \
    "{\"kty\":\"EC\",\"crv\":\"P-256\","                                      \
    "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","                  \
    "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"},"                 \
    "{\"kty\":\"OKP\",\"crv\":\"Ed25519\","                                   \
    "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}"

#define FUZZ_ISSUER  "joe"
#define FUZZ_NOW     1300819379     /* the RFC tokens expire a second later */


#endif
