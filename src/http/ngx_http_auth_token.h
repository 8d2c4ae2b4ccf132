/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * What the files of the glue share: the configuration, which is const once it
 * is read, and what is known of a request.  A request walks
 *
 *     request -> access -> nginx -> refuse
 *
 * and nothing comes back up.
 */

#ifndef NGX_HTTP_AUTH_TOKEN_H
#define NGX_HTTP_AUTH_TOKEN_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "at_account.h"
#include "at_cache.h"
#include "at_cidr.h"
#include "at_endpoint.h"
#include "at_identity.h"
#include "at_issuer.h"
#include "at_jwt.h"
#include "at_scope.h"
#include "at_sentence.h"
#include "at_state.h"
#include "at_store.h"
#include "at_verdict.h"


/* the kinds of credentials: bits of "auth_token_accept" */
#define NGX_HTTP_AUTH_TOKEN_BEARER   0x01
#define NGX_HTTP_AUTH_TOKEN_COOKIE   0x02
#define NGX_HTTP_AUTH_TOKEN_API      0x04   /* X-API-Token */
#define NGX_HTTP_AUTH_TOKEN_BASIC    0x08
#define NGX_HTTP_AUTH_TOKEN_REFRESH  0x10   /* of the token API alone */
#define NGX_HTTP_AUTH_TOKEN_NONE     0x80   /* address lists only */

#define NGX_HTTP_AUTH_TOKEN_JWT                                               \
    (NGX_HTTP_AUTH_TOKEN_BEARER|NGX_HTTP_AUTH_TOKEN_COOKIE)

typedef enum {
    NGX_HTTP_AUTH_TOKEN_JSON = 0,
    NGX_HTTP_AUTH_TOKEN_PROBLEM,
    NGX_HTTP_AUTH_TOKEN_TEXT
} ngx_http_auth_token_format_e;


/* where a directive stands: cross checks run after the file was read */
typedef struct {
    ngx_str_t                      file;
    ngx_uint_t                     line;
} ngx_http_auth_token_where_t;


typedef struct ngx_http_auth_token_key_file_s
    ngx_http_auth_token_key_file_t;
typedef struct ngx_http_auth_token_signing_key_s
    ngx_http_auth_token_signing_key_t;
typedef struct ngx_http_auth_token_source_s  ngx_http_auth_token_source_t;


/*
 * An issuer block.  sets has a place for each key file, and then for each
 * source, NULL while it has no keys; it is swapped whole between two events,
 * never while a request runs.
 */
typedef struct {
    at_issuer_t                       demands;
    ngx_str_t                         name;

    ngx_array_t                       client_claims;    /* of at_path_t */
    ngx_http_auth_token_where_t       client_where;
    ngx_http_auth_token_where_t       audience_where;   /* of "clients" */

    ngx_array_t                       key_files;
                                   /* of ngx_http_auth_token_key_file_t */
    ngx_array_t                       sources;
                                   /* of ngx_http_auth_token_source_t * */
    at_keyset_t                     **sets;
    ngx_uint_t                        nsets;

    /* what it issues; none where there is no signing key */
    ngx_array_t                       signing_keys;
                                /* of ngx_http_auth_token_signing_key_t */
    ngx_str_t                         jwks;     /* their public halves */
    ngx_http_auth_token_where_t       signing_where;

    ngx_str_t                         access_cookie;
    time_t                            access_expires;
    time_t                            access_kept;  /* its cookie, or 0 */
    ngx_str_t                         refresh_cookie;
    ngx_str_t                         refresh_path;
    time_t                            refresh_expires;
    ngx_uint_t                        refresh_length;
    ngx_msec_t                        refresh_grace;

    /* of users' passwords */
    ngx_uint_t                        local;    /* has any, or signs */
    time_t                            remember;
    ngx_uint_t                        failures;
    time_t                            failures_time;
} ngx_http_auth_token_issuer_t;


