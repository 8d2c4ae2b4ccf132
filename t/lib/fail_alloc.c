/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * For LD_PRELOAD: the n-th allocation of a process fails, and if "lasting" is
 * set every later one too.  AT_FAIL_ALLOC names a file of the size of control_t
 * that is mapped at start: what a test writes into it takes effect at once, also
 * in processes that were forked meanwhile.
 *
 * Allocations of jansson are neither counted nor failed: the parser of jansson
 * 2.14 reads beyond a string if its buffer cannot grow, and libjwt uses the NULL
 * that json_dumps() returns.
 */

#define _GNU_SOURCE

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>


typedef struct {
    volatile int64_t  pid;      /* of the process, -1: of all, 0: of none */
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

/* the addresses of libjansson, once it is loaded */
static uintptr_t   jansson;
static uintptr_t   jansson_end;


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
find_jansson(struct dl_phdr_info *info, size_t size, void *data)
{
    int        i;
    uintptr_t  end;

    (void) size;
    (void) data;

    if (strstr(info->dlpi_name, "/libjansson.") == NULL) {
        return 0;
    }

    for (i = 0; i < info->dlpi_phnum; i++) {
        end = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr
              + info->dlpi_phdr[i].p_memsz;

        if (info->dlpi_phdr[i].p_type == PT_LOAD && end > jansson_end) {
            jansson_end = end;
        }
    }

    jansson = info->dlpi_addr;

    return 1;
}


/* caller is the return address of the allocation; sets errno if it fails */
static int
fails(const void *caller)
{
    int64_t  count;

    if (control == NULL || control->pid == 0
        || (control->pid != -1 && control->pid != getpid()))
    {
        return 0;
    }

    if (jansson == 0) {
        (void) dl_iterate_phdr(find_jansson, NULL);
    }

    if ((uintptr_t) caller >= jansson && (uintptr_t) caller < jansson_end) {
        return 0;
    }

    count = ++control->count;

    if (control->n == 0 || count < control->n
        || (count > control->n && !control->lasting))
    {
        return 0;
    }

    control->failed++;
    errno = ENOMEM;

    return 1;
}


void *
malloc(size_t size)
{
    return fails(__builtin_return_address(0)) ? NULL : __libc_malloc(size);
}


void *
calloc(size_t n, size_t size)
{
    return fails(__builtin_return_address(0)) ? NULL : __libc_calloc(n, size);
}


void *
realloc(void *p, size_t size)
{
    return fails(__builtin_return_address(0)) ? NULL : __libc_realloc(p, size);
}


void *
memalign(size_t alignment, size_t size)
{
    return fails(__builtin_return_address(0)) ? NULL : __libc_memalign(alignment, size);
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
