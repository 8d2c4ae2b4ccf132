/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The time that nginx has cached for this turn of the event loop.
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


#endif
