/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The directives of locations: setters, inheritance, cross checks.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "core/authz/at_cache.h"
#include "core/authz/at_cidr_set.h"
#include "core/authz/at_endpoint_list.h"
#include "core/authz/at_scope.h"
#include "core/base/at_error.h"
#include "core/base/at_file.h"
#include "core/base/at_str.h"
#include "core/base/at_verdict.h"
#include "core/jose/at_jwt.h"
#include "core/json/at_claim.h"

#include "http/base/ngx_at_directive.h"
#include "http/base/ngx_at_issuer.h"
#include "http/base/ngx_at_loc_conf.h"
#include "http/base/ngx_at_main_conf.h"
#include "http/base/ngx_at_str.h"
#include "http/conf/ngx_at_location.h"


#define NGX_AT_RANGES_SIZE  (16 * 1024 * 1024)


void
ngx_at_conf_note_position(ngx_conf_t *cf, ngx_at_conf_position_t *where)
{
    where->file = cf->conf_file->file.name;
    where->line = cf->conf_file->line;
}


ngx_int_t
ngx_at_full_path(ngx_conf_t *cf, ngx_str_t *path)
{
    return ngx_conf_full_name(cf->cycle, path, 1);
}


char *
ngx_at_conf_invalid_value(ngx_conf_t *cf, ngx_str_t *value, const char *why)
{
    ngx_str_t  *directive;

    directive = cf->args->elts;

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid value \"%V\" in \"%V\": %s", value, directive,
                       why);
    return NGX_CONF_ERROR;
}


ngx_uint_t
ngx_at_conf_cut_parameter(ngx_str_t *value, const char *name)
{
    size_t  len;

    len = ngx_strlen(name);

    if (value->len < len || ngx_strncmp(value->data, name, len) != 0) {
        return 0;
    }

    value->data += len;
    value->len -= len;

    return 1;
}


ngx_uint_t
ngx_at_is_printable(ngx_str_t *value)
{
    size_t  i;

    for (i = 0; i < value->len; i++) {
        if (value->data[i] < 0x20 || value->data[i] == 0x7f) {
            return 0;
        }
    }

    return 1;
}


/* its names are cut out of a copy: an error shows the value as it was written */

char *
ngx_at_parse_claim_path(ngx_conf_t *cf, ngx_str_t *value,
    at_claim_path_t *path)
{
    u_char  *text;

    text = ngx_pstrdup(cf->pool, value);
    if (text == NULL) {
        return NGX_CONF_ERROR;
    }

    if (at_claim_path_parse(path, (char *) text, value->len) != 0) {
        return ngx_at_conf_invalid_value(cf, value,
                       "it takes names of members, separated by dots");
    }

    return NGX_CONF_OK;
}


/* --- setters ------------------------------------------------------------- */


char *
ngx_at_set_enable(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_at_loc_conf_t *atcf = conf;

    ngx_at_conf_note_position(cf, &atcf->enable_position);

    return ngx_conf_set_flag_slot(cf, cmd, conf);
}


ngx_uint_t
ngx_at_is_cookie_name(ngx_str_t *name)
{
    size_t  i;

    for (i = 0; i < name->len; i++) {
        if (name->data[i] <= 0x20 || name->data[i] >= 0x7f
            || ngx_strchr("()<>@,;:\\\"/[]?={}", name->data[i]))
        {
            return 0;
        }
    }

    return name->len != 0;
}


/* a field name (RFC 9110 section 5.1), kept in lower case */

static ngx_uint_t
ngx_at_set_api_header(ngx_conf_t *cf, ngx_at_loc_conf_t *atcf, ngx_str_t *name)
{
    u_char  *p;

    if (!ngx_at_is_cookie_name(name)) {
        return 0;
    }

    p = ngx_pnalloc(cf->pool, name->len);
    if (p == NULL) {
        return 0;
    }

    ngx_strlow(p, name->data, name->len);

    atcf->api_header.data = p;
    atcf->api_header.len = name->len;

    return 1;
}


/* the bit of one kind, or 0 */