/* a list of trusted issuers: equal ones are one, by which a cache knows them */
typedef struct {
    at_trusted_t                  *trusted;
    ngx_uint_t                     n;
} ngx_http_auth_token_trust_t;


#define NGX_HTTP_AUTH_TOKEN_CACHE_SIZE  (16 * 1024 * 1024)

typedef struct {
    ngx_array_t                    issuers;
                                /* of ngx_http_auth_token_issuer_t * */
    size_t                         max_length;
    size_t                         cache_size;  /* 0: off */
    ngx_array_t                    trusts;
                                /* of ngx_http_auth_token_trust_t */

    /* a worker's own */
    at_verifier_t                 *verifier;
    at_cache_t                    *cache;       /* NULL: off */
    uint64_t                       keys_generation;
                                        /* differs after any change of keys */
    ngx_uint_t                     timed;       /* verify_time is asked for */

    ngx_str_t                      store;       /* its path, or NULL */
    ngx_http_auth_token_where_t    store_where;

    ngx_str_t                      state_path;
    ngx_http_auth_token_where_t    state_where; /* of what needs it, or 0 */
    at_state_key_t                *state_key;   /* NULL: there is none */

    ngx_str_t                      thread_pool_name;
    ngx_http_auth_token_where_t    thread_where;    /* of what needs it */
#if (NGX_THREADS)
    ngx_thread_pool_t             *thread_pool;
#endif

    ngx_uint_t                     nsources;
    ngx_uint_t                     needs_throttle;
    ngx_shm_zone_t                *throttle;
    at_state_key_t                 process_key; /* a worker's own */
} ngx_http_auth_token_main_conf_t;


/* one row of the error table as "auth_token_error" overrides it */
typedef struct {
    ngx_uint_t                     status;      /* 0: as in the table */
    ngx_str_t                      message;     /* data NULL: as in the table */
} ngx_http_auth_token_error_t;


typedef enum {
    NGX_HTTP_AUTH_TOKEN_NO_API = 0,
    NGX_HTTP_AUTH_TOKEN_LOGIN,
    NGX_HTTP_AUTH_TOKEN_REFRESHING,
    NGX_HTTP_AUTH_TOKEN_LOGOUT,
    NGX_HTTP_AUTH_TOKEN_OAUTH,
    NGX_HTTP_AUTH_TOKEN_JWKS
} ngx_http_auth_token_api_e;


