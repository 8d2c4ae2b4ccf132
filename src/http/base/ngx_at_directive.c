/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Helpers that parse and check the arguments of directives.
 */

#include "http/base/ngx_at_directive.h"

#include "http/base/ngx_at_str.h"


#define NGX_AT_HINT_SIZE  512


ngx_uint_t
ngx_at_str_equal(const ngx_str_t *a, const ngx_str_t *b)
{
    return a->len == b->len && ngx_strncmp(a->data, b->data, a->len) == 0;
}


/* --- errors -------------------------------------------------------------- */


void
ngx_at_conf_note_position(ngx_conf_t *cf, ngx_at_conf_position_t *position)
{
    position->directive = *(ngx_str_t *) cf->args->elts;
    position->file = cf->conf_file->file.name;
    position->line = cf->conf_file->line;
}


static void
ngx_at_conf_log_at(ngx_uint_t level, ngx_conf_t *cf,
    const ngx_at_conf_position_t *position, const char *fmt, va_list args)
{
    u_char  buf[NGX_MAX_CONF_ERRSTR], *last;

    last = ngx_vslprintf(buf, buf + NGX_MAX_CONF_ERRSTR, fmt, args);

    ngx_log_error(level, cf->log, 0, "%*s in %V:%ui", (size_t) (last - buf),
                  buf, &position->file, position->line);
}


ngx_int_t
ngx_at_conf_error_at(ngx_conf_t *cf, const ngx_at_conf_position_t *position,
    const char *fmt, ...)
{
    va_list  args;

    va_start(args, fmt);
    ngx_at_conf_log_at(NGX_LOG_EMERG, cf, position, fmt, args);
    va_end(args);

    return NGX_ERROR;
}


void
ngx_at_conf_warn_at(ngx_conf_t *cf, const ngx_at_conf_position_t *position,
    const char *fmt, ...)
{
    va_list  args;

    va_start(args, fmt);
    ngx_at_conf_log_at(NGX_LOG_WARN, cf, position, fmt, args);
    va_end(args);
}


char *
ngx_at_conf_invalid_value(ngx_conf_t *cf, ngx_str_t *value, const char *hint)
{
    ngx_str_t  *directive;

    directive = cf->args->elts;

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid value \"%V\" in \"%V\": %s", value, directive,
                       hint);
    return NGX_CONF_ERROR;
}


char *
ngx_at_conf_duplicate_value(ngx_conf_t *cf, ngx_str_t *value)
{
    ngx_str_t  *directive;

    directive = cf->args->elts;

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "duplicate value \"%V\" in \"%V\"", value, directive);
    return NGX_CONF_ERROR;
}


/* --- parameters ---------------------------------------------------------- */


ngx_uint_t
ngx_at_conf_cut_prefix(ngx_str_t *value, const char *prefix)
{
    size_t  len;

    len = ngx_strlen(prefix);

    if (value->len < len || ngx_strncmp(value->data, prefix, len) != 0) {
        return 0;
    }

    value->data += len;
    value->len -= len;

    return 1;
}


static char *
ngx_at_conf_invalid_parameter(ngx_conf_t *cf, ngx_str_t *value,
    const ngx_at_conf_parameter_t *parameter)
{
    u_char   hint[NGX_AT_HINT_SIZE], *p, *last;
    char    *separator;

    p = hint;
    last = hint + NGX_AT_HINT_SIZE - 1;
    separator = "use ";

    for ( /* void */ ; parameter->name.len; parameter++) {
        p = ngx_slprintf(p, last, "%s%s", separator, parameter->hint);
        separator = ", ";
    }

    *p = '\0';

    return ngx_at_conf_invalid_value(cf, value, (char *) hint);
}


