/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Allocations of a whole process that fail, those of libraries too: the n-th
 * one, or all from it on.  A sanitizer has malloc() for itself: nothing fails
 * there, and what counts on it is skipped.
 */

#ifndef FAIL_H
#define FAIL_H

#include <stdlib.h>


static struct {
    unsigned  n;                /* allocations so far */
    unsigned  fail;             /* the one that fails; 0: none */
    int       lasting;          /* and all after it */
    unsigned  failed;           /* how many did */
} fail;


/* glibc's own names of what is wrapped */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *data, size_t size);


#ifdef __SANITIZE_ADDRESS__

#define FAIL_WORKS  0

#else

#define FAIL_WORKS  1

static int
fails(void)
{
    fail.n++;

    if (fail.fail == 0
        || !(fail.n == fail.fail || (fail.lasting && fail.n > fail.fail)))
    {
        return 0;
    }

    fail.failed++;

    return 1;
}


void *
malloc(size_t size)
{
    return fails() ? NULL : __libc_malloc(size);
}


void *
calloc(size_t n, size_t size)
{
    return fails() ? NULL : __libc_calloc(n, size);
}


void *
realloc(void *data, size_t size)
{
    return fails() ? NULL : __libc_realloc(data, size);
}

#endif


__attribute__((unused)) static void
fail_begin(unsigned n, int lasting)
{
    fail.n = 0;
    fail.failed = 0;
    fail.fail = n;
    fail.lasting = lasting;
}


/* how many failed */
__attribute__((unused)) static unsigned
fail_end(void)
{
    fail.fail = 0;

    return fail.failed;
}


#endif
