/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The counters of uses of API tokens.
 */

#ifndef NGX_AT_USES_H
#define NGX_AT_USES_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "core/base/at_str.h"


/* without effect unless the store's uses are counted */
void ngx_at_count_use(at_str_t api_token);


#endif
