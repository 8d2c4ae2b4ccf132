/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The configuration of a location: defaults, inheritance and cross checks.
 */

#include "http/base/ngx_at_conf_record.h"
#include "http/conf/ngx_at_conf.h"


void *
ngx_at_create_loc_conf(ngx_conf_t *cf)
{
    ngx_at_loc_conf_t  *atcf;

    atcf = ngx_pcalloc(cf->pool, sizeof(ngx_at_loc_conf_t));

    if (atcf == NULL || ngx_at_conf_record_block(cf, atcf) != NGX_OK) {
        return NULL;
    }

    atcf->auth_token = NGX_CONF_UNSET;
    atcf->accept = NGX_CONF_UNSET_UINT;
    atcf->challenge = NGX_CONF_UNSET_UINT;
    atcf->trust = NGX_CONF_UNSET_PTR;
    atcf->scopes = NGX_CONF_UNSET_PTR;
    atcf->scope_mode = AT_SCOPE_ALL;
    atcf->endpoints = NGX_CONF_UNSET_PTR;
    atcf->ranges = NGX_CONF_UNSET_PTR;
    atcf->errors = NGX_CONF_UNSET_PTR;
    atcf->error_format = NGX_CONF_UNSET_UINT;
    atcf->log_level = NGX_CONF_UNSET_UINT;
    atcf->preflight = NGX_CONF_UNSET;
    atcf->local_users = NGX_CONF_UNSET;
    atcf->origins = NGX_CONF_UNSET_PTR;
    atcf->cors = NGX_CONF_UNSET_PTR;

    return atcf;
}


/*
 * A token endpoint is open by default, as clients have no token before they
 * log in.  The locations inside of it are not.
 */

static void
ngx_at_merge_enable(const ngx_http_core_loc_conf_t *clcf,
    const ngx_at_loc_conf_t *prev, ngx_at_loc_conf_t *conf)
{
    if (conf->auth_token != NGX_CONF_UNSET) {
        conf->enable = conf->auth_token;
        return;
    }

    conf->enable_position = prev->enable_position;
    ngx_conf_merge_value(conf->auth_token, prev->auth_token, 0);

    conf->enable = conf->token_endpoint == NULL ? conf->auth_token
                   : clcf->noname ? prev->enable : 0;
}


/* lists with a second member that belongs to them */

static void
ngx_at_merge_lists(const ngx_at_loc_conf_t *prev, ngx_at_loc_conf_t *conf)
{
    if (conf->trust == NGX_CONF_UNSET_PTR) {
        conf->trust_position = prev->trust_position;
    }

    if (conf->scopes == NGX_CONF_UNSET_PTR) {
        conf->scope_mode = prev->scope_mode;
    }

    ngx_conf_merge_ptr_value(conf->trust, prev->trust, NULL);
    ngx_conf_merge_ptr_value(conf->scopes, prev->scopes, NULL);
}


static void
ngx_at_merge_accept(const ngx_at_main_conf_t *atmcf,
    const ngx_at_loc_conf_t *prev, ngx_at_loc_conf_t *conf)
{
    if (conf->accept != NGX_CONF_UNSET_UINT) {
        return;
    }

    conf->accept = prev->accept;
    conf->cookie = prev->cookie;
    conf->api_header = prev->api_header;
    conf->accept_position = prev->accept_position;

    if (conf->accept == NGX_CONF_UNSET_UINT) {
        conf->accept = (atmcf->issuers.nelts ? NGX_AT_BEARER : 0)
                       | (atmcf->store_path.data ? NGX_AT_API_TOKEN : 0);
        ngx_str_set(&conf->api_header, "x-api-token");
    }
}


/*
 * A cookie has no scheme, but its token can be sent as a bearer token.  Beside
 * cookies, Basic is not offered by default: browsers would ask for a password
 * where a page wants to show its login form.
 */

static void
ngx_at_merge_challenge(const ngx_at_loc_conf_t *prev, ngx_at_loc_conf_t *conf)
{
    ngx_uint_t  schemes;

    schemes = conf->accept & (NGX_AT_BEARER|NGX_AT_API_TOKEN|NGX_AT_BASIC);

    if (conf->accept & NGX_AT_COOKIE) {
        schemes |= NGX_AT_BEARER;
    }

    if (conf->challenge == NGX_CONF_UNSET_UINT) {
        conf->challenge = prev->challenge;
    }

    if (conf->challenge != NGX_CONF_UNSET_UINT) {
        schemes &= conf->challenge;

    } else if (conf->accept & NGX_AT_COOKIE) {
        schemes &= ~NGX_AT_BASIC;
    }

    conf->challenge_schemes = schemes;
}


