/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * What the files of the token API share: passwords, sessions, tokens that are
 * made here.  None of it may hold up the event loop, so that most of it is jobs.
 */

#ifndef NGX_HTTP_AUTH_TOKEN_LOCAL_H
#define NGX_HTTP_AUTH_TOKEN_LOCAL_H

#include "ngx_http_auth_token_conf.h"

#include "at_session.h"


#if !(NGX_THREADS)
#error "auth_token needs nginx with threads (--with-threads)"
#endif


/* job: work of a request, or of nobody, in a thread */

typedef struct ngx_http_auth_token_job_s  ngx_http_auth_token_job_t;

typedef void (*ngx_http_auth_token_job_pt)(ngx_http_auth_token_job_t *job);
typedef ngx_uint_t (*ngx_http_auth_token_ready_pt)(
    ngx_http_auth_token_job_t *job);

/*
 * Zeroed, and then filled by who posts it.  A request is held as long as its job
 * waits or runs, and goes on with its write event handler; where its client is
 * gone, a job that waits is dropped.
 */
struct ngx_http_auth_token_job_s {
    ngx_http_request_t              *request;   /* or NULL */
    void                            *data;
    ngx_http_auth_token_ready_pt     ready;     /* of a hash: 0: not any more */
    ngx_http_auth_token_job_pt       work;      /* in the thread */
    ngx_http_auth_token_job_pt       done;      /* without a request */

    ngx_queue_t                      queue;
    ngx_thread_task_t                task;
    ngx_event_t                      timer;
    ngx_uint_t                      *waiting;   /* of which queue, while it does */
    unsigned                         busy:1;    /* waits or runs */
    unsigned                         failed:1;  /* and never ran */
};

/* NGX_OK, NGX_BUSY for a full queue, NGX_ERROR */

/* in a thread of this worker alone, of low priority: hashes */
ngx_int_t ngx_http_auth_token_hash(ngx_http_auth_token_job_t *job);

/* the same, before any that waits: what signs for a password that was right */
ngx_int_t ngx_http_auth_token_sign(ngx_http_auth_token_job_t *job);

/* in nginx's thread pool, one at a time of a worker: what writes */
ngx_int_t ngx_http_auth_token_write(ngx_http_auth_token_job_t *job);

/* 1 while none of the latter waits or runs */
ngx_uint_t ngx_http_auth_token_writes_rest(void);

void ngx_http_auth_token_hash_init(ngx_cycle_t *cycle);
void ngx_http_auth_token_hash_exit(void);


/* throttle: failures of a pair of name and address, over all workers */

typedef struct {
    time_t                           now;
    time_t                           until;     /* where it is exceeded */
    u_char                           digest[16];
} ngx_http_auth_token_pair_t;

/* kind: 'u' for a user, 'c' for a client */
ngx_int_t ngx_http_auth_token_throttle_key(ngx_http_request_t *r,
    ngx_http_auth_token_pair_t *pair, u_char kind, at_str_t name);

/* 1 where no further failure is allowed; pair->until is set */
ngx_uint_t ngx_http_auth_token_is_throttled(
    const ngx_http_auth_token_main_conf_t *atmcf,
    const ngx_http_auth_token_issuer_t *issuer,
    ngx_http_auth_token_pair_t *pair);

void ngx_http_auth_token_throttle_failure(
    const ngx_http_auth_token_main_conf_t *atmcf,
    const ngx_http_auth_token_issuer_t *issuer,
    ngx_http_auth_token_pair_t *pair);
void ngx_http_auth_token_throttle_success(
    const ngx_http_auth_token_main_conf_t *atmcf,
    ngx_http_auth_token_pair_t *pair);

ngx_int_t ngx_http_auth_token_throttle_add(ngx_conf_t *cf,
    ngx_http_auth_token_main_conf_t *atmcf);


/* password: whether a name and a secret belong together */

typedef struct {
    ngx_http_auth_token_job_t        job;
    ngx_http_auth_token_pair_t       pair;
    const ngx_http_auth_token_issuer_t  *issuer;    /* NULL: nobody's */
    ngx_uint_t                       only_issuer;
    at_str_t                         name;      /* both are the caller's, which */
    at_str_t                         secret;    /* is overwritten at the end */
    unsigned                         client:1;  /* not a user */

    /* inside */
    at_str_t                         hashes[AT_SECRETS];
    ngx_uint_t                       n;
    unsigned                         known:1;
    unsigned                         right:1;
    unsigned                         judged:1;
    unsigned                         throttled:1;
} ngx_http_auth_token_check_t;

/*
 * AT_PENDING while the request is held, or why there is no need to.  Whether the
 * name exists makes no difference to what is done, nor to what it takes.
 */
at_verdict_e ngx_http_auth_token_check_start(ngx_http_request_t *r,
    ngx_http_auth_token_ctx_t *ctx, ngx_http_auth_token_check_t *check);

/*
 * Once the request goes on.  identity must be nobody before, and is who it was
 * on AT_OK, with the record of this moment.
 */
at_verdict_e ngx_http_auth_token_check_user(ngx_http_request_t *r,
    ngx_http_auth_token_ctx_t *ctx, ngx_http_auth_token_check_t *check,
    at_identity_t *identity, at_user_record_t *user);
