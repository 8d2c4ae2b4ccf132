/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The use counters of API tokens: added up in memory, stored in the session
 * database.
 */

#ifndef NGX_AT_USES_H
#define NGX_AT_USES_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "core/base/at_str.h"


/* allocates the counters; before it, uses are not counted */
ngx_int_t ngx_at_uses_init(ngx_log_t *log);

/* a use is lost if too many tokens are used between two calls of store */
void ngx_at_count_use(at_str_t api_token);

/* posts a job; the session database must be open */
void ngx_at_uses_store(void);

/* stores the remaining counters, without a thread */
void ngx_at_uses_exit(void);


#endif
