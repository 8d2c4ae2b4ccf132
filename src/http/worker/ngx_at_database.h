/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The databases that a worker process has opened.
 */

#ifndef NGX_AT_DATABASE_H
#define NGX_AT_DATABASE_H

#include "core/base/at_error.h"
#include "core/session/at_session_db.h"
#include "core/store/at_store.h"

#include "http/worker/ngx_at_job.h"


/* the store that this process has opened; it outlives a cycle */
typedef struct {
    char                       path[NGX_MAX_PATH];
    at_store_t                *handle;          /* NULL: not usable */
    at_lmdb_verdict_t          verdict;         /* of the pages */
    uint64_t                   txnid;           /* last seen */
    uint64_t                   epoch;           /* incremented by changes */
    at_error_t                 error;           /* last logged */
} ngx_at_worker_store_t;


/* the session database that this process has opened */
typedef struct {
    char                       path[NGX_MAX_PATH];
    at_session_db_t           *handle;          /* NULL: not available */
    at_lmdb_verdict_t          verdict;         /* of the pages */
    at_error_t                 error;           /* last logged */
    time_t                     tried;           /* to open it */
    time_t                     checked;         /* whether it was replaced */
    ngx_uint_t                 replaced;        /* closed when no write runs */
    ngx_uint_t                 polls;

    ngx_at_job_t               clean_job;
    int64_t                    clean_time;      /* milliseconds */
    int64_t                    clean_expired;   /* see at_session_db_clean() */
    int                        cleaned;         /* records, -1: error */
    at_error_t                 clean_error;     /* of the job */
    ngx_uint_t                 clean_failed;    /* and was logged */

    int                        usage;           /* percent of the map */
    ngx_uint_t                 full;            /* and was logged */
    ngx_uint_t                 nearly_full;     /* and was logged */
    int64_t                    largest;         /* sessions of this user */
    char                       largest_user[128];
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


#endif
