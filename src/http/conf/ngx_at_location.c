/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The directives of locations.
 */

#include "http/conf/ngx_at_conf.h"

#include "core/base/at_url.h"

#include "http/base/ngx_at_str.h"


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


static char *
ngx_at_push_scope(ngx_conf_t *cf, ngx_array_t *scopes, ngx_str_t *value)
{
    ngx_http_compile_complex_value_t  ccv;

    if (value->len == 0) {
        return ngx_at_conf_invalid_value(cf, value,
                                         "use a scope that is not empty");
    }

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = value;
    ccv.complex_value = ngx_array_push(scopes);

    return ccv.complex_value == NULL
           || ngx_http_compile_complex_value(&ccv) != NGX_OK
           ? NGX_CONF_ERROR : NGX_CONF_OK;
}


char *
ngx_at_set_scope(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_at_loc_conf_t *atcf = conf;

    ngx_str_t   *value;
    ngx_uint_t   i;

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
        if (ngx_at_push_scope(cf, atcf->scopes, &value[i]) != NGX_CONF_OK) {
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

    if (!at_str_is_printable(ngx_at_view(value[1]))) {
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
