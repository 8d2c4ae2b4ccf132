/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The directives of locations, their inheritance and their cross checks.
 */

#include "http/conf/ngx_at_conf.h"

#include "core/base/at_url.h"

#include "http/base/ngx_at_str.h"


/* --- setters ------------------------------------------------------------- */


char *
ngx_at_set_enable(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_at_loc_conf_t *atcf = conf;

    ngx_at_conf_note_position(cf, &atcf->enable_position);

    return ngx_conf_set_flag_slot(cf, cmd, conf);
}


/* the bit of a kind of credentials, or 0 */

static ngx_uint_t
ngx_at_parse_kind(ngx_conf_t *cf, ngx_at_loc_conf_t *atcf, ngx_str_t value)
{
    u_char  *p;

    if (ngx_at_str_is(&value, "bearer")) {
        return NGX_AT_BEARER;
    }

    if (ngx_at_str_is(&value, "none")) {
        return NGX_AT_NONE;
    }

    if (ngx_at_str_is(&value, "basic")) {
        return NGX_AT_BASIC;
    }

    if (ngx_at_str_is(&value, "api_token")) {
        ngx_str_set(&value, "api_token=x-api-token");
    }

    if (ngx_at_str_is(&value, "cookie")) {
        ngx_str_set(&value, "cookie=accessToken");
    }

    if (ngx_at_conf_cut_prefix(&value, "api_token=")) {
        p = ngx_pnalloc(cf->pool, value.len);

        if (p == NULL || !ngx_at_is_token(ngx_at_view(value))) {
            return 0;
        }

        ngx_strlow(p, value.data, value.len);
        atcf->api_header.data = p;
        atcf->api_header.len = value.len;
        return NGX_AT_API_TOKEN;
    }

    if (ngx_at_conf_cut_prefix(&value, "cookie=")) {
        atcf->cookie = value;
        return ngx_at_is_token(ngx_at_view(value)) ? NGX_AT_COOKIE : 0;
    }

    return 0;
}


