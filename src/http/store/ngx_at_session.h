/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The session database of a worker process.
 */

#ifndef NGX_AT_SESSION_H
#define NGX_AT_SESSION_H

#include "core/session/at_session.h"

#include "http/base/ngx_at_main_conf.h"


/*
 * NULL while the database is not available; opening is tried once a second.
 * A job that uses the handle must be posted within the same event: a later
 * event may close the database unless a write waits or runs.
 */
at_session_db_t *ngx_at_sessions_get(const ngx_at_main_conf_t *atmcf);

/* opens the database; removes expired sessions and stores uses periodically */
ngx_int_t ngx_at_sessions_watch(ngx_cycle_t *cycle,
    const ngx_at_main_conf_t *atmcf);
void ngx_at_sessions_exit(void);


#endif
