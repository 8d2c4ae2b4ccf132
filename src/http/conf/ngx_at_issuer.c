/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The block "auth_token_issuer": what an issuer's tokens must be like.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "core/authz/at_issuer.h"
#include "core/base/at_str.h"
#include "core/jose/at_key.h"
#include "core/json/at_claim.h"

#include "http/base/ngx_at_directive.h"
#include "http/base/ngx_at_issuer.h"
#include "http/base/ngx_at_main_conf.h"
#include "http/base/ngx_at_str.h"
#include "http/conf/ngx_at_issuer_block.h"
#include "http/keys/ngx_at_keys.h"
#include "http/keys/ngx_at_source.h"
#include "http/keys/ngx_at_signing_key.h"


#define NGX_AT_ISSUER_NAME_MAX  64

#define NGX_AT_REFRESH_LENGTH_MIN  44  /* 256 bits */
#define NGX_AT_REFRESH_LENGTH_MAX  512
#define NGX_AT_REFRESH_GRACE_MAX   60000
#define NGX_AT_TIME_MAX            315360000  /* ten years */


typedef struct {
    ngx_str_t     name;
    ngx_uint_t    min;          /* arguments, the name counted */
    ngx_uint_t    max;
    char        *(*set)(ngx_conf_t *cf, ngx_at_issuer_t *issuer,
                        size_t offset);
    size_t        offset;       /* in at_issuer_t */
    ngx_uint_t    repeated;     /* may stand there more than once */
} ngx_at_issuer_command_t;

/* the block while it is read: which directives were there already */
typedef struct {
    ngx_at_issuer_t  *issuer;
    ngx_uint_t        seen;
} ngx_at_issuer_block_t;


static char *ngx_at_issuer_set_issuer(ngx_conf_t *cf,
    ngx_at_issuer_t *issuer, size_t offset);
static char *ngx_at_issuer_set_audience(ngx_conf_t *cf,
    ngx_at_issuer_t *issuer, size_t offset);
static char *ngx_at_issuer_set_algorithms(ngx_conf_t *cf,
    ngx_at_issuer_t *issuer, size_t offset);
static char *ngx_at_issuer_set_typ(ngx_conf_t *cf,
    ngx_at_issuer_t *issuer, size_t offset);
static char *ngx_at_issuer_set_key_file(ngx_conf_t *cf,
    ngx_at_issuer_t *issuer, size_t offset);
static char *ngx_at_issuer_set_time(ngx_conf_t *cf,
    ngx_at_issuer_t *issuer, size_t offset);
static char *ngx_at_issuer_set_path(ngx_conf_t *cf,
    ngx_at_issuer_t *issuer, size_t offset);
static char *ngx_at_issuer_set_scope_claim(ngx_conf_t *cf,
    ngx_at_issuer_t *issuer, size_t offset);
static char *ngx_at_issuer_set_path_or_off(ngx_conf_t *cf,
    ngx_at_issuer_t *issuer, size_t offset);
static char *ngx_at_issuer_set_delegated(ngx_conf_t *cf,
    ngx_at_issuer_t *issuer, size_t offset);
static char *ngx_at_issuer_set_client_claim(ngx_conf_t *cf,
    ngx_at_issuer_t *issuer, size_t offset);
static char *ngx_at_issuer_set_signing_key(ngx_conf_t *cf,
    ngx_at_issuer_t *issuer, size_t offset);
static char *ngx_at_issuer_set_access_token(ngx_conf_t *cf,
    ngx_at_issuer_t *issuer, size_t offset);
static char *ngx_at_issuer_set_refresh_token(ngx_conf_t *cf,
    ngx_at_issuer_t *issuer, size_t offset);
static char *ngx_at_issuer_set_password(ngx_conf_t *cf,
    ngx_at_issuer_t *issuer, size_t offset);


#define NGX_AT_ARGS_UNLIMITED  ((ngx_uint_t) -1)