char *
ngx_at_conf_parse_parameters(ngx_conf_t *cf, ngx_uint_t first,
    const ngx_at_conf_parameter_t *parameters, void *conf)
{
    void        *field;
    ngx_int_t    rc;
    ngx_str_t   *value, rest;
    ngx_uint_t   i, k, seen;

    value = cf->args->elts;
    seen = 0;

    for (i = first; i < cf->args->nelts; i++) {
        rest = value[i];

        for (k = 0; parameters[k].name.len; k++) {
            if (ngx_at_conf_cut_prefix(&rest,
                                       (char *) parameters[k].name.data))
            {
                break;
            }
        }

        if (seen & (1 << k)) {
            return ngx_at_conf_duplicate_value(cf, &value[i]);
        }

        seen |= 1 << k;
        field = (u_char *) conf + parameters[k].offset;

        if (parameters[k].name.len == 0) {
            rc = NGX_DECLINED;

        } else if (parameters[k].parse) {
            rc = parameters[k].parse(cf, &parameters[k], &rest, field);

        } else {
            *(ngx_str_t *) field = rest;
            rc = parameters[k].is_valid(ngx_at_view(rest)) ? NGX_OK
                                                           : NGX_DECLINED;
        }

        if (rc == NGX_DECLINED) {
            return ngx_at_conf_invalid_parameter(cf, &value[i], parameters);
        }

        if (rc != NGX_OK) {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


ngx_int_t
ngx_at_conf_parse_number(ngx_conf_t *cf,
    const ngx_at_conf_parameter_t *parameter, ngx_str_t *value, void *field)
{
    ngx_int_t  n;

    n = ngx_atoi(value->data, value->len);

    *(ngx_uint_t *) field = n;

    return n >= parameter->min && n <= parameter->max ? NGX_OK : NGX_DECLINED;
}


ngx_int_t
ngx_at_conf_parse_seconds(ngx_conf_t *cf,
    const ngx_at_conf_parameter_t *parameter, ngx_str_t *value, void *field)
{
    ngx_int_t  time;

    time = ngx_parse_time(value, 1);

    if (time < parameter->min || time > parameter->max) {
        return NGX_DECLINED;
    }

    *(time_t *) field = time;

    return NGX_OK;
}


/* --- values -------------------------------------------------------------- */


char *
ngx_at_conf_set_strings(ngx_conf_t *cf, ngx_array_t **array)
{
    ngx_str_t   *value, *s;
    ngx_uint_t   i, k;

    if (*array != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    *array = ngx_array_create(cf->pool, cf->args->nelts, sizeof(ngx_str_t));
    if (*array == NULL) {
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        for (k = 1; k < i; k++) {
            if (ngx_at_str_equal(&value[k], &value[i])) {
                return ngx_at_conf_duplicate_value(cf, &value[i]);
            }
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
ngx_at_conf_parse_word(ngx_conf_t *cf, ngx_str_t *value,
    const ngx_conf_enum_t *words, ngx_uint_t *result)
{
    u_char      hint[NGX_AT_HINT_SIZE], *p, *last;
    char       *separator;
    ngx_uint_t  i;

    p = hint;
    last = hint + NGX_AT_HINT_SIZE - 1;
    separator = "use ";

    for (i = 0; words[i].name.len; i++) {

        if (ngx_at_str_equal(&words[i].name, value)) {
            *result = words[i].value;
            return NGX_CONF_OK;
        }

        p = ngx_slprintf(p, last, "%s\"%V\"", separator, &words[i].name);
        separator = words[i + 1].name.len && words[i + 2].name.len ? ", "
                                                                   : " or ";
    }

    *p = '\0';

    return ngx_at_conf_invalid_value(cf, value, (char *) hint);
}


char *
ngx_at_conf_set_word(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_str_t   *value;
    ngx_uint_t  *field;

    value = cf->args->elts;
    field = (ngx_uint_t *) ((u_char *) conf + cmd->offset);

    return *field == NGX_CONF_UNSET_UINT
           ? ngx_at_conf_parse_word(cf, &value[1], cmd->post, field)
           : "is duplicate";
}


/* the parser writes into the text: an error message shows the original */

char *
ngx_at_conf_parse_claim_path(ngx_conf_t *cf, ngx_str_t *value,
    at_claim_path_t *path)
{
    u_char  *text;

    text = ngx_pstrdup(cf->pool, value);
    if (text == NULL) {
        return NGX_CONF_ERROR;
    }

    if (at_claim_path_parse(path, (char *) text, value->len) != 0) {
        return ngx_at_conf_invalid_value(cf, value,
                   "use member names that are separated by dots");
    }

    return NGX_CONF_OK;
}


void *
ngx_at_conf_push(ngx_conf_t *cf, ngx_array_t *array, size_t size)
{
    void  *element;

    if (array->elts == NULL
        && ngx_array_init(array, cf->pool, 2, size) != NGX_OK)
    {
        return NULL;
    }

    element = ngx_array_push(array);

    if (element) {
        ngx_memzero(element, size);
    }

    return element;
}


ngx_int_t
ngx_at_conf_read_file(ngx_conf_t *cf, ngx_str_t *path, size_t max,
    at_file_t *file)
{
    ngx_str_t   *directive;
    at_error_t   err;

    directive = cf->args->elts;

    if (ngx_conf_full_name(cf->cycle, path, 1) != NGX_OK) {
        return NGX_ERROR;
    }

    if (at_file_read(file, (char *) path->data, max, &err) != 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "\"%V\": %s", directive,
                           err.text);
        return NGX_ERROR;
    }

    return NGX_OK;
}


int
ngx_at_is_token(at_str_t value)
{
    return value.len && at_str_is_visible(value, "$()<>@,;:\\\"/[]?={}");
}
