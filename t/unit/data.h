/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Files of test data: t/data/README.md lists them with origin and licence.
 */

#ifndef DATA_H
#define DATA_H

#include <jansson.h>

#include "core/base/at_file.h"
#include "tap.h"


#define DATA_MAX  (4 * 1024 * 1024)


/* The content of a file, to be freed with at_file_free(). */
TAP_UNUSED static at_file_t
data_read(const char *path)
{
    at_file_t   file;
    at_error_t  err;

    must(at_file_read(&file, path, DATA_MAX, &err) == 0, err.text);

    return file;
}


/* the same as JSON, to be freed with json_decref() */
TAP_UNUSED static json_t *
data_json(const char *path)
{
    at_file_t   file = data_read(path);
    json_t     *json = json_loadb(file.data, file.len, JSON_ALLOW_NUL, NULL);

    at_file_free(&file);

    must(json != NULL, path);

    return json;
}


#endif