static ngx_uint_t
ngx_at_parse_kind(ngx_conf_t *cf, ngx_at_loc_conf_t *atcf, ngx_str_t value)
{
    ngx_at_main_conf_t  *atmcf;

    if (ngx_at_str_is(&value, "bearer")) {
        return NGX_AT_BEARER;
    }

    if (ngx_at_str_is(&value, "basic")) {
        atmcf = ngx_http_conf_get_module_main_conf(cf,
                                                   ngx_http_auth_token_module);
        atmcf->needs_throttle = 1;
        return NGX_AT_BASIC;
    }

    if (ngx_at_str_is(&value, "none")) {
        return NGX_AT_NONE;
    }

    if (ngx_at_str_is(&value, "api_token")) {
        ngx_str_set(&atcf->api_header, "x-api-token");
        return NGX_AT_API_TOKEN;
    }

    if (ngx_at_conf_cut_parameter(&value, "api_token=")
        && ngx_at_set_api_header(cf, atcf, &value))
    {
        return NGX_AT_API_TOKEN;
    }

    if (ngx_at_str_is(&value, "cookie")) {
        ngx_str_set(&atcf->cookie, "accessToken");
        return NGX_AT_COOKIE;
    }

    if (ngx_at_conf_cut_parameter(&value, "cookie=")
        && ngx_at_is_cookie_name(&value))
    {
        atcf->cookie = value;
        return NGX_AT_COOKIE;
    }

    return 0;
}