/* returns an earlier list of the same issuers if there is one */

static const ngx_at_issuer_t **
ngx_at_share_trust_list(ngx_conf_t *cf, ngx_at_main_conf_t *atmcf,
    const ngx_at_issuer_t **trusted, ngx_uint_t n)
{
    ngx_uint_t            i;
    ngx_at_trust_list_t  *list;

    list = atmcf->trust_lists.elts;

    for (i = 0; i < atmcf->trust_lists.nelts; i++) {
        if (list[i].n == n
            && ngx_memcmp(list[i].trusted, trusted,
                          n * sizeof(ngx_at_issuer_t *))
               == 0)
        {
            return list[i].trusted;
        }
    }

    list = ngx_at_conf_push(cf, &atmcf->trust_lists,
                            sizeof(ngx_at_trust_list_t));
    if (list == NULL) {
        return NULL;
    }

    list->trusted = trusted;
    list->n = n;

    return trusted;
}


/* a single issuer block is trusted by default */

static ngx_int_t
ngx_at_resolve_trust(ngx_conf_t *cf, ngx_at_main_conf_t *atmcf,
    ngx_at_loc_conf_t *conf)
{
    ngx_str_t               *name;
    ngx_uint_t               i;
    const at_issuer_t       *requirements;
    const ngx_at_issuer_t  **trusted;

    name = conf->trust ? conf->trust->elts : NULL;
    conf->ntrusted = name ? conf->trust->nelts : (atmcf->issuers.nelts == 1);

    if (conf->ntrusted == 0) {
        return NGX_OK;
    }

    trusted = ngx_palloc(cf->pool,
                         conf->ntrusted * sizeof(ngx_at_issuer_t *));
    if (trusted == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < conf->ntrusted; i++) {
        trusted[i] = name ? ngx_at_issuer_find(atmcf, &name[i])
                          : *(ngx_at_issuer_t **) atmcf->issuers.elts;

        if (trusted[i] == NULL) {
            return ngx_at_conf_error_at(cf, &conf->trust_position,
                       "no such issuer \"%V\" in \"auth_token_trust\"",
                       &name[i]);
        }

        requirements = &trusted[i]->requirements;
        conf->jwt_needs_store |= requirements->n_client_claims
                                 || requirements->any_client_audience;
    }

    conf->trusted = ngx_at_share_trust_list(cf, atmcf, trusted,
                                            conf->ntrusted);

    return conf->trusted ? NGX_OK : NGX_ERROR;
}


/* passwords belong to the issuer of a token endpoint or a trusted issuer */

static void
ngx_at_resolve_user_issuer(const ngx_at_main_conf_t *atmcf,
    ngx_at_loc_conf_t *conf)
{
    ngx_uint_t         i, n;
    ngx_at_issuer_t  **issuers;

    issuers = atmcf->issuers.elts;
    n = 0;

    for (i = 0; i < atmcf->issuers.nelts; i++) {
        n += issuers[i]->has_users;
    }

    conf->user_issuer = conf->token_endpoint_issuer;
    conf->only_user_issuer = n <= 1;
    conf->only_issuer = atmcf->issuers.nelts == 1;

    for (i = 0; i < conf->ntrusted && conf->user_issuer == NULL; i++) {
        if (conf->trusted[i]->has_users) {
            conf->user_issuer = conf->trusted[i];
        }
    }
}


/* --- cross checks -------------------------------------------------------- */


/* the message for a directive that a location lacks or cannot have, or NULL */

static char *
ngx_at_find_conflict(const ngx_at_loc_conf_t *conf)
{
    if (conf->accept != NGX_AT_NONE) {
        return conf->ntrusted || !(conf->accept & NGX_AT_JWT)
               ? NULL
               : "\"auth_token\" requires \"auth_token_trust\" as there are "
                 "several issuers";
    }

    if (conf->allow == NULL) {
        return "\"auth_token_accept none\" requires \"auth_token_allow\"";
    }

    if (conf->scopes && conf->scopes->nelts) {
        return "\"auth_token_accept none\" cannot be combined with "
               "\"auth_token_require_scope\"";
    }

    if (conf->endpoints) {
        return "\"auth_token_accept none\" cannot be combined with "
               "\"auth_token_endpoints\"";
    }

    return NULL;
}


/*
 * A named or internal location is reached after the access phase of another
 * one; the configurations of "if" and limit_except have no name.
 */

