/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The directives of token endpoints.
 */

#include "http/conf/ngx_at_conf.h"

#include "core/base/at_url.h"

#include "http/access/ngx_at_throttle.h"
#include "http/store/ngx_at_state.h"
#include "http/token/ngx_at_endpoint_request.h"


#define NGX_AT_NEEDS_STORE         0x01
#define NGX_AT_NEEDS_STATE         0x02  /* writes sessions */
#define NGX_AT_NEEDS_THROTTLE      0x04  /* checks passwords */
#define NGX_AT_NEEDS_AUDIENCE      0x08  /* issues tokens for users */
#define NGX_AT_NEEDS_CLIENT_CLAIM  0x10  /* issues tokens for clients */


static const ngx_at_token_endpoint_t  ngx_at_token_endpoints[] = {

    { ngx_string("auth_token_login"), ngx_at_login_steps,
      NGX_AT_NEEDS_STORE|NGX_AT_NEEDS_STATE|NGX_AT_NEEDS_THROTTLE
      |NGX_AT_NEEDS_AUDIENCE },

    { ngx_string("auth_token_refresh"), ngx_at_refresh_steps,
      NGX_AT_NEEDS_STORE|NGX_AT_NEEDS_STATE|NGX_AT_NEEDS_AUDIENCE },

    { ngx_string("auth_token_logout"), ngx_at_logout_steps,
      NGX_AT_NEEDS_STORE|NGX_AT_NEEDS_STATE },

    { ngx_string("auth_token_session_info"), ngx_at_session_info_steps,
      NGX_AT_NEEDS_STORE|NGX_AT_NEEDS_STATE },

    { ngx_string("auth_token_oauth"), ngx_at_oauth_steps,
      NGX_AT_NEEDS_STORE|NGX_AT_NEEDS_THROTTLE|NGX_AT_NEEDS_CLIENT_CLAIM },

    { ngx_string("auth_token_jwks"), ngx_at_jwks_steps, 0 },

    { ngx_string("auth_token_metadata"), ngx_at_metadata_steps,
      NGX_AT_NEEDS_CLIENT_CLAIM }
};


/* an absolute URL, or a path on the host of the issuer */

static int
ngx_at_is_url_or_path(at_str_t value)
{
    return value.len && value.len <= AT_URL_LEN_MAX
           && at_str_is_visible(value, "\"\\")
           && (value.data[0] == '/' ? value.len < 2 || value.data[1] != '/'
                                    : at_url_is_valid(value));
}


static const ngx_at_conf_parameter_t  ngx_at_metadata_parameters[] = {

    { ngx_string("token_endpoint="), NULL,
      offsetof(ngx_at_loc_conf_t, token_endpoint_url), 0, 0,
      "\"token_endpoint=URL\"", ngx_at_is_url_or_path },

    { ngx_string("jwks_uri="), NULL, offsetof(ngx_at_loc_conf_t, jwks_url),
      0, 0, "\"jwks_uri=URL\"", ngx_at_is_url_or_path },

    { ngx_null_string, NULL, 0, 0, 0, NULL, NULL }
};


char *
ngx_at_set_token_endpoint(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_at_loc_conf_t *atcf = conf;

    ngx_str_t                      *value;
    ngx_at_main_conf_t             *atmcf;
    ngx_http_core_loc_conf_t       *clcf;
    const ngx_at_token_endpoint_t  *endpoint;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (atcf->token_endpoint) {
        return "is not allowed: the location already is a token endpoint";
    }

    if (clcf->handler) {
        return "conflicts with another content handler of the location";
    }

    endpoint = ngx_at_token_endpoints;

    while (!ngx_at_str_equal(&endpoint->directive, &cmd->name)) {
        endpoint++;
    }

    value = cf->args->elts;

    atcf->token_endpoint = endpoint;
    atcf->token_endpoint_issuer_name = value[1];
    ngx_at_conf_note_position(cf, &atcf->token_endpoint_position);

    clcf->handler = ngx_at_endpoint_handler;

    atmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_auth_token_module);

    atmcf->needs_throttle |= (endpoint->needs & NGX_AT_NEEDS_THROTTLE) != 0;

    if (endpoint->needs & NGX_AT_NEEDS_STATE) {
        ngx_at_require_state(cf, atmcf);
    }

    return ngx_at_conf_parse_parameters(cf, 2, ngx_at_metadata_parameters,
                                        atcf);
}


/* the URL of a path: it replaces that of the issuer */

