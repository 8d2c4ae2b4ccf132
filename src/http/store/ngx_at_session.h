/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The session database of a worker process.  It also has the use counters of
 * API tokens, which are added up in memory.
 */

#ifndef NGX_AT_SESSION_H
#define NGX_AT_SESSION_H

#include "core/base/at_verdict.h"
#include "core/session/at_session_db.h"

#include "http/base/ngx_at_main_conf.h"


/*
 * NULL while the database is not available; opening is tried once a second.
 * A job that uses the handle must be posted within the same event: a later
 * event may close the database unless a write waits or runs.
 */
at_session_db_t *ngx_at_sessions_get(const ngx_at_main_conf_t *atmcf);

/* AT_UNAVAILABLE if new tokens cannot be stored, which it logs */
at_verdict_e ngx_at_sessions_check_space(const ngx_at_main_conf_t *atmcf);

/*
 * In the master process: checks the pages of the database, so that worker
 * processes need not do it.
 */
void ngx_at_sessions_verify(const ngx_at_main_conf_t *atmcf);

/* a use is lost if too many tokens are used within seconds */
void ngx_at_count_use(at_str_t api_token);

/*
 * Opens the database; removes expired sessions and stores uses periodically.
 * Uses are not counted before; the last ones are stored at the exit.
 */
ngx_int_t ngx_at_sessions_watch(ngx_cycle_t *cycle,
    const ngx_at_main_conf_t *atmcf);
void ngx_at_sessions_exit(void);


#endif
