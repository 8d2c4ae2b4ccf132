/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The token API as a whole: what its directives ask for, a worker's start and
 * end.
 */

#include "ngx_http_auth_token_local.h"


static const struct {
    ngx_str_t                    directive;
    ngx_http_auth_token_api_e    api;
    ngx_http_handler_pt          handler;
} ngx_http_auth_token_apis[] = {

    { ngx_string("auth_token_login"), NGX_HTTP_AUTH_TOKEN_LOGIN,
      ngx_http_auth_token_login_handler },

    { ngx_string("auth_token_refresh"), NGX_HTTP_AUTH_TOKEN_REFRESHING,
      ngx_http_auth_token_refresh_handler },

    { ngx_string("auth_token_logout"), NGX_HTTP_AUTH_TOKEN_LOGOUT,
      ngx_http_auth_token_logout_handler },

    { ngx_string("auth_token_oauth"), NGX_HTTP_AUTH_TOKEN_OAUTH,
      ngx_http_auth_token_oauth_handler },

    { ngx_string("auth_token_jwks"), NGX_HTTP_AUTH_TOKEN_JWKS,
      ngx_http_auth_token_jwks_handler }
};

#define NGX_HTTP_AUTH_TOKEN_APIS                                              \
    (sizeof(ngx_http_auth_token_apis) / sizeof(ngx_http_auth_token_apis[0]))


char *
ngx_http_auth_token_set_api(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_auth_token_loc_conf_t *atcf = conf;

    ngx_str_t                        *value;
    ngx_uint_t                        i;
    ngx_http_core_loc_conf_t         *clcf;
    ngx_http_auth_token_main_conf_t  *atmcf;

    if (atcf->api != NGX_HTTP_AUTH_TOKEN_NO_API) {
        return "stands where the location has such a directive already";
    }

    value = cf->args->elts;

    for (i = 0; i < NGX_HTTP_AUTH_TOKEN_APIS; i++) {
        if (ngx_strcmp(cmd->name.data, ngx_http_auth_token_apis[i].directive.data)
            == 0)
        {
            break;
        }
    }

    atcf->api = ngx_http_auth_token_apis[i].api;
    atcf->api_name = value[1];
    ngx_http_auth_token_here(cf, &atcf->api_where);

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_http_auth_token_apis[i].handler;

    atmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_auth_token_module);

    switch (atcf->api) {

    case NGX_HTTP_AUTH_TOKEN_LOGIN:
        atmcf->needs_throttle = 1;
        ngx_http_auth_token_need_state(cf, atmcf);
        break;

    case NGX_HTTP_AUTH_TOKEN_REFRESHING:
    case NGX_HTTP_AUTH_TOKEN_LOGOUT:
        ngx_http_auth_token_need_state(cf, atmcf);
        break;

    case NGX_HTTP_AUTH_TOKEN_OAUTH:
        atmcf->needs_throttle = 1;
        ngx_http_auth_token_need_threads(cf, atmcf);
        break;

    default:
        break;
    }

    return NGX_CONF_OK;
}


/* where there is a state beside a store, uses of API tokens are counted */

ngx_int_t
ngx_http_auth_token_check_local(ngx_conf_t *cf,
    ngx_http_auth_token_main_conf_t *atmcf)
{
    if (atmcf->store.data
        && (atmcf->state_path.data || atmcf->state_where.line))
    {
        if (atmcf->state_where.line == 0) {
            atmcf->state_where = atmcf->store_where;
        }

        if (atmcf->thread_where.line == 0) {
            atmcf->thread_where = atmcf->state_where;
        }
    }

    return atmcf->needs_throttle ? ngx_http_auth_token_throttle_add(cf, atmcf)
                                 : NGX_OK;
}


ngx_int_t
ngx_http_auth_token_local_init(ngx_cycle_t *cycle,
    ngx_http_auth_token_main_conf_t *atmcf)
{
    if (at_random(&atmcf->process_key, sizeof(at_state_key_t)) != 0) {
        return NGX_ERROR;
    }

    ngx_http_auth_token_hash_init(cycle);

    return atmcf->store.data && atmcf->state_where.line
           ? ngx_http_auth_token_sessions_watch(cycle, atmcf) : NGX_OK;
}


void
ngx_http_auth_token_local_exit(void)
{
    ngx_http_auth_token_hash_exit();
    ngx_http_auth_token_sessions_exit();
}
