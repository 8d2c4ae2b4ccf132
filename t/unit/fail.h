/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Failing allocations: the n-th one, and if "lasting" all later ones.
 *
 * fail_malloc() and the functions like it are for code that a test compiles in
 * with macros, and for the allocation hooks of libraries.  With FAIL_PROCESS
 * defined all allocations of the process count, including libraries;
 * this does not work with a sanitizer, which has its own malloc().
 */

#ifndef FAIL_H
#define FAIL_H

#include <stdlib.h>
#include <string.h>

#include "tap.h"


#define FAIL_POINTS  20000      /* more allocations than any case has */
#define FAIL_UNUSED  __attribute__((unused))


static struct {
    unsigned  n;                /* allocations so far */
    unsigned  first;            /* number of the first one to fail; 0: none */
    int       lasting;
    int       paused;           /* none fails, none is counted */
    unsigned  failed;           /* number of failed allocations */
} failing;


FAIL_UNUSED static void
fail_begin(unsigned first, int lasting)
{
    failing.n = 0;
    failing.failed = 0;
    failing.first = first;
    failing.lasting = lasting;
}


/* returns the number of failed allocations */
FAIL_UNUSED static unsigned
fail_end(void)
{
    failing.first = 0;

    return failing.failed;
}


FAIL_UNUSED static int
fail_next(void)
{
    if (failing.paused) {
        return 0;
    }

    failing.n++;

    if (failing.first == 0 || failing.n < failing.first
        || (failing.n > failing.first && !failing.lasting))
    {
        return 0;
    }

    failing.failed++;

    return 1;
}


/* the names in glibc of the functions that are wrapped */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *data, size_t size);


#ifdef FAIL_PROCESS

#ifdef __SANITIZE_ADDRESS__

/* calls of fail_calls.h fail with a sanitizer, too */
#ifdef FAIL_CALLS_H
#define FAIL_WORKS  1
#define FAIL_LEAST  0
#else
#define FAIL_WORKS  0
#endif

#else

#define FAIL_WORKS  1

void *
malloc(size_t size)
{
    return fail_next() ? NULL : __libc_malloc(size);
}


void *
calloc(size_t n, size_t size)
{
    return fail_next() ? NULL : __libc_calloc(n, size);
}


void *
realloc(void *data, size_t size)
{
    return fail_next() ? NULL : __libc_realloc(data, size);
}

#endif

#else

FAIL_UNUSED static void *
fail_malloc(size_t size)
{
    return fail_next() ? NULL : malloc(size);
}


FAIL_UNUSED static void *
fail_calloc(size_t n, size_t size)
{
    return fail_next() ? NULL : calloc(n, size);
}


FAIL_UNUSED static void *
fail_realloc(void *data, size_t size)
{
    return fail_next() ? NULL : realloc(data, size);
}


FAIL_UNUSED static char *
fail_strdup(const char *text)
{
    return fail_next() ? NULL : strdup(text);
}


FAIL_UNUSED static char *
fail_strndup(const char *text, size_t n)
{
    return fail_next() ? NULL : strndup(text, n);
}

#endif


#ifndef FAIL_WORKS
#define FAIL_WORKS  1
#endif

/* points that each attempt has at least */
#ifndef FAIL_LEAST
#define FAIL_LEAST  1
#endif

/*
 * Lets each allocation of an attempt fail in turn, alone and then with all
 * later ones.  n differs in all attempts.  An attempt returns whether its
 * result is right; it calls fail_end() before further calls.
 */
FAIL_UNUSED static void
fail_each(const char *name, int (*attempt)(void *data, unsigned n), void *data)
{
    int       lasting;
    unsigned  n, wrong;

    if (!FAIL_WORKS) {
        skip("%s: the sanitizer replaces malloc()", name);
        return;
    }

    for (lasting = 0; lasting <= 1; lasting++) {
        wrong = 0;

        for (n = 1; n < FAIL_POINTS; n++) {
            fail_begin(n, lasting);
            wrong += !attempt(data, n + (lasting ? FAIL_POINTS : 0));

            if (fail_end() == 0) {
                break;
            }
        }

        ok(n > FAIL_LEAST && n < FAIL_POINTS, "%s: %u points can fail, %s",
           name, n - 1, lasting ? "each with all after it" : "each alone");
        is_int(wrong, 0, "%s succeeds, or fails without an effect", name);
    }
}


#endif
