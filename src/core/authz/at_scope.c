/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>

#include "core/authz/at_scope.h"


int
at_scope_next(at_str_t *scope, at_str_t *rest)
{
    const char  *space;

    while (rest->len && rest->data[0] == ' ') {
        rest->data++;
        rest->len--;
    }

    if (rest->len == 0) {
        return 0;
    }

    space = memchr(rest->data, ' ', rest->len);

    scope->data = rest->data;
    scope->len = space ? (size_t) (space - rest->data) : rest->len;

    rest->data += scope->len;
    rest->len -= scope->len;

    return 1;
}


int
at_scopes_from_claim(at_scopes_t *scopes, const at_json_value_t *claim)
{
    int        is_array;
    size_t     i, n;
    at_str_t   text, rest, scope, *items;

    memset(scopes, 0, sizeof(at_scopes_t));

    if (claim == NULL) {
        return 0;
    }

    is_array = at_json_is(claim, AT_JSON_ARRAY);

    if (is_array) {
        n = claim->n;

    } else if (at_json_string(claim, &text) == 0) {
        rest = text;

        for (n = 0; at_scope_next(&scope, &rest); n++) { /* void */ }

    } else {
        return -1;
    }

    if (n == 0) {
        return 0;
    }

    items = calloc(n, sizeof(at_str_t));
    if (items == NULL) {
        return -2;
    }

    scopes->items = items;
    scopes->n = n;

    for (i = 0; i < n; i++) {

        if (!is_array) {
            (void) at_scope_next(&items[i], &text);

        /* strings have no content: the next item follows at once */

        } else if (at_json_string(&claim[i + 1], &items[i]) != 0) {
            at_scopes_free(scopes);
            return -1;
        }
    }

    return 0;
}


void
at_scopes_free(at_scopes_t *scopes)
{
    free((void *) (uintptr_t) scopes->items);
    memset(scopes, 0, sizeof(at_scopes_t));
}


/* by length first, which avoids most comparisons of bytes */
static int
at_scope_compare(const void *one, const void *two)
{
    const at_str_t  *a, *b;

    a = one;
    b = two;

    if (a->len != b->len) {
        return a->len < b->len ? -1 : 1;
    }

    return a->len ? memcmp(a->data, b->data, a->len) : 0;
}


void
at_scopes_sort(at_str_t *items, size_t n)
{
    qsort(items, n, sizeof(at_str_t), at_scope_compare);
}


int
at_scopes_have(const at_scopes_t *scopes, at_str_t scope)
{
    size_t  i;

    if (scopes->sorted != NULL) {
        return bsearch(&scope, scopes->sorted, scopes->n, sizeof(at_str_t),
                       at_scope_compare)
               != NULL;
    }

    for (i = 0; i < scopes->n; i++) {
        if (at_str_equal(scopes->items[i], scope)) {
            return 1;
        }
    }

    return 0;
}
