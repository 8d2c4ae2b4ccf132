/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * "auth_token_claim $VARIABLE [ISSUER] PATH"
 */

#include "http/conf/ngx_at_main.h"

#include "http/access/ngx_at_variables.h"
#include "http/base/ngx_at_main_conf.h"


char *
ngx_at_set_claim(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_at_main_conf_t *atmcf = conf;

    ngx_str_t            *value, *path;
    ngx_at_claim_t       *claim;
    ngx_http_variable_t  *var;

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

    var = ngx_http_add_variable(cf, &value[1], NGX_HTTP_VAR_NOCACHEABLE);
    if (var == NULL) {
        return NGX_CONF_ERROR;
    }

    /* nginx would silently use the last definition */

    if (var->get_handler) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "the duplicate \"%V\" variable", &value[1]);
        return NGX_CONF_ERROR;
    }

    var->get_handler = ngx_at_claim_variable;
    var->data = (uintptr_t) claim;

    return NGX_CONF_OK;
}
