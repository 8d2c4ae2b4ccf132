/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Lines of a text and of a file, compared with a search for line ends.  The
 * first byte of the input is the size of the buffer.
 */

#define _GNU_SOURCE             /* memfd_create() */

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/base/at_line.h"
#include "fuzz.h"


/* the next line with its "\n" */
static at_str_t
fuzz_next(at_str_t *rest)
{
    at_str_t     line = *rest;
    const char  *end = rest->len ? memchr(rest->data, '\n', rest->len) : NULL;

    if (end != NULL) {
        line.len = (size_t) (end - line.data) + 1;
    }

    rest->data += line.len;
    rest->len -= line.len;

    return line;
}


static void
fuzz_text(at_str_t text)
{
    at_str_t  line, expected, rest = text;

    while (rest.len) {
        expected = fuzz_next(&rest);
        line = at_line_next(&text);

        if (expected.len && expected.data[expected.len - 1] == '\n') {
            expected.len--;

            if (expected.len && expected.data[expected.len - 1] == '\r') {
                expected.len--;
            }

            fuzz_assert(at_str_equal(line, expected));
            fuzz_assert(text.data == rest.data && text.len == rest.len);

        } else {
            fuzz_assert(fuzz_is_within(line, expected) && text.len == 0);
        }
    }
}


static void
fuzz_file(at_str_t text, size_t size)
{
    int         rc;
    at_str_t    line, expected;
    at_lines_t  lines;

    static int  file = -1;

    if (file == -1) {
        file = memfd_create("lines", MFD_CLOEXEC);
    }

    fuzz_assert(pwrite(file, text.data, text.len, 0) == (ssize_t) text.len
                && ftruncate(file, (off_t) text.len) == 0
                && lseek(file, 0, SEEK_SET) == 0
                && at_lines_init(&lines, file, size) == 0);

    do {
        rc = at_lines_next(&lines, &line);

        if (rc == 0) {
            fuzz_assert(text.len == 0);
            break;
        }

        expected = fuzz_next(&text);

        if (rc == -1) {
            fuzz_assert(errno == EMSGSIZE && expected.len >= size);
            break;
        }

        if (expected.data[expected.len - 1] == '\n') {
            expected.len--;
        }

        fuzz_assert(at_str_equal(line, expected));

    } while (rc == 1);

    at_lines_free(&lines);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    at_str_t  text;

    if (size) {
        text = fuzz_copy(data + 1, size - 1);
        fuzz_text(text);
        fuzz_file(text, (size_t) data[0] + 1);
    }

    return fuzz_end();
}
