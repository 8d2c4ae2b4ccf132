/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Published test data that is too large to be kept here.  It lies beside the
 * project; where it does not, the tests that need it say so and are skipped.
 */

#ifndef OUTSIDE_H
#define OUTSIDE_H

#include <jansson.h>

#include "core/base/at_file.h"
#include "tap.h"


#define OUTSIDE      "../shared/data/"
#define OUTSIDE_MAX  (4 * 1024 * 1024)


/* Returns whether path is there; if not, it was said. */
TAP_UNUSED static int
outside_has(const char *path)
{
    at_file_stamp_t  stamp;

    if (at_file_stamp_read(&stamp, path) == 0) {
        return 1;
    }

    skip("%s is not here", path);

    return 0;
}


/* The content of a file, to be freed with at_file_free(); ends the test run if it cannot. */
TAP_UNUSED static at_file_t
outside_read(const char *path)
{
    at_file_t   file;
    at_error_t  err;

    if (at_file_read(&file, path, OUTSIDE_MAX, &err) != 0) {
        printf("Bail out! %s\n", err.text);
        exit(1);
    }

    return file;
}


/* the same as JSON, to be freed with json_decref() */
TAP_UNUSED static json_t *
outside_json(const char *path)
{
    json_t     *json;
    at_file_t   file;

    file = outside_read(path);
    json = json_loadb(file.data, file.len, JSON_ALLOW_NUL, NULL);
    at_file_free(&file);

    if (json == NULL) {
        printf("Bail out! %s is no JSON\n", path);
        exit(1);
    }

    return json;
}


#endif
