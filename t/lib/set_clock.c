/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * To be preloaded: gettimeofday(), from which nginx takes the time, is ahead
 * by the seconds in the file $AT_CLOCK_FILE.
 */

#define _GNU_SOURCE             /* RTLD_NEXT */

#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>


static const volatile long  *ahead;


/* nginx clears the environment */
__attribute__((constructor)) static void
map_file(void)
{
    int          fd;
    void        *map;
    const char  *file = getenv("AT_CLOCK_FILE");

    fd = file != NULL ? open(file, O_RDONLY|O_CLOEXEC) : -1;

    if (fd == -1) {
        return;
    }

    map = mmap(NULL, sizeof(long), PROT_READ, MAP_SHARED, fd, 0);
    ahead = map != MAP_FAILED ? map : NULL;
}


int
gettimeofday(struct timeval *tv, void *zone)
{
    int  rc;
    int  (*real)(struct timeval *, void *);

    *(void **) &real = dlsym(RTLD_NEXT, "gettimeofday");
    rc = real(tv, zone);

    if (rc == 0 && ahead != NULL) {
        tv->tv_sec += *ahead;
    }

    return rc;
}
