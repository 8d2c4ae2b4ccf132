/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Memory of a fixed size, in one mapping of its own, for blocks that may be given
 * up for others: it takes what it takes, whatever the sizes of the blocks.  The
 * kernel is asked for huge pages, so that a look into it is one miss of the TLB at
 * most, and to leave it out of core dumps.
 *
 * Where there is no room the hand goes round, and asks of each block whether it
 * may go, until as much lies side by side as is needed.
 */

#ifndef AT_ARENA_H
#define AT_ARENA_H

#include <stddef.h>


#define AT_ARENA_ALIGN     16
#define AT_ARENA_OVERHEAD  16           /* bytes of a block beside its own */

typedef struct at_arena_s  at_arena_t;

/*
 * Whether a block may be given up: asked of each that is in the way, and asked
 * again when the hand comes by for the second time.
 */
typedef int (*at_arena_may_go_pt)(void *data, void *block);

/* it is given up now, and has to be freed with at_arena_free() */
typedef void (*at_arena_go_pt)(void *data, void *block);


/*
 * size is in bytes, a page of them or more, and all that it takes; NULL where
 * memory failed.
 */
at_arena_t *at_arena_create(size_t size);

/* with all blocks, which are not overwritten */
void at_arena_destroy(at_arena_t *arena);

/*
 * A block of size bytes, aligned to AT_ARENA_ALIGN; NULL where there is no room
 * after two rounds.  Nobody is asked where all is free.
 */
void *at_arena_alloc(at_arena_t *arena, size_t size,
    at_arena_may_go_pt may_go, at_arena_go_pt go, void *data);

/* it is not overwritten either */
void at_arena_free(void *block);

/* what a block takes of the arena, with all that is beside it */
size_t at_arena_block_size(const void *block);


#endif
