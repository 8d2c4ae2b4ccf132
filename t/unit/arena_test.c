/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Memory in blocks: that none lies over another, that all of it can be had, who
 * goes when there is no room, and what the kernel is told of it.
 *
 * Requirements: no-secrets-in-logs.
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/authz/at_arena.c"

#include "tap.h"


#define KIB     1024
#define BLOCKS  4096

/* a block says of itself what the hand may know, and its bytes are its own */
typedef struct {
    unsigned        number;
    unsigned        size;
    unsigned        stays;          /* so many times when it is asked */
    unsigned char   bytes[];
} block_t;

static struct {
    block_t   *blocks[BLOCKS];      /* by their numbers; NULL: gone */
    unsigned   gone;
} known;


static int
may_go(void *data, void *block)
{
    block_t  *b;

    (void) data;
    b = block;

    if (b->stays) {
        b->stays--;
        return 0;
    }

    return 1;
}


static int
is_whole(const block_t *b)
{
    unsigned  i;

    for (i = 0; i < b->size; i++) {
        if (b->bytes[i] != (unsigned char) b->number) {
            return 0;
        }
    }

    return 1;
}


static void
go(void *data, void *block)
{
    unsigned  *wrong;
    block_t   *b;

    wrong = data;
    b = block;

    *wrong += !is_whole(b) || known.blocks[b->number] != b;
    known.blocks[b->number] = NULL;
    known.gone++;

    at_arena_free(b);
}


static at_arena_t *
create(size_t size)
{
    at_arena_t  *arena;

    memset(&known, 0, sizeof(known));
    arena = at_arena_create(size);

    if (arena == NULL) {
        printf("Bail out! no memory\n");
        exit(1);
    }

    return arena;
}


static block_t *
take(at_arena_t *arena, unsigned number, unsigned size, unsigned stays,
    unsigned *wrong)
{
    block_t  *b;

    b = at_arena_alloc(arena, sizeof(block_t) + size, may_go, go, wrong);

    if (b == NULL) {
        return NULL;
    }

    b->number = number;
    b->size = size;
    b->stays = stays;
    memset(b->bytes, (int) (unsigned char) number, size);

    known.blocks[number] = b;

    return b;
}


/* from its begin to its end there is one block behind the other */
static int
is_tiled(const at_arena_t *arena, size_t *taken)
{
    int               hand;
    const char       *p;
    at_block_head_t  *head;

    hand = arena->hand == arena->end;
    *taken = 0;

    for (p = arena->begin; p < arena->end; p += head->size) {
        head = (at_block_head_t *) (uintptr_t) p;
        hand |= p == arena->hand;

        if (head->size < AT_ARENA_OVERHEAD || head->size % AT_ARENA_ALIGN) {
            return 0;
        }

        *taken += head->is_free ? 0 : head->size;
    }

    return p == arena->end && hand;
}


static unsigned
numbers(unsigned *state)
{
    *state = *state * 1103515245 + 12345;

    return *state >> 8;
}


static void
test_churn(const char *name, size_t size, unsigned most, unsigned stays)
{
    size_t       taken, expected;
    block_t     *b;
    unsigned     i, n, wrong, state, lost;
    at_arena_t  *arena;

    arena = create(size);
    state = most;
    wrong = 0;
    lost = 0;

    for (i = 0; i < 20000; i++) {
        n = i % BLOCKS;

        if (known.blocks[n] != NULL) {
            wrong += !is_whole(known.blocks[n]);
            at_arena_free(known.blocks[n]);
            known.blocks[n] = NULL;
        }

        /* and some that nobody asked to go */
        b = known.blocks[numbers(&state) % BLOCKS];

        if (b != NULL && numbers(&state) % 4 == 0) {
            known.blocks[b->number] = NULL;
            at_arena_free(b);
        }

        b = take(arena, n, numbers(&state) % most, stays ? numbers(&state) % stays
                                                         : 0, &wrong);
        lost += b == NULL;
        wrong += (uintptr_t) b % AT_ARENA_ALIGN != 0;

        if (i % 100 == 0) {
            wrong += !is_tiled(arena, &taken);
        }
    }

    expected = 0;

    for (n = 0; n < BLOCKS; n++) {
        if (known.blocks[n] != NULL) {
            wrong += !is_whole(known.blocks[n]);
            expected += at_arena_block_size(known.blocks[n]);
        }
    }

    wrong += !is_tiled(arena, &taken);

    is_int(wrong, 0, "%s: blocks are whole, and none lies over another", name);
    is_int((long long) taken, (long long) expected, "%s: all of them are known",
           name);
    is_int(lost, 0, "%s: there was room for each", name);
    ok(known.gone > 1000, "%s: %u had to go for others", name, known.gone);

    at_arena_destroy(arena);
}


