/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The environment of this worker, and what is done in the background.
 */

#ifndef NGX_AT_SESSION_H
#define NGX_AT_SESSION_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "core/session/at_session.h"

#include "http/base/ngx_at_main_conf.h"


/*
 * NULL while it cannot be used; tried again now and then.  What is given out goes
 * to a job within the same event, or nowhere: later there may be another one.
 */
at_session_db_t *ngx_at_sessions_get(const ngx_at_main_conf_t *atmcf);

ngx_int_t ngx_at_sessions_watch(ngx_cycle_t *cycle,
    const ngx_at_main_conf_t *atmcf);
void ngx_at_sessions_exit(void);


#endif
