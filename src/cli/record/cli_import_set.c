/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>

#include "cli/record/cli_import_set.h"


int
cli_import_set_add(cli_import_set_t *set, cli_record_t *rec,
    unsigned long long position)
{
    char               *p;
    size_t              size;
    at_str_t            key, name;
    cli_import_item_t  *items, *item;

    if (set->n == set->size) {
        size = set->size != 0 ? set->size * 2 : 256;
        items = realloc(set->items, size * sizeof(cli_import_item_t));

        if (items == NULL) {
            return -1;
        }

        set->items = items;
        set->size = size;
    }

    item = &set->items[set->n];
    item->kind = rec->kind;
    item->position = position;
    item->has_created = *cli_record_created(rec) != -1;

    if (!item->has_created) {
        *cli_record_created(rec) = 0;
    }

    key = cli_record_key(rec);
    name = cli_record_name(rec);
    p = cli_record_encode(rec) == 0
        ? malloc(key.len + name.len + rec->bytes.len) : NULL;

    if (p == NULL) {
        return -1;
    }

    memcpy(p, key.data, key.len);
    memcpy(p + key.len, name.data, name.len);
    memcpy(p + key.len + name.len, rec->bytes.data, rec->bytes.len);

    item->key = (at_str_t) { p, key.len };
    item->name = (at_str_t) { p + key.len, name.len };
    item->bytes = (at_str_t) { p + key.len + name.len, rec->bytes.len };
    set->n++;

    return 0;
}


static int
cli_import_compare(const cli_kind_t *kind, at_str_t text,
    const cli_kind_t *other_kind, at_str_t other)
{
    int     rc;
    size_t  len;

    if (kind != other_kind) {
        return kind < other_kind ? -1 : 1;
    }

    len = text.len < other.len ? text.len : other.len;
    rc = memcmp(text.data, other.data, len);

    if (rc != 0 || text.len == other.len) {
        return rc;
    }

    return text.len < other.len ? -1 : 1;
}


static int
cli_import_compare_names(const void *one, const void *two)
{
    const cli_import_item_t  *a = one, *b = two;

    return cli_import_compare(a->kind, a->name, b->kind, b->name);
}


static int
cli_import_compare_keys(const void *one, const void *two)
{
    const cli_import_item_t  *a = one, *b = two;

    return cli_import_compare(a->kind, a->key, b->kind, b->key);
}


/* names and keys must both be unique: the key of a token is its SHA-256 */
int
cli_import_set_sort(cli_import_set_t *set, const cli_import_item_t **first,
    const cli_import_item_t **second)
{
    size_t                    i, k;
    const cli_import_item_t  *a, *b;

    /* the last one is the order for cli_import_set_has() */
    static int (*const  compare[])(const void *one, const void *two) = {
        cli_import_compare_names, cli_import_compare_keys
    };

    for (k = 0; k < 2 && set->n != 0; k++) {
        qsort(set->items, set->n, sizeof(cli_import_item_t), compare[k]);

        for (i = 1; i < set->n; i++) {
            a = &set->items[i - 1];
            b = &set->items[i];

            if (compare[k](a, b) == 0) {
                *first = a->position < b->position ? a : b;
                *second = a->position < b->position ? b : a;
                return -1;
            }
        }
    }

    return 0;
}


int
cli_import_set_has(const cli_import_set_t *set, const cli_kind_t *kind,
    at_str_t key)
{
    cli_import_item_t  wanted;

    wanted.kind = kind;
    wanted.key = key;

    return set->n != 0
           && bsearch(&wanted, set->items, set->n, sizeof(cli_import_item_t),
                      cli_import_compare_keys) != NULL;
}


void
cli_import_set_free(cli_import_set_t *set)
{
    size_t  i;

    for (i = 0; i < set->n; i++) {
        free((void *) (uintptr_t) set->items[i].key.data);
    }

    free(set->items);
    memset(set, 0, sizeof(cli_import_set_t));
}
