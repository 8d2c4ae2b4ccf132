/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The directives of token endpoints.
 */

#include "http/conf/ngx_at_token_endpoint.h"

#include "http/access/ngx_at_throttle.h"
#include "http/conf/ngx_at_issuer_block.h"
#include "http/store/ngx_at_state.h"
#include "http/token/ngx_at_endpoint.h"


static const struct {
    ngx_str_t                directive;
    ngx_at_token_endpoint_e  endpoint;
    ngx_http_handler_pt      handler;
    unsigned                 throttle:1;        /* checks passwords */
    unsigned                 state:1;           /* writes sessions */
} ngx_at_token_endpoints[] = {

    { ngx_string("auth_token_login"), NGX_AT_TOKEN_ENDPOINT_LOGIN,
      ngx_at_login_handler, 1, 1 },

    { ngx_string("auth_token_refresh"), NGX_AT_TOKEN_ENDPOINT_REFRESH,
      ngx_at_refresh_handler, 0, 1 },

    { ngx_string("auth_token_logout"), NGX_AT_TOKEN_ENDPOINT_LOGOUT,
      ngx_at_logout_handler, 0, 1 },

    { ngx_string("auth_token_oauth"), NGX_AT_TOKEN_ENDPOINT_OAUTH,
      ngx_at_oauth_handler, 1, 0 },

    { ngx_string("auth_token_jwks"), NGX_AT_TOKEN_ENDPOINT_JWKS,
      ngx_at_jwks_handler, 0, 0 }
};


char *
ngx_at_set_token_endpoint(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_at_loc_conf_t *atcf = conf;

    ngx_str_t                 *value;
    ngx_uint_t                 i;
    ngx_at_main_conf_t        *atmcf;
    ngx_http_core_loc_conf_t  *clcf;

    if (atcf->token_endpoint != NGX_AT_TOKEN_ENDPOINT_NONE) {
        return "is not allowed: the location already is a token endpoint";
    }

    for (i = 0;
         !ngx_at_str_equal(&cmd->name, &ngx_at_token_endpoints[i].directive);
         i++)
    { /* void */ }

    value = cf->args->elts;

    atcf->token_endpoint = ngx_at_token_endpoints[i].endpoint;
    atcf->token_endpoint_issuer_name = value[1];
    ngx_at_conf_note_position(cf, &atcf->token_endpoint_position);

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_at_token_endpoints[i].handler;

    atmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_auth_token_module);

    if (ngx_at_token_endpoints[i].throttle) {
        atmcf->needs_throttle = 1;
    }

    if (ngx_at_token_endpoints[i].state) {
        ngx_at_require_state(cf, atmcf);
    }

    if (atcf->token_endpoint == NGX_AT_TOKEN_ENDPOINT_OAUTH) {
        atmcf->needs_thread_pool = 1;
    }

    return NGX_CONF_OK;
}


ngx_int_t
ngx_at_resolve_token_endpoint(ngx_conf_t *cf,
    const ngx_at_main_conf_t *atmcf, ngx_at_loc_conf_t *conf)
{
    char                          *missing;
    ngx_str_t                     *name;
    const ngx_at_issuer_t         *issuer;
    const ngx_at_conf_position_t  *position;

    if (conf->token_endpoint == NGX_AT_TOKEN_ENDPOINT_NONE) {
        return NGX_OK;
    }

    name = &conf->token_endpoint_issuer_name;
    position = &conf->token_endpoint_position;
    issuer = ngx_at_issuer_find(atmcf, name);

    if (issuer == NULL) {
        return ngx_at_conf_error_at(cf, position,
                                    "no such issuer \"%V\" in \"%V\"", name,
                                    &position->directive);
    }

    conf->token_endpoint_issuer = issuer;

    missing = NULL;

    if (issuer->signing_keys.nelts == 0) {
        missing = "signing_key";

    } else if ((conf->token_endpoint == NGX_AT_TOKEN_ENDPOINT_LOGIN
                || conf->token_endpoint == NGX_AT_TOKEN_ENDPOINT_REFRESH)
               && issuer->requirements.n_audiences == 0)
    {
        missing = "audience VALUE";

    } else if (conf->token_endpoint == NGX_AT_TOKEN_ENDPOINT_OAUTH
               && issuer->requirements.n_client_claims == 0)
    {
        /* otherwise no request would check that the client is still valid */

        missing = "client_claim";
    }

    if (missing) {
        return ngx_at_conf_error_at(cf, position,
                   "\"%V\" requires \"%s\" in \"auth_token_issuer %V\"",
                   &position->directive, missing, name);
    }

    if (conf->token_endpoint != NGX_AT_TOKEN_ENDPOINT_JWKS
        && atmcf->store_path.data == NULL)
    {
        return ngx_at_conf_error_at(cf, position,
                                    "\"%V\" requires \"auth_token_store\"",
                                    &position->directive);
    }

    return NGX_OK;
}


/* uses of API tokens are counted if there are a store and a state directory */

ngx_int_t
ngx_at_check_token_endpoints(ngx_conf_t *cf, ngx_at_main_conf_t *atmcf)
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
