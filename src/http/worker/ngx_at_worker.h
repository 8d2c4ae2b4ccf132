/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The state of a worker process: all that changes after configuration.
 */

#ifndef NGX_AT_WORKER_H
#define NGX_AT_WORKER_H

#include "core/authz/at_cache.h"
#include "core/jose/at_jwt.h"
#include "core/session/at_state.h"

#include "http/base/ngx_at_main_conf.h"
#include "http/worker/ngx_at_database.h"


/* both clocks when they were last read, to notice that the system's was set */
typedef struct {
    int64_t                    now;             /* ngx_at_now() */
    int64_t                    steady;          /* ngx_at_steady_now() */
    int64_t                    set;             /* ngx_at_steady_now() then */
} ngx_at_worker_clock_t;

/* log lines about refused requests */
typedef struct {
    time_t                     second;          /* of the last line */
    ngx_uint_t                 lines;           /* in this second */
    ngx_uint_t                 suppressed;      /* since the last line */
} ngx_at_worker_log_t;

typedef struct {
    at_verifier_t             *verifier;
    at_cache_t                *cache;           /* NULL: off */
    at_state_key_t             process_key;     /* random */
    ngx_uint_t                 measure_time;    /* of verifications */
    u_char                    *no_user_logged;  /* flags; by issuer block */

    /* keys_conf is the configuration of key_sets; NULL: none */
    const ngx_at_main_conf_t  *keys_conf;
    at_keyset_t              **key_sets;        /* of all issuers, in use */

    /* key_files and fetches are empty until keys are watched */
    ngx_array_t                key_files;       /* of ngx_at_key_file_t */
    ngx_array_t                fetches;         /* of ngx_at_fetch_t */
    uint64_t                   keys_generation; /* incremented by changes */

    ngx_at_job_queue_t         hash_queue;
    ngx_at_job_queue_t         verify_queue;
    ngx_at_job_queue_t         write_queue;
    ngx_at_worker_log_t        refusal_log;
    ngx_at_worker_clock_t      clock;
    ngx_at_worker_store_t      store;
    ngx_at_worker_sessions_t   sessions;
    ngx_at_worker_uses_t       uses;
} ngx_at_worker_t;


/* verifier and cache exist from init to exit */
extern ngx_at_worker_t  ngx_at_worker;

/*
 * In the master process, at each configuration: without a master process, the
 * state of the previous one must not be used any more.
 */
void ngx_at_worker_reset(void);

/*
 * Whether the clock of the system was not set for an hour.  The master process
 * calls it, too: a new worker knows of a change before its start.
 */
ngx_uint_t ngx_at_clock_is_trusted(void);

ngx_int_t ngx_at_worker_init(ngx_cycle_t *cycle,
    const ngx_at_main_conf_t *atmcf);
void ngx_at_worker_exit(void);

/* a damaged file may have killed the process that this worker replaces */
ngx_uint_t ngx_at_worker_replaces_killed(void);

typedef void (*ngx_at_watch_pt)(const ngx_at_main_conf_t *atmcf,
    ngx_log_t *log);

/*
 * Calls handler at intervals of milliseconds.  exiting: also in a worker that
 * is shutting down; the timer does not delay its exit.
 */
ngx_int_t ngx_at_watch(ngx_cycle_t *cycle, ngx_msec_t interval,
    ngx_uint_t exiting, ngx_at_watch_pt handler,
    const ngx_at_main_conf_t *atmcf);


#endif
