/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The directives of key sources.
 */

#include "http/conf/ngx_at_conf.h"

#include "core/base/at_crypto.h"
#include "core/fetch/at_discovery.h"
#include "core/base/at_url.h"

#include "http/base/ngx_at_str.h"
#include "http/keys/ngx_at_source.h"
#include "http/store/ngx_at_state.h"


#define NGX_AT_SOURCE_TIME_MAX  (366 * 24 * 60 * 60)
#define NGX_AT_CA_FILE_SIZE     (4 * 1024 * 1024)


/* reports an invalid file now, not at the first fetch */

static ngx_int_t
ngx_at_parse_ca_file(ngx_conf_t *cf, const ngx_at_conf_parameter_t *parameter,
    ngx_str_t *value, void *field)
{
    ngx_str_t *path = field;

    at_file_t   file;
    ngx_uint_t  found;

    if (value->len == 0) {
        return NGX_DECLINED;
    }

    *path = *value;

    if (ngx_at_conf_read_file(cf, path, NGX_AT_CA_FILE_SIZE, &file)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    found = ngx_strstr(file.data, "-----BEGIN CERTIFICATE-----") != NULL;
    at_file_free(&file);

    if (!found) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "no PEM certificate in \"%V\"", path);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static const ngx_at_conf_parameter_t  ngx_at_source_parameters[] = {

    { ngx_string("refresh="), ngx_at_conf_parse_seconds,
      offsetof(ngx_at_source_t, refresh), 1, NGX_AT_SOURCE_TIME_MAX,
      "\"refresh=TIME\" (1s to 366d)", NULL },

    { ngx_string("max_stale="), ngx_at_conf_parse_seconds,
      offsetof(ngx_at_source_t, max_stale), 1, NGX_AT_SOURCE_TIME_MAX,
      "\"max_stale=TIME\" (1s to 366d)", NULL },

    { ngx_string("pause="), ngx_at_conf_parse_seconds,
      offsetof(ngx_at_source_t, pause), 1, NGX_AT_SOURCE_TIME_MAX,
      "\"pause=TIME\" (1s to 366d)", NULL },

    { ngx_string("ca_file="), ngx_at_parse_ca_file,
      offsetof(ngx_at_source_t, ca_file), 0, 0, "\"ca_file=PATH\"", NULL },

    { ngx_string("proxy="), NULL, offsetof(ngx_at_source_t, proxy), 0, 0,
      "\"proxy=http[s]://HOST[:PORT]\"", at_url_is_origin },

    { ngx_null_string, NULL, 0, 0, 0, NULL, NULL }
};


/* defaults and limits; returns NGX_CONF_OK or the end of an error message */

static char *
ngx_at_source_set_times(ngx_at_source_t *source)
{
    source->refresh = source->refresh ? source->refresh : 3600;
    source->max_stale = source->max_stale ? source->max_stale
                        : ngx_max(2 * source->refresh, 86400);
    source->pause = source->pause ? source->pause
                    : ngx_min(source->refresh, 10);

    if (source->max_stale < source->refresh) {
        return "requires \"max_stale\" to be at least \"refresh\"";
    }

    if (source->pause > source->refresh) {
        return "requires \"pause\" to be at most \"refresh\"";
    }

    return NGX_CONF_OK;
}


/* adds a key source, and the resources that it needs; url NULL: discovery */

static char *
ngx_at_source_add(ngx_conf_t *cf, ngx_at_issuer_t *issuer, ngx_str_t *url)
{
    char                *rc;
    ngx_at_source_t     *source, **p, **q;
    ngx_at_main_conf_t  *atmcf;

    atmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_auth_token_module);

    if (atmcf->sources.nelts == NGX_AT_SOURCES_MAX) {
        return "exceeds the limit of 64 key sources";
    }

    source = ngx_pcalloc(cf->pool, sizeof(ngx_at_source_t));
    p = ngx_at_conf_push(cf, &issuer->sources, sizeof(ngx_at_source_t *));
    q = ngx_at_conf_push(cf, &atmcf->sources, sizeof(ngx_at_source_t *));

    if (source == NULL || p == NULL || q == NULL) {
        return NGX_CONF_ERROR;
    }

    *p = source;
    *q = source;

    source->issuer = issuer;
    source->index = atmcf->sources.nelts - 1;
    ngx_at_conf_note_position(cf, &source->position);

    if (url) {
        source->url = *url;

    } else {
        source->discovery = 1;
    }

    if (ngx_at_conf_parse_parameters(cf, 2, ngx_at_source_parameters, source)
        != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    rc = ngx_at_source_set_times(source);

    if (rc != NGX_CONF_OK) {
        return rc;
    }

    ngx_at_require_state(cf, atmcf);
    atmcf->needs_thread_pool = 1;

    return ngx_at_source_add_zone(cf, atmcf);
}


char *
ngx_at_issuer_set_jwks_uri(ngx_conf_t *cf, ngx_at_issuer_t *issuer,
    ngx_str_t *value, void *field)
{
    ngx_uint_t         i;
    ngx_at_source_t  **sources;

    if (!at_url_is_valid(ngx_at_view(value[1]))) {
        return ngx_at_conf_invalid_value(cf, &value[1],
                   "use an https URL, or an http URL of a loopback address, "
                   "without user and fragment");
    }

    sources = issuer->sources.elts;

    for (i = 0; i < issuer->sources.nelts; i++) {
        if (ngx_at_str_equal(&sources[i]->url, &value[1])) {
            return ngx_at_conf_duplicate_value(cf, &value[1]);
        }
    }

    return ngx_at_source_add(cf, issuer, &value[1]);
}


char *
ngx_at_issuer_set_discovery(ngx_conf_t *cf, ngx_at_issuer_t *issuer,
    ngx_str_t *value, void *field)
{
    if (ngx_at_str_is(&value[1], "off") && cf->args->nelts == 2) {
        return NGX_CONF_OK;
    }

    if (!ngx_at_str_is(&value[1], "on")) {
        return ngx_at_conf_invalid_value(cf, &value[1],
                   "use \"on\" with optional parameters, or \"off\"");
    }

    return ngx_at_source_add(cf, issuer, NULL);
}


/* a change of any of these members makes a different key source */

static ngx_int_t
ngx_at_source_compute_digest(ngx_conf_t *cf, ngx_at_source_t *source)
{
    u_char    *p;
    size_t     len;
    at_str_t   text;

    len = source->issuer->name.len + source->url.len + source->ca_file.len
          + sizeof("\n\ndiscovery\n");

    p = ngx_pnalloc(cf->temp_pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    text.data = (char *) p;
    text.len = ngx_snprintf(p, len, "%V\n%V\n%s\n%V", &source->issuer->name,
                            &source->url,
                            source->discovery ? "discovery" : "",
                            &source->ca_file)
               - p;

    return at_sha256(source->digest, text) == 0 ? NGX_OK : NGX_ERROR;
}


char *
ngx_at_key_sources_resolve(ngx_conf_t *cf, ngx_at_issuer_t *issuer)
{
    char              *url;
    ngx_uint_t         i;
    at_error_t         err;
    ngx_at_source_t   *source, **sources;

    sources = issuer->sources.elts;

    for (i = 0; i < issuer->sources.nelts; i++) {
        source = sources[i];
        source->set = issuer->key_files.nelts + i;

        if (source->discovery) {
            source->url = ngx_at_from_view(issuer->requirements.issuers[0]);
            url = at_discovery_url(issuer->requirements.issuers[0], &err);

            if (url == NULL) {
                ngx_at_conf_error_at(cf, &source->position,
                    "\"discovery\" of \"auth_token_issuer %V\" with \"%V\": "
                    "%s", &issuer->name, &source->url, err.text);
                return NGX_CONF_ERROR;
            }

            free(url);
        }

        if (ngx_at_source_compute_digest(cf, source) != NGX_OK) {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}