char *
ngx_at_set_accept(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_at_loc_conf_t *atcf = conf;

    ngx_str_t   *value;
    ngx_uint_t   i, kind;

    if (atcf->accept != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    atcf->accept = 0;
    ngx_at_conf_note_position(cf, &atcf->accept_position);
    ngx_at_conf_note_position(cf, &atcf->restriction_position);

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {
        kind = ngx_at_parse_kind(cf, atcf, value[i]);

        if (kind == 0) {
            return ngx_at_conf_invalid_value(cf, &value[i],
                         "it takes \"api_token[=HEADER]\", \"bearer\", "
                         "\"basic\", \"cookie[=NAME]\" or \"none\"");
        }

        if (atcf->accept & kind) {
            return ngx_at_conf_invalid_value(cf, &value[i],
                                             "it stands there twice");
        }

        atcf->accept |= kind;
    }

    if ((atcf->accept & NGX_AT_NONE) && atcf->accept != NGX_AT_NONE) {
        return "takes \"none\" alone";
    }

    return NGX_CONF_OK;
}


static ngx_uint_t
ngx_at_array_has(const ngx_array_t *a, const ngx_str_t *value)
{
    ngx_str_t   *s;
    ngx_uint_t   i;

    s = a->elts;

    for (i = 0; i < a->nelts; i++) {
        if (s[i].len == value->len
            && ngx_strncmp(s[i].data, value->data, value->len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


/* the arguments as an array in which none stands twice */

static char *
ngx_at_set_strings(ngx_conf_t *cf, ngx_array_t **array)
{
    ngx_str_t   *value, *s;
    ngx_uint_t   i;

    if (*array != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    *array = ngx_array_create(cf->pool, cf->args->nelts, sizeof(ngx_str_t));
    if (*array == NULL) {
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        if (ngx_at_array_has(*array, &value[i])) {
            return ngx_at_conf_invalid_value(cf, &value[i],
                                             "it stands there twice");
        }

        s = ngx_array_push(*array);
        if (s == NULL) {
            return NGX_CONF_ERROR;
        }

        *s = value[i];
    }

    return NGX_CONF_OK;
}


char *
ngx_at_set_trust(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_at_loc_conf_t *atcf = conf;

    ngx_at_conf_note_position(cf, &atcf->trust_position);

    return ngx_at_set_strings(cf, &atcf->trust);
}


static char *
ngx_at_push_scope(ngx_conf_t *cf, ngx_array_t *scopes, ngx_str_t *value)
{
    ngx_http_complex_value_t          *cv;
    ngx_http_compile_complex_value_t   ccv;

    if (value->len == 0) {
        return ngx_at_conf_invalid_value(cf, value,
                                         "an empty scope is nobody's");
    }

    cv = ngx_array_push(scopes);
    if (cv == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = value;
    ccv.complex_value = cv;

    return ngx_http_compile_complex_value(&ccv) == NGX_OK ? NGX_CONF_OK
                                                          : NGX_CONF_ERROR;
}


char *
ngx_at_set_scope(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_at_loc_conf_t *atcf = conf;

    char        *rc;
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

    atcf->scope_mode = AT_SCOPE_ALL;
    value = cf->args->elts;
    i = 1;

    if (ngx_at_str_is(&value[1], "off")) {
        return cf->args->nelts == 2 ? NGX_CONF_OK : "takes \"off\" alone";
    }

    if (ngx_at_str_is(&value[1], "any")) {
        atcf->scope_mode = AT_SCOPE_ANY;
        i++;

    } else if (ngx_at_str_is(&value[1], "all")) {
        i++;
    }

    if (i == cf->args->nelts) {
        return "names no scope";
    }

    for ( /* void */ ; i < cf->args->nelts; i++) {
        rc = ngx_at_push_scope(cf, atcf->scopes, &value[i]);

        if (rc != NGX_CONF_OK) {
            return rc;
        }
    }

    return NGX_CONF_OK;
}


static void
ngx_at_endpoint_list_free(void *data)
{
    at_endpoint_list_free(data);
}


static char *
ngx_at_endpoint_list_read(ngx_conf_t *cf,
    ngx_at_loc_conf_t *atcf, ngx_str_t path,
    const at_endpoint_list_options_t *options)
{
    at_str_t             text;
    at_file_t            file;
    at_error_t           err;
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(cf->pool, 0);

    if (cln == NULL || ngx_at_full_path(cf, &path) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    if (at_file_read(&file, (char *) path.data, AT_ENDPOINT_LIST_MAX, &err) != 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"auth_token_endpoints\": %s", err.text);
        return NGX_CONF_ERROR;
    }

    text.data = file.data;
    text.len = file.len;

    atcf->endpoints = at_endpoint_list_parse(text, options, &err);
    at_file_free(&file);

    if (atcf->endpoints == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"auth_token_endpoints\": \"%V\": %s", &path,
                           err.text);
        return NGX_CONF_ERROR;
    }

    cln->handler = ngx_at_endpoint_list_free;
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
        return cf->args->nelts == 2 ? NGX_CONF_OK : "takes \"off\" alone";
    }

    for (i = 2; i < cf->args->nelts; i++) {
        prefix = value[i];

        if (!options.ignore_case && ngx_at_str_is(&value[i], "ignore_case")) {
            options.ignore_case = 1;

        } else if (options.prefix.len == 0
                   && ngx_at_conf_cut_parameter(&prefix, "prefix=")
                   && (ngx_at_str_is(&prefix, "ipfabric")
                       || (prefix.len > 1 && prefix.data[0] == '/')))
        {
            options.prefix = ngx_at_view(prefix);

        } else {
            return ngx_at_conf_invalid_value(cf, &value[i],
                       "it takes \"prefix=/PATH\", \"prefix=ipfabric\" and "
                       "\"ignore_case\", once each");
        }
    }

    return ngx_at_endpoint_list_read(cf, atcf, value[1], &options);
}


/* NGX_DECLINED: it is no range; warns of what looks like a slip */

static ngx_int_t
ngx_at_push_range(ngx_conf_t *cf, ngx_array_t *ranges, ngx_str_t *value)
{
    ngx_int_t   rc;
    at_cidr_t  *cidr;

    cidr = ngx_array_push(ranges);
    if (cidr == NULL) {
        return NGX_ERROR;
    }

    rc = at_cidr_parse(cidr, ngx_at_view(*value));

    if (rc < 0) {
        return NGX_DECLINED;
    }

    if (rc == 1) {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "low address bits of \"%V\" are meaningless",
                           value);
    }

    if (cidr->bits == 0) {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "\"%V\" holds every %s address and no other", value,
                           cidr->addr.len == 4 ? "IPv4" : "IPv6");
    }

    return NGX_OK;
}


/* cuts the next line off text: without its comment and the space around it */

static ngx_str_t
ngx_at_next_line(ngx_str_t *text)
{
    u_char     *end, *hash;
    ngx_str_t   line;

    end = ngx_strlchr(text->data, text->data + text->len, '\n');
    line.data = text->data;
    line.len = end ? (size_t) (end - text->data) : text->len;

    text->data += line.len + (end != NULL);
    text->len -= line.len + (end != NULL);

    hash = ngx_strlchr(line.data, line.data + line.len, '#');
    if (hash) {
        line.len = hash - line.data;
    }

    while (line.len && ngx_strchr(" \t\r", line.data[line.len - 1])
           && line.data[line.len - 1])
    {
        line.len--;
    }

    while (line.len && (*line.data == ' ' || *line.data == '\t')) {
        line.data++;
        line.len--;
    }

    return line;
}


static char *
ngx_at_push_range_lines(ngx_conf_t *cf, ngx_array_t *ranges,
    ngx_str_t *path, ngx_str_t text)
{
    ngx_int_t   rc;
    ngx_str_t   line;
    ngx_uint_t  n, found;

    found = 0;

    for (n = 1; text.len; n++) {
        line = ngx_at_next_line(&text);

        if (line.len == 0) {
            continue;
        }

        rc = ngx_at_push_range(cf, ranges, &line);

        if (rc == NGX_DECLINED) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid address range \"%V\" in %V:%ui",
                               &line, path, n);
        }

        if (rc != NGX_OK) {
            return NGX_CONF_ERROR;
        }

        found = 1;
    }

    if (!found) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" holds no address range", path);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_at_push_range_file(ngx_conf_t *cf, ngx_array_t *ranges, ngx_str_t path)
{
    char        *rc;
    ngx_str_t    text;
    at_file_t    file;
    at_error_t   err;

    if (ngx_at_full_path(cf, &path) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    if (at_file_read(&file, (char *) path.data,
                     NGX_AT_RANGES_SIZE, &err)
        != 0)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "\"auth_token_allow\": %s",
                           err.text);
        return NGX_CONF_ERROR;
    }

    text.data = (u_char *) file.data;
    text.len = file.len;

    rc = ngx_at_push_range_lines(cf, ranges, &path, text);

    at_file_free(&file);

    return rc;
}


