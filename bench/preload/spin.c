/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Preloaded into wrk: epoll_wait() polls and never sleeps.  The server would have to
 * wake a sleeping client, on another core, for each response, which takes microseconds
 * of its system time, and a slower server more often.
 */

#include <dlfcn.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>


static long
spin_milliseconds(void)
{
    struct timespec  now;

    (void) clock_gettime(CLOCK_MONOTONIC, &now);

    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}


int
epoll_wait(int epfd, struct epoll_event *events, int maxevents, int timeout)
{
    int          n;
    long         until;
    void        *symbol;
    static int  (*wait_for)(int, struct epoll_event *, int, int);

    if (wait_for == NULL) {
        symbol = dlsym(RTLD_NEXT, "epoll_wait");
        (void) memcpy(&wait_for, &symbol, sizeof(wait_for));
    }

    until = spin_milliseconds() + timeout;

    do {
        n = wait_for(epfd, events, maxevents, 0);
    } while (n == 0 && (timeout < 0 || spin_milliseconds() < until));

    return n;
}
