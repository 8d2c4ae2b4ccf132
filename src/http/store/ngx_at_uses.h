/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Of API tokens, counted.
 */

#ifndef NGX_AT_USES_H
#define NGX_AT_USES_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "http/base/ngx_at_main_conf.h"
#include "http/request/ngx_at_ctx.h"


void ngx_at_count_use(const ngx_at_main_conf_t *atmcf,
    const ngx_at_ctx_t *ctx);


#endif