static char *
ngx_at_push_ranges(ngx_conf_t *cf, ngx_array_t *ranges, ngx_str_t value)
{
    switch (ngx_at_conf_cut_parameter(&value, "file=") ? NGX_DONE
            : ngx_at_push_range(cf, ranges, &value))
    {

    case NGX_OK:
        return NGX_CONF_OK;

    case NGX_DONE:
        return ngx_at_push_range_file(cf, ranges, value);

    case NGX_DECLINED:
        return ngx_at_conf_invalid_value(cf, &value,
                       "it takes addresses, CIDR ranges, \"file=PATH\" or "
                       "\"any\" alone");

    default:
        return NGX_CONF_ERROR;
    }
}


char *
ngx_at_set_allow(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_at_loc_conf_t *atcf = conf;

    char        *rc;
    ngx_str_t   *value;
    ngx_uint_t   i, first;

    ngx_at_conf_note_position(cf, &atcf->restriction_position);
    first = (atcf->ranges == NGX_CONF_UNSET_PTR);

    if (first) {
        atcf->ranges = ngx_array_create(cf->pool, 4, sizeof(at_cidr_t));
        if (atcf->ranges == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    value = cf->args->elts;

    /* no range at all is how "any" is kept */

    if (ngx_at_str_is(&value[1], "any")) {
        return first && cf->args->nelts == 2 ? NGX_CONF_OK
                                             : "takes \"any\" alone";
    }

    if (!first && atcf->ranges->nelts == 0) {
        return "takes \"any\" alone";
    }

    for (i = 1; i < cf->args->nelts; i++) {
        rc = ngx_at_push_ranges(cf, atcf->ranges, value[i]);

        if (rc != NGX_CONF_OK) {
            return rc;
        }
    }

    return NGX_CONF_OK;
}


/* kept as it stands in a quoted-string (RFC 9110 section 5.6.4) */

char *
ngx_at_set_realm(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_at_loc_conf_t *atcf = conf;

    u_char     *p;
    size_t      i;
    ngx_str_t  *value;

    if (atcf->realm.data) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (!ngx_at_is_printable(&value[1])) {
        return ngx_at_conf_invalid_value(cf, &value[1],
                                         "it holds a control character");
    }

    p = ngx_pnalloc(cf->pool, value[1].len * 2 + 1);
    if (p == NULL) {
        return NGX_CONF_ERROR;
    }

    atcf->realm.data = p;

    for (i = 0; i < value[1].len; i++) {
        if (value[1].data[i] == '"' || value[1].data[i] == '\\') {
            *p++ = '\\';
        }

        *p++ = value[1].data[i];
    }

    atcf->realm.len = p - atcf->realm.data;

    return NGX_CONF_OK;
}


/* a status that nginx answers with headers and a body */

static ngx_uint_t
ngx_at_is_error_status(ngx_int_t status)
{
    if (status < NGX_HTTP_BAD_REQUEST || status > 599) {
        return 0;
    }

    return status != NGX_HTTP_REQUEST_TIME_OUT
           && status != NGX_HTTP_CLOSE
           && (status < NGX_HTTP_NGINX_CODES
               || status >= NGX_HTTP_INTERNAL_SERVER_ERROR);
}


static ngx_uint_t
ngx_at_is_utf8(ngx_str_t *value)
{
    u_char    *p, *last;
    uint32_t   c;

    p = value->data;
    last = value->data + value->len;

    while (p < last) {
        if (*p < 0x80) {
            p++;
            continue;
        }

        c = ngx_utf8_decode(&p, last - p);

        /* nginx decodes surrogates, JSON knows none */
        if (c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff)) {
            return 0;
        }
    }

    return 1;
}


static char *
ngx_at_parse_error_parameter(ngx_conf_t *cf, ngx_str_t value,
    ngx_at_error_override_t *error)
{
    ngx_int_t  status;

    if (error->message.data == NULL
        && ngx_at_conf_cut_parameter(&value, "message="))
    {
        if (!ngx_at_is_printable(&value) || !ngx_at_is_utf8(&value)) {
            return "has a message with control characters or bad UTF-8";
        }

        error->message = value;
        return NGX_CONF_OK;
    }

    if (error->status == 0 && ngx_at_conf_cut_parameter(&value, "status=")) {
        status = ngx_atoi(value.data, value.len);

        if (!ngx_at_is_error_status(status)) {
            return ngx_at_conf_invalid_value(cf, &value,
                       "a status must be between 400 and 599, and not one "
                       "that nginx keeps for itself (408, 444, 494 to 499)");
        }

        error->status = status;
        return NGX_CONF_OK;
    }

    return ngx_at_conf_invalid_value(cf, &value,
                  "it takes \"status=N\" and \"message=TEXT\", once each");
}


static ngx_array_t *
ngx_at_create_error_overrides(ngx_conf_t *cf)
{
    ngx_array_t  *errors;

    errors = ngx_array_create(cf->pool, AT_CODES,
                              sizeof(ngx_at_error_override_t));
    if (errors) {
        errors->nelts = AT_CODES;
        ngx_memzero(errors->elts, errors->nelts * errors->size);
    }

    return errors;
}


char *
ngx_at_set_error(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_at_loc_conf_t *atcf = conf;

    char                     *rc;
    at_code_e                 code;
    ngx_str_t                *value;
    ngx_uint_t                i;
    ngx_at_error_override_t  *error;

    value = cf->args->elts;
    code = at_code_find(ngx_at_view(value[1]));

    if (code == AT_CODE_NONE) {
        return ngx_at_conf_invalid_value(cf, &value[1],
                                         "there is no such error code");
    }

    if (atcf->errors == NGX_CONF_UNSET_PTR) {
        atcf->errors = ngx_at_create_error_overrides(cf);
        if (atcf->errors == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    error = (ngx_at_error_override_t *) atcf->errors->elts + code;

    if (error->status || error->message.data) {
        return ngx_at_conf_invalid_value(cf, &value[1],
                                         "it stands there twice");
    }

    for (i = 2; i < cf->args->nelts; i++) {
        rc = ngx_at_parse_error_parameter(cf, value[i], error);

        if (rc != NGX_CONF_OK) {
            return rc;
        }
    }

    return NGX_CONF_OK;
}


/* "scheme://host[:port]", as browsers write it (RFC 6454 section 6.2) */

static ngx_uint_t
ngx_at_is_origin(ngx_str_t *value)
{
    u_char     *p;
    ngx_str_t   rest;

    rest = *value;

    if (!ngx_at_conf_cut_parameter(&rest, "https://")
        && !ngx_at_conf_cut_parameter(&rest, "http://"))
    {
        return 0;
    }

    for (p = rest.data; p < rest.data + rest.len; p++) {
        if (*p <= 0x20 || *p >= 0x7f || ngx_strchr("/?#@,\"\\*", *p)) {
            return 0;
        }
    }

    return rest.len != 0;
}


char *
ngx_at_set_origin(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_at_loc_conf_t *atcf = conf;

    ngx_str_t   *value;
    ngx_uint_t   i;

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {
        if (!ngx_at_is_origin(&value[i])) {
            return ngx_at_conf_invalid_value(cf, &value[i],
                                    "it takes \"http[s]://host[:port]\"");
        }
    }

    return ngx_at_set_strings(cf, &atcf->origins);
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
                        "it takes \"off\", or a size from 64k to 32768m");
    }

    atmcf->cache_size = size;

    return NGX_CONF_OK;
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

    /*
     * set by ngx_pcalloc():
     *
     *     atcf->*_where, ->cookie, ->api_header, ->realm = { 0, NULL };
     *     atcf->trusted, ->allow = NULL;
     *     atcf->ntrusted, ->incomplete = 0;
     */

    atcf->enable = NGX_CONF_UNSET;
    atcf->accept = NGX_CONF_UNSET_UINT;
    atcf->trust = NGX_CONF_UNSET_PTR;
    atcf->scopes = NGX_CONF_UNSET_PTR;
    atcf->scope_mode = AT_SCOPE_ALL;
    atcf->endpoints = NGX_CONF_UNSET_PTR;
    atcf->ranges = NGX_CONF_UNSET_PTR;
    atcf->errors = NGX_CONF_UNSET_PTR;
    atcf->error_format = NGX_CONF_UNSET_UINT;
    atcf->preflight = NGX_CONF_UNSET;
    atcf->local_users = NGX_CONF_UNSET;
    atcf->origins = NGX_CONF_UNSET_PTR;

    return atcf;
}


/* the issuer of a name; one block needs no name */

static ngx_at_issuer_t *
ngx_at_find_trusted_issuer(ngx_conf_t *cf,
    ngx_at_main_conf_t *atmcf,
    ngx_at_loc_conf_t *atcf, ngx_uint_t i)
{
    ngx_str_t        *name;
    ngx_at_issuer_t  *issuer;

    if (atcf->trust == NULL) {
        return *(ngx_at_issuer_t **) atmcf->issuers.elts;
    }

    name = (ngx_str_t *) atcf->trust->elts + i;
    issuer = ngx_at_issuer_find(atmcf, name);

    if (issuer == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"auth_token_trust\" names \"%V\", but there "
                      "is no such \"auth_token_issuer\" in %V:%ui",
                      name, &atcf->trust_position.file, atcf->trust_position.line);
    }

    return issuer;
}