at_verdict_e ngx_http_auth_token_check_client(ngx_http_request_t *r,
    ngx_http_auth_token_ctx_t *ctx, ngx_http_auth_token_check_t *check,
    at_identity_t *identity, at_client_record_t *client);


/* body */

/* AT_OK, AT_BAD_METHOD, AT_LARGE_BODY, AT_BAD_TYPE; an empty body has no type */
#define NGX_HTTP_AUTH_TOKEN_BODY_MAX  8192

at_verdict_e ngx_http_auth_token_check_head(ngx_http_request_t *r,
    ngx_http_auth_token_ctx_t *ctx, const char *type);

/* the body that was read, in one piece: AT_OK, AT_LARGE_BODY, AT_FAILED */
at_verdict_e ngx_http_auth_token_get_body(ngx_http_request_t *r,
    at_str_t *body);

/* overwrites what the buffers of the body hold */
void ngx_http_auth_token_cleanse_body(ngx_http_request_t *r);


/* mint: a user's tokens, made in a job */

typedef struct {
    const ngx_http_auth_token_issuer_t  *issuer;
    at_sessions_t                   *sessions;
    at_session_t                     session;
    at_str_t                         used;      /* refresh token, or empty */
    size_t                           max_length;
    char                            *claims;
    char                            *access;
    u_char                          *refresh;
    int64_t                          now;       /* milliseconds */
    at_session_e                     result;
    at_error_t                       err;
    unsigned                         is_signed:1;
} ngx_http_auth_token_grant_t;

/* NGX_OK, with a cleanup in the request's pool; NGX_ERROR */
ngx_int_t ngx_http_auth_token_grant_user(ngx_http_request_t *r,
    ngx_http_auth_token_grant_t *grant, const at_user_record_t *user);
ngx_int_t ngx_http_auth_token_grant_client(ngx_http_request_t *r,
    ngx_http_auth_token_grant_t *grant, at_str_t client, at_str_t audience);

/* the work of a job, whose data is the grant: its two halves, and both */
void ngx_http_auth_token_grant_sign(ngx_http_auth_token_job_t *job);
void ngx_http_auth_token_grant_store(ngx_http_auth_token_job_t *job);
void ngx_http_auth_token_grant_work(ngx_http_auth_token_job_t *job);


/* reply: what the token API answers */

/* a call of the token API; ctx->call points here */
typedef struct {
    ngx_http_request_t              *request;
    ngx_http_auth_token_ctx_t       *ctx;
    ngx_http_auth_token_issuer_t    *issuer;
    ngx_http_auth_token_check_t      check;
    ngx_http_auth_token_grant_t      grant;
    ngx_http_auth_token_job_t        job;
    at_str_t                         refresh;
    at_str_t                         access;
    at_str_t                         scope;
    at_session_e                     ended;
} ngx_http_auth_token_call_t;

/* the call of a location's handler; NULL where memory failed */
ngx_http_auth_token_call_t *ngx_http_auth_token_call(ngx_http_request_t *r);

/* ends the request with a refusal */
ngx_int_t ngx_http_auth_token_call_refuse(ngx_http_auth_token_call_t *call,
    at_verdict_e verdict);

/* 1 while a job of the call is busy, or where its client is gone: return, then */
ngx_uint_t ngx_http_auth_token_call_waits(ngx_http_auth_token_call_t *call);

/*
 * A step of a call goes on with next, when its job is done: AT_PENDING, or it
 * is refused by its verdict.  To resume is the same once no job waits or runs.
 */
typedef at_verdict_e (*ngx_http_auth_token_step_pt)(ngx_http_request_t *r,
    ngx_http_auth_token_call_t *call);

void ngx_http_auth_token_call_step(ngx_http_request_t *r,
    ngx_http_auth_token_step_pt step, ngx_http_event_handler_pt next);
void ngx_http_auth_token_call_resume(ngx_http_request_t *r,
    ngx_http_auth_token_step_pt step, ngx_http_event_handler_pt next);

/* the read body is the handler's; the value to return from a content handler */
ngx_int_t ngx_http_auth_token_call_read(ngx_http_auth_token_call_t *call,
    ngx_http_client_body_handler_pt handler);

/* a status, a JSON text, "Cache-Control: no-store" unless cache says else */
ngx_int_t ngx_http_auth_token_reply(ngx_http_request_t *r, ngx_uint_t status,
    ngx_str_t *json, const char *cache);

/* both cookies; grant NULL: they are cleared */
ngx_int_t ngx_http_auth_token_set_cookies(ngx_http_request_t *r,
    const ngx_http_auth_token_issuer_t *issuer,
    const ngx_http_auth_token_grant_t *grant);


/* session: the environment of this worker, and what is done in the background */

/*
 * NULL while it cannot be used; tried again now and then.  What is given out goes
 * to a job within the same event, or nowhere: later there may be another one.
 */
at_sessions_t *ngx_http_auth_token_sessions(
    ngx_http_auth_token_main_conf_t *atmcf);

ngx_int_t ngx_http_auth_token_sessions_watch(ngx_cycle_t *cycle,
    ngx_http_auth_token_main_conf_t *atmcf);
void ngx_http_auth_token_sessions_exit(void);


#endif
