/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * What is known of a request.
 */

#ifndef NGX_AT_CTX_H
#define NGX_AT_CTX_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "core/authz/at_cache.h"
#include "core/authz/at_endpoint.h"
#include "core/authz/at_identity.h"
#include "core/base/at_verdict.h"

#include "http/base/ngx_at_loc_conf.h"


/*
 * What is known of a request: found through a cleanup of its pool, as r->ctx
 * is wiped by internal redirects.  r->ctx points here too, but only from the
 * moment of a refusal until a redirect: that is the mark by which the filters
 * know a response as ours.
 *
 * "authenticated" is the verdict on the credential under the demands of conf;
 * "verdict" that of the access phase.
 */
typedef struct {
    const ngx_at_loc_conf_t    *conf;
    at_verdict_e          authenticated;
    at_verdict_e          verdict;
    at_cache_epoch_t      epoch;                    /* as it was then */

    ngx_uint_t            kind;
    ngx_str_t             credential;
    const at_identity_t  *identity;                 /* never NULL */
    at_identity_t         own;                      /* if not of the cache */
    int64_t               verify_time;            /* nanoseconds; 0: unknown */
    const at_endpoint_t  *endpoint;             /* the row, or NULL */

    void                 *call;                 /* of the token API */
    void                 *check;                /* of a password */
    char                 *allow;                /* methods, for a 405 */
    time_t                retry;                /* when, for a 429 */

    ngx_uint_t            status;               /* of the refusal */
    ngx_uint_t            returned;             /* what nginx was told */
    ngx_str_t             body;

    unsigned              decided:1;            /* verdict holds for conf */
    unsigned              nobody:1;             /* no credential was read */
    unsigned              behind:1;         /* what was read is before epoch */
    unsigned              recalled:1;             /* identity is the cache's */
    unsigned              verified:1;         /* it was, or was refused, now */
    unsigned              passed:1;             /* another one has granted */
    unsigned              content:1;            /* a content handler's */
    unsigned              logged:1;
    unsigned              replace:1;          /* body takes the page's place */
    unsigned              body_sent:1;
} ngx_at_ctx_t;


#endif
