/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <jansson.h>

#include "at_claim.h"


static int at_path_add(at_path_t *path, const char *data, size_t len);
static const json_t *at_claim_member(const json_t *object, at_str_t name);
static const json_t *at_claim_only_nocase(const json_t *object, at_str_t name);
static size_t at_claim_precision(double value);


int
at_path_parse(at_path_t *path, char *text, size_t len)
{
    char  *p, *out, *name, *end;

    path->n = 0;

    out = text;
    name = text;
    end = text + len;

    for (p = text; p < end; p++) {

        if (*p == '.') {
            if (at_path_add(path, name, (size_t) (out - name)) != 0) {
                return -1;
            }

            name = out;
            continue;
        }

        if (*p == '\\') {
            p++;

            if (p == end || (*p != '.' && *p != '\\')) {
                return -1;
            }
        }

        *out++ = *p;
    }

    return at_path_add(path, name, (size_t) (out - name));
}


static int
at_path_add(at_path_t *path, const char *data, size_t len)
{
    if (len == 0 || path->n == AT_PATH_NAMES) {
        return -1;
    }

    path->names[path->n].data = data;
    path->names[path->n].len = len;
    path->n++;

    return 0;
}


const json_t *
at_claim_find(const json_t *claims, const at_path_t *path)
{
    size_t         i;
    const json_t  *claim;

    /* a path without names leads nowhere, and not to all the claims */
    claim = path->n ? claims : NULL;

    for (i = 0; claim && i < path->n; i++) {
        claim = at_claim_member(claim, path->names[i]);
    }

    return claim;
}


const json_t *
at_claim_find_nocase(const json_t *claims, at_str_t name)
{
    const json_t  *claim;

    claim = at_claim_member(claims, name);

    return claim ? claim : at_claim_only_nocase(claims, name);
}


/* NULL also for what is not an object */
static const json_t *
at_claim_member(const json_t *object, at_str_t name)
{
    return json_object_getn(object, name.data, name.len);
}


static const json_t *
at_claim_only_nocase(const json_t *object, at_str_t name)
{
    void          *iter;
    json_t        *claims;
    at_str_t       key;
    const json_t  *found;

    found = NULL;

    /* jansson's iterators change nothing, but are declared without const */
    claims = (json_t *) (uintptr_t) object;

    for (iter = json_object_iter(claims);
         iter;
         iter = json_object_iter_next(claims, iter))
    {
        key.data = json_object_iter_key(iter);
        key.len = json_object_iter_key_len(iter);

        if (at_str_equal_nocase(key, name)) {
            if (found) {
                return NULL;
            }

            found = json_object_iter_value(iter);
        }
    }

    return found;
}


ssize_t
at_claim_text(const json_t *claim, char *buf, size_t size)
{
    size_t  len, flags;

    if (json_is_null(claim)) {
        return 0;
    }

    if (json_is_string(claim)) {
        len = json_string_length(claim);

        if (len && size) {
            memcpy(buf, json_string_value(claim), len < size ? len : size);
        }

        return (ssize_t) len;
    }

    flags = JSON_COMPACT | JSON_ENCODE_ANY;

    if (json_is_real(claim)) {
        flags |= JSON_REAL_PRECISION(at_claim_precision(json_real_value(claim)));
    }

    len = json_dumpb(claim, buf, size, flags);

    return len ? (ssize_t) len : -1;
}


/*
 * 0.1 is 0.10000000000000001 in jansson's 17 digits.  What is printed here is
 * read back here, so that the locale's decimal point does not matter.
 */
static size_t
at_claim_precision(double value)
{
    char    buf[32];
    size_t  digits;

    for (digits = 15; digits < 17; digits++) {
        (void) snprintf(buf, sizeof(buf), "%.*e", (int) digits - 1, value);

        if (strtod(buf, NULL) == value) {
            break;
        }
    }

    return digits;
}


int
at_claim_string(const json_t *claim, at_str_t *text)
{
    if (!json_is_string(claim)) {
        return -1;
    }

    text->data = json_string_value(claim);
    text->len = json_string_length(claim);

    return 0;
}