static ngx_at_issuer_command_t
    ngx_at_issuer_commands[] =
{
    { ngx_string("issuer"), 2, NGX_AT_ARGS_UNLIMITED,
      ngx_at_issuer_set_issuer, 0, 0 },

    { ngx_string("audience"), 2, NGX_AT_ARGS_UNLIMITED,
      ngx_at_issuer_set_audience, 0, 0 },

    { ngx_string("algorithms"), 2, NGX_AT_ARGS_UNLIMITED,
      ngx_at_issuer_set_algorithms, 0, 0 },

    { ngx_string("typ"), 2, NGX_AT_ARGS_UNLIMITED,
      ngx_at_issuer_set_typ, 0, 0 },

    { ngx_string("key_file"), 2, 2,
      ngx_at_issuer_set_key_file, 0, 1 },

    { ngx_string("jwks_uri"), 2, 7,
      ngx_at_issuer_set_jwks_uri, 0, 1 },

    { ngx_string("discovery"), 2, 7,
      ngx_at_issuer_set_discovery, 0, 0 },

    { ngx_string("leeway"), 2, 2,
      ngx_at_issuer_set_time, offsetof(at_issuer_t, leeway), 0 },

    { ngx_string("max_age"), 2, 2,
      ngx_at_issuer_set_time, offsetof(at_issuer_t, max_age), 0 },

    { ngx_string("user_claim"), 2, 2,
      ngx_at_issuer_set_path, offsetof(at_issuer_t, user_claim), 0 },

    { ngx_string("scope_claim"), 2, 2,
      ngx_at_issuer_set_scope_claim,
      offsetof(at_issuer_t, scope_claim), 0 },

    { ngx_string("admin_claim"), 2, 2,
      ngx_at_issuer_set_path_or_off,
      offsetof(at_issuer_t, admin_claim), 0 },

    { ngx_string("client_claim"), 2, NGX_AT_ARGS_UNLIMITED,
      ngx_at_issuer_set_client_claim, 0, 0 },

    { ngx_string("delegated"), 2, 2,
      ngx_at_issuer_set_delegated, 0, 0 },

    { ngx_string("signing_key"), 2, 3,
      ngx_at_issuer_set_signing_key, 0, 1 },

    { ngx_string("access_token"), 2, 4,
      ngx_at_issuer_set_access_token, 0, 0 },

    { ngx_string("refresh_token"), 2, 6,
      ngx_at_issuer_set_refresh_token, 0, 0 },

    { ngx_string("password"), 2, 3,
      ngx_at_issuer_set_password, 0, 0 },

    { ngx_null_string, 0, 0, NULL, 0, 0 }
};


static const at_str_t  ngx_at_default_typs[] = {
    at_str("JWT"), at_str("at+jwt"), at_str("application/at+jwt")
};

static const at_claim_path_t  ngx_at_entra_client_claims[] = {
    { 1, { at_str("azp") } }, { 1, { at_str("appid") } }
};


ngx_at_issuer_t *
ngx_at_issuer_find(const ngx_at_main_conf_t *atmcf, const ngx_str_t *name)
{
    ngx_uint_t         i;
    ngx_at_issuer_t  **issuers;

    issuers = atmcf->issuers.elts;

    for (i = 0; i < atmcf->issuers.nelts; i++) {
        if (issuers[i]->name.len == name->len
            && ngx_strncmp(issuers[i]->name.data, name->data, name->len) == 0)
        {
            return issuers[i];
        }
    }

    return NULL;
}


/* --- directives of the block --------------------------------------------- */


/* the arguments as views; NULL where memory failed or one is no good */

static at_str_t *
ngx_at_issuer_copy_arguments(ngx_conf_t *cf)
{
    at_str_t    *views;
    ngx_str_t   *value;
    ngx_uint_t   i;

    value = cf->args->elts;

    views = ngx_palloc(cf->pool, cf->args->nelts * sizeof(at_str_t));
    if (views == NULL) {
        return NULL;
    }

    for (i = 1; i < cf->args->nelts; i++) {
        if (value[i].len == 0) {
            (void) ngx_at_conf_invalid_value(cf, &value[i], "it is empty");
            return NULL;
        }

        views[i - 1] = ngx_at_view(value[i]);
    }

    return views;
}


