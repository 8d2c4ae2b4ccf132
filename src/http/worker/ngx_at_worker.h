/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The state of a worker process: all that changes after configuration.
 */

#ifndef NGX_AT_WORKER_H
#define NGX_AT_WORKER_H

#include "core/authz/at_cache.h"
#include "core/base/at_error.h"
#include "core/jose/at_jwt.h"
#include "core/session/at_session_db.h"
#include "core/session/at_state.h"
#include "core/store/at_store.h"

#include "http/base/ngx_at_main_conf.h"
#include "http/worker/ngx_at_job.h"


/* the store that this process has opened; it outlives a cycle */
typedef struct {
    char                       path[NGX_MAX_PATH];
    at_store_t                *handle;          /* NULL: not usable */
    uint64_t                   txnid;           /* last seen */
    uint64_t                   epoch;           /* incremented by changes */
    at_error_t                 error;           /* last logged */
} ngx_at_worker_store_t;


/* the session database that this process has opened */
typedef struct {
    char                       path[NGX_MAX_PATH];
    at_session_db_t           *handle;          /* NULL: not available */
    at_error_t                 error;           /* last logged */
    time_t                     tried;           /* to open it */
    time_t                     checked;         /* whether it was replaced */
    ngx_uint_t                 replaced;        /* closed when no write runs */
    ngx_uint_t                 polls;

    ngx_at_job_t               clean_job;
    int64_t                    clean_time;      /* milliseconds */
    int                        cleaned;         /* records, -1: error */
    at_error_t                 clean_error;     /* of the job */
    ngx_uint_t                 clean_failed;    /* and was logged */
} ngx_at_worker_sessions_t;


typedef struct ngx_at_use_table_s  ngx_at_use_table_t;

/* use counters of API tokens */
typedef struct {
    ngx_at_use_table_t        *counting;        /* NULL: not counted */
    ngx_at_use_table_t        *storing;         /* by the job, or empty */
    ngx_uint_t                 lost;            /* uses, since the last job */
    ngx_at_job_t               job;
    at_error_t                 err;             /* of the job */
} ngx_at_worker_uses_t;


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

ngx_int_t ngx_at_worker_init(const ngx_at_main_conf_t *atmcf);
void ngx_at_worker_exit(void);

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