static ngx_int_t
ngx_at_resolve_url(ngx_conf_t *cf, at_str_t issuer, ngx_str_t *url)
{
    u_char  *p, *end, *host;

    if (url->len == 0 || url->data[0] != '/') {
        return NGX_OK;
    }

    end = (u_char *) issuer.data + issuer.len;
    host = (u_char *) issuer.data
           + (at_url_is_https(issuer) ? sizeof("https://") - 1
                                      : sizeof("http://") - 1);
    p = ngx_strlchr(host, end, '/');
    end = p ? p : end;

    p = ngx_pnalloc(cf->pool, (end - (u_char *) issuer.data) + url->len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    end = ngx_cpymem(p, issuer.data, end - (u_char *) issuer.data);
    end = ngx_cpymem(end, url->data, url->len);

    url->data = p;
    url->len = end - p;

    return NGX_OK;
}


/* RFC 8414 section 2 */

static ngx_int_t
ngx_at_build_metadata(ngx_conf_t *cf, at_str_t issuer, ngx_at_loc_conf_t *conf)
{
    u_char  *p;

    p = ngx_pnalloc(cf->pool, issuer.len + conf->token_endpoint_url.len
                              + conf->jwks_url.len + 512);
    if (p == NULL) {
        return NGX_ERROR;
    }

    conf->metadata.data = p;

    p = ngx_sprintf(p, "{\"issuer\":\"%*s\",\"token_endpoint\":\"%V\",",
                    issuer.len, issuer.data, &conf->token_endpoint_url);

    if (conf->jwks_url.len) {
        p = ngx_sprintf(p, "\"jwks_uri\":\"%V\",", &conf->jwks_url);
    }

    p = ngx_sprintf(p, "\"response_types_supported\":[],"
                    "\"grant_types_supported\":[\"client_credentials\"],"
                    "\"token_endpoint_auth_methods_supported\":"
                    "[\"client_secret_basic\",\"client_secret_post\"]}");

    conf->metadata.len = p - conf->metadata.data;

    return NGX_OK;
}


static ngx_int_t
ngx_at_set_metadata(ngx_conf_t *cf, ngx_at_loc_conf_t *conf)
{
    at_str_t                       issuer;
    const ngx_at_conf_position_t  *position;

    issuer = conf->token_endpoint_issuer->requirements.issuers[0];
    position = &conf->token_endpoint_position;

    if (conf->token_endpoint_url.len == 0) {
        return ngx_at_conf_error_at(cf, position,
                   "\"auth_token_metadata\" requires \"token_endpoint=URL\"");
    }

    if (!ngx_at_is_url_or_path(issuer) || issuer.data[0] == '/'
        || ngx_strlchr((u_char *) issuer.data,
                       (u_char *) issuer.data + issuer.len, '?'))
    {
        return ngx_at_conf_error_at(cf, position,
                   "\"auth_token_metadata\" requires an https URL without a "
                   "query in \"issuer\" of \"auth_token_issuer %V\"",
                   &conf->token_endpoint_issuer_name);
    }

    if (ngx_at_resolve_url(cf, issuer, &conf->token_endpoint_url) != NGX_OK
        || ngx_at_resolve_url(cf, issuer, &conf->jwks_url) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_at_build_metadata(cf, issuer, conf);
}


/*
 * Whether a browser may send a cookie of the path to the location (RFC 6265
 * section 5.1.4).  The requests of a prefix location may have longer paths.
 */

static ngx_uint_t
ngx_at_cookie_reaches(const ngx_http_core_loc_conf_t *clcf,
    const ngx_str_t *path)
{
    const ngx_str_t  *name;

    name = &clcf->name;

#if (NGX_PCRE)
    if (clcf->regex) {
        return 1;
    }
#endif

    if (clcf->named || clcf->noname) {
        return 1;
    }

    if (ngx_strncmp(name->data, path->data, ngx_min(name->len, path->len))
        != 0)
    {
        return 0;
    }

    if (name->len < path->len) {
        return !clcf->exact_match;
    }

    return name->len == path->len || path->data[path->len - 1] == '/'
           || name->data[path->len] == '/';
}


/* directives that cannot work together */

static void
ngx_at_warn_of_endpoint(ngx_conf_t *cf, const ngx_at_loc_conf_t *conf)
{
    ngx_uint_t                     status;
    const ngx_str_t               *path;
    const ngx_at_issuer_t         *issuer;
    ngx_http_core_loc_conf_t      *clcf;
    const ngx_at_conf_position_t  *position;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    issuer = conf->token_endpoint_issuer;
    path = &issuer->refresh_scope.path;
    position = &conf->token_endpoint_position;
    status = ngx_at_find_return(cf);

    if (status) {
        ngx_at_conf_warn_at(cf, position,
            "\"%V\" has no effect in location \"%V\": \"return %ui\" answers "
            "first", &position->directive, &clcf->name, status);
    }

    if (conf->preflight == 1) {
        ngx_at_conf_warn_at(cf, position,
            "\"auth_token_preflight\" has no effect beside \"%V\", which "
            "passes no request on. Use \"auth_token_cors\"",
            &position->directive);
    }

    if ((conf->token_endpoint->needs & NGX_AT_NEEDS_CLIENT_CLAIM)
        && issuer->requirements.client_rights != AT_CLIENT_RIGHTS_ROLE)
    {
        ngx_at_conf_warn_at(cf, position,
            "\"%V\" issues tokens without scopes: use \"rights role\" in "
            "\"auth_token_issuer %V\"", &position->directive, &issuer->name);
    }

    if (conf->token_endpoint->steps == ngx_at_refresh_steps
        && !ngx_at_cookie_reaches(clcf, path))
    {
        ngx_at_conf_warn_at(cf, position,
            "\"auth_token_refresh\" gets no cookie in location \"%V\": the "
            "path of the cookie is \"%V\". Use \"refresh_token path=%V\" in "
            "\"auth_token_issuer %V\"", &clcf->name, path, &clcf->name,
            &issuer->name);
    }
}


/*
 * "if" and limit_except have a separate configuration.  They use the content
 * handler of the location unless they set another one.
 */

static void
ngx_at_inherit_token_endpoint(ngx_http_core_loc_conf_t *clcf,
    const ngx_at_loc_conf_t *prev, ngx_at_loc_conf_t *conf)
{
    if (!clcf->noname || clcf->handler) {
        return;
    }

    conf->token_endpoint = prev->token_endpoint;
    conf->token_endpoint_issuer = prev->token_endpoint_issuer;
    conf->metadata = prev->metadata;

    if (clcf->lmt_excpt && conf->token_endpoint) {
        clcf->handler = ngx_at_endpoint_handler;
    }
}


static char *
ngx_at_find_missing(const ngx_at_issuer_t *issuer, ngx_uint_t needs)
{
    if (issuer->signing_keys.nelts == 0) {
        return "signing_key";
    }

    if ((needs & NGX_AT_NEEDS_AUDIENCE)
        && issuer->requirements.n_audiences == 0)
    {
        return "audience VALUE";
    }

    /* otherwise no request would check that the client is still valid */

    if ((needs & NGX_AT_NEEDS_CLIENT_CLAIM)
        && issuer->requirements.n_client_claims == 0)
    {
        return "client_claim";
    }

    return NULL;
}


static ngx_int_t
ngx_at_check_needs(ngx_conf_t *cf, const ngx_at_main_conf_t *atmcf,
    const ngx_at_loc_conf_t *conf)
{
    char                          *missing;
    ngx_uint_t                     needs;
    const ngx_at_conf_position_t  *position;

    needs = conf->token_endpoint->needs;
    position = &conf->token_endpoint_position;
    missing = ngx_at_find_missing(conf->token_endpoint_issuer, needs);

    if (missing) {
        return ngx_at_conf_error_at(cf, position,
                   "\"%V\" requires \"%s\" in \"auth_token_issuer %V\"",
                   &position->directive, missing,
                   &conf->token_endpoint_issuer_name);
    }

    if ((needs & NGX_AT_NEEDS_STORE) && atmcf->store_path.data == NULL) {
        return ngx_at_conf_error_at(cf, position,
                                    "\"%V\" requires \"auth_token_store\"",
                                    &position->directive);
    }

    return NGX_OK;
}


ngx_int_t
ngx_at_merge_token_endpoint(ngx_conf_t *cf, const ngx_at_loc_conf_t *prev,
    ngx_at_loc_conf_t *conf)
{
    ngx_at_main_conf_t            *atmcf;
    ngx_http_core_loc_conf_t      *clcf;
    const ngx_at_conf_position_t  *position;

    atmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_auth_token_module);
    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (conf->token_endpoint == NULL) {
        ngx_at_inherit_token_endpoint(clcf, prev, conf);
        return NGX_OK;
    }

    position = &conf->token_endpoint_position;
    conf->token_endpoint_issuer =
                 ngx_at_issuer_find(atmcf, &conf->token_endpoint_issuer_name);

    if (conf->token_endpoint_issuer == NULL) {
        return ngx_at_conf_error_at(cf, position,
                                    "no such issuer \"%V\" in \"%V\"",
                                    &conf->token_endpoint_issuer_name,
                                    &position->directive);
    }

    if (ngx_at_check_needs(cf, atmcf, conf) != NGX_OK) {
        return NGX_ERROR;
    }

    /* it would get the requests, without a check of access */

    if (clcf->handler != ngx_at_endpoint_handler) {
        return ngx_at_conf_error_at(cf, position,
                   "\"%V\" directive conflicts with another content handler "
                   "of the location", &position->directive);
    }

    ngx_at_warn_of_endpoint(cf, conf);

    return conf->token_endpoint->steps == ngx_at_metadata_steps
           ? ngx_at_set_metadata(cf, conf) : NGX_OK;
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

    }

    return atmcf->needs_throttle ? ngx_at_throttle_add_zone(cf, atmcf)
                                 : NGX_OK;
}
