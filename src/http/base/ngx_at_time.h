/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The time that nginx has cached for this turn of the event loop; and a time
 * that does not change when the clock of the system is set.
 */

#ifndef NGX_AT_TIME_H
#define NGX_AT_TIME_H

#include <ngx_config.h>
#include <ngx_core.h>


/* milliseconds since the epoch */

static ngx_inline int64_t
ngx_at_now(void)
{
    ngx_time_t  *now;

    now = ngx_timeofday();

    return (int64_t) now->sec * 1000 + now->msec;
}


/*
 * Milliseconds of CLOCK_BOOTTIME, for ages.  The offset, of 30 years, keeps
 * times before the boot positive.
 */

static ngx_inline int64_t
ngx_at_steady_now(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_BOOTTIME, &ts);

    return 1000000000000 + (int64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}



/* for durations */

static ngx_inline int64_t
ngx_at_monotonic_nanoseconds(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return (int64_t) ts.tv_sec * 1000000000 + ts.tv_nsec;
}


#endif
