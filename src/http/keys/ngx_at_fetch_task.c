/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Fetching and loading keys in a thread.
 */

#include "http/base/ngx_at_time.h"
#include "http/keys/ngx_at_fetch_task.h"

#include "core/fetch/at_discovery.h"
#include "core/fetch/at_fetch.h"
#include "core/session/at_state.h"

#include "http/base/ngx_at_str.h"


/* a line with the time of the fetch and the digest */
#define NGX_AT_FETCH_LINE_SIZE                                                \
    (NGX_TIME_T_LEN + NGX_AT_FETCH_DIGEST_LEN + sizeof(" \n"))


static int
ngx_at_fetch_must_stop(void *data)
{
    return ngx_quit || ngx_terminate || ngx_exiting;
}


static void
ngx_at_fetch_add_warning(void *data, const char *text)
{
    ngx_at_fetch_t *fetch = data;

    at_bytes_append(&fetch->warnings, text, ngx_strlen(text));
    at_bytes_append(&fetch->warnings, "\n", 1);
}


static int
ngx_at_fetch_document(ngx_at_fetch_t *fetch, const char *url,
    at_fetch_response_t *response)
{
    at_fetch_t  request;

    request.url = url;
    request.ca_file = (char *) fetch->source->ca_file.data;
    request.proxy = (char *) fetch->source->proxy.data;
    request.stop = ngx_at_fetch_must_stop;
    request.data = NULL;

    return at_fetch(response, &request, &fetch->err);
}


/* the jwks_uri of the provider metadata; the caller frees it; NULL: failed */

static char *
ngx_at_fetch_discover(ngx_at_fetch_t *fetch)
{
    char                 *url, *jwks_uri;
    at_str_t              issuer, metadata;
    at_error_t            reason;
    at_fetch_response_t   response;

    jwks_uri = NULL;
    issuer = ngx_at_view(fetch->source->url);
    url = at_discovery_url(issuer, &fetch->err);

    if (url && ngx_at_fetch_document(fetch, url, &response) == 0) {
        metadata = (at_str_t) { response.body, response.len };
        jwks_uri = at_discovery_parse(metadata, issuer, &reason);
        free(response.body);

        if (jwks_uri == NULL) {
            (void) at_error(&fetch->err, "\"%s\": %s", url, reason.text);
        }
    }

    free(url);

    return jwks_uri;
}


/*
 * Stores the usable keys as a JWK Set, after a line with the time of the fetch
 * and the digest.
 */

static int
ngx_at_fetch_save(ngx_at_fetch_t *fetch, const char *jwks)
{
    int         rc;
    u_char     *p, line[NGX_AT_FETCH_LINE_SIZE], digest[AT_SHA256_LEN];
    at_str_t    text;
    at_bytes_t  content = { NULL, 0, 0, 0 };

    at_bytes_append(&content, jwks, ngx_strlen(jwks));
    at_bytes_append(&content, fetch->warnings.data, fetch->warnings.len);
    text = (at_str_t) { content.data, content.len };

    rc = content.failed ? -1 : at_sha256(digest, text);

    p = ngx_sprintf(line, "%T ", fetch->started);
    p = ngx_hex_dump(p, digest, AT_SHA256_LEN);
    *p++ = '\n';

    content.len = 0;
    at_bytes_append(&content, line, p - line);
    at_bytes_append(&content, jwks, ngx_strlen(jwks));
    text = (at_str_t) { content.data, content.len };

    if (rc != 0 || content.failed) {
        rc = at_error(&fetch->err, "no memory");

    } else {
        rc = at_state_write(fetch->atmcf->state_key, (char *) fetch->file.data,
                            fetch->purpose, text, &fetch->err);
    }

    at_bytes_free(&content);

    return rc;
}


static int
ngx_at_fetch_store(ngx_at_fetch_t *fetch, const char *url, at_str_t document)
{
    int           rc;
    char         *jwks;
    at_error_t    reason;
    at_keyset_t  *set;

    set = at_keyset_parse_jwks(document,
                               fetch->source->issuer->requirements.algs,
                               ngx_at_fetch_add_warning, fetch, &reason);
    if (set == NULL) {
        return at_error(&fetch->err, "\"%s\": %s", url, reason.text);
    }

    jwks = at_keyset_to_jwks(set);
    at_keyset_free(set);

    rc = jwks ? ngx_at_fetch_save(fetch, jwks)
              : at_error(&fetch->err, "no memory");
    free(jwks);

    return rc;
}