/* that of another location that trusts the same issuers, or this one's */

static at_trusted_issuer_t *
ngx_at_trust_list_intern(ngx_at_main_conf_t *atmcf,
    at_trusted_issuer_t *trusted, ngx_uint_t n)
{
    ngx_uint_t            i;
    ngx_at_trust_list_t  *trust;

    trust = atmcf->trust_lists.elts;

    for (i = 0; i < atmcf->trust_lists.nelts; i++) {
        if (trust[i].n == n
            && ngx_memcmp(trust[i].trusted, trusted, n * sizeof(at_trusted_issuer_t))
               == 0)
        {
            return trust[i].trusted;
        }
    }

    trust = ngx_array_push(&atmcf->trust_lists);
    if (trust == NULL) {
        return NULL;
    }

    trust->trusted = trusted;
    trust->n = n;

    return trusted;
}


static ngx_int_t
ngx_at_resolve_trust(ngx_conf_t *cf,
    ngx_at_main_conf_t *atmcf,
    ngx_at_loc_conf_t *atcf)
{
    ngx_uint_t            i;
    at_trusted_issuer_t  *trusted;
    ngx_at_issuer_t      *issuer;

    atcf->ntrusted = atcf->trust ? atcf->trust->nelts
                                 : (atmcf->issuers.nelts == 1);

    if (atcf->ntrusted == 0) {
        return NGX_OK;
    }

    trusted = ngx_pcalloc(cf->pool, sizeof(at_trusted_issuer_t) * atcf->ntrusted);
    if (trusted == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < atcf->ntrusted; i++) {
        issuer = ngx_at_find_trusted_issuer(cf, atmcf, atcf, i);

        if (issuer == NULL) {
            return NGX_ERROR;
        }

        trusted[i].issuer = &issuer->requirements;
        trusted[i].sets = issuer->sets;
        trusted[i].n_sets = issuer->nsets;
    }

    atcf->trusted = ngx_at_trust_list_intern(atmcf, trusted, atcf->ntrusted);

    return atcf->trusted ? NGX_OK : NGX_ERROR;
}


