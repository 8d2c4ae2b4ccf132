/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>

#include "at_crypto.h"
#include "cli_batch.h"


#define CLI_BATCH_FULL  ((size_t) 256 << 20)    /* bytes */

/* of memory that an entry takes beside its bytes: to be sorted, twice */
#define CLI_BATCH_ENTRY (sizeof(size_t) + 2 * sizeof(at_store_item_t))


static int
cli_batch_reserve(cli_batch_t *batch)
{
    size_t  size, *ends;

    if (batch->n < batch->size) {
        return 0;
    }

    size = batch->size ? batch->size * 2 : 1024;
    ends = reallocarray(batch->ends, size, sizeof(batch->ends[0]));

    if (ends == NULL) {
        return -1;
    }

    batch->ends = ends;
    batch->size = size;

    return 0;
}


int
cli_batch_add(cli_batch_t *batch, at_str_t key, at_str_t value)
{
    char        *p;
    at_bytes_t  *bytes;

    bytes = &batch->bytes;

    if (cli_batch_reserve(batch) != 0
        || at_bytes_reserve(bytes, bytes->len + key.len + value.len) != 0)
    {
        return -1;
    }

    p = bytes->data + bytes->len;
    memcpy(p, key.data, key.len);
    memcpy(p + key.len, value.data, value.len);

    bytes->len += key.len + value.len;
    batch->ends[batch->n++] = bytes->len;

    return 0;
}


int
cli_batch_is_full(const cli_batch_t *batch)
{
    return batch->bytes.len + batch->n * CLI_BATCH_ENTRY >= CLI_BATCH_FULL;
}


static int
cli_batch_compare(const void *one, const void *other)
{
    const at_store_item_t  *a = one, *b = other;

    return memcmp(a->key.data, b->key.data, AT_SHA256_LEN);
}


at_store_item_t *
cli_batch_sorted(const cli_batch_t *batch)
{
    size_t            i, begin;
    const char       *p;
    at_store_item_t  *items;

    items = calloc(batch->n ? batch->n : 1, sizeof(at_store_item_t));

    if (items == NULL) {
        return NULL;
    }

    for (i = 0, begin = 0; i < batch->n; i++) {
        p = batch->bytes.data + begin;
        items[i].key = (at_str_t) { p, AT_SHA256_LEN };
        items[i].value = (at_str_t) { p + AT_SHA256_LEN,
                                      batch->ends[i] - begin - AT_SHA256_LEN };
        begin = batch->ends[i];
    }

    qsort(items, batch->n, sizeof(at_store_item_t), cli_batch_compare);

    return items;
}


void
cli_batch_free(cli_batch_t *batch)
{
    at_bytes_free(&batch->bytes);
    free(batch->ends);
    memset(batch, 0, sizeof(cli_batch_t));
}