static char *
ngx_at_issuer_set_issuer(ngx_conf_t *cf,
    ngx_at_issuer_t *issuer, size_t offset)
{
    issuer->requirements.issuers = ngx_at_issuer_copy_arguments(cf);
    issuer->requirements.n_issuers = cf->args->nelts - 1;

    return issuer->requirements.issuers ? NGX_CONF_OK : NGX_CONF_ERROR;
}


/* "clients" and, if it is there, "any" behind it: how many words they are */

static ngx_uint_t
ngx_at_issuer_set_client_audience(ngx_conf_t *cf, ngx_at_issuer_t *issuer)
{
    ngx_str_t  *value;

    value = cf->args->elts;

    ngx_at_conf_note_position(cf, &issuer->audience_position);

    issuer->requirements.own_client_audience = 1;
    issuer->requirements.any_client_audience = cf->args->nelts > 2
                                       && ngx_at_str_is(&value[2], "any");

    return 1 + issuer->requirements.any_client_audience;
}


static char *
ngx_at_issuer_set_audience(ngx_conf_t *cf,
    ngx_at_issuer_t *issuer, size_t offset)
{
    at_str_t    *audiences;
    ngx_str_t   *value;
    ngx_uint_t   i;

    value = cf->args->elts;
    i = 1;

    if (ngx_at_str_is(&value[1], "clients")) {
        i += ngx_at_issuer_set_client_audience(cf, issuer);

    } else if (ngx_at_str_is(&value[1], "any")) {
        issuer->requirements.any_audience = 1;
        return cf->args->nelts == 2 ? NGX_CONF_OK : "takes \"any\" alone";
    }

    audiences = ngx_at_issuer_copy_arguments(cf);
    if (audiences == NULL) {
        return NGX_CONF_ERROR;
    }

    issuer->requirements.audiences = audiences + i - 1;
    issuer->requirements.n_audiences = cf->args->nelts - i;

    for ( /* void */ ; i < cf->args->nelts; i++) {
        if (ngx_at_str_is(&value[i], "any")) {
            return "takes \"any\" alone";
        }

        if (ngx_at_str_is(&value[i], "clients")) {
            return "takes \"clients\" before other values";
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_at_issuer_set_algorithms(ngx_conf_t *cf,
    ngx_at_issuer_t *issuer, size_t offset)
{
    at_alg_e     alg;
    ngx_str_t   *value;
    ngx_uint_t   i;

    value = cf->args->elts;
    issuer->requirements.algs = 0;

    for (i = 1; i < cf->args->nelts; i++) {
        alg = at_alg_find(ngx_at_view(value[i]));

        if (alg == AT_ALGS) {
            return ngx_at_conf_invalid_value(cf, &value[i],
                       "it takes RS256, RS384, RS512, PS256, PS384, PS512, "
                       "ES256, ES384 and EdDSA");
        }

        issuer->requirements.algs |= at_alg_bit(alg);
    }

    return NGX_CONF_OK;
}


/* "absent" stands for a header without typ, and is no value of one */

static char *
ngx_at_issuer_set_typ(ngx_conf_t *cf, ngx_at_issuer_t *issuer, size_t offset)
{
    at_str_t    *typs;
    ngx_uint_t   i, n;

    typs = ngx_at_issuer_copy_arguments(cf);
    if (typs == NULL) {
        return NGX_CONF_ERROR;
    }

    issuer->requirements.typ_absent = 0;
    n = 0;

    for (i = 0; i < cf->args->nelts - 1; i++) {
        if (at_str_equal(typs[i], at_str("absent"))) {
            issuer->requirements.typ_absent = 1;

        } else {
            typs[n++] = typs[i];
        }
    }

    issuer->requirements.typs = typs;
    issuer->requirements.n_typs = n;

    return NGX_CONF_OK;
}


static char *
ngx_at_issuer_set_key_file(ngx_conf_t *cf,
    ngx_at_issuer_t *issuer, size_t offset)
{
    ngx_str_t  *value;

    value = cf->args->elts;

    return ngx_at_key_file_add(cf, issuer, &value[1]);
}


static char *
ngx_at_issuer_set_time(ngx_conf_t *cf, ngx_at_issuer_t *issuer, size_t offset)
{
    ngx_int_t   time;
    ngx_str_t  *value;

    value = cf->args->elts;
    time = ngx_parse_time(&value[1], 1);

    if (time == NGX_ERROR) {
        return ngx_at_conf_invalid_value(cf, &value[1],
                                         "it takes a time, as \"30s\"");
    }

    *(int64_t *) ((u_char *) &issuer->requirements + offset) = time;

    return NGX_CONF_OK;
}


static char *
ngx_at_issuer_set_path(ngx_conf_t *cf, ngx_at_issuer_t *issuer, size_t offset)
{
    ngx_str_t  *value;

    value = cf->args->elts;

    return ngx_at_parse_claim_path(cf, &value[1],
                        (at_claim_path_t *) ((u_char *) &issuer->requirements + offset));
}


static char *
ngx_at_issuer_set_path_or_off(ngx_conf_t *cf,
    ngx_at_issuer_t *issuer, size_t offset)
{
    at_claim_path_t  *path;
    ngx_str_t        *value;

    value = cf->args->elts;
    path = (at_claim_path_t *) ((u_char *) &issuer->requirements + offset);

    if (ngx_at_str_is(&value[1], "off")) {
        path->n = 0;
        return NGX_CONF_OK;
    }

    return ngx_at_issuer_set_path(cf, issuer, offset);
}


static char *
ngx_at_issuer_set_scope_claim(ngx_conf_t *cf,
    ngx_at_issuer_t *issuer, size_t offset)
{
    issuer->requirements.own_scope_claim = 1;

    return ngx_at_issuer_set_path(cf, issuer, offset);
}


static char *
ngx_at_issuer_set_delegated(ngx_conf_t *cf,
    ngx_at_issuer_t *issuer, size_t offset)
{
    ngx_str_t  *value;

    value = cf->args->elts;

    if (ngx_at_str_is(&value[1], "off")) {
        issuer->requirements.no_users = 1;

    } else if (!ngx_at_str_is(&value[1], "on")) {
        return ngx_at_conf_invalid_value(cf, &value[1],
                                         "it takes \"on\" or \"off\"");
    }

    return NGX_CONF_OK;
}


/* the first of the claims that is there names the client */

static char *
ngx_at_issuer_set_client_claim(ngx_conf_t *cf,
    ngx_at_issuer_t *issuer, size_t offset)
{
    at_claim_path_t  *path;
    ngx_str_t        *value;
    ngx_uint_t        i;

    value = cf->args->elts;

    ngx_at_conf_note_position(cf, &issuer->client_claim_position);

    for (i = 1; i < cf->args->nelts; i++) {
        if (ngx_at_str_is(&value[i], "entra")) {
            issuer->requirements.entra = 1;
            issuer->requirements.client_claims = ngx_at_entra_client_claims;
            issuer->requirements.n_client_claims = 2;
            return cf->args->nelts == 2 ? NGX_CONF_OK
                                        : "takes \"entra\" alone";
        }
    }

    if (ngx_array_init(&issuer->client_claims, cf->pool, cf->args->nelts,
                       sizeof(at_claim_path_t))
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    for (i = 1; i < cf->args->nelts; i++) {
        path = ngx_array_push(&issuer->client_claims);

        if (path == NULL
            || ngx_at_parse_claim_path(cf, &value[i], path)
               != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    issuer->requirements.client_claims = issuer->client_claims.elts;
    issuer->requirements.n_client_claims = issuer->client_claims.nelts;

    return NGX_CONF_OK;
}


/* --- what it issues ------------------------------------------------------ */


static char *
ngx_at_issuer_set_signing_key(ngx_conf_t *cf,
    ngx_at_issuer_t *issuer, size_t offset)
{
    ngx_str_t  *value, kid;

    value = cf->args->elts;
    ngx_str_null(&kid);

    if (cf->args->nelts == 3) {
        kid = value[2];

        if (!ngx_at_conf_cut_parameter(&kid, "kid=")) {
            return ngx_at_conf_invalid_value(cf, &value[2],
                                             "it takes \"kid=ID\"");
        }
    }

    return ngx_at_signing_key_add(cf, issuer, &value[1], &kid);
}


/* a time from a second to ten years, or 0 */

static time_t
ngx_at_issuer_parse_seconds(ngx_str_t *value)
{
    ngx_int_t  time;

    time = ngx_parse_time(value, 1);

    return time == NGX_ERROR || time > NGX_AT_TIME_MAX ? 0 : time;
}


static char *
ngx_at_issuer_set_access_token(ngx_conf_t *cf,
    ngx_at_issuer_t *issuer, size_t offset)
{
    ngx_str_t   *value, rest;
    ngx_uint_t   i;

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {
        rest = value[i];

        if (ngx_at_conf_cut_parameter(&rest, "expires=")) {
            issuer->access_expires = ngx_at_issuer_parse_seconds(&rest);

            if (issuer->access_expires) {
                continue;
            }

        } else if (ngx_at_conf_cut_parameter(&rest, "cookie_expires=")) {
            issuer->access_cookie_expires = ngx_at_issuer_parse_seconds(&rest);

            if (issuer->access_cookie_expires) {
                continue;
            }

        } else if (ngx_at_conf_cut_parameter(&rest, "cookie=")
                   && ngx_at_is_cookie_name(&rest))
        {
            issuer->access_cookie = rest;
            continue;
        }

        return ngx_at_conf_invalid_value(cf, &value[i],
                   "it takes \"expires=TIME\" and \"cookie_expires=TIME\" "
                   "(ten years at most), and \"cookie=NAME\"");
    }

    return NGX_CONF_OK;
}


/* what stands in a cookie as it is (RFC 6265 section 4.1.1) */

static ngx_uint_t
ngx_at_is_cookie_path(ngx_str_t *path)
{
    size_t  i;

    for (i = 0; i < path->len; i++) {
        if (path->data[i] <= 0x20 || path->data[i] >= 0x7f
            || path->data[i] == ';')
        {
            return 0;
        }
    }

    return path->len && path->data[0] == '/';
}


/* NGX_OK, or NGX_DECLINED for what is no such parameter */

static ngx_int_t
ngx_at_issuer_parse_refresh_parameter(ngx_at_issuer_t *issuer, ngx_str_t value)
{
    ngx_int_t  n;

    if (ngx_at_conf_cut_parameter(&value, "expires=")) {
        issuer->refresh_expires = ngx_at_issuer_parse_seconds(&value);
        return issuer->refresh_expires ? NGX_OK : NGX_DECLINED;
    }

    if (ngx_at_conf_cut_parameter(&value, "length=")) {
        n = ngx_atoi(value.data, value.len);
        issuer->refresh_length = n;
        return n >= NGX_AT_REFRESH_LENGTH_MIN
               && n <= NGX_AT_REFRESH_LENGTH_MAX ? NGX_OK : NGX_DECLINED;
    }

    if (ngx_at_conf_cut_parameter(&value, "grace=")) {
        n = ngx_parse_time(&value, 0);
        issuer->refresh_grace = n;
        return n != NGX_ERROR && n <= NGX_AT_REFRESH_GRACE_MAX
               ? NGX_OK : NGX_DECLINED;
    }

    if (ngx_at_conf_cut_parameter(&value, "cookie=")) {
        issuer->refresh_cookie = value;
        return ngx_at_is_cookie_name(&value) ? NGX_OK
                                             : NGX_DECLINED;
    }

    if (ngx_at_conf_cut_parameter(&value, "path=")) {
        issuer->refresh_path = value;
        return ngx_at_is_cookie_path(&value) ? NGX_OK
                                             : NGX_DECLINED;
    }

    return NGX_DECLINED;
}


static char *
ngx_at_issuer_set_refresh_token(ngx_conf_t *cf,
    ngx_at_issuer_t *issuer, size_t offset)
{
    ngx_str_t   *value;
    ngx_uint_t   i;

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {
        if (ngx_at_issuer_parse_refresh_parameter(issuer, value[i])
            != NGX_OK)
        {
            return ngx_at_conf_invalid_value(cf, &value[i],
                       "it takes \"expires=TIME\" (ten years at most), "
                       "\"length=N\" (44 to 512), \"grace=TIME\" (a minute "
                       "at most), \"cookie=NAME\" and \"path=/PATH\"");
        }
    }

    return NGX_CONF_OK;
}


/* "N/TIME" */

static ngx_int_t
ngx_at_issuer_parse_failures(ngx_at_issuer_t *issuer, ngx_str_t value)
{
    u_char     *slash;
    ngx_int_t   n;
    ngx_str_t   time;

    slash = ngx_strlchr(value.data, value.data + value.len, '/');
    if (slash == NULL) {
        return NGX_DECLINED;
    }

    time.data = slash + 1;
    time.len = value.data + value.len - time.data;

    n = ngx_atoi(value.data, slash - value.data);

    issuer->max_failures = n;
    issuer->failures_interval = ngx_at_issuer_parse_seconds(&time);

    return n > 0 && n <= 1000000 && issuer->failures_interval ? NGX_OK
                                                          : NGX_DECLINED;
}


static char *
ngx_at_issuer_set_password(ngx_conf_t *cf,
    ngx_at_issuer_t *issuer, size_t offset)
{
    ngx_int_t    time;
    ngx_str_t   *value, rest;
    ngx_uint_t   i;

    value = cf->args->elts;
    issuer->has_users = 1;

    for (i = 1; i < cf->args->nelts; i++) {
        rest = value[i];

        if (ngx_at_conf_cut_parameter(&rest, "remember=")) {
            time = ngx_parse_time(&rest, 1);
            issuer->password_cache_time = time;

            if (time != NGX_ERROR && time <= NGX_AT_TIME_MAX) {
                continue;
            }

        } else if (ngx_at_conf_cut_parameter(&rest, "failures=")
                   && ngx_at_issuer_parse_failures(issuer, rest)
                      == NGX_OK)
        {
            continue;
        }

        return ngx_at_conf_invalid_value(cf, &value[i],
                   "it takes \"remember=TIME\" and \"failures=N/TIME\", "
                   "ten years at most");
    }

    return NGX_CONF_OK;
}


/* --- the block ----------------------------------------------------------- */


static char *
ngx_at_issuer_run_directive(ngx_conf_t *cf,
    ngx_at_issuer_block_t *block, ngx_uint_t i)
{
    char                     *rc;
    ngx_at_issuer_command_t  *command;

    command = &ngx_at_issuer_commands[i];

    if (cf->args->nelts < command->min || cf->args->nelts > command->max) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid number of arguments in \"%V\" directive",
                           &command->name);
        return NGX_CONF_ERROR;
    }

    if ((block->seen & (1 << i)) && !command->repeated) {
        rc = "is duplicate";

    } else {
        block->seen |= 1 << i;
        rc = command->set(cf, block->issuer, command->offset);
    }

    if (rc == NGX_CONF_OK || rc == NGX_CONF_ERROR) {
        return rc;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "\"%V\" directive %s",
                       &command->name, rc);
    return NGX_CONF_ERROR;
}


/* called by ngx_conf_parse() for each directive of the block */

static char *
ngx_at_issuer_find_directive(ngx_conf_t *cf, ngx_command_t *dummy, void *conf)
{
    ngx_at_issuer_block_t *block = conf;

    ngx_str_t                *name;
    ngx_uint_t                i;
    ngx_at_issuer_command_t  *command;

    name = cf->args->elts;

    if (ngx_at_str_is(name, "include")) {

        if (cf->args->nelts != 2) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid number of arguments in \"include\" "
                               "directive");
            return NGX_CONF_ERROR;
        }

        return ngx_conf_include(cf, dummy, conf);
    }

    command = ngx_at_issuer_commands;

    for (i = 0; command[i].name.len; i++) {
        if (command[i].name.len == name->len
            && ngx_strncmp(command[i].name.data, name->data, name->len) == 0)
        {
            return ngx_at_issuer_run_directive(cf, block, i);
        }
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "unknown directive \"%V\" in \"auth_token_issuer\"",
                       name);
    return NGX_CONF_ERROR;
}


static ngx_uint_t
ngx_at_issuer_has_directive(const ngx_at_issuer_block_t *block,
    const char *name)
{
    ngx_uint_t                i;
    ngx_at_issuer_command_t  *command;

    command = ngx_at_issuer_commands;

    for (i = 0; command[i].name.len; i++) {
        if (ngx_strcmp(command[i].name.data, name) == 0) {
            return (block->seen >> i) & 1;
        }
    }

    return 0;
}


static void
ngx_at_issuer_set_default_path(at_claim_path_t *path, at_str_t name)
{
    path->n = 1;
    path->names[0] = name;
}


/* only an issuer whose keys are the operator's own may say who administers */

static void
ngx_at_issuer_apply_admin_default(const ngx_at_issuer_block_t *block)
{
    ngx_at_issuer_t  *issuer;

    issuer = block->issuer;

    if (!ngx_at_issuer_has_directive(block, "admin_claim")
        && !issuer->requirements.entra && issuer->sources.nelts == 0)
    {
        ngx_at_issuer_set_default_path(&issuer->requirements.admin_claim,
                                       at_str("isAdmin"));
    }
}


/* what Entra's tokens are like decides where the block is silent */

static void
ngx_at_issuer_apply_entra_defaults(const ngx_at_issuer_block_t *block)
{
    at_issuer_t  *demands;

    demands = &block->issuer->requirements;

    if (!ngx_at_issuer_has_directive(block, "delegated")) {
        demands->no_users = 1;
    }

    /* the one name of a user or an application that is never given to another */
    if (!ngx_at_issuer_has_directive(block, "user_claim")) {
        ngx_at_issuer_set_default_path(&demands->user_claim, at_str("oid"));
    }
}


static ngx_at_issuer_t *
ngx_at_issuer_create(ngx_conf_t *cf, ngx_str_t *name)
{
    at_issuer_t      *demands;
    ngx_at_issuer_t  *issuer;

    issuer = ngx_pcalloc(cf->pool, sizeof(ngx_at_issuer_t));
    if (issuer == NULL) {
        return NULL;
    }

    issuer->name = *name;

    ngx_str_set(&issuer->access_cookie, "accessToken");
    ngx_str_set(&issuer->refresh_cookie, "refreshToken");
    ngx_str_set(&issuer->refresh_path, "/api/auth/token");

    issuer->access_expires = 30 * 60;
    issuer->refresh_expires = 24 * 60 * 60;
    issuer->refresh_length = 80;
    issuer->refresh_grace = 5000;
    issuer->password_cache_time = 60;
    issuer->max_failures = 10;
    issuer->failures_interval = 60;

    demands = &issuer->requirements;
    demands->name = ngx_at_view(*name);
    demands->algs = at_alg_bit(AT_RS256);
    demands->max_age = AT_NO_MAX_AGE;
    demands->typs = ngx_at_default_typs;
    demands->n_typs = sizeof(ngx_at_default_typs) / sizeof(at_str_t);
    demands->typ_absent = 1;

    ngx_at_issuer_set_default_path(&demands->user_claim, at_str("username"));
    ngx_at_issuer_set_default_path(&demands->scope_claim, at_str("scope"));
    return issuer;
}


static ngx_uint_t
ngx_at_is_issuer_name(ngx_str_t *name)
{
    size_t  i;

    for (i = 0; i < name->len; i++) {
        if (!((name->data[i] | 0x20) >= 'a' && (name->data[i] | 0x20) <= 'z')
            && !(name->data[i] >= '0' && name->data[i] <= '9')
            && name->data[i] != '_' && name->data[i] != '-'
            && name->data[i] != '.')
        {
            return 0;
        }
    }

    return name->len != 0 && name->len <= NGX_AT_ISSUER_NAME_MAX;
}


static char *
ngx_at_issuer_parse(ngx_conf_t *cf, ngx_at_issuer_t *issuer)
{
    char                  *rc;
    ngx_conf_t             save;
    ngx_at_issuer_block_t  block;

    block.issuer = issuer;
    block.seen = 0;

    save = *cf;
    cf->handler = ngx_at_issuer_find_directive;
    cf->handler_conf = (void *) &block;

    rc = ngx_conf_parse(cf, NULL);

    *cf = save;

    ngx_at_issuer_apply_admin_default(&block);

    if (issuer->requirements.entra) {
        ngx_at_issuer_apply_entra_defaults(&block);
    }

    return rc;
}


/* what the block must say */

static char *
ngx_at_issuer_find_missing(ngx_at_issuer_t *issuer)
{
    if (issuer->requirements.n_issuers == 0) {
        return "issuer";
    }

    if (issuer->requirements.n_audiences == 0 && !issuer->requirements.any_audience
        && !issuer->requirements.own_client_audience)
    {
        return "audience";
    }

    if (issuer->signing_keys.nelts && issuer->requirements.n_audiences == 0
        && !issuer->requirements.own_client_audience)
    {
        return "audience (of the tokens that it signs)";
    }

    if (issuer->key_files.nelts == 0 && issuer->sources.nelts == 0
        && issuer->signing_keys.nelts == 0)
    {
        return "key_file\", \"jwks_uri\" or \"discovery";
    }

    return NULL;
}


char *
ngx_at_issuer_block(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_at_main_conf_t *atmcf = conf;

    char             *missing;
    ngx_str_t        *value;
    ngx_at_issuer_t  *issuer, **p;

    value = cf->args->elts;

    if (!ngx_at_is_issuer_name(&value[1])) {
        return ngx_at_conf_invalid_value(cf, &value[1],
                       "a name is 1 to 64 of a-z, A-Z, 0-9, \"_\", \"-\", "
                       "\".\"");
    }

    if (ngx_at_issuer_find(atmcf, &value[1])) {
        return ngx_at_conf_invalid_value(cf, &value[1],
                                         "there is such a block already");
    }

    issuer = ngx_at_issuer_create(cf, &value[1]);
    if (issuer == NULL) {
        return NGX_CONF_ERROR;
    }

    if (ngx_at_issuer_parse(cf, issuer) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    missing = ngx_at_issuer_find_missing(issuer);

    if (missing) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"auth_token_issuer %V\" lacks \"%s\"",
                           &issuer->name, missing);
        return NGX_CONF_ERROR;
    }

    p = ngx_array_push(&atmcf->issuers);
    if (p == NULL) {
        return NGX_CONF_ERROR;
    }

    *p = issuer;

    if (ngx_at_sources_resolve(cf, issuer) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    return ngx_at_signing_keys_load(cf, issuer) == NGX_CONF_OK
           ? ngx_at_keys_load(cf, issuer) : NGX_CONF_ERROR;
}


/* a client that nobody can look up would refuse every token */

ngx_int_t
ngx_at_issuer_check_clients(ngx_conf_t *cf, ngx_at_main_conf_t *atmcf)
{
    ngx_uint_t        i;
    ngx_at_issuer_t  *issuer, **issuers;

    issuers = atmcf->issuers.elts;

    for (i = 0; i < atmcf->issuers.nelts; i++) {
        issuer = issuers[i];

        if (issuer->requirements.own_client_audience
            && issuer->requirements.n_client_claims == 0)
        {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "\"audience clients\" of \"auth_token_issuer %V\" "
                          "needs a \"client_claim\" in %V:%ui",
                          &issuer->name, &issuer->audience_position.file,
                          issuer->audience_position.line);
            return NGX_ERROR;
        }

        if (issuer->requirements.n_client_claims && atmcf->store_path.data == NULL) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "\"client_claim\" of \"auth_token_issuer %V\" needs "
                          "an \"auth_token_store\" in %V:%ui",
                          &issuer->name, &issuer->client_claim_position.file,
                          issuer->client_claim_position.line);
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}