/* once for each list, not for each location that inherits it */

static ngx_int_t
ngx_at_compile_ranges(ngx_conf_t *cf, ngx_at_loc_conf_t *atcf)
{
    ngx_array_t    *ranges;
    at_cidr_set_t  *set;

    ranges = atcf->ranges;

    if (ranges == NGX_CONF_UNSET_PTR || ranges == NULL || ranges->nelts == 0
        || atcf->allow)
    {
        return NGX_OK;
    }

    set = ngx_palloc(cf->pool, at_cidr_set_size(ranges->nelts));
    if (set == NULL) {
        return NGX_ERROR;
    }

    set->n = ranges->nelts;
    ngx_memcpy(set->ranges, ranges->elts, set->n * sizeof(at_cidr_t));
    at_cidr_set_sort(set);

    atcf->allow = set;

    return NGX_OK;
}


static ngx_int_t
ngx_at_merge_ranges(ngx_conf_t *cf,
    ngx_at_loc_conf_t *prev, ngx_at_loc_conf_t *conf)
{
    if (ngx_at_compile_ranges(cf, prev) != NGX_OK) {
        return NGX_ERROR;
    }

    if (conf->ranges == NGX_CONF_UNSET_PTR) {
        conf->ranges = prev->ranges;
        conf->allow = prev->allow;
        return NGX_OK;
    }

    return ngx_at_compile_ranges(cf, conf);
}


