/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The module's table of contents: directives and hooks, no logic.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "core/base/at_version.h"
#include "http/access/ngx_at_access.h"
#include "http/access/ngx_at_variables.h"
#include "http/base/ngx_at_conf_record.h"
#include "http/base/ngx_at_loc_conf.h"
#include "http/base/ngx_at_main_conf.h"
#include "http/conf/ngx_at_conf.h"
#include "http/explain/ngx_at_explain.h"
#include "http/keys/ngx_at_fetch.h"
#include "http/keys/ngx_at_keys.h"
#include "http/metrics/ngx_at_metrics.h"
#include "http/request/ngx_at_refuse.h"
#include "http/store/ngx_at_session.h"
#include "http/store/ngx_at_state.h"
#include "http/store/ngx_at_store.h"
#include "http/worker/ngx_at_job.h"
#include "http/worker/ngx_at_worker.h"


#define NGX_AT_ANY_CONF                                                       \
    (NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_HTTP_LMT_CONF)


static ngx_int_t ngx_at_postconfiguration(ngx_conf_t *cf);
static ngx_int_t ngx_at_init_module(ngx_cycle_t *cycle);
static ngx_int_t ngx_at_init_process(ngx_cycle_t *cycle);
static void ngx_at_exit_process(ngx_cycle_t *cycle);


