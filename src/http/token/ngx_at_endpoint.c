/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The token API as a whole: what its directives ask for, a worker's start and
 * end.
 */

#include "http/token/ngx_at_endpoint.h"

#include "core/session/at_state.h"

#include "http/access/ngx_at_throttle.h"
#include "http/base/ngx_at_directive.h"
#include "http/base/ngx_at_loc_conf.h"
#include "http/base/ngx_at_main_conf.h"
#include "http/conf/ngx_at_location.h"
#include "http/store/ngx_at_session.h"
#include "http/store/ngx_at_state.h"
#include "http/worker/ngx_at_job.h"
#include "http/worker/ngx_at_thread.h"


static const struct {
    ngx_str_t                directive;
    ngx_at_token_endpoint_e  api;
    ngx_http_handler_pt      handler;
} ngx_at_token_endpoints[] = {

    { ngx_string("auth_token_login"), NGX_AT_TOKEN_ENDPOINT_LOGIN,
      ngx_at_login_handler },

    { ngx_string("auth_token_refresh"), NGX_AT_TOKEN_ENDPOINT_REFRESH,
      ngx_at_refresh_handler },

    { ngx_string("auth_token_logout"), NGX_AT_TOKEN_ENDPOINT_LOGOUT,
      ngx_at_logout_handler },

    { ngx_string("auth_token_oauth"), NGX_AT_TOKEN_ENDPOINT_OAUTH,
      ngx_at_oauth_handler },

    { ngx_string("auth_token_jwks"), NGX_AT_TOKEN_ENDPOINT_JWKS,
      ngx_at_jwks_handler }
};

#define NGX_AT_TOKEN_ENDPOINTS                                                \
    (sizeof(ngx_at_token_endpoints) / sizeof(ngx_at_token_endpoints[0]))


char *
ngx_at_set_token_endpoint(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_at_loc_conf_t *atcf = conf;

    ngx_str_t                 *value;
    ngx_uint_t                 i;
    ngx_http_core_loc_conf_t  *clcf;
    ngx_at_main_conf_t        *atmcf;

    if (atcf->token_endpoint != NGX_AT_TOKEN_ENDPOINT_NONE) {
        return "stands where the location has such a directive already";
    }

    value = cf->args->elts;

    for (i = 0; i < NGX_AT_TOKEN_ENDPOINTS; i++) {
        if (ngx_strcmp(cmd->name.data, ngx_at_token_endpoints[i].directive.data)
            == 0)
        {
            break;
        }
    }

    atcf->token_endpoint = ngx_at_token_endpoints[i].api;
    atcf->token_endpoint_issuer_name = value[1];
    ngx_at_conf_note_position(cf, &atcf->token_endpoint_position);

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_at_token_endpoints[i].handler;

    atmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_auth_token_module);

    switch (atcf->token_endpoint) {

    case NGX_AT_TOKEN_ENDPOINT_LOGIN:
        atmcf->needs_throttle = 1;
        ngx_at_require_state(cf, atmcf);
        break;

    case NGX_AT_TOKEN_ENDPOINT_REFRESH:
    case NGX_AT_TOKEN_ENDPOINT_LOGOUT:
        ngx_at_require_state(cf, atmcf);
        break;

    case NGX_AT_TOKEN_ENDPOINT_OAUTH:
        atmcf->needs_throttle = 1;
        atmcf->needs_thread_pool = 1;
        break;

    default:
        break;
    }

    return NGX_CONF_OK;
}


/* where there is a state beside a store, uses of API tokens are counted */

ngx_int_t
ngx_at_token_endpoint_check_conf(ngx_conf_t *cf, ngx_at_main_conf_t *atmcf)
{
    if (atmcf->store_path.data
        && (atmcf->state_path.data || atmcf->state_position.line))
    {
        if (atmcf->state_position.line == 0) {
            atmcf->state_position = atmcf->store_position;
        }

        atmcf->needs_thread_pool = 1;
    }

    return atmcf->needs_throttle ? ngx_at_throttle_add_zone(cf, atmcf)
                                 : NGX_OK;
}


ngx_int_t
ngx_at_token_endpoint_init(ngx_cycle_t *cycle, const ngx_at_main_conf_t *atmcf)
{
    ngx_at_job_init(atmcf);

    return atmcf->store_path.data && atmcf->state_position.line
           ? ngx_at_sessions_watch(cycle, atmcf) : NGX_OK;
}


void
ngx_at_token_endpoint_exit(void)
{
    ngx_at_sessions_exit();
}
