/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * A linear search in an endpoint list, for unit tests and fuzz targets: they
 * compare its result with that of the list.  Include it after
 * at_endpoint_list.c.
 */

#ifndef LINEAR_H
#define LINEAR_H

#include <ctype.h>
#include <string.h>


/* cuts off and returns the text before the first c; removes c as well */
static at_str_t
linear_part(at_str_t *text, char c)
{
    at_str_t     part = *text;
    const char  *end = text->len ? memchr(text->data, c, text->len) : NULL;

    part.len = end ? (size_t) (end - text->data) : text->len;
    text->len -= part.len + (end != NULL);
    text->data += part.len + (end != NULL);

    return part;
}


static at_str_t
linear_method(const at_endpoint_t *endpoint)
{
    at_str_t  text = endpoint->text;

    return linear_part(&text, ' ');
}


static at_str_t
linear_template(const at_endpoint_t *endpoint)
{
    at_str_t  text = endpoint->text;

    (void) linear_part(&text, ' ');

    return text;
}


/* the i-th segment; returns 0 if the path has fewer */
static int
linear_segment(at_str_t path, size_t i, at_str_t *segment)
{
    (void) linear_part(&path, '/');

    while (i--) {
        if (memchr(path.data, '/', path.len) == NULL) {
            return 0;
        }

        (void) linear_part(&path, '/');
    }

    *segment = linear_part(&path, '/');

    return 1;
}


static int
linear_is_param(at_str_t segment)
{
    return segment.len && segment.data[0] == ':';
}


static int
linear_equal(at_str_t a, at_str_t b, int ignore_case)
{
    size_t  i;

    for (i = 0; a.len == b.len && i < a.len; i++) {
        if (a.data[i] != b.data[i]
            && !(ignore_case && isalpha((unsigned char) a.data[i])
                 && (a.data[i] ^ b.data[i]) == 0x20))
        {
            return 0;
        }
    }

    return a.len == b.len;
}


static int
linear_matches(const at_endpoint_t *endpoint, at_str_t path, int ignore_case)
{
    int       more, more_path;
    size_t    i;
    at_str_t  segment, literal;

    for (i = 0; ; i++) {
        more = linear_segment(linear_template(endpoint), i, &literal);
        more_path = linear_segment(path, i, &segment);

        if (!more || !more_path) {
            return more == more_path;
        }

        if (linear_is_param(literal)
            ? segment.len == 0 : !linear_equal(literal, segment, ignore_case))
        {
            return 0;
        }
    }
}


/* whether a has the first literal where the other has a parameter */
static int
linear_is_better(const at_endpoint_t *a, const at_endpoint_t *b)
{
    size_t    i;
    at_str_t  one, two;

    for (i = 0; linear_segment(linear_template(a), i, &one)
                && linear_segment(linear_template(b), i, &two); i++)
    {
        if (linear_is_param(one) != linear_is_param(two)) {
            return linear_is_param(two);
        }
    }

    return 0;
}


static const at_endpoint_t *
linear_search(const at_endpoint_list_t *list, at_str_t method, at_str_t path,
    int ignore_case)
{
    size_t                i;
    const at_endpoint_t  *row, *best = NULL;

    for (i = 0; i < list->n_endpoints; i++) {
        row = &list->endpoints[i];

        if (at_str_equal(linear_method(row), method)
            && linear_matches(row, path, ignore_case)
            && (best == NULL || linear_is_better(row, best)))
        {
            best = row;
        }
    }

    return best;
}


/* HEAD matches as GET does; "*" matches any method */
static const at_endpoint_t *
linear_match(const at_endpoint_list_t *list, at_str_t method, at_str_t path,
    int ignore_case)
{
    const at_endpoint_t  *row, *any;

    if (at_str_equal(method, at_str("HEAD"))) {
        method = at_str("GET");
    }

    row = linear_search(list, method, path, ignore_case);
    any = linear_search(list, at_str("*"), path, ignore_case);

    return row == NULL || (any && linear_is_better(any, row)) ? any : row;
}


#endif
