/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The verification cache of a worker.  An entry is the identity of a
 * credential of one kind under one list of trusted issuers.  It ends when the
 * identity expires, when keys change and, if it depends on the store, when the
 * store changes.  Authorization is not cached.
 */

#ifndef NGX_AT_CACHE_H
#define NGX_AT_CACHE_H

#include "core/authz/at_cache.h"
#include "core/base/at_str.h"

#include "http/base/ngx_at_main_conf.h"
#include "http/request/ngx_at_ctx.h"


/*
 * The present state of keys and store: take it before a verification.  The
 * store, which costs a system call, is 0 if a credential of this kind does not
 * need it here.
 */
at_cache_epoch_t ngx_at_cache_epoch(const ngx_at_main_conf_t *atmcf,
    const ngx_at_ctx_t *ctx);

/*
 * text is the credential, or a MAC of it.  If a lookup finds an identity, it
 * returns 1 and sets ctx->identity, which ctx releases.
 */
ngx_uint_t ngx_at_cache_lookup(ngx_at_ctx_t *ctx, at_str_t text);
void ngx_at_cache_insert(const ngx_at_ctx_t *ctx, at_str_t text);


#endif
