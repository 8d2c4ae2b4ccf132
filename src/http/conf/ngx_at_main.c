/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The main configuration.
 */

#include "http/conf/ngx_at_conf.h"

#include "core/authz/at_cache.h"

#include "http/access/ngx_at_variables.h"
#include "http/metrics/ngx_at_metrics.h"
#include "http/store/ngx_at_state.h"
#include "http/store/ngx_at_store.h"
#include "http/worker/ngx_at_job.h"


#define NGX_AT_CACHE_SIZE  (16 * 1024 * 1024)


static char *
ngx_at_check_max_length(ngx_conf_t *cf, void *post, void *data)
{
    size_t  *length = data;

    if (*length == 0 || *length > AT_JWT_LEN_MAX) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"auth_token_max_length\" must be between 1 "
                           "and %d", AT_JWT_LEN_MAX);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


ngx_conf_post_t  ngx_at_max_length_post = { ngx_at_check_max_length };


void *
ngx_at_create_main_conf(ngx_conf_t *cf)
{
    ngx_at_main_conf_t  *atmcf;

    atmcf = ngx_pcalloc(cf->pool, sizeof(ngx_at_main_conf_t));
    if (atmcf == NULL) {
        return NULL;
    }

    atmcf->max_length = NGX_CONF_UNSET_SIZE;
    atmcf->cache_size = NGX_CONF_UNSET_SIZE;
    atmcf->metrics_clients = NGX_CONF_UNSET_UINT;

    return atmcf;
}


char *
ngx_at_init_main_conf(ngx_conf_t *cf, void *conf)
{
    ngx_at_main_conf_t  *atmcf = conf;

    ngx_conf_init_size_value(atmcf->max_length, AT_JWT_LEN_DEFAULT);
    ngx_conf_init_size_value(atmcf->cache_size, NGX_AT_CACHE_SIZE);
    ngx_conf_init_uint_value(atmcf->metrics_clients, NGX_AT_METRICS_CLIENTS);

    /* a thread counts API tokens that expire soon */

    if (atmcf->needs_metrics && atmcf->store_path.data) {
        atmcf->needs_thread_pool = 1;
    }

    if (ngx_at_check_issuers(cf, atmcf) != NGX_OK
        || ngx_at_check_store(cf, atmcf) != NGX_OK
        || ngx_at_check_token_endpoints(cf, atmcf) != NGX_OK
        || ngx_at_check_state(cf, atmcf) != NGX_OK
        || ngx_at_resolve_thread_pools(cf, atmcf) != NGX_OK
        || (atmcf->needs_metrics
            && ngx_at_metrics_add_zone(cf, atmcf) != NGX_OK))
    {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


char *
ngx_at_set_cache(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_at_main_conf_t *atmcf = conf;

    ssize_t     size;
    ngx_str_t  *value;

    if (atmcf->cache_size != NGX_CONF_UNSET_SIZE) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_at_str_is(&value[1], "off")) {
        atmcf->cache_size = 0;
        return NGX_CONF_OK;
    }

    size = ngx_parse_size(&value[1]);

    if (size < AT_CACHE_SIZE_MIN || (size_t) size > AT_CACHE_SIZE_MAX) {
        return ngx_at_conf_invalid_value(cf, &value[1],
                   "use \"off\", or a size from 64k to 32768m");
    }

    atmcf->cache_size = size;

    return NGX_CONF_OK;
}


static const ngx_at_conf_parameter_t  ngx_at_metrics_parameters[] = {

    { ngx_string("clients="), ngx_at_conf_parse_number, 0, 0,
      NGX_AT_METRICS_CLIENTS_MAX, "\"clients=N\" with N up to 1000", NULL },

    { ngx_null_string, NULL, 0, 0, 0, NULL, NULL }
};


char *
ngx_at_set_metrics(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_uint_t                 clients;
    ngx_at_main_conf_t        *atmcf;
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    atmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_auth_token_module);

    if (clcf->handler == ngx_at_metrics_handler) {
        return "is duplicate";
    }

    if (clcf->handler) {
        return "conflicts with another content handler of the location";
    }

    if (ngx_at_conf_parse_parameters(cf, 1, ngx_at_metrics_parameters,
                                     &clients)
        != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    clcf->handler = ngx_at_metrics_handler;
    atmcf->needs_metrics = 1;

    /* the largest value of all locations */

    if (cf->args->nelts > 1
        && (atmcf->metrics_clients == NGX_CONF_UNSET_UINT
            || atmcf->metrics_clients < clients))
    {
        atmcf->metrics_clients = clients;
    }

    return NGX_CONF_OK;
}


static char *
ngx_at_add_claim_variable(ngx_conf_t *cf, ngx_str_t *name,
    ngx_at_claim_t *claim)
{
    ngx_http_variable_t  *var;

    var = ngx_http_add_variable(cf, name, NGX_HTTP_VAR_NOCACHEABLE);
    if (var == NULL) {
        return NGX_CONF_ERROR;
    }

    /* nginx would silently use the last definition */

    if (var->get_handler || ngx_at_is_variable(cf, name)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "the duplicate \"%V\" variable", name);
        return NGX_CONF_ERROR;
    }

    var->get_handler = ngx_at_claim_variable;
    var->data = (uintptr_t) claim;

    return NGX_CONF_OK;
}


/* "auth_token_claim $VARIABLE [ISSUER] PATH" */

char *
ngx_at_set_claim(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_at_main_conf_t *atmcf = conf;

    ngx_str_t       *value, *path;
    ngx_at_claim_t  *claim;

    value = cf->args->elts;
    path = &value[cf->args->nelts - 1];

    if (value[1].len < 2 || value[1].data[0] != '$') {
        return ngx_at_conf_invalid_value(cf, &value[1],
                                         "use \"$NAME\" for the variable");
    }

    claim = ngx_pcalloc(cf->pool, sizeof(ngx_at_claim_t));
    if (claim == NULL) {
        return NGX_CONF_ERROR;
    }

    if (cf->args->nelts == 4) {
        claim->issuer = value[2];

        if (ngx_at_issuer_find(atmcf, &value[2]) == NULL) {
            return ngx_at_conf_invalid_value(cf, &value[2],
                       "no such \"auth_token_issuer\" before this directive");
        }
    }

    if (ngx_at_conf_parse_claim_path(cf, path, &claim->path) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    value[1].data++;
    value[1].len--;

    return ngx_at_add_claim_variable(cf, &value[1], claim);
}
