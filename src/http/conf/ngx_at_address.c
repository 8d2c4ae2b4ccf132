/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Address ranges, in the configuration and in files.
 */

#include "http/conf/ngx_at_conf.h"

#include "http/base/ngx_at_str.h"
#include "core/base/at_line.h"


#define NGX_AT_RANGE_FILE_SIZE  (16 * 1024 * 1024)


/* NGX_DECLINED: not a range; warns of likely mistakes */

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
                           "\"%V\" matches every %s address and no other",
                           value, cidr->addr.len == 4 ? "IPv4" : "IPv6");
    }

    return NGX_OK;
}


static ngx_int_t
ngx_at_push_range_file(ngx_conf_t *cf, ngx_array_t *ranges, ngx_str_t path)
{
    at_str_t    text, rest;
    at_file_t   file;
    ngx_int_t   rc;
    ngx_str_t   line;
    ngx_uint_t  n, found;

    rc = ngx_at_conf_read_file(cf, &path, NGX_AT_RANGE_FILE_SIZE, &file);
    if (rc != NGX_OK) {
        return NGX_ERROR;
    }

    text = (at_str_t) { file.data, file.len };
    found = 0;

    /* a last line of a file from Windows that is not terminated */
    text.len -= text.len && text.data[text.len - 1] == CR;

    for (n = 1; text.len && rc == NGX_OK; n++) {
        rest = at_line_next(&text);
        line = ngx_at_from_view(at_str_trim(at_str_cut(&rest, '#')));

        if (line.len) {
            found = 1;
            rc = ngx_at_push_range(cf, ranges, &line);
        }

        if (rc == NGX_DECLINED) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid address range \"%V\" in %V:%ui",
                               &line, &path, n);
        }
    }

    if (!found) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "no address range in \"%V\"", &path);
        rc = NGX_ERROR;
    }

    at_file_free(&file);

    return rc == NGX_OK ? NGX_OK : NGX_ERROR;
}


char *
ngx_at_set_allow(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_at_loc_conf_t *atcf = conf;

    ngx_int_t    rc;
    ngx_str_t   *value, range;
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

    /* "any" is stored as an empty array */

    if (ngx_at_str_is(&value[1], "any") && first && cf->args->nelts == 2) {
        return NGX_CONF_OK;
    }

    if (ngx_at_str_is(&value[1], "any")
        || (!first && atcf->ranges->nelts == 0))
    {
        return "cannot combine \"any\" with other values";
    }

    for (i = 1; i < cf->args->nelts; i++) {
        range = value[i];

        rc = ngx_at_conf_cut_prefix(&range, "file=")
             ? ngx_at_push_range_file(cf, atcf->ranges, range)
             : ngx_at_push_range(cf, atcf->ranges, &range);

        if (rc == NGX_DECLINED) {
            return ngx_at_conf_invalid_value(cf, &value[i],
                       "use an address, a CIDR range, \"file=PATH\", or "
                       "\"any\" as the only value");
        }

        if (rc != NGX_OK) {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


/* compiles a list once, not for each location that inherits it */

static ngx_int_t
ngx_at_compile_allow(ngx_conf_t *cf, ngx_at_loc_conf_t *conf)
{
    ngx_array_t    *ranges;
    at_cidr_set_t  *set;

    ranges = conf->ranges;

    if (ranges == NGX_CONF_UNSET_PTR || ranges == NULL || ranges->nelts == 0
        || conf->allow)
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

    conf->allow = set;

    return NGX_OK;
}


ngx_int_t
ngx_at_merge_allow(ngx_conf_t *cf, ngx_at_loc_conf_t *prev,
    ngx_at_loc_conf_t *conf)
{
    if (ngx_at_compile_allow(cf, prev) != NGX_OK) {
        return NGX_ERROR;
    }

    if (conf->ranges == NGX_CONF_UNSET_PTR) {
        conf->ranges = prev->ranges;
        conf->allow = prev->allow;
        return NGX_OK;
    }

    return ngx_at_compile_allow(cf, conf);
}
