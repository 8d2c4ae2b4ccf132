/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Issued tokens: lifetimes, cookies, passwords.
 */

#include "http/conf/ngx_at_conf.h"

#include "core/session/at_session_token.h"

#include "http/base/ngx_at_str.h"


#define NGX_AT_TIME_MAX  315360000  /* ten years */


static ngx_int_t
ngx_at_parse_msec(ngx_conf_t *cf, const ngx_at_conf_parameter_t *parameter,
    ngx_str_t *value, void *field)
{
    ngx_int_t  time;

    time = ngx_parse_time(value, 0);

    *(ngx_msec_t *) field = time;

    return time >= parameter->min && time <= parameter->max ? NGX_OK
                                                            : NGX_DECLINED;
}


/* RFC 6265 section 4.1.1 */

static int
ngx_at_is_cookie_path(at_str_t path)
{
    return path.len && path.data[0] == '/' && at_str_is_visible(path, ";");
}


/* a host name; a dot in front is allowed, and has no meaning (RFC 6265) */

static int
ngx_at_is_cookie_domain(at_str_t domain)
{
    at_str_t  label;

    (void) at_str_cut_prefix(&domain, at_str("."));

    do {
        label = at_str_cut(&domain, '.');

        if (label.len == 0
            || !at_str_has_only(label, at_str(AT_ALPHANUMERIC "-")))
        {
            return 0;
        }

    } while (domain.data);

    return 1;
}


