/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The work of key sources that blocks and is done in a thread: a fetch, which
 * stores the usable keys, and loading the stored keys.
 */

#ifndef NGX_AT_FETCH_TASK_H
#define NGX_AT_FETCH_TASK_H

#include "core/base/at_bytes.h"
#include "core/base/at_crypto.h"
#include "core/base/at_error.h"

#include "http/base/ngx_at_main_conf.h"
#include "http/keys/ngx_at_source.h"


#define NGX_AT_FETCH_DIGEST_LEN  (2 * AT_SHA256_LEN)  /* in hex */


/*
 * A key source in a worker.  The digest is that of the usable keys and of the
 * warnings about others: other changes of the document change nothing.
 */
typedef struct {
    const ngx_at_main_conf_t  *atmcf;
    const ngx_at_source_t     *source;
    ngx_log_t                 *log;

    ngx_str_t                  file;            /* the sealed document */
    at_str_t                   purpose;         /* of the seal */

    /* the keys in use */
    ngx_uint_t                 version;
    int64_t                    fetched;         /* ngx_at_steady_now();
                                                   0: no keys */
    u_char                     digest[NGX_AT_FETCH_DIGEST_LEN];

    ngx_uint_t                 busy;            /* one of the tasks runs */
    ngx_thread_task_t          fetch_task;
    ngx_thread_task_t          load_task;

    /* a fetch; its thread writes to the last part */
    ngx_uint_t                 lease;
    time_t                     started;

    ngx_at_fetch_result_e      result;
    int64_t                    max_age;
    at_error_t                 err;
    at_bytes_t                 warnings;        /* lines */

    /* loading the stored keys; its thread writes to the last part */
    time_t                     last;            /* fetch of any worker */
    int64_t                    last_steady;     /* ngx_at_steady_now() */
    ngx_uint_t                 had_keys;        /* with this digest */

    int                        loaded;          /* 0, 1: no file, -1 */
    at_error_t                 load_err;
    int64_t                    new_fetched;     /* ngx_at_steady_now() */
    u_char                     new_digest[NGX_AT_FETCH_DIGEST_LEN];
    at_keyset_t               *new_set;         /* NULL: same digest */
} ngx_at_fetch_t;


/* handlers of fetch_task and load_task; data is an ngx_at_fetch_t */
void ngx_at_fetch_handler(void *data, ngx_log_t *log);
void ngx_at_fetch_load_handler(void *data, ngx_log_t *log);

/* the same as load_task, for a process that may block */
void ngx_at_fetch_load(ngx_at_fetch_t *fetch);


#endif