void
ngx_at_fetch_handler(void *data, ngx_log_t *log)
{
    ngx_at_fetch_t *fetch = data;

    int                   rc;
    char                 *jwks_uri;
    at_str_t              document;
    const char           *url;
    at_fetch_response_t   response;

    jwks_uri = fetch->source->discovery ? ngx_at_fetch_discover(fetch) : NULL;
    url = fetch->source->discovery ? jwks_uri
                                   : (char *) fetch->source->url.data;
    rc = -1;

    if (url && ngx_at_fetch_document(fetch, url, &response) == 0) {
        fetch->max_age = response.max_age;

        document = (at_str_t) { response.body, response.len };
        rc = ngx_at_fetch_store(fetch, url, document);
        free(response.body);
    }

    free(jwks_uri);

    fetch->result = rc == 0 ? NGX_AT_FETCH_OK
                    : ngx_at_fetch_must_stop(NULL) ? NGX_AT_FETCH_STOPPED
                    : NGX_AT_FETCH_FAILED;

    at_crypto_thread_cleanup();
}


/* the thread that fetched the document has already warned */

static void
ngx_at_fetch_ignore_warning(void *data, const char *text)
{
}


/*
 * Parses the stored keys, unless they are in use already.  Rejects keys that
 * are older than the last fetch: the file was restored or copied.
 */

static int
ngx_at_fetch_parse(ngx_at_fetch_t *fetch, at_str_t text, at_error_t *err)
{
    time_t    fetched, age;
    at_str_t  digest, seconds;

    digest = at_str_cut(&text, '\n');
    seconds = at_str_cut(&digest, ' ');
    fetched = ngx_atotm((u_char *) seconds.data, seconds.len);

    if (fetched <= 0 || digest.len != NGX_AT_FETCH_DIGEST_LEN) {
        return at_error(err, "time or digest is missing");
    }

    /*
     * The clock may have been set since a fetch of this server.  If it was
     * wrong at a fetch of another, keys must not stay in use for longer.
     */

    age = fetched == fetch->last
          ? (ngx_at_steady_now() - fetch->last_steady) / 1000
          : ngx_time() - fetched;

    if (age >= fetch->source->max_stale || -age >= fetch->source->max_stale) {
        return at_error(err, "keys are older than \"max_stale\"");
    }

    if (fetched < fetch->last) {
        return at_error(err, "keys are older than the last fetch");
    }

    fetch->new_fetched = ngx_at_steady_now() - age * 1000;
    ngx_memcpy(fetch->new_digest, digest.data, digest.len);

    if (fetch->had_keys
        && ngx_memcmp(fetch->new_digest, fetch->digest, digest.len) == 0)
    {
        return 0;
    }

    fetch->new_set = at_keyset_parse_jwks(text,
                         fetch->source->issuer->requirements.algs,
                         ngx_at_fetch_ignore_warning, NULL, err);

    return fetch->new_set ? 0 : -1;
}


void
ngx_at_fetch_load(ngx_at_fetch_t *fetch)
{
    char        *content;
    at_str_t     text;
    at_error_t   reason;

    fetch->loaded = at_state_read(fetch->atmcf->state_key,
                                  (char *) fetch->file.data, fetch->purpose,
                                  NGX_AT_FETCH_LINE_SIZE + AT_FETCH_SIZE_MAX,
                                  &content, &text.len, &fetch->load_err);

    if (fetch->loaded == 0) {
        text.data = content;

        if (ngx_at_fetch_parse(fetch, text, &reason) != 0) {
            fetch->loaded = at_error(&fetch->load_err, "\"%s\": %s",
                                     fetch->file.data, reason.text);
        }

        free(content);
    }
}


void
ngx_at_fetch_load_handler(void *data, ngx_log_t *log)
{
    ngx_at_fetch_load(data);
    at_crypto_thread_cleanup();
}