static ngx_int_t
ngx_at_parse_same_site(ngx_conf_t *cf,
    const ngx_at_conf_parameter_t *parameter, ngx_str_t *value, void *field)
{
    ngx_str_t *same_site = field;

    if (ngx_at_str_is(value, "strict")) {
        ngx_str_set(same_site, "Strict");

    } else if (ngx_at_str_is(value, "lax")) {
        ngx_str_set(same_site, "Lax");

    } else if (ngx_at_str_is(value, "none")) {
        ngx_str_set(same_site, "None");

    } else {
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/* browsers ignore such a cookie with another path or with a domain */

static ngx_int_t
ngx_at_check_host_cookie(ngx_conf_t *cf, const ngx_at_issuer_t *issuer,
    ngx_str_t name, const ngx_at_cookie_scope_t *scope)
{
    static const char  prefix[] = "__Host-";    /* in any case (RFC 6265bis) */

    if (name.len < sizeof(prefix) - 1
        || ngx_strncasecmp(name.data, (u_char *) prefix, sizeof(prefix) - 1)
           != 0
        || (scope->domain.len == 0 && ngx_at_str_is(&scope->path, "/")))
    {
        return NGX_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "the cookie \"%V\" of \"auth_token_issuer %V\" "
                       "requires \"path=/\" and no \"domain\"", &name,
                       &issuer->name);

    return NGX_ERROR;
}


ngx_int_t
ngx_at_check_cookies(ngx_conf_t *cf, const ngx_at_issuer_t *issuer)
{
    if (ngx_at_str_equal(&issuer->access_cookie, &issuer->refresh_cookie)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"access_token\" and \"refresh_token\" have the "
                           "same cookie \"%V\" in \"auth_token_issuer %V\"",
                           &issuer->access_cookie, &issuer->name);
        return NGX_ERROR;
    }

    if (ngx_at_check_host_cookie(cf, issuer, issuer->access_cookie,
                                 &issuer->access_scope)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_at_check_host_cookie(cf, issuer, issuer->refresh_cookie,
                                    &issuer->refresh_scope);
}


/* "N/TIME"; the limits of the parameter apply to the time */

static ngx_int_t
ngx_at_parse_failures(ngx_conf_t *cf,
    const ngx_at_conf_parameter_t *parameter, ngx_str_t *value, void *field)
{
    ngx_at_issuer_t *issuer = field;

    u_char     *slash, *last;
    ngx_int_t   n;
    ngx_str_t   time;

    last = value->data + value->len;
    slash = ngx_strlchr(value->data, last, '/');

    if (slash == NULL) {
        return NGX_DECLINED;
    }

    n = ngx_atoi(value->data, slash - value->data);

    if (n < 1 || n > 1000000) {
        return NGX_DECLINED;
    }

    issuer->max_failures = n;

    time.data = slash + 1;
    time.len = last - time.data;

    return ngx_at_conf_parse_seconds(cf, parameter, &time,
                                     &issuer->failures_interval);
}


const ngx_at_conf_parameter_t  ngx_at_access_token_parameters[] = {

    { ngx_string("expires="), ngx_at_conf_parse_seconds,
      offsetof(ngx_at_issuer_t, access_expires), 1, NGX_AT_TIME_MAX,
      "\"expires=TIME\" (1s to 10y)", NULL },

    { ngx_string("cookie_expires="), ngx_at_conf_parse_seconds,
      offsetof(ngx_at_issuer_t, access_cookie_expires), 1, NGX_AT_TIME_MAX,
      "\"cookie_expires=TIME\" (1s to 10y)", NULL },

    { ngx_string("cookie="), NULL, offsetof(ngx_at_issuer_t, access_cookie),
      0, 0, "\"cookie=NAME\"", ngx_at_is_token },

    { ngx_string("domain="), NULL,
      offsetof(ngx_at_issuer_t, access_scope.domain), 0, 0,
      "\"domain=HOST\"", ngx_at_is_cookie_domain },

    { ngx_string("samesite="), ngx_at_parse_same_site,
      offsetof(ngx_at_issuer_t, access_scope.same_site), 0, 0,
      "\"samesite=strict\", \"samesite=lax\" or \"samesite=none\"", NULL },

    { ngx_null_string, NULL, 0, 0, 0, NULL, NULL }
};

const ngx_at_conf_parameter_t  ngx_at_refresh_token_parameters[] = {

    { ngx_string("expires="), ngx_at_conf_parse_seconds,
      offsetof(ngx_at_issuer_t, refresh_expires), 1, NGX_AT_TIME_MAX,
      "\"expires=TIME\" (1s to 10y)", NULL },

    { ngx_string("max="), ngx_at_conf_parse_seconds,
      offsetof(ngx_at_issuer_t, refresh_max), 1, NGX_AT_TIME_MAX,
      "\"max=TIME\" (1s to 10y)", NULL },

    { ngx_string("length="), ngx_at_conf_parse_number,
      offsetof(ngx_at_issuer_t, refresh_length), AT_REFRESH_TOKEN_MIN,
      AT_REFRESH_TOKEN_MAX, "\"length=N\" (44 to 512)", NULL },

    { ngx_string("grace="), ngx_at_parse_msec,
      offsetof(ngx_at_issuer_t, refresh_grace), 0, 60000,
      "\"grace=TIME\" (0 to 1m)", NULL },

    { ngx_string("per_user="), ngx_at_conf_parse_number,
      offsetof(ngx_at_issuer_t, sessions_per_user), 1, 10000,
      "\"per_user=N\" (1 to 10000)", NULL },

    { ngx_string("per_minute="), ngx_at_conf_parse_number,
      offsetof(ngx_at_issuer_t, refreshes_per_minute), 1, 1000000,
      "\"per_minute=N\" (1 to 1000000)", NULL },

    { ngx_string("cookie="), NULL, offsetof(ngx_at_issuer_t, refresh_cookie),
      0, 0, "\"cookie=NAME\"", ngx_at_is_token },

    { ngx_string("path="), NULL,
      offsetof(ngx_at_issuer_t, refresh_scope.path), 0, 0,
      "\"path=/PATH\"", ngx_at_is_cookie_path },

    { ngx_string("domain="), NULL,
      offsetof(ngx_at_issuer_t, refresh_scope.domain), 0, 0,
      "\"domain=HOST\"", ngx_at_is_cookie_domain },

    { ngx_string("samesite="), ngx_at_parse_same_site,
      offsetof(ngx_at_issuer_t, refresh_scope.same_site), 0, 0,
      "\"samesite=strict\", \"samesite=lax\" or \"samesite=none\"", NULL },

    { ngx_null_string, NULL, 0, 0, 0, NULL, NULL }
};

const ngx_at_conf_parameter_t  ngx_at_password_parameters[] = {

    { ngx_string("remember="), ngx_at_conf_parse_seconds,
      offsetof(ngx_at_issuer_t, password_cache_time), 0, NGX_AT_TIME_MAX,
      "\"remember=TIME\" (0 to 10y)", NULL },

    { ngx_string("failures="), ngx_at_parse_failures, 0, 1, NGX_AT_TIME_MAX,
      "\"failures=N/TIME\" (1 to 1000000 in 1s to 10y)", NULL },

    { ngx_string("per_address="), ngx_at_conf_parse_number,
      offsetof(ngx_at_issuer_t, address_failures), 1, 1000000,
      "\"per_address=N\" (1 to 1000000)", NULL },

    { ngx_null_string, NULL, 0, 0, 0, NULL, NULL }
};
