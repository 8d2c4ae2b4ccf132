/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>

#include <sys/mman.h>

#include "core/base/at_align.h"
#include "core/authz/at_arena.h"

/* what is not a block, or not one any more, is nobody's to the sanitizer */
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, size)    ((void) (p), (void) (size))
#define ASAN_UNPOISON_MEMORY_REGION(p, size)  ((void) (p), (void) (size))
#endif


#define AT_ARENA_HUGE  ((size_t) 2 << 20)       /* a huge page */


/*
 * The arena is tiled with blocks, free ones and others, so that the next one is
 * always where one ends.  Free ones side by side are one when room is looked for.
 */
typedef struct {
    size_t        size;         /* with this head; a multiple of the alignment */
    size_t        is_free;
} at_block_head_t;

_Static_assert(sizeof(at_block_head_t) == AT_ARENA_OVERHEAD, "as the header says");

struct at_arena_s {
    char         *map;
    size_t        map_size;
    char         *begin;
    char         *end;
    char         *hand;         /* a block */
};


/* --- the mapping --------------------------------------------------------- */


static void
at_arena_set_block(char *p, size_t size, int is_free)
{
    at_block_head_t  *head;

    head = (at_block_head_t *) (void *) p;
    ASAN_UNPOISON_MEMORY_REGION(head, AT_ARENA_OVERHEAD);

    head->size = size;
    head->is_free = is_free != 0;

    ASAN_POISON_MEMORY_REGION(head + 1, size - AT_ARENA_OVERHEAD);
}


at_arena_t *
at_arena_create(size_t size)
{
    at_arena_t  *arena;

    size -= size % AT_ARENA_ALIGN;
    arena = calloc(1, sizeof(at_arena_t));

    if (arena == NULL) {
        return NULL;
    }

    /* address space for its begin to be where a huge page may be */
    arena->map_size = size + AT_ARENA_HUGE;
    arena->map = mmap(NULL, arena->map_size, PROT_READ|PROT_WRITE,
                      MAP_PRIVATE|MAP_ANONYMOUS|MAP_NORESERVE, -1, 0);

    if (arena->map == MAP_FAILED) {
        free(arena);
        return NULL;
    }

    arena->begin = at_align(arena->map, AT_ARENA_HUGE);
    arena->end = arena->begin + size;
    arena->hand = arena->begin;

    /* a kernel that knows neither does without */
    (void) madvise(arena->begin, size - size % AT_ARENA_HUGE, MADV_HUGEPAGE);
    (void) madvise(arena->map, arena->map_size, MADV_DONTDUMP);

    at_arena_set_block(arena->begin, size, 1);

    return arena;
}


void
at_arena_destroy(at_arena_t *arena)
{
    if (arena != NULL) {
        ASAN_UNPOISON_MEMORY_REGION(arena->map, arena->map_size);
        (void) munmap(arena->map, arena->map_size);
        free(arena);
    }
}


/* --- blocks -------------------------------------------------------------- */


static at_block_head_t *
at_arena_head(const void *block)
{
    return (at_block_head_t *) ((uintptr_t) block - AT_ARENA_OVERHEAD);
}


size_t
at_arena_block_size(const void *block)
{
    return at_arena_head(block)->size;
}


void
at_arena_free(void *block)
{
    at_block_head_t  *head;

    head = at_arena_head(block);
    at_arena_set_block((char *) head, head->size, 1);
}


/*
 * From the hand on, blocks side by side that are free or may go, until they are
 * as large as needed: the first of them, and *end behind the last; or NULL.
 */
static char *
at_arena_find_room(const at_arena_t *arena, size_t needed, char **end,
    at_arena_may_go_pt may_go, void *data)
{
    char             *first, *p;
    size_t            seen;
    at_block_head_t  *head;

    p = arena->hand;
    first = p;

    for (seen = 0; seen <= 2 * (size_t) (arena->end - arena->begin);
         seen += head->size)
    {
        /* no block goes over the end */
        if (p == arena->end) {
            p = arena->begin;
            first = p;
        }

        head = (at_block_head_t *) (void *) p;
        p += head->size;

        if (!head->is_free && !may_go(data, head + 1)) {
            first = p;
            continue;
        }

        if ((size_t) (p - first) >= needed) {
            *end = p;
            return first;
        }
    }

    return NULL;
}


static void
at_arena_clear(char *first, const char *end, at_arena_go_pt go, void *data)
{
    at_block_head_t  *head;

    for ( /* void */ ; first < end; first += head->size) {
        head = (at_block_head_t *) (void *) first;

        if (!head->is_free) {
            go(data, head + 1);
        }
    }
}


void *
at_arena_alloc(at_arena_t *arena, size_t size, at_arena_may_go_pt may_go,
    at_arena_go_pt go, void *data)
{
    char    *first, *end;
    size_t   needed;

    if (size > (size_t) (arena->end - arena->begin)) {
        return NULL;
    }

    needed = AT_ARENA_OVERHEAD
             + (size + AT_ARENA_ALIGN - 1) / AT_ARENA_ALIGN * AT_ARENA_ALIGN;

    first = at_arena_find_room(arena, needed, &end, may_go, data);

    if (first == NULL) {
        return NULL;
    }

    at_arena_clear(first, end, go, data);
    at_arena_set_block(first, needed, 0);
    ASAN_UNPOISON_MEMORY_REGION(first + AT_ARENA_OVERHEAD, size);

    arena->hand = first + needed;

    /* what is left is large enough for a head, as all sizes are */
    if (arena->hand < end) {
        at_arena_set_block(arena->hand, (size_t) (end - arena->hand), 1);
    }

    return first + AT_ARENA_OVERHEAD;
}
