/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Status and message of error codes.
 */

#include "http/conf/ngx_at_conf.h"

#include "core/base/at_utf8.h"
#include "core/base/at_verdict.h"

#include "http/base/ngx_at_str.h"


/* nginx does not send a response with a header and a body for 408, 444, 49x */

static ngx_int_t
ngx_at_parse_error_status(ngx_conf_t *cf,
    const ngx_at_conf_parameter_t *parameter, ngx_str_t *value, void *field)
{
    ngx_int_t  status;

    status = ngx_atoi(value->data, value->len);

    if (status < parameter->min || status > parameter->max
        || status == NGX_HTTP_REQUEST_TIME_OUT
        || status == NGX_HTTP_CLOSE
        || (status >= NGX_HTTP_NGINX_CODES
            && status < NGX_HTTP_INTERNAL_SERVER_ERROR))
    {
        return NGX_DECLINED;
    }

    *(ngx_uint_t *) field = status;

    return NGX_OK;
}


static int
ngx_at_is_error_message(at_str_t message)
{
    return at_utf8_is_valid(message) && at_str_is_printable(message);
}


static const ngx_at_conf_parameter_t  ngx_at_error_parameters[] = {

    { ngx_string("status="), ngx_at_parse_error_status,
      offsetof(ngx_at_error_override_t, status), 400, 599,
      "\"status=CODE\" (400 to 599, except 408, 444 and 494 to 499)", NULL },

    { ngx_string("message="), NULL,
      offsetof(ngx_at_error_override_t, message), 0, 0,
      "\"message=TEXT\" (UTF-8 without control characters)",
      ngx_at_is_error_message },

    { ngx_null_string, NULL, 0, 0, 0, NULL, NULL }
};


char *
ngx_at_set_error(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_at_loc_conf_t *atcf = conf;

    at_code_e                 code;
    ngx_str_t                *value;
    ngx_at_error_override_t  *error;

    value = cf->args->elts;
    code = at_code_find(ngx_at_view(value[1]));

    if (code == AT_CODE_NONE) {
        return ngx_at_conf_invalid_value(cf, &value[1],
                   "use an error code, for example \"API_IP_NOT_ALLOWED\"");
    }

    if (atcf->errors == NGX_CONF_UNSET_PTR) {
        atcf->errors = ngx_array_create(cf->pool, AT_CODES,
                                        sizeof(ngx_at_error_override_t));
        if (atcf->errors == NULL) {
            return NGX_CONF_ERROR;
        }

        atcf->errors->nelts = AT_CODES;
        ngx_memzero(atcf->errors->elts,
                    AT_CODES * sizeof(ngx_at_error_override_t));
    }

    error = (ngx_at_error_override_t *) atcf->errors->elts + code;

    if (error->status || error->message.data) {
        return ngx_at_conf_duplicate_value(cf, &value[1]);
    }

    return ngx_at_conf_parse_parameters(cf, 2, ngx_at_error_parameters, error);
}
