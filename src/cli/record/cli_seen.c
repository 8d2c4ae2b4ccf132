/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>

#include "core/base/at_crypto.h"
#include "cli/record/cli_seen.h"


static int
cli_seen_hash(uint64_t hash[2], at_str_t key)
{
    unsigned char  digest[AT_SHA256_LEN];

    if (at_sha256(digest, key) != 0) {
        return -1;
    }

    memcpy(hash, digest, 2 * sizeof(uint64_t));
    hash[0] |= 1;

    return 0;
}


/* the slot of the hash, or the free one where it would be */
static uint64_t *
cli_seen_slot(const cli_seen_t *seen, const uint64_t hash[2])
{
    size_t  i;

    i = hash[1] & (seen->size - 1);

    while (seen->slots[i][0] != 0
           && (seen->slots[i][0] != hash[0] || seen->slots[i][1] != hash[1]))
    {
        i = (i + 1) & (seen->size - 1);
    }

    return seen->slots[i];
}


static int
cli_seen_grow(cli_seen_t *seen)
{
    size_t      i;
    uint64_t   *slot;
    cli_seen_t  grown;

    grown.n = seen->n;
    grown.size = seen->size ? seen->size * 2 : 64;
    grown.slots = calloc(grown.size, sizeof(grown.slots[0]));

    if (grown.slots == NULL) {
        return -1;
    }

    for (i = 0; i < seen->size; i++) {
        if (seen->slots[i][0] != 0) {
            slot = cli_seen_slot(&grown, seen->slots[i]);
            memcpy(slot, seen->slots[i], sizeof(seen->slots[i]));
        }
    }

    free(seen->slots);
    *seen = grown;

    return 0;
}


int
cli_seen_add(cli_seen_t *seen, at_str_t key)
{
    uint64_t  hash[2], *slot;

    if (cli_seen_hash(hash, key) != 0
        || (seen->n >= seen->size / 2 && cli_seen_grow(seen) != 0))
    {
        return -1;
    }

    slot = cli_seen_slot(seen, hash);

    if (slot[0] != 0) {
        return 0;
    }

    memcpy(slot, hash, sizeof(hash));
    seen->n++;

    return 1;
}


int
cli_seen_has(const cli_seen_t *seen, at_str_t key)
{
    uint64_t  hash[2];

    if (cli_seen_hash(hash, key) != 0) {
        return -1;
    }

    return seen->size != 0 && cli_seen_slot(seen, hash)[0] != 0;
}


void
cli_seen_free(cli_seen_t *seen)
{
    free(seen->slots);
    memset(seen, 0, sizeof(cli_seen_t));
}