static void
test_all_of_it(void)
{
    size_t       taken;
    unsigned     n, wrong;
    at_arena_t  *arena;

    arena = create(64 * KIB);
    wrong = 0;

    /* those that stay whenever they are asked */
    for (n = 0; take(arena, n, 100, UINT32_MAX, &wrong) != NULL; n++) { /* void */ }

    wrong += !is_tiled(arena, &taken);
    ok(taken > 64 * KIB - 256, "%u blocks take %zu bytes of it", n, taken);
    is_int(known.gone, 0, "nobody went");

    at_arena_free(known.blocks[7]);
    known.blocks[7] = NULL;

    ok(take(arena, 7, 101 + AT_ARENA_ALIGN, 0, &wrong) == NULL,
       "what one gives back is not enough for a larger one");
    ok(take(arena, 7, 100, 0, &wrong) != NULL, "but for one of its size");

    /* two side by side are as one */
    at_arena_free(known.blocks[20]);
    at_arena_free(known.blocks[21]);
    ok(take(arena, 20, 200, 0, &wrong) != NULL, "two side by side make room for one");

    wrong += !is_tiled(arena, &taken);
    is_int(wrong, 0, "all in order");

    at_arena_destroy(arena);
}


static void
test_too_large(void)
{
    unsigned     wrong;
    at_arena_t  *arena;

    arena = create(64 * KIB);
    wrong = 0;

    ok(take(arena, 1, 100, 0, &wrong) != NULL, "a small one");
    ok(at_arena_alloc(arena, 64 * KIB, may_go, go, &wrong) == NULL,
       "as large as the arena: no room for its head");
    ok(at_arena_alloc(arena, SIZE_MAX, may_go, go, &wrong) == NULL,
       "as large as anything");
    ok(at_arena_alloc(arena, SIZE_MAX - AT_ARENA_OVERHEAD, may_go, go, &wrong)
       == NULL, "and nearly so");
    is_int(known.gone, 0, "the small one is there");

    ok(at_arena_alloc(arena, 64 * KIB - AT_ARENA_OVERHEAD, may_go, go, &wrong)
       != NULL, "all that there is");
    is_int(known.gone, 1, "for which the small one went");

    at_arena_destroy(arena);
}


/* the hand asks twice, and takes nobody until it has found enough */
static void
test_order(void)
{
    unsigned     n, wrong;
    at_arena_t  *arena;

    arena = create(64 * KIB);
    wrong = 0;

    for (n = 0; n < 64; n++) {
        (void) take(arena, n, 1000 - sizeof(block_t), n % 4 == 3 ? 1 : 0, &wrong);
    }

    /* 0, 1 and 2 are free to go, and are not enough beside 3 */
    known.gone = 0;
    ok(take(arena, 100, 3500, 0, &wrong) != NULL, "room for three and a half");
    ok(known.blocks[3] == NULL || known.blocks[7] == NULL || known.gone >= 4,
       "was made where it could be");

    known.gone = 0;
    ok(take(arena, 101, 500, 0, &wrong) != NULL, "a small one next");
    ok(known.gone <= 1, "takes the place of one at most");
    is_int(wrong, 0, "all in order");

    at_arena_destroy(arena);
}


/* the flags of the mapping that holds an address, as /proc/self/smaps has them */
static void
flags_of(const void *address, char *flags, size_t size)
{
    int        inside;
    char       line[256];
    FILE      *f;
    unsigned long  begin, end;

    flags[0] = '\0';
    inside = 0;
    f = fopen("/proc/self/smaps", "r");

    while (f != NULL && fgets(line, sizeof(line), f) != NULL) {

        if (sscanf(line, "%lx-%lx ", &begin, &end) == 2) {
            inside = (uintptr_t) address >= begin && (uintptr_t) address < end;

        } else if (inside && strncmp(line, "VmFlags:", 8) == 0) {
            (void) snprintf(flags, size, "%s", line);
        }
    }

    if (f != NULL) {
        (void) fclose(f);
    }
}


static void
test_mapping(void)
{
    char         flags[256];
    at_arena_t  *arena;

    arena = create(4096 * KIB);
    flags_of(arena->begin, flags, sizeof(flags));

    if (flags[0] == '\0') {
        skip("the kernel does not tell the flags of a mapping");

    } else {
        ok(strstr(flags, " dd") != NULL, "it is in no core dump");
    }

    if (flags[0] == '\0' || access("/sys/kernel/mm/transparent_hugepage", F_OK) != 0) {
        skip("the kernel has no huge pages");

    } else {
        ok(strstr(flags, " hg") != NULL, "huge pages are asked for");
    }

    at_arena_destroy(arena);
    at_arena_destroy(NULL);
}


int
main(void)
{
    test_churn("blocks of a kind", 64 * KIB, 2, 0);
    test_churn("of many sizes", 64 * KIB, 3000, 0);
    test_churn("some of which stay for a while", 64 * KIB, 1000, 3);
    test_churn("in more room", 1024 * KIB, 4000, 2);
    test_all_of_it();
    test_too_large();
    test_order();
    test_mapping();

    return tap_done();
}
