/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Records of API tokens that are to be put into the store: kept until there are
 * many, and then put in the order of their keys, so that each bucket is written
 * once, and one after the other.
 */

#ifndef CLI_BATCH_H
#define CLI_BATCH_H

#include "core/authz/at_record.h"
#include "core/store/at_store.h"


/* zeroed, it is empty */
typedef struct {
    at_bytes_t  bytes;
    at_list_t   texts;          /* of each its key, then its record */
} cli_batch_t;

/* copies both; the keys are digests.  0, or -1 where memory failed. */
int cli_batch_add(cli_batch_t *batch, at_str_t key, at_str_t value);

/* whether it is time to put them */
int cli_batch_is_full(const cli_batch_t *batch);

/*
 * All of them, in the order of their keys, as views of the batch; to be freed.
 * NULL where memory failed.
 */
at_store_item_t *cli_batch_sort(const cli_batch_t *batch, size_t *n);

void cli_batch_free(cli_batch_t *batch);        /* it is empty then */


#endif