typedef struct {
    ngx_flag_t                     enable;
    ngx_http_auth_token_where_t    enable_where;

    ngx_uint_t                     accept;
    ngx_str_t                      cookie;
    ngx_str_t                      api_header;  /* in lower case */
    ngx_http_auth_token_where_t    accept_where;
    ngx_http_auth_token_where_t    restricted;  /* by a directive of its own */

    ngx_array_t                   *trust;       /* of ngx_str_t */
    ngx_http_auth_token_where_t    trust_where;
    at_trusted_t                  *trusted;     /* one for equal lists */
    ngx_uint_t                     ntrusted;

    ngx_array_t                   *scopes;
                                /* of ngx_http_complex_value_t */
    at_scope_mode_e                scope_mode;

    at_catalogue_t                *catalogue;   /* NULL: none */

    ngx_array_t                   *ranges;      /* of at_cidr_t */
    at_cidr_set_t                 *allow;       /* NULL: any address */

    ngx_str_t                      realm;
    ngx_array_t                   *errors;
                                /* of AT_CODES ngx_http_auth_token_error_t */
    ngx_uint_t                     error_format;

    ngx_flag_t                     preflight;
    ngx_array_t                   *origins;     /* of ngx_str_t */

    ngx_flag_t                     local;

    /* of a location of the token API; not inherited */
    ngx_http_auth_token_api_e      api;
    ngx_str_t                      api_name;
    ngx_http_auth_token_where_t    api_where;
    ngx_http_auth_token_issuer_t  *api_issuer;

    /* of the trusted ones the first that has users, or NULL */
    ngx_http_auth_token_issuer_t  *user_issuer;
    ngx_uint_t                     only_user_issuer;
    ngx_uint_t                     only_issuer;

    /* a server whose locations say what it leaves open itself */
    unsigned                       incomplete:1;
} ngx_http_auth_token_loc_conf_t;


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
    ngx_http_auth_token_loc_conf_t  *conf;
    at_verdict_e                     authenticated;
    at_verdict_e                     verdict;
    at_cache_epoch_t                 epoch;         /* as it was then */

    ngx_uint_t                       kind;
    ngx_str_t                        credential;
    const at_identity_t             *identity;      /* never NULL */
    at_identity_t                    own;           /* if not of the cache */
    int64_t                          verify_time;   /* nanoseconds; 0: unknown */
    const at_endpoint_t             *endpoint;  /* the row, or NULL */

    void                            *call;      /* of the token API */
    void                            *check;     /* of a password */
    char                            *allow;     /* methods, for a 405 */
    time_t                           retry;     /* when, for a 429 */

    ngx_uint_t                       status;    /* of the refusal */
    ngx_uint_t                       returned;  /* what nginx was told */
    ngx_str_t                        body;

    unsigned                         decided:1; /* verdict holds for conf */
    unsigned                         nobody:1;  /* no credential was read */
    unsigned                         behind:1;  /* what was read is before epoch */
    unsigned                         recalled:1;    /* identity is the cache's */
    unsigned                         verified:1;    /* it was, or was refused, now */
    unsigned                         passed:1;  /* another one has granted */
    unsigned                         content:1; /* a content handler's */
    unsigned                         logged:1;
    unsigned                         replace:1; /* body takes the page's place */
    unsigned                         body_sent:1;
} ngx_http_auth_token_ctx_t;


static ngx_inline at_str_t
ngx_http_auth_token_view(ngx_str_t s)
{
    at_str_t  view = { (char *) s.data, s.len };

    return view;
}


static ngx_inline ngx_str_t
ngx_http_auth_token_from_view(at_str_t view)
{
    ngx_str_t  s = { view.len, (u_char *) view.data };

    return s;
}


/* module */

extern ngx_module_t  ngx_http_auth_token_module;

/* conf: setters and cross checks */