char *
ngx_at_set_accept(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_at_loc_conf_t *atcf = conf;

    ngx_str_t           *value;
    ngx_uint_t           i, kind;
    ngx_at_main_conf_t  *atmcf;

    if (atcf->accept != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    atcf->accept = 0;
    ngx_at_conf_note_position(cf, &atcf->accept_position);
    atcf->restriction_position = atcf->accept_position;

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {
        kind = ngx_at_parse_kind(cf, atcf, value[i]);

        if (kind == 0) {
            return ngx_at_conf_invalid_value(cf, &value[i],
                       "use \"bearer\", \"cookie[=NAME]\", "
                       "\"api_token[=FIELD]\", \"basic\" or \"none\"; "
                       "NAME and FIELD cannot contain variables");
        }

        if (atcf->accept & kind) {
            return ngx_at_conf_duplicate_value(cf, &value[i]);
        }

        atcf->accept |= kind;
    }

    if (atcf->accept & NGX_AT_BASIC) {
        atmcf = ngx_http_conf_get_module_main_conf(cf,
                                                   ngx_http_auth_token_module);
        atmcf->needs_throttle = 1;
    }

    if ((atcf->accept & NGX_AT_NONE) && atcf->accept != NGX_AT_NONE) {
        return "cannot combine \"none\" with other values";
    }

    return NGX_CONF_OK;
}


static const ngx_conf_enum_t  ngx_at_schemes[] = {
    { ngx_string("bearer"), NGX_AT_BEARER },
    { ngx_string("basic"), NGX_AT_BASIC },
    { ngx_string("api_token"), NGX_AT_API_TOKEN },
    { ngx_null_string, 0 }
};


char *
ngx_at_set_challenge(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_at_loc_conf_t *atcf = conf;

    ngx_str_t   *value;
    ngx_uint_t   i, scheme;

    if (atcf->challenge != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    atcf->challenge = 0;
    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {
        if (ngx_at_conf_parse_word(cf, &value[i], ngx_at_schemes, &scheme)
            != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }

        if (atcf->challenge & scheme) {
            return ngx_at_conf_duplicate_value(cf, &value[i]);
        }

        atcf->challenge |= scheme;
    }

    return NGX_CONF_OK;
}


char *
ngx_at_set_trust(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_at_loc_conf_t *atcf = conf;

    ngx_at_conf_note_position(cf, &atcf->trust_position);

    return ngx_at_conf_set_strings(cf, &atcf->trust);
}


char *
ngx_at_set_scope(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_at_loc_conf_t *atcf = conf;

    ngx_str_t                         *value;
    ngx_uint_t                         i;
    ngx_http_compile_complex_value_t   ccv;

    if (atcf->scopes != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    ngx_at_conf_note_position(cf, &atcf->restriction_position);

    atcf->scopes = ngx_array_create(cf->pool, cf->args->nelts,
                                    sizeof(ngx_http_complex_value_t));
    if (atcf->scopes == NULL) {
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;
    i = 1;

    if (ngx_at_str_is(&value[1], "off")) {
        return cf->args->nelts == 2
               ? NGX_CONF_OK : "cannot combine \"off\" with other values";
    }

    if (ngx_at_str_is(&value[1], "any")) {
        atcf->scope_mode = AT_SCOPE_ANY;
        i++;

    } else if (ngx_at_str_is(&value[1], "all")) {
        i++;
    }

    if (i == cf->args->nelts) {
        return "requires at least one scope";
    }

    for ( /* void */ ; i < cf->args->nelts; i++) {

        if (value[i].len == 0) {
            return ngx_at_conf_invalid_value(cf, &value[i],
                       "use a scope that is not empty");
        }

        ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

        ccv.cf = cf;
        ccv.value = &value[i];
        ccv.complex_value = ngx_array_push(atcf->scopes);

        if (ccv.complex_value == NULL
            || ngx_http_compile_complex_value(&ccv) != NGX_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


static void
ngx_at_endpoints_free(void *data)
{
    at_endpoint_list_free(data);
}


static char *
ngx_at_endpoints_read(ngx_conf_t *cf, ngx_at_loc_conf_t *atcf,
    ngx_str_t *path, const at_endpoint_list_options_t *options)
{
    at_str_t             text;
    at_file_t            file;
    at_error_t           err;
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(cf->pool, 0);

    if (cln == NULL
        || ngx_at_conf_read_file(cf, path, AT_ENDPOINT_LIST_MAX, &file)
           != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    text = (at_str_t) { file.data, file.len };
    atcf->endpoints = at_endpoint_list_parse(text, options, &err);
    at_file_free(&file);

    if (atcf->endpoints == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"auth_token_endpoints\": \"%V\": %s", path,
                           err.text);
        return NGX_CONF_ERROR;
    }

    cln->handler = ngx_at_endpoints_free;
    cln->data = atcf->endpoints;

    return NGX_CONF_OK;
}


char *
ngx_at_set_endpoints(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_at_loc_conf_t *atcf = conf;

    ngx_str_t                  *value, prefix;
    ngx_uint_t                  i;
    at_endpoint_list_options_t  options = { { NULL, 0 }, 0 };

    if (atcf->endpoints != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    ngx_at_conf_note_position(cf, &atcf->restriction_position);

    value = cf->args->elts;

    if (ngx_at_str_is(&value[1], "off")) {
        atcf->endpoints = NULL;
        return cf->args->nelts == 2
               ? NGX_CONF_OK : "cannot combine \"off\" with other values";
    }

    for (i = 2; i < cf->args->nelts; i++) {
        prefix = value[i];

        if (!options.ignore_case && ngx_at_str_is(&value[i], "ignore_case")) {
            options.ignore_case = 1;

        } else if (options.prefix.len == 0
                   && ngx_at_conf_cut_prefix(&prefix, "prefix=")
                   && (ngx_at_str_is(&prefix, "ipfabric")
                       || (prefix.len > 1 && prefix.data[0] == '/')))
        {
            options.prefix = ngx_at_view(prefix);

        } else {
            return ngx_at_conf_invalid_value(cf, &value[i],
                       "use \"prefix=/PATH\" or \"prefix=ipfabric\", and "
                       "\"ignore_case\", once each");
        }
    }

    return ngx_at_endpoints_read(cf, atcf, &value[1], &options);
}


char *
ngx_at_set_realm(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_str_t  *value;

    value = cf->args->elts;

    if (!ngx_at_is_printable(ngx_at_view(value[1]))) {
        return ngx_at_conf_invalid_value(cf, &value[1],
                   "use a text without control characters");
    }

    return ngx_http_set_complex_value_slot(cf, cmd, conf);
}


/*
 * Origins in the form that browsers send (RFC 6454 section 6.2).  "off"
 * cancels an inherited list.
 */

char *
ngx_at_set_origins(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    at_str_t       origin;
    ngx_str_t     *value;
    ngx_uint_t     i;
    ngx_array_t  **origins;

    origins = (ngx_array_t **) ((u_char *) conf + cmd->offset);
    value = cf->args->elts;

    if (ngx_at_str_is(&value[1], "off")) {

        if (*origins != NGX_CONF_UNSET_PTR) {
            return "is duplicate";
        }

        *origins = NULL;

        return cf->args->nelts == 2
               ? NGX_CONF_OK : "cannot combine \"off\" with other values";
    }

    for (i = 1; i < cf->args->nelts; i++) {
        origin = ngx_at_view(value[i]);

        if (!at_url_is_origin(origin)) {
            return ngx_at_conf_invalid_value(cf, &value[i],
                       "use \"https://HOST[:PORT]\" or "
                       "\"http://HOST[:PORT]\"");
        }

        value[i].len = at_url_cut_default_port(origin).len;
    }

    return ngx_at_conf_set_strings(cf, origins);
}


/* --- inheritance --------------------------------------------------------- */


void *
ngx_at_create_loc_conf(ngx_conf_t *cf)
{
    ngx_at_loc_conf_t  *atcf;

    atcf = ngx_pcalloc(cf->pool, sizeof(ngx_at_loc_conf_t));
    if (atcf == NULL) {
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
 * one; "if" and limit_except have no name of their own.
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
ngx_at_check_location(ngx_conf_t *cf, const ngx_at_main_conf_t *atmcf,
    ngx_at_loc_conf_t *conf)
{
    char                      *conflict;
    ngx_http_core_loc_conf_t  *clcf;

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

    if (ngx_at_merge_token_endpoint(cf, prev, conf) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    if (conf->auth_token != NGX_CONF_UNSET) {
        conf->enable = conf->auth_token;

    } else {
        conf->enable_position = prev->enable_position;
        ngx_conf_merge_value(conf->auth_token, prev->auth_token, 0);

        /*
         * A token endpoint is open by default, as clients have no token before
         * they log in.  The locations inside of it are not.
         */

        conf->enable = conf->token_endpoint == NULL ? conf->auth_token
                       : clcf->noname ? prev->enable : 0;
    }

    if (conf->trust == NGX_CONF_UNSET_PTR) {
        conf->trust_position = prev->trust_position;
    }

    if (conf->scopes == NGX_CONF_UNSET_PTR) {
        conf->scope_mode = prev->scope_mode;
    }

    ngx_conf_merge_ptr_value(conf->trust, prev->trust, NULL);
    ngx_conf_merge_ptr_value(conf->scopes, prev->scopes, NULL);
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
        || ngx_at_check_location(cf, atmcf, conf) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    ngx_at_resolve_user_issuer(atmcf, conf);

    return NGX_CONF_OK;
}
