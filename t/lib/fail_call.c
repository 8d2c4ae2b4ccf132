/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * For LD_PRELOAD: system calls of a process that fail on demand, or that end the
 * process.  AT_FAIL_CALL names a file of the size of control_t that is mapped at
 * start.  A change of it takes effect at once, also in processes that were forked
 * meanwhile.  Calls by nginx itself are neither counted nor failed.
 */

#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>


/* the bits of control_t.calls */
#define OPEN    0x01
#define READ    0x02
#define WRITE   0x04
#define RENAME  0x08
#define SYNC    0x10
#define MAP     0x20
#define RANDOM  0x40
#define CLOCK   0x80


typedef struct {
    volatile int64_t  pid;      /* of the process, -1: of all, 0: of none */
    volatile int64_t  calls;    /* which kinds of calls */
    volatile int64_t  n;        /* which one fails, from 1 on; 0: none, but count */
    volatile int64_t  lasting;  /* all later ones fail, too */
    volatile int64_t  error;    /* errno; 0: SIGKILL */
    volatile int64_t  count;    /* how many there were since count was set to 0 */
    volatile int64_t  failed;   /* how many of them failed */
} control_t;


static control_t  *control;

/* the addresses of the program */
static uintptr_t   program;
static uintptr_t   program_end;


static int
find_program(struct dl_phdr_info *info, size_t size, void *data)
{
    int        i;
    uintptr_t  end;

    (void) size;
    (void) data;

    program = info->dlpi_addr;

    for (i = 0; i < info->dlpi_phnum; i++) {
        end = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr
              + info->dlpi_phdr[i].p_memsz;

        if (info->dlpi_phdr[i].p_type == PT_LOAD && end > program_end) {
            program_end = end;
        }
    }

    return 1;       /* the program is the first */
}


__attribute__((constructor))
static void
map_control(void)
{
    int          fd;
    void        *p;
    const char  *path;

    path = getenv("AT_FAIL_CALL");
    fd = path ? (int) syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC) : -1;

    if (fd == -1) {
        return;
    }

    (void) dl_iterate_phdr(find_program, NULL);

    p = (void *) syscall(SYS_mmap, NULL, sizeof(control_t),
                         PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);

    control = p == MAP_FAILED ? NULL : p;
}


/* caller is the return address of the call; sets errno if it fails */
static int
fails(int call, const void *caller)
{
    int64_t  count;

    if (control == NULL || !(control->calls & call) || control->pid == 0
        || (control->pid != -1 && control->pid != getpid())
        || ((uintptr_t) caller >= program && (uintptr_t) caller < program_end))
    {
        return 0;
    }

    count = __atomic_add_fetch(&control->count, 1, __ATOMIC_SEQ_CST);

    if (control->n == 0 || count < control->n
        || (count > control->n && !control->lasting))
    {
        return 0;
    }

    control->failed++;

    if (control->error == 0) {
        raise(SIGKILL);
    }

    errno = (int) control->error;

    return 1;
}


#define FAILS(call)  fails(call, __builtin_return_address(0))

#define WRAP(call, type, name, parameters, ...)                               \
    type name parameters                                                      \
    {                                                                         \
        return (type) (FAILS(call) ? -1 : syscall(__VA_ARGS__));              \
    }

#define WRAP_OPEN(name, parameters, directory, path)                          \
    int name parameters                                                       \
    {                                                                         \
        int      mode;                                                        \
        va_list  args;                                                        \
                                                                              \
        va_start(args, flags);                                                \
        mode = va_arg(args, int);                                             \
        va_end(args);                                                         \
                                                                              \
        return FAILS(OPEN) ? -1                                               \
               : (int) syscall(SYS_openat, directory, path, flags, mode);     \
    }

WRAP_OPEN(open, (const char *path, int flags, ...), AT_FDCWD, path)
WRAP_OPEN(open64, (const char *path, int flags, ...), AT_FDCWD, path)
WRAP_OPEN(openat, (int dir, const char *path, int flags, ...), dir, path)

WRAP(READ, ssize_t, read, (int fd, void *p, size_t n), SYS_read, fd, p, n)
WRAP(READ, ssize_t, pread, (int fd, void *p, size_t n, off_t at), SYS_pread64, fd, p, n, at)

WRAP(WRITE, ssize_t, write, (int fd, const void *p, size_t n), SYS_write, fd, p, n)
WRAP(WRITE, ssize_t, pwrite, (int fd, const void *p, size_t n, off_t at), SYS_pwrite64, fd, p, n, at)
WRAP(WRITE, ssize_t, writev, (int fd, const struct iovec *v, int n), SYS_writev, fd, v, n)

WRAP(RENAME, int, rename, (const char *from, const char *to), SYS_rename, from, to)

WRAP(SYNC, int, fsync, (int fd), SYS_fsync, fd)
WRAP(SYNC, int, fdatasync, (int fd), SYS_fdatasync, fd)
WRAP(SYNC, int, msync, (void *p, size_t n, int flags), SYS_msync, p, n, flags)

WRAP(RANDOM, ssize_t, getrandom, (void *p, size_t n, unsigned flags), SYS_getrandom, p, n, flags)

WRAP(CLOCK, int, clock_gettime, (clockid_t id, struct timespec *t), SYS_clock_gettime, id, t)


void *
mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    if (FAILS(MAP)) {
        return MAP_FAILED;
    }

    return (void *) syscall(SYS_mmap, at, size, protection, flags, fd, offset);
}


int
getentropy(void *p, size_t n)
{
    return getrandom(p, n, 0) == (ssize_t) n ? 0 : -1;
}
