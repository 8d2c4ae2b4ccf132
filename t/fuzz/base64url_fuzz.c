/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * A text that is decoded is the only encoding of its bytes; all bytes have
 * one.
 */

#include "core/base/at_base64url.h"
#include "fuzz.h"


static void
fuzz_encode(const uint8_t *data, size_t size)
{
    size_t          len;
    at_str_t        text;
    unsigned char  *bytes;

    text.len = at_base64url_encoded_len(size);
    text.data = fuzz_alloc(text.len);
    at_base64url_encode((char *) (uintptr_t) text.data, data, size);

    bytes = fuzz_alloc(at_base64url_decoded_size(text.len));

    fuzz_assert(at_base64url_decode(bytes, &len, text) == 0);
    fuzz_assert(len == size && (size == 0 || memcmp(bytes, data, size) == 0));

    free(bytes);
    fuzz_free(text);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char           *again;
    size_t          len;
    at_str_t        text = fuzz_copy(data, size);
    unsigned char  *bytes = fuzz_alloc(at_base64url_decoded_size(size));

    if (at_base64url_decode(bytes, &len, text) == 0) {
        fuzz_assert(at_base64url_encoded_len(len) == size);

        again = fuzz_alloc(size);
        at_base64url_encode(again, bytes, len);
        fuzz_assert(size == 0 || memcmp(again, data, size) == 0);
        free(again);
    }

    free(bytes);
    fuzz_free(text);

    fuzz_encode(data, size);

    return 0;
}