char *ngx_http_auth_token_set_enable(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_auth_token_set_accept(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_auth_token_set_trust(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_auth_token_set_scope(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_auth_token_set_endpoints(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_auth_token_set_allow(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_auth_token_set_realm(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_auth_token_set_error(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_auth_token_set_origin(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_auth_token_set_cache(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

void *ngx_http_auth_token_create_loc_conf(ngx_conf_t *cf);
char *ngx_http_auth_token_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child);

char *ngx_http_auth_token_set_api(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* issuer: the block "auth_token_issuer" */

char *ngx_http_auth_token_issuer_block(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
ngx_int_t ngx_http_auth_token_issuer_check_clients(ngx_conf_t *cf,
    ngx_http_auth_token_main_conf_t *atmcf);
ngx_http_auth_token_issuer_t *ngx_http_auth_token_issuer_find(
    ngx_http_auth_token_main_conf_t *atmcf, ngx_str_t *name);

/* mint: keys that sign, read by the master */

char *ngx_http_auth_token_mint_add(ngx_conf_t *cf,
    ngx_http_auth_token_issuer_t *issuer, ngx_str_t *path, ngx_str_t *kid);
char *ngx_http_auth_token_mint_load(ngx_conf_t *cf,
    ngx_http_auth_token_issuer_t *issuer);

/* the token API: content handlers */

ngx_int_t ngx_http_auth_token_login_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_auth_token_refresh_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_auth_token_logout_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_auth_token_oauth_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_auth_token_jwks_handler(ngx_http_request_t *r);

ngx_int_t ngx_http_auth_token_check_local(ngx_conf_t *cf,
    ngx_http_auth_token_main_conf_t *atmcf);
ngx_int_t ngx_http_auth_token_local_init(ngx_cycle_t *cycle,
    ngx_http_auth_token_main_conf_t *atmcf);
void ngx_http_auth_token_local_exit(void);

/* basic: passwords in the access phase */

/* AT_OK if it is remembered; AT_PENDING: it must be hashed */
at_verdict_e ngx_http_auth_token_basic_recall(ngx_http_request_t *r,
    ngx_http_auth_token_main_conf_t *atmcf, ngx_http_auth_token_ctx_t *ctx);

/* what became of AT_PENDING; AT_PENDING again while it is under way */
at_verdict_e ngx_http_auth_token_basic_verify(ngx_http_request_t *r,
    ngx_http_auth_token_ctx_t *ctx);

/* uses: of API tokens, counted */

void ngx_http_auth_token_count_use(const ngx_http_auth_token_main_conf_t *atmcf,
    const ngx_http_auth_token_ctx_t *ctx);

/* keys: reads key files at configuration, watches them in a worker */

char *ngx_http_auth_token_keys_load(ngx_conf_t *cf,
    ngx_http_auth_token_issuer_t *issuer);
char *ngx_http_auth_token_keys_add(ngx_conf_t *cf,
    ngx_http_auth_token_issuer_t *issuer, ngx_str_t *path);
ngx_int_t ngx_http_auth_token_keys_watch(ngx_cycle_t *cycle,
    ngx_http_auth_token_main_conf_t *atmcf);

/* source: where keys are fetched from */

char *ngx_http_auth_token_issuer_jwks_uri(ngx_conf_t *cf,
    ngx_http_auth_token_issuer_t *issuer, size_t offset);
char *ngx_http_auth_token_issuer_discovery(ngx_conf_t *cf,
    ngx_http_auth_token_issuer_t *issuer, size_t offset);
char *ngx_http_auth_token_sources_end(ngx_conf_t *cf,
    ngx_http_auth_token_issuer_t *issuer);

/* fetch: keys of sources, in a worker */

ngx_int_t ngx_http_auth_token_fetch_watch(ngx_cycle_t *cycle,
    ngx_http_auth_token_main_conf_t *atmcf);
void ngx_http_auth_token_fetch_exit(ngx_http_auth_token_main_conf_t *atmcf);

/* a token names a key that nobody knows: it may be a new one */
void ngx_http_auth_token_fetch_early(
    const ngx_http_auth_token_loc_conf_t *atcf, const ngx_str_t *token);

/* "name:keys=N,age=S,fetches=N,failures=N" of each issuer of the location */
ngx_int_t ngx_http_auth_token_fetch_state(ngx_http_request_t *r,
    const ngx_http_auth_token_loc_conf_t *atcf, ngx_str_t *state);

/* watch: what is looked at at intervals, by a worker that stays */

typedef void (*ngx_http_auth_token_watch_pt)(void *data, ngx_log_t *log);

/* exiting: by one that is about to end, too, which it does not keep from that */
ngx_int_t ngx_http_auth_token_watch(ngx_cycle_t *cycle, ngx_msec_t interval,
    ngx_uint_t exiting, ngx_http_auth_token_watch_pt handler, void *data);

/* thread: the pool for what takes its time */

char *ngx_http_auth_token_set_thread_pool(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* in a setter: the directive that is being read needs the pool */
void ngx_http_auth_token_need_threads(ngx_conf_t *cf,
    ngx_http_auth_token_main_conf_t *atmcf);
ngx_int_t ngx_http_auth_token_check_threads(ngx_conf_t *cf,
    ngx_http_auth_token_main_conf_t *atmcf);

/* store: looked at with the configuration, opened by each worker */

char *ngx_http_auth_token_set_store(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
ngx_int_t ngx_http_auth_token_check_store(ngx_conf_t *cf,
    ngx_http_auth_token_main_conf_t *atmcf);
ngx_int_t ngx_http_auth_token_store_watch(ngx_cycle_t *cycle,
    ngx_http_auth_token_main_conf_t *atmcf);
void ngx_http_auth_token_store_exit(ngx_cycle_t *cycle);

/*
 * Differs after any change of it, one that took the place of another included;
 * 0 where there is none that can be used.
 */
uint64_t ngx_http_auth_token_generation(
    const ngx_http_auth_token_main_conf_t *atmcf);

/*
 * Once the store was read under the ctx's epoch: that may name a commit which was
 * not to be read yet.  Then what was found is not kept, nor taken for fresh later.
 */
void ngx_http_auth_token_confirm(const ngx_http_auth_token_main_conf_t *atmcf,
    ngx_http_auth_token_ctx_t *ctx);

/* the open store, or NULL while it cannot be used */
at_store_t *ngx_http_auth_token_store(
    const ngx_http_auth_token_main_conf_t *atmcf);

/* state: a directory of our own, with a key that the master reads */

char *ngx_http_auth_token_set_state_path(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* in a setter: the directive that is being read needs the state */
void ngx_http_auth_token_need_state(ngx_conf_t *cf,
    ngx_http_auth_token_main_conf_t *atmcf);

ngx_int_t ngx_http_auth_token_check_state(ngx_conf_t *cf,
    ngx_http_auth_token_main_conf_t *atmcf);
ngx_int_t ngx_http_auth_token_open_state(ngx_cycle_t *cycle,
    ngx_http_auth_token_main_conf_t *atmcf);

/*
 * From init_module on; NULL where nothing needs it, or where it could not be
 * had: who needs it then fails closed.
 */
const at_state_key_t *ngx_http_auth_token_state_key(
    const ngx_http_auth_token_main_conf_t *atmcf);

/*
 * The path, terminated, of a file of the workers': PATH/data/NAME.  Once the
 * configuration was read; data is NULL where memory failed.
 */
ngx_str_t ngx_http_auth_token_state_file(ngx_pool_t *pool,
    const ngx_http_auth_token_main_conf_t *atmcf, const char *name);

/* cache: what a worker has verified */

ngx_int_t ngx_http_auth_token_cache_init(ngx_cycle_t *cycle,
    ngx_http_auth_token_main_conf_t *atmcf);

at_cache_epoch_t ngx_http_auth_token_epoch(
    const ngx_http_auth_token_main_conf_t *atmcf);

/* milliseconds since the epoch */
int64_t ngx_http_auth_token_now(void);

/* 1 with the identity of the ctx's credential, or 0 */
ngx_uint_t ngx_http_auth_token_recall(
    const ngx_http_auth_token_main_conf_t *atmcf,
    ngx_http_auth_token_ctx_t *ctx);
void ngx_http_auth_token_remember(
    const ngx_http_auth_token_main_conf_t *atmcf,
    const ngx_http_auth_token_ctx_t *ctx);

/* the same by another text, which stands for the credential under trust */
ngx_uint_t ngx_http_auth_token_recall_text(
    const ngx_http_auth_token_main_conf_t *atmcf,
    ngx_http_auth_token_ctx_t *ctx, at_str_t text, const void *trust);
void ngx_http_auth_token_remember_text(
    const ngx_http_auth_token_main_conf_t *atmcf,
    const ngx_http_auth_token_ctx_t *ctx, at_str_t text, const void *trust);

/* request: all that is read of one */

ngx_http_auth_token_ctx_t *ngx_http_auth_token_find_ctx(ngx_http_request_t *r);
ngx_http_auth_token_ctx_t *ngx_http_auth_token_get_ctx(ngx_http_request_t *r);

/* makes its identity nobody */
void ngx_http_auth_token_forget(ngx_http_auth_token_ctx_t *ctx);

/* the claims of its verified token, or NULL; the ctx has them */
const at_value_t *ngx_http_auth_token_claims(ngx_http_auth_token_ctx_t *ctx);

/* the row of the catalogue for the request; NULL for a path that is odd, too */
const at_endpoint_t *ngx_http_auth_token_find_endpoint(ngx_http_request_t *r,
    const ngx_http_auth_token_loc_conf_t *atcf);

/* the last one of a kind, and how many there are */
ngx_uint_t ngx_http_auth_token_read_cookie(ngx_http_request_t *r,
    const ngx_str_t *name, ngx_str_t *value);
ngx_uint_t ngx_http_auth_token_read_bearer(ngx_http_request_t *r,
    ngx_str_t *token);
ngx_uint_t ngx_http_auth_token_read_basic(ngx_http_request_t *r,
    ngx_str_t *credential);

/* AT_OK with kind and credential set, or why there is none to judge */
at_verdict_e ngx_http_auth_token_read_credential(ngx_http_request_t *r,
    const ngx_http_auth_token_loc_conf_t *atcf, ngx_uint_t *kind,
    ngx_str_t *credential);

/* a header of that lower-case name, the first one, or NULL */
ngx_str_t *ngx_http_auth_token_find_header(ngx_http_request_t *r,
    const char *name);

/* by the ranges of the location and by the identity's own */
ngx_uint_t ngx_http_auth_token_address_allowed(ngx_http_request_t *r,
    const ngx_http_auth_token_loc_conf_t *atcf,
    const at_identity_t *identity);
ngx_uint_t ngx_http_auth_token_origin_allowed(ngx_http_request_t *r,
    const ngx_http_auth_token_loc_conf_t *atcf);
ngx_uint_t ngx_http_auth_token_is_preflight(ngx_http_request_t *r);

/* the first 12 hex digits of the SHA-256 of the credential, or empty */
#define NGX_HTTP_AUTH_TOKEN_FINGERPRINT_LEN  12

ngx_str_t ngx_http_auth_token_fingerprint(
    const ngx_http_auth_token_ctx_t *ctx,
    u_char buf[NGX_HTTP_AUTH_TOKEN_FINGERPRINT_LEN]);

ngx_str_t ngx_http_auth_token_kind_name(ngx_uint_t kind);

/* access: the policy */

ngx_int_t ngx_http_auth_token_access_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_auth_token_precontent_handler(ngx_http_request_t *r);

/*
 * Whether it is a preflight, or of a public endpoint, where they pass; *endpoint
 * is the row of the catalogue, or NULL.
 */
ngx_uint_t ngx_http_auth_token_is_nobodys(ngx_http_request_t *r,
    const ngx_http_auth_token_loc_conf_t *atcf,
    const at_endpoint_t **endpoint);

/* who the credential speaks for under the demands of atcf; a second call is free */
at_verdict_e ngx_http_auth_token_authenticate(ngx_http_request_t *r,
    ngx_http_auth_token_loc_conf_t *atcf, ngx_http_auth_token_ctx_t *ctx);

/* refuse: the answer */

ngx_int_t ngx_http_auth_token_add_header(ngx_http_request_t *r,
    const char *name, ngx_str_t *value);

/* marks the request, logs why, returns the status for nginx's access phase */
ngx_int_t ngx_http_auth_token_refuse(ngx_http_request_t *r,
    ngx_http_auth_token_ctx_t *ctx);
ngx_int_t ngx_http_auth_token_filter_init(ngx_conf_t *cf);

/* variables */

ngx_int_t ngx_http_auth_token_add_variables(ngx_conf_t *cf);
ngx_uint_t ngx_http_auth_token_is_timed(ngx_cycle_t *cycle);
char *ngx_http_auth_token_set_claim(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);


#endif
