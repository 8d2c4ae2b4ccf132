/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * For LD_PRELOAD: makes the n-th allocation of a process fail, and with "lasting"
 * all that follow it.  AT_FAIL_ALLOC names a file of the size of control_t, which
 * is mapped once, at start: what a test writes into it counts at once, also in
 * processes that were forked since.
 */

#define _GNU_SOURCE

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>


typedef struct {
    volatile int64_t  pid;      /* of the process meant, 0: of none */
    volatile int64_t  n;        /* which one fails, from 1 on; 0: none, but count */
    volatile int64_t  lasting;
    volatile int64_t  count;    /* how many there were since count was set to 0 */
    volatile int64_t  failed;   /* how many of them failed */
} control_t;


/* glibc's own names of what is wrapped: no dlsym(), which allocates */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

static control_t  *control;


__attribute__((constructor))
static void
map_control(void)
{
    int          fd;
    void        *p;
    const char  *path;

    path = getenv("AT_FAIL_ALLOC");
    fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;

    if (fd == -1) {
        return;
    }

    p = mmap(NULL, sizeof(control_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);

    control = p == MAP_FAILED ? NULL : p;
}


static int
fails(void)
{
    int64_t  count;

    if (control == NULL || control->pid == 0 || control->pid != getpid()) {
        return 0;
    }

    count = ++control->count;

    if (control->n == 0 || count < control->n
        || (count > control->n && !control->lasting))
    {
        return 0;
    }

    control->failed++;

    return 1;
}


void *
malloc(size_t size)
{
    if (fails()) {
        errno = ENOMEM;
        return NULL;
    }

    return __libc_malloc(size);
}


void *
calloc(size_t n, size_t size)
{
    if (fails()) {
        errno = ENOMEM;
        return NULL;
    }

    return __libc_calloc(n, size);
}


void *
realloc(void *p, size_t size)
{
    /* making smaller what is there may be relied on */
    if (fails()) {
        errno = ENOMEM;
        return NULL;
    }

    return __libc_realloc(p, size);
}


void *
memalign(size_t alignment, size_t size)
{
    if (fails()) {
        errno = ENOMEM;
        return NULL;
    }

    return __libc_memalign(alignment, size);
}


void *
aligned_alloc(size_t alignment, size_t size)
{
    return memalign(alignment, size);
}


int
posix_memalign(void **p, size_t alignment, size_t size)
{
    void  *block;

    block = memalign(alignment, size);
    if (block == NULL) {
        return ENOMEM;
    }

    *p = block;

    return 0;
}