static void
ngx_at_merge_accept(ngx_at_main_conf_t *atmcf,
    ngx_at_loc_conf_t *prev, ngx_at_loc_conf_t *conf)
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


/* --- cross checks -------------------------------------------------------- */


static ngx_int_t
ngx_at_conf_error_at(ngx_conf_t *cf,
    const ngx_at_conf_position_t *where, const char *what)
{
    ngx_log_error(NGX_LOG_EMERG, cf->log, 0, "%s in %V:%ui", what,
                  &where->file, where->line);
    return NGX_ERROR;
}


/* what a location must not leave open, or NULL */

static char *
ngx_at_missing_directive(ngx_at_loc_conf_t *conf)
{
    if (conf->accept != NGX_AT_NONE) {
        return conf->ntrusted || !(conf->accept & NGX_AT_JWT)
               ? NULL
               : "\"auth_token\" is on where \"auth_token_trust\" does not say "
                 "which of the issuers count:";
    }

    if (conf->allow == NULL) {
        return "\"auth_token\" is on where \"auth_token_accept\" is \"none\" "
               "and no \"auth_token_allow\" lists an address:";
    }

    if (conf->scopes && conf->scopes->nelts) {
        return "\"auth_token\" is on where \"auth_token_accept\" is \"none\", "
               "but \"auth_token_require_scope\" asks for a scope:";
    }

    if (conf->endpoints) {
        return "\"auth_token\" is on where \"auth_token_accept\" is \"none\", "
               "but \"auth_token_endpoints\" asks for rights:";
    }

    return NULL;
}


static ngx_int_t
ngx_at_check_location(ngx_conf_t *cf,
    ngx_at_main_conf_t *atmcf,
    ngx_at_loc_conf_t *conf)
{
    char                      *question;
    ngx_http_core_loc_conf_t  *clcf;

    if ((conf->accept & NGX_AT_JWT) && atmcf->issuers.nelts == 0)
    {
        return ngx_at_conf_error_at(cf, &conf->accept_position,
                   "\"auth_token_accept\" takes tokens, but there is no "
                   "\"auth_token_issuer\":");
    }

    if ((conf->accept & NGX_AT_BASIC) && atmcf->store_path.data == NULL) {
        return ngx_at_conf_error_at(cf, &conf->accept_position,
                   "\"auth_token_accept\" takes passwords, but there is no "
                   "\"auth_token_store\":");
    }

    if ((conf->accept & NGX_AT_API_TOKEN) && atmcf->store_path.data == NULL)
    {
        return ngx_at_conf_error_at(cf, &conf->accept_position,
                   "\"auth_token_accept\" takes API tokens, but there is no "
                   "\"auth_token_store\":");
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (!conf->enable) {
        if (conf->restriction_position.line && clcf->name.len) {
            ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                          "\"auth_token\" is off where a directive of its "
                          "would restrict: nobody is refused in %V:%ui",
                          &conf->restriction_position.file, conf->restriction_position.line);
        }

        return NGX_OK;
    }

    if (conf->accept == 0) {
        return ngx_at_conf_error_at(cf, &conf->enable_position,
                   "\"auth_token\" has nothing to accept, as there is no "
                   "\"auth_token_issuer\" and no \"auth_token_store\":");
    }

    question = ngx_at_missing_directive(conf);

    if (question == NULL) {
        return NGX_OK;
    }

    /*
     * A server may leave to its locations what it does not say itself; what
     * no location matches is then refused.
     */

    if (clcf->name.len == 0) {
        conf->incomplete = 1;
        return NGX_OK;
    }

    return ngx_at_conf_error_at(cf, &conf->enable_position, question);
}


/* of the issuers that have users: the first one that counts here */

static void
ngx_at_resolve_user_issuer(ngx_at_main_conf_t *atmcf, ngx_at_loc_conf_t *conf)
{
    ngx_uint_t         i, k, n;
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
        for (k = 0; k < atmcf->issuers.nelts; k++) {
            if (&issuers[k]->requirements == conf->trusted[i].issuer
                && issuers[k]->has_users)
            {
                conf->user_issuer = issuers[k];
            }
        }
    }
}


