/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * A text that is decoded is the only encoding of its bytes; all bytes have
 * one.
 */

#include "fuzz.h"


/* returns whether text is valid */
static int
fuzz_decode(at_str_t *bytes, at_str_t text)
{
    unsigned char  *data = fuzz_alloc(at_base64url_decoded_size(text.len));

    bytes->data = (char *) data;

    return at_base64url_decode(data, &bytes->len, text) == 0;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    at_str_t  bytes, input = fuzz_copy(data, size);

    if (fuzz_decode(&bytes, input)) {
        fuzz_assert(at_str_equal(fuzz_encode(bytes.data, bytes.len), input));
    }

    fuzz_assert(fuzz_decode(&bytes, fuzz_encode(data, size)));
    fuzz_assert(at_str_equal(bytes, input));

    return fuzz_end();
}