static void
ngx_at_warn_of_return(ngx_conf_t *cf, const ngx_at_loc_conf_t *conf)
{
    ngx_uint_t                 status;
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->named || clcf->noname || clcf->internal == 1) {
        return;
    }

    status = ngx_at_find_return(cf);

    if (status) {
        ngx_at_conf_warn_at(cf, &conf->enable_position,
            "\"auth_token\" has no effect in %s \"%V\": \"return %ui\" "
            "answers first. Use \"try_files /none @NAME\" and \"return\" in "
            "that location, or \"auth_token off\"",
            clcf->name.len ? "location" : "server", &clcf->name, status);
    }
}


static ngx_int_t
ngx_at_check_accept(ngx_conf_t *cf, const ngx_at_main_conf_t *atmcf,
    const ngx_at_loc_conf_t *conf)
{
    if ((conf->accept & NGX_AT_JWT) && atmcf->issuers.nelts == 0) {
        return ngx_at_conf_error_at(cf, &conf->accept_position,
                   "\"auth_token_accept\" with \"bearer\" or \"cookie\" "
                   "requires \"auth_token_issuer\"");
    }

    if ((conf->accept & (NGX_AT_BASIC|NGX_AT_API_TOKEN))
        && atmcf->store_path.data == NULL)
    {
        return ngx_at_conf_error_at(cf, &conf->accept_position,
                   "\"auth_token_accept\" with \"%s\" requires "
                   "\"auth_token_store\"",
                   conf->accept & NGX_AT_BASIC ? "basic" : "api_token");
    }

    return NGX_OK;
}


static ngx_int_t
ngx_at_check_location(ngx_conf_t *cf, ngx_at_loc_conf_t *conf)
{
    char                      *conflict;
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (!conf->enable) {
        if (conf->restriction_position.line && clcf->name.len) {
            ngx_at_conf_warn_at(cf, &conf->restriction_position,
                                "\"auth_token\" is off: \"%V\" has no effect",
                                &conf->restriction_position.directive);
        }

        return NGX_OK;
    }

    if (conf->accept == 0) {
        return ngx_at_conf_error_at(cf, &conf->enable_position,
                   "\"auth_token\" requires \"auth_token_issuer\" or "
                   "\"auth_token_store\"");
    }

    ngx_at_warn_of_return(cf, conf);

    conflict = ngx_at_find_conflict(conf);

    if (conflict == NULL) {
        return NGX_OK;
    }

    /*
     * A server may leave the missing directive to its locations.  Requests
     * that match no location are refused.
     */

    if (clcf->name.len == 0) {
        conf->incomplete = 1;
        return NGX_OK;
    }

    return ngx_at_conf_error_at(cf, &conf->enable_position, "%s", conflict);
}


char *
ngx_at_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_at_loc_conf_t *prev = parent;
    ngx_at_loc_conf_t *conf = child;

    ngx_at_main_conf_t        *atmcf;
    ngx_http_core_loc_conf_t  *clcf;

    atmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_auth_token_module);
    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    ngx_at_conf_record_parent(conf, prev);

    if (ngx_at_merge_token_endpoint(cf, prev, conf) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    ngx_at_merge_enable(clcf, prev, conf);

    ngx_at_merge_lists(prev, conf);

    ngx_conf_merge_ptr_value(conf->endpoints, prev->endpoints, NULL);

    if (conf->realm == NULL) {
        conf->realm = prev->realm;
    }

    ngx_conf_merge_ptr_value(conf->errors, prev->errors, NULL);
    ngx_conf_merge_uint_value(conf->log_level, prev->log_level, NGX_LOG_ERR);
    ngx_conf_merge_uint_value(conf->error_format, prev->error_format,
                              NGX_AT_JSON);
    ngx_conf_merge_value(conf->preflight, prev->preflight, 0);
    ngx_conf_merge_value(conf->local_users, prev->local_users, 1);
    ngx_conf_merge_ptr_value(conf->origins, prev->origins, NULL);
    ngx_conf_merge_ptr_value(conf->cors, prev->cors, NULL);

    ngx_at_merge_accept(atmcf, prev, conf);
    ngx_at_merge_challenge(prev, conf);

    if (ngx_at_merge_allow(cf, prev, conf) != NGX_OK
        || ngx_at_resolve_trust(cf, atmcf, conf) != NGX_OK
        || ngx_at_check_accept(cf, atmcf, conf) != NGX_OK
        || ngx_at_check_location(cf, conf) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    ngx_at_resolve_user_issuer(atmcf, conf);

    return NGX_CONF_OK;
}