static ngx_int_t
ngx_at_resolve_token_endpoint(ngx_conf_t *cf,
    ngx_at_main_conf_t *atmcf,
    ngx_at_loc_conf_t *conf)
{
    if (conf->token_endpoint == NGX_AT_TOKEN_ENDPOINT_NONE) {
        return NGX_OK;
    }

    conf->token_endpoint_issuer = ngx_at_issuer_find(atmcf, &conf->token_endpoint_issuer_name);

    if (conf->token_endpoint_issuer == NULL) {
        return ngx_at_conf_error_at(cf, &conf->token_endpoint_position,
                   "there is no \"auth_token_issuer\" of the name that the "
                   "directive gives");
    }

    if (conf->token_endpoint_issuer->signing_keys.nelts == 0) {
        return ngx_at_conf_error_at(cf, &conf->token_endpoint_position,
                   "the \"auth_token_issuer\" that the directive names has "
                   "no \"signing_key\"");
    }

    if ((conf->token_endpoint == NGX_AT_TOKEN_ENDPOINT_LOGIN
         || conf->token_endpoint == NGX_AT_TOKEN_ENDPOINT_REFRESH)
        && conf->token_endpoint_issuer->requirements.n_audiences == 0)
    {
        return ngx_at_conf_error_at(cf, &conf->token_endpoint_position,
                   "the \"auth_token_issuer\" that the directive names has "
                   "no \"audience\" for the tokens of users");
    }

    /* disabled, of another address, without a role: it would be a token all the same */

    if (conf->token_endpoint == NGX_AT_TOKEN_ENDPOINT_OAUTH
        && conf->token_endpoint_issuer->requirements.n_client_claims == 0)
    {
        return ngx_at_conf_error_at(cf, &conf->token_endpoint_position,
                   "the \"auth_token_issuer\" that the directive names has "
                   "no \"client_claim\": nobody would look up whose its "
                   "tokens are");
    }

    if (conf->token_endpoint != NGX_AT_TOKEN_ENDPOINT_JWKS && atmcf->store_path.data == NULL) {
        return ngx_at_conf_error_at(cf, &conf->token_endpoint_position,
                   "the directive needs an \"auth_token_store\"");
    }

    return NGX_OK;
}


char *
ngx_at_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_at_loc_conf_t *prev = parent;
    ngx_at_loc_conf_t *conf = child;

    ngx_at_main_conf_t  *atmcf;

    atmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_auth_token_module);

    /* who logs in cannot have a token yet */

    if (conf->enable == NGX_CONF_UNSET
        && conf->token_endpoint != NGX_AT_TOKEN_ENDPOINT_NONE)
    {
        conf->enable = 0;
    }

    if (conf->enable == NGX_CONF_UNSET) {
        conf->enable_position = prev->enable_position;
    }

    if (conf->trust == NGX_CONF_UNSET_PTR) {
        conf->trust_position = prev->trust_position;
    }

    if (conf->scopes == NGX_CONF_UNSET_PTR) {
        conf->scope_mode = prev->scope_mode;
    }

    ngx_conf_merge_value(conf->enable, prev->enable, 0);
    ngx_conf_merge_ptr_value(conf->trust, prev->trust, NULL);
    ngx_conf_merge_ptr_value(conf->scopes, prev->scopes, NULL);
    ngx_conf_merge_ptr_value(conf->endpoints, prev->endpoints, NULL);
    ngx_conf_merge_str_value(conf->realm, prev->realm, "api");
    ngx_conf_merge_ptr_value(conf->errors, prev->errors, NULL);
    ngx_conf_merge_uint_value(conf->error_format, prev->error_format,
                              NGX_AT_JSON);
    ngx_conf_merge_value(conf->preflight, prev->preflight, 0);
    ngx_conf_merge_value(conf->local_users, prev->local_users, 1);
    ngx_conf_merge_ptr_value(conf->origins, prev->origins, NULL);

    ngx_at_merge_accept(atmcf, prev, conf);

    if (ngx_at_merge_ranges(cf, prev, conf) != NGX_OK
        || ngx_at_resolve_trust(cf, atmcf, conf) != NGX_OK
        || ngx_at_resolve_token_endpoint(cf, atmcf, conf) != NGX_OK
        || ngx_at_check_location(cf, atmcf, conf) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    ngx_at_resolve_user_issuer(atmcf, conf);

    return NGX_CONF_OK;
}
