/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * To be preloaded into wrk: it asks for events until there are some, and never
 * sleeps.  A client that sleeps has to be woken by the server, on another core,
 * for each answer, which costs the server microseconds of system time; and the
 * slower the server, the more often the client sleeps.
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
