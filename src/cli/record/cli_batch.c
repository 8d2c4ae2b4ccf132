/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>

#include "core/base/at_crypto.h"
#include "cli/record/cli_batch.h"


#define CLI_BATCH_SIZE_MAX  ((size_t) 256 << 20)  /* bytes */

/* of memory that an entry takes beside its texts: to be sorted, twice */
#define CLI_BATCH_ENTRY (2 * sizeof(at_store_item_t))


/* each has two texts */
static size_t
cli_batch_count(const cli_batch_t *batch)
{
    return batch->texts.n / 2;
}


int
cli_batch_add(cli_batch_t *batch, at_str_t key, at_str_t value)
{
    at_list_add(&batch->bytes, &batch->texts, key);
    at_list_add(&batch->bytes, &batch->texts, value);

    return batch->bytes.failed ? -1 : 0;
}


int
cli_batch_is_full(const cli_batch_t *batch)
{
    return batch->bytes.len + cli_batch_count(batch) * CLI_BATCH_ENTRY
           >= CLI_BATCH_SIZE_MAX;
}


static int
cli_batch_compare(const void *one, const void *other)
{
    const at_store_item_t  *a = one, *b = other;

    return memcmp(a->key.data, b->key.data, AT_SHA256_LEN);
}


at_store_item_t *
cli_batch_sort(const cli_batch_t *batch, size_t *n)
{
    size_t            i;
    at_list_t         rest;
    at_store_item_t  *items;

    *n = cli_batch_count(batch);
    items = calloc(*n ? *n : 1, sizeof(at_store_item_t));

    if (items == NULL) {
        return NULL;
    }

    rest = batch->texts;

    for (i = 0; i < *n; i++) {
        (void) at_list_next(&rest, &items[i].key);
        (void) at_list_next(&rest, &items[i].value);
    }

    qsort(items, *n, sizeof(at_store_item_t), cli_batch_compare);

    return items;
}


void
cli_batch_free(cli_batch_t *batch)
{
    at_bytes_free(&batch->bytes);
    memset(batch, 0, sizeof(cli_batch_t));
}