static ngx_conf_enum_t  ngx_at_formats[] = {
    { ngx_string("json"), NGX_AT_JSON },
    { ngx_string("problem"), NGX_AT_PROBLEM },
    { ngx_string("text"), NGX_AT_TEXT },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_at_log_levels[] = {
    { ngx_string("info"), NGX_LOG_INFO },
    { ngx_string("notice"), NGX_LOG_NOTICE },
    { ngx_string("warn"), NGX_LOG_WARN },
    { ngx_string("error"), NGX_LOG_ERR },
    { ngx_null_string, 0 }
};


static ngx_command_t  ngx_at_commands[] = {

    { ngx_string("auth_token"), NGX_AT_ANY_CONF|NGX_CONF_FLAG,
      ngx_at_set_enable, NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_at_loc_conf_t, auth_token), NULL },

    { ngx_string("auth_token_accept"), NGX_AT_ANY_CONF|NGX_CONF_1MORE,
      ngx_at_set_accept, NGX_HTTP_LOC_CONF_OFFSET, 0, NULL },

    { ngx_string("auth_token_challenge"), NGX_AT_ANY_CONF|NGX_CONF_1MORE,
      ngx_at_set_challenge, NGX_HTTP_LOC_CONF_OFFSET, 0, NULL },

    { ngx_string("auth_token_trust"), NGX_AT_ANY_CONF|NGX_CONF_1MORE,
      ngx_at_set_trust, NGX_HTTP_LOC_CONF_OFFSET, 0, NULL },

    { ngx_string("auth_token_require_scope"), NGX_AT_ANY_CONF|NGX_CONF_1MORE,
      ngx_at_set_scope, NGX_HTTP_LOC_CONF_OFFSET, 0, NULL },

    { ngx_string("auth_token_endpoints"), NGX_AT_ANY_CONF|NGX_CONF_TAKE123,
      ngx_at_set_endpoints, NGX_HTTP_LOC_CONF_OFFSET, 0, NULL },

    { ngx_string("auth_token_allow"), NGX_AT_ANY_CONF|NGX_CONF_1MORE,
      ngx_at_set_allow, NGX_HTTP_LOC_CONF_OFFSET, 0, NULL },

    { ngx_string("auth_token_realm"), NGX_AT_ANY_CONF|NGX_CONF_TAKE1,
      ngx_at_set_realm, NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_at_loc_conf_t, realm), NULL },

    { ngx_string("auth_token_error"), NGX_AT_ANY_CONF|NGX_CONF_TAKE23,
      ngx_at_set_error, NGX_HTTP_LOC_CONF_OFFSET, 0, NULL },

    { ngx_string("auth_token_error_format"), NGX_AT_ANY_CONF|NGX_CONF_TAKE1,
      ngx_at_conf_set_word, NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_at_loc_conf_t, error_format), &ngx_at_formats },

    { ngx_string("auth_token_log_level"), NGX_AT_ANY_CONF|NGX_CONF_TAKE1,
      ngx_at_conf_set_word, NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_at_loc_conf_t, log_level), &ngx_at_log_levels },

    { ngx_string("auth_token_preflight"), NGX_AT_ANY_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot, NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_at_loc_conf_t, preflight), NULL },

    { ngx_string("auth_token_local"), NGX_AT_ANY_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot, NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_at_loc_conf_t, local_users), NULL },

    { ngx_string("auth_token_cookie_origin"), NGX_AT_ANY_CONF|NGX_CONF_1MORE,
      ngx_at_set_origins, NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_at_loc_conf_t, origins), NULL },

    { ngx_string("auth_token_cors"), NGX_AT_ANY_CONF|NGX_CONF_1MORE,
      ngx_at_set_origins, NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_at_loc_conf_t, cors), NULL },

    { ngx_string("auth_token_login"), NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_at_set_token_endpoint, NGX_HTTP_LOC_CONF_OFFSET, 0, NULL },

    { ngx_string("auth_token_refresh"), NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_at_set_token_endpoint, NGX_HTTP_LOC_CONF_OFFSET, 0, NULL },

    { ngx_string("auth_token_logout"), NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_at_set_token_endpoint, NGX_HTTP_LOC_CONF_OFFSET, 0, NULL },

    { ngx_string("auth_token_session_info"), NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_at_set_token_endpoint, NGX_HTTP_LOC_CONF_OFFSET, 0, NULL },

    { ngx_string("auth_token_oauth"), NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_at_set_token_endpoint, NGX_HTTP_LOC_CONF_OFFSET, 0, NULL },

    { ngx_string("auth_token_jwks"), NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_at_set_token_endpoint, NGX_HTTP_LOC_CONF_OFFSET, 0, NULL },

    { ngx_string("auth_token_metadata"), NGX_HTTP_LOC_CONF|NGX_CONF_TAKE23,
      ngx_at_set_token_endpoint, NGX_HTTP_LOC_CONF_OFFSET, 0, NULL },

    { ngx_string("auth_token_metrics"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS|NGX_CONF_TAKE1,
      ngx_at_set_metrics, NGX_HTTP_LOC_CONF_OFFSET, 0, NULL },

    { ngx_string("auth_token_claim"), NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE23,
      ngx_at_set_claim, NGX_HTTP_MAIN_CONF_OFFSET, 0, NULL },

    { ngx_string("auth_token_store"), NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_at_set_store, NGX_HTTP_MAIN_CONF_OFFSET, 0, NULL },

    { ngx_string("auth_token_state_path"), NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_at_set_state_path, NGX_HTTP_MAIN_CONF_OFFSET, 0, NULL },

    { ngx_string("auth_token_thread_pool"), NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_at_set_thread_pool, NGX_HTTP_MAIN_CONF_OFFSET, 0, NULL },

    { ngx_string("auth_token_max_length"), NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_size_slot, NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_at_main_conf_t, max_length), &ngx_at_max_length_post },

    { ngx_string("auth_token_cache"), NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_at_set_cache, NGX_HTTP_MAIN_CONF_OFFSET, 0, NULL },

    { ngx_string("auth_token_issuer"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_BLOCK|NGX_CONF_TAKE1,
      ngx_at_issuer_block, NGX_HTTP_MAIN_CONF_OFFSET, 0, NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_at_module_ctx = {
    ngx_at_add_variables,                   /* preconfiguration */
    ngx_at_postconfiguration,               /* postconfiguration */

    ngx_at_create_main_conf,                /* create main configuration */
    ngx_at_init_main_conf,                  /* init main configuration */

    NULL,                                   /* create server configuration */
    NULL,                                   /* merge server configuration */

    ngx_at_create_loc_conf,                 /* create location configuration */
    ngx_at_merge_loc_conf                   /* merge location configuration */
};


ngx_module_t  ngx_http_auth_token_module = {
    NGX_MODULE_V1,
    &ngx_at_module_ctx,                     /* module context */
    ngx_at_commands,                        /* module directives */
    NGX_HTTP_MODULE,                        /* module type */
    NULL,                                   /* init master */
    ngx_at_init_module,                     /* init module */
    ngx_at_init_process,                    /* init process */
    NULL,                                   /* init thread */
    NULL,                                   /* exit thread */
    ngx_at_exit_process,                    /* exit process */
    NULL,                                   /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_int_t
ngx_at_add_handler(ngx_conf_t *cf, ngx_uint_t phase,
    ngx_http_handler_pt handler)
{
    ngx_http_handler_pt        *h;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    h = ngx_array_push(&cmcf->phases[phase].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = handler;

    return NGX_OK;
}


static ngx_int_t
ngx_at_postconfiguration(ngx_conf_t *cf)
{
    ngx_at_main_conf_t  *atmcf;

    atmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_auth_token_module);

    if (ngx_at_add_handler(cf, NGX_HTTP_ACCESS_PHASE, ngx_at_access_handler)
        != NGX_OK
        || ngx_at_add_handler(cf, NGX_HTTP_PRECONTENT_PHASE,
                              ngx_at_precontent_handler)
           != NGX_OK
        || (atmcf->metrics
            && ngx_at_add_handler(cf, NGX_HTTP_LOG_PHASE,
                                  ngx_at_metrics_log_handler)
               != NGX_OK)
        || ngx_at_check_variables(cf) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_at_filter_init(cf);
}


/* before workers are forked */

static ngx_int_t
ngx_at_init_module(ngx_cycle_t *cycle)
{
    ngx_at_main_conf_t  *atmcf;

    atmcf = ngx_http_cycle_get_module_main_conf(cycle,
                                                ngx_http_auth_token_module);

    if (ngx_test_config || atmcf == NULL || ngx_at_conf_records) {
        return NGX_OK;
    }

    /* a reload keeps the version that is loaded, even if the file is newer */
    ngx_log_error(NGX_LOG_NOTICE, cycle->log, 0,
                  "nginx-auth-token/" AT_VERSION);

    ngx_at_worker_reset();
    ngx_at_metrics_use_zone(atmcf);

    if (ngx_at_open_state(cycle, atmcf) != NGX_OK) {
        return NGX_ERROR;
    }

    if (atmcf->store_path.data && atmcf->state_position.line) {
        ngx_at_sessions_verify(atmcf);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_at_init_process(ngx_cycle_t *cycle)
{
    const ngx_at_main_conf_t  *atmcf;

    if (ngx_at_conf_records) {
        return ngx_at_explain_init_process(cycle);
    }

    ngx_at_state_init_process();

    if (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE)
    {
        return NGX_OK;
    }

    atmcf = ngx_http_cycle_get_module_main_conf(cycle,
                                                ngx_http_auth_token_module);

    if (atmcf == NULL) {
        return NGX_OK;
    }

    ngx_at_worker.measure_time = atmcf->metrics
                                 || ngx_at_uses_verify_time(cycle);
    ngx_at_job_init(atmcf);

    if (ngx_at_worker_init(cycle, atmcf) != NGX_OK
        || ngx_at_keys_watch(cycle, atmcf) != NGX_OK
        || ngx_at_fetch_watch(cycle, atmcf) != NGX_OK
        || ngx_at_store_watch(cycle, atmcf) != NGX_OK
        || ngx_at_metrics_watch(cycle, atmcf) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return atmcf->store_path.data && atmcf->state_position.line
           ? ngx_at_sessions_watch(cycle, atmcf) : NGX_OK;
}


static void
ngx_at_exit_process(ngx_cycle_t *cycle)
{
    if (ngx_http_cycle_get_module_main_conf(cycle, ngx_http_auth_token_module)
        == NULL)
    {
        return;
    }

    ngx_at_metrics_exit();
    ngx_at_sessions_exit();
    ngx_at_fetch_exit();
    ngx_at_store_exit();
    ngx_at_worker_exit();
}
