/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Keys of sources.  Twice a second a worker looks whether a source is due; the
 * one that gets its lease has a thread fetch and check the document, and seal it
 * in a file of the state.  All workers see that there is a new version, and take
 * it from there.  What is wrong with an answer changes nothing: the last good
 * keys stay until "max_stale".  No request ever waits for a source.
 */

#include "http/keys/ngx_at_fetch.h"

#include "core/base/at_error.h"
#include "core/base/at_str.h"
#include "core/fetch/at_discovery.h"
#include "core/fetch/at_fetch.h"
#include "core/jose/at_jwk.h"
#include "core/jose/at_jwt.h"
#include "core/base/at_crypto.h"
#include "core/session/at_state.h"

#include "http/base/ngx_at_issuer.h"
#include "http/base/ngx_at_loc_conf.h"
#include "http/base/ngx_at_main_conf.h"
#include "http/base/ngx_at_str.h"
#include "http/keys/ngx_at_source.h"
#include "http/store/ngx_at_state.h"
#include "http/worker/ngx_at_watch.h"
#include "http/worker/ngx_at_worker.h"


#define NGX_AT_FETCH_INTERVAL      500  /* milliseconds */
#define NGX_AT_FETCH_WARNINGS_MAX  4
#define NGX_AT_FETCH_PURPOSE       "keys "
#define NGX_AT_FETCH_NAME_HEX      16
#define NGX_AT_FETCH_TIME_LEN      32  /* time, end of line */


#if (NGX_THREADS)

/* a fetch: the event loop fills the upper part, the thread the lower one */
struct ngx_at_fetch_s {
    const ngx_at_main_conf_t  *atmcf;
    ngx_at_source_t     *source;
    ngx_thread_task_t   *task;
    ngx_log_t           *log;
    ngx_uint_t           busy;
    ngx_uint_t           lease;
    time_t               started;

    ngx_at_fetch_e       result;
    int64_t              max_age;
    at_error_t           err;
    ngx_uint_t           nwarnings;
    at_error_t           warnings[NGX_AT_FETCH_WARNINGS_MAX];
};


/* --- a thread ------------------------------------------------------------ */


static int
ngx_at_fetch_must_stop(void *data)
{
    return ngx_quit || ngx_terminate || ngx_exiting;
}


static void
ngx_at_fetch_add_warning(void *data, const char *text)
{
    ngx_at_fetch_t *fetch = data;

    if (fetch->nwarnings < NGX_AT_FETCH_WARNINGS_MAX) {
        (void) at_error(&fetch->warnings[fetch->nwarnings++], "%s", text);
    }
}


static int
ngx_at_fetch_document(ngx_at_fetch_t *fetch,
    const char *url, at_fetch_response_t *fetched)
{
    at_fetch_t  what;

    what.url = url;
    what.ca_file = (char *) fetch->source->ca_file.data;
    what.proxy = (char *) fetch->source->proxy.data;
    what.stop = ngx_at_fetch_must_stop;
    what.data = NULL;

    return at_fetch(fetched, &what, &fetch->err);
}


/* the jwks_uri that the provider tells, for free(), or NULL */

static char *
ngx_at_fetch_discover(ngx_at_fetch_t *fetch)
{
    char                *url, *uri;
    at_str_t             issuer, document;
    at_error_t           reason;
    at_fetch_response_t  fetched;

    uri = NULL;
    issuer = ngx_at_view(fetch->source->url);

    url = at_discovery_url(issuer, &fetch->err);

    if (url && ngx_at_fetch_document(fetch, url, &fetched) == 0) {
        document.data = fetched.body;
        document.len = fetched.len;

        uri = at_discovery_parse(document, issuer, &reason);
        free(fetched.body);

        if (uri == NULL) {
            (void) at_error(&fetch->err, "\"%s\" %s", url, reason.text);
        }
    }

    free(url);

    return uri;
}


static at_str_t
ngx_at_fetch_purpose(const ngx_at_source_t *source,
    char buf[sizeof(NGX_AT_FETCH_PURPOSE) + AT_SHA256_LEN])
{
    at_str_t  purpose;

    purpose.data = buf;
    purpose.len = sizeof(NGX_AT_FETCH_PURPOSE) - 1 + AT_SHA256_LEN;

    ngx_memcpy(buf, NGX_AT_FETCH_PURPOSE, sizeof(NGX_AT_FETCH_PURPOSE) - 1);
    ngx_memcpy(buf + sizeof(NGX_AT_FETCH_PURPOSE) - 1, source->digest,
               AT_SHA256_LEN);

    return purpose;
}


/* the time on a line of its own, and the document */

static int
ngx_at_fetch_save(ngx_at_fetch_t *fetch, const at_fetch_response_t *fetched)
{
    int       rc;
    char      buf[sizeof(NGX_AT_FETCH_PURPOSE) + AT_SHA256_LEN];
    u_char   *content, *p;
    at_str_t  text;

    content = malloc(NGX_AT_FETCH_TIME_LEN + fetched->len);
    if (content == NULL) {
        return at_error(&fetch->err, "no memory");
    }

    p = ngx_snprintf(content, NGX_AT_FETCH_TIME_LEN, "%T\n", fetch->started);
    p = ngx_cpymem(p, fetched->body, fetched->len);

    text.data = (char *) content;
    text.len = p - content;

    rc = at_state_write(ngx_at_state_key(fetch->atmcf),
                        (char *) fetch->source->file.data,
                        ngx_at_fetch_purpose(fetch->source, buf),
                        text, &fetch->err);
    free(content);

    return rc;
}


/* a document is a JWK Set: a key in PEM is for key files alone */

static int
ngx_at_fetch_check_document(ngx_at_fetch_t *fetch,
    const char *url, const at_fetch_response_t *fetched)
{
    size_t        i;
    at_str_t      text;
    at_error_t    reason;
    at_keyset_t  *set;

    text.data = fetched->body;
    text.len = fetched->len;

    for (i = 0; i < text.len && ngx_strchr(" \t\r\n", text.data[i]); i++) {
        /* void */
    }

    if (i == text.len || text.data[i] != '{') {
        return at_error(&fetch->err, "\"%s\" is not a JSON object", url);
    }

    set = at_keyset_parse(text, fetch->source->issuer->requirements.algs,
                          ngx_at_fetch_add_warning, fetch, &reason);
    if (set == NULL) {
        return at_error(&fetch->err, "\"%s\" %s", url, reason.text);
    }

    at_keyset_free(set);

    return 0;
}


static int
ngx_at_fetch_keys(ngx_at_fetch_t *fetch, const char *url)
{
    int                  rc;
    at_fetch_response_t  fetched;

    if (ngx_at_fetch_document(fetch, url, &fetched) != 0) {
        return -1;
    }

    rc = ngx_at_fetch_check_document(fetch, url, &fetched);

    if (rc == 0) {
        rc = ngx_at_fetch_save(fetch, &fetched);
    }

    fetch->max_age = fetched.max_age;
    free(fetched.body);

    return rc;
}


static void
ngx_at_fetch_thread(void *data, ngx_log_t *log)
{
    int               rc;
    char             *uri;
    ngx_at_fetch_t   *fetch;
    ngx_at_source_t  *source;

    fetch = *(ngx_at_fetch_t **) data;
    source = fetch->source;

    uri = source->discovery ? ngx_at_fetch_discover(fetch) : NULL;

    if (source->discovery && uri == NULL) {
        rc = -1;

    } else {
        rc = ngx_at_fetch_keys(fetch, uri ? uri : (char *) source->url.data);
    }

    free(uri);

    fetch->result = rc == 0 ? NGX_AT_FETCH_OK
                    : ngx_at_fetch_must_stop(NULL)
                    ? NGX_AT_FETCH_STOPPED
                    : NGX_AT_FETCH_FAILED;

    at_crypto_thread_cleanup();
}


/* --- keys of a worker ---------------------------------------------------- */


static void
ngx_at_fetch_ignore_warning(void *data, const char *text)
{
    /* who fetched it has said it */
}


static void
ngx_at_fetch_swap_keys(const ngx_at_main_conf_t *atmcf,
    ngx_at_source_t *source, at_keyset_t *set)
{
    at_keyset_t  **place;

    place = &source->issuer->sets[source->set];

    at_keyset_free(*place);
    *place = set;
    ngx_at_worker()->keys_generation++;
}


/* a sealed document; its time is cut off */

static ngx_int_t
ngx_at_fetch_read_time(at_str_t *text, time_t *fetched)
{
    u_char     *p, *last;

    last = (u_char *) text->data + text->len;
    p = ngx_strlchr((u_char *) text->data, last, '\n');

    if (p == NULL) {
        return NGX_ERROR;
    }

    *fetched = ngx_atotm((u_char *) text->data, p - (u_char *) text->data);

    text->data = (char *) p + 1;
    text->len = last - p - 1;

    return *fetched > 0 ? NGX_OK : NGX_ERROR;
}


/* a clock that was far ahead when they were fetched does not keep them */

static ngx_uint_t
ngx_at_fetch_is_stale(const ngx_at_source_t *source, time_t fetched)
{
    time_t  age;

    age = ngx_time() - fetched;

    return age >= source->max_stale || -age >= source->max_stale;
}


/*
 * NGX_OK; NGX_ERROR with err set, where the document is of no use: a copy of
 * one that was there before the last one is none.
 */

static ngx_int_t
ngx_at_fetch_use_document(const ngx_at_main_conf_t *atmcf,
    ngx_at_source_t *source, at_str_t text, time_t last,
    ngx_log_t *log, at_error_t *err)
{
    u_char        digest[AT_SHA256_LEN];
    time_t        fetched;
    at_keyset_t  *set;

    if (ngx_at_fetch_read_time(&text, &fetched) != NGX_OK
        || at_sha256(digest, text) != 0)
    {
        return at_error(err, "there is no time in it");
    }

    if (ngx_at_fetch_is_stale(source, fetched)) {
        return at_error(err, "its keys are older than \"max_stale\"");
    }

    if (fetched < last) {
        return at_error(err, "its keys are older than the last ones");
    }

    if (source->fetched
        && ngx_memcmp(digest, source->document, AT_SHA256_LEN) == 0)
    {
        source->fetched = fetched;
        return NGX_OK;
    }

    set = at_keyset_parse(text, source->issuer->requirements.algs,
                          ngx_at_fetch_ignore_warning, NULL, err);
    if (set == NULL) {
        return NGX_ERROR;
    }

    source->fetched = fetched;
    ngx_memcpy(source->document, digest, AT_SHA256_LEN);
    ngx_at_fetch_swap_keys(atmcf, source, set);

    ngx_log_error(NGX_LOG_NOTICE, log, 0,
                  "auth_token: issuer \"%V\" has %uz new keys of \"%V\", "
                  "fetched %T seconds ago (%ui fetches, %ui failures)",
                  &source->issuer->name, set->n, &source->url,
                  ngx_time() - fetched, source->slot->fetches,
                  source->slot->failures);

    return NGX_OK;
}


static void
ngx_at_fetch_load(const ngx_at_main_conf_t *atmcf,
    ngx_at_source_t *source, ngx_log_t *log)
{
    int    rc;
    char  *content;
    char   buf[sizeof(NGX_AT_FETCH_PURPOSE)
                               + AT_SHA256_LEN];
    size_t                 len;
    time_t                 last;
    at_str_t               text;
    at_error_t             err, reason;
    const at_state_key_t  *key;

    key = ngx_at_state_key(atmcf);

    if (key == NULL) {
        return;
    }

    /* before the file: what is read is of this version, or of a later one */
    source->version = source->slot->version;
    last = source->slot->fetched;

    rc = at_state_read(key, (char *) source->file.data,
                       ngx_at_fetch_purpose(source, buf),
                       AT_FETCH_SIZE_MAX + NGX_AT_FETCH_TIME_LEN, &content,
                       &len, &err);

    if (rc == 0) {
        text.data = content;
        text.len = len;

        if (ngx_at_fetch_use_document(atmcf, source, text, last, log,
                                      &reason)
            != NGX_OK)
        {
            rc = at_error(&err, "\"%s\": %s", source->file.data, reason.text);
        }

        free(content);
    }

    if (rc < 0) {
        ngx_log_error(NGX_LOG_ERR, log, 0, "auth_token: %s", err.text);
    }

    /* there was a file, and another fetch makes it anew */

    if (rc != 0 && source->version) {
        ngx_at_source_request_fetch(source, NULL);
    }
}


static void
ngx_at_fetch_expire(const ngx_at_main_conf_t *atmcf,
    ngx_at_source_t *source, ngx_log_t *log)
{
    if (source->fetched == 0
        || !ngx_at_fetch_is_stale(source, source->fetched))
    {
        return;
    }

    source->fetched = 0;
    ngx_at_fetch_swap_keys(atmcf, source, NULL);

    /* if it is the clock that jumped, no fetch is due */
    ngx_at_source_request_fetch(source, NULL);

    ngx_log_error(NGX_LOG_ERR, log, 0,
                  "auth_token: the keys of \"%V\" are older than "
                  "\"max_stale\": issuer \"%V\" has none of them any more",
                  &source->url, &source->issuer->name);
}


/* --- leases -------------------------------------------------------------- */


static void
ngx_at_fetch_log(ngx_at_fetch_t *fetch, ngx_uint_t news)
{
    ngx_uint_t        i;
    ngx_at_source_t  *source;

    source = fetch->source;

    if (fetch->result == NGX_AT_FETCH_FAILED && news) {
        ngx_log_error(NGX_LOG_ERR, fetch->log, 0,
                      "auth_token: issuer \"%V\": %s; %s (%ui fetches, "
                      "%ui failures)",
                      &source->issuer->name, fetch->err.text,
                      source->fetched ? "the last good keys stay in use"
                                      : "there are no keys of it",
                      source->slot->fetches, source->slot->failures);
        return;
    }

    if (fetch->result != NGX_AT_FETCH_OK) {
        return;
    }

    if (news) {
        ngx_log_error(NGX_LOG_NOTICE, fetch->log, 0,
                      "auth_token: issuer \"%V\": \"%V\" is fetched again "
                      "(%ui fetches, %ui failures)",
                      &source->issuer->name, &source->url,
                      source->slot->fetches, source->slot->failures);
    }

    for (i = 0; i < fetch->nwarnings; i++) {
        ngx_log_error(NGX_LOG_WARN, fetch->log, 0, "auth_token: \"%V\": %s",
                      &source->url, fetch->warnings[i].text);
    }
}


static void
ngx_at_fetch_done(ngx_event_t *ev)
{
    u_char            before[AT_SHA256_LEN];
    ngx_uint_t        news;
    ngx_at_fetch_t   *fetch;
    ngx_at_source_t  *source;

    fetch = ev->data;
    source = fetch->source;

    fetch->busy = 0;
    ev->complete = 0;

    news = ngx_at_source_release_lease(source, fetch->lease,
                                       fetch->result, fetch->started,
                                       fetch->max_age,
                                       fetch->err.text);

    if (fetch->result != NGX_AT_FETCH_OK) {
        ngx_at_fetch_log(fetch, news);
        return;
    }

    ngx_memcpy(before, source->document, AT_SHA256_LEN);
    ngx_at_fetch_load(fetch->atmcf, source, fetch->log);

    /* the same document again, the same warnings */
    if (ngx_memcmp(before, source->document, AT_SHA256_LEN) == 0) {
        fetch->nwarnings = 0;
    }

    ngx_at_fetch_log(fetch, news);
}


static void
ngx_at_fetch_post_task(ngx_at_fetch_t *fetch)
{
    fetch->started = ngx_time();
    fetch->result = NGX_AT_FETCH_FAILED;
    fetch->max_age = -1;
    fetch->err.text[0] = '\0';
    fetch->nwarnings = 0;
    fetch->busy = 1;

    if (ngx_thread_task_post(fetch->atmcf->thread_pool, fetch->task)
        == NGX_OK)
    {
        return;
    }

    /* its queue is full */

    fetch->busy = 0;
    (void) at_error(&fetch->err, "the thread pool takes no task");

    ngx_at_fetch_log(fetch,
        ngx_at_source_release_lease(fetch->source, fetch->lease,
                                    NGX_AT_FETCH_FAILED,
                                    0, -1, fetch->err.text));
}


static void
ngx_at_fetch_check_source(const ngx_at_main_conf_t *atmcf,
    ngx_at_source_t *source, ngx_log_t *log)
{
    ngx_at_fetch_t  *fetch;

    fetch = source->fetch;

    if (source->slot->version != source->version) {
        ngx_at_fetch_load(atmcf, source, log);
    }

    ngx_at_fetch_expire(atmcf, source, log);

    if (!fetch->busy
        && ngx_at_state_key(atmcf)
        && ngx_at_source_acquire_lease(source, &fetch->lease))
    {
        ngx_at_fetch_post_task(fetch);
    }
}


static ngx_int_t
ngx_at_fetch_create(ngx_cycle_t *cycle,
    const ngx_at_main_conf_t *atmcf,
    ngx_at_source_t *source)
{
    char                          name[sizeof("keys-")
                                       + NGX_AT_FETCH_NAME_HEX];
    u_char             *p;
    ngx_thread_task_t  *task;
    ngx_at_fetch_t     *fetch;

    p = ngx_cpymem(name, "keys-", sizeof("keys-") - 1);
    p = ngx_hex_dump(p, source->digest, NGX_AT_FETCH_NAME_HEX / 2);
    *p = '\0';

    source->file = ngx_at_state_file(cycle->pool, atmcf, name);

    fetch = ngx_pcalloc(cycle->pool, sizeof(ngx_at_fetch_t));
    task = ngx_thread_task_alloc(cycle->pool, sizeof(ngx_at_fetch_t *));

    if (source->file.data == NULL || fetch == NULL || task == NULL) {
        return NGX_ERROR;
    }

    fetch->atmcf = atmcf;
    fetch->source = source;
    fetch->task = task;
    fetch->log = cycle->log;

    *(ngx_at_fetch_t **) task->ctx = fetch;
    task->handler = ngx_at_fetch_thread;
    task->event.handler = ngx_at_fetch_done;
    task->event.data = fetch;

    source->fetch = fetch;

    return NGX_OK;
}


typedef ngx_int_t (*ngx_at_source_pt)(
    const ngx_at_main_conf_t *atmcf,
    ngx_at_source_t *source, void *data);


static ngx_int_t
ngx_at_each_source(const ngx_at_main_conf_t *atmcf,
    ngx_at_source_pt handler, void *data)
{
    ngx_uint_t         i, k;
    ngx_at_issuer_t  **issuers;
    ngx_at_source_t  **sources;

    issuers = atmcf->issuers.elts;

    for (i = 0; i < atmcf->issuers.nelts; i++) {
        sources = issuers[i]->sources.elts;

        for (k = 0; k < issuers[i]->sources.nelts; k++) {
            if (handler(atmcf, sources[k], data) != NGX_OK) {
                return NGX_ERROR;
            }
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_at_fetch_poll_source(const ngx_at_main_conf_t *atmcf,
    ngx_at_source_t *source, void *log)
{
    ngx_at_fetch_check_source(atmcf, source, log);

    return NGX_OK;
}


static void
ngx_at_fetch_poll(const ngx_at_main_conf_t *atmcf, ngx_log_t *log)
{
    (void) ngx_at_each_source(atmcf, ngx_at_fetch_poll_source, log);
}


/* what another server, or the one before, has left is there at once */

static ngx_int_t
ngx_at_fetch_init_source(const ngx_at_main_conf_t *atmcf,
    ngx_at_source_t *source, void *data)
{
    ngx_cycle_t *cycle = data;

    if (ngx_at_fetch_create(cycle, atmcf, source) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_at_fetch_load(atmcf, source, cycle->log);
    ngx_at_fetch_check_source(atmcf, source, cycle->log);

    return NGX_OK;
}


ngx_int_t
ngx_at_fetch_watch(ngx_cycle_t *cycle, const ngx_at_main_conf_t *atmcf)
{
    if (atmcf->nsources == 0) {
        return NGX_OK;
    }

    if (at_fetch_init() != 0
        || ngx_at_each_source(atmcf,
                              ngx_at_fetch_init_source,
                              cycle)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_at_watch(cycle, NGX_AT_FETCH_INTERVAL,
                        0, ngx_at_fetch_poll,
                        atmcf);
}


/* the threads have ended: another worker need not wait for the lease to do so */

static ngx_int_t
ngx_at_fetch_release_lease(const ngx_at_main_conf_t *atmcf,
    ngx_at_source_t *source, void *data)
{
    if (source->fetch && source->fetch->busy) {
        (void) ngx_at_source_release_lease(source,
                                           source->fetch->lease,
                                           NGX_AT_FETCH_STOPPED,
                                           0, -1, "");
    }

    return NGX_OK;
}


void
ngx_at_fetch_exit(const ngx_at_main_conf_t *atmcf)
{
    (void) ngx_at_each_source(atmcf, ngx_at_fetch_release_lease, NULL);
}

#else

ngx_int_t
ngx_at_fetch_watch(ngx_cycle_t *cycle, const ngx_at_main_conf_t *atmcf)
{
    return NGX_OK;      /* the configuration had no source */
}


void
ngx_at_fetch_exit(const ngx_at_main_conf_t *atmcf)
{
}

#endif


/* --- requests ------------------------------------------------------------ */


static ngx_at_issuer_t *
ngx_at_issuer_from_trusted(const at_trusted_issuer_t *trusted)
{
    return (ngx_at_issuer_t *) (uintptr_t)
           ((u_char *) (uintptr_t) trusted->issuer
            - offsetof(ngx_at_issuer_t, requirements));
}


void
ngx_at_fetch_for_unknown_kid(const ngx_at_loc_conf_t *atcf,
    const ngx_str_t *token)
{
    ngx_str_t          header;
    ngx_uint_t         i, k;
    ngx_at_issuer_t   *issuer;
    ngx_at_source_t  **sources;

    header.data = token->data;

    for (header.len = 0;
         header.len < token->len && header.data[header.len] != '.';
         header.len++)
    { /* void */ }

    for (i = 0; i < atcf->ntrusted; i++) {
        issuer = ngx_at_issuer_from_trusted(&atcf->trusted[i]);
        sources = issuer->sources.elts;

        for (k = 0; k < issuer->sources.nelts; k++) {

            /* without keys it is tried again soon in any case */
            if (sources[k]->fetched) {
                ngx_at_source_request_fetch(sources[k], &header);
            }
        }
    }
}


static u_char *
ngx_at_fetch_issuer_status(u_char *p, const ngx_at_issuer_t *issuer)
{
    time_t             age;
    ngx_uint_t         i, keys, fetches, failures;
    ngx_at_source_t  **sources;

    keys = 0;
    fetches = 0;
    failures = 0;
    age = -1;

    for (i = 0; i < issuer->nsets; i++) {
        keys += issuer->sets[i] ? issuer->sets[i]->n : 0;
    }

    sources = issuer->sources.elts;

    for (i = 0; i < issuer->sources.nelts; i++) {
        fetches += sources[i]->slot->fetches;
        failures += sources[i]->slot->failures;

        if (sources[i]->fetched) {
            age = ngx_max(age, ngx_time() - sources[i]->fetched);
        }
    }

    p = ngx_sprintf(p, "%V:keys=%ui", &issuer->name, keys);

    if (issuer->sources.nelts == 0) {
        return p;
    }

    return ngx_sprintf(p, ",age=%T,fetches=%ui,failures=%ui", age, fetches,
                       failures);
}


ngx_int_t
ngx_at_fetch_status(ngx_http_request_t *r,
    const ngx_at_loc_conf_t *atcf, ngx_str_t *state)
{
    u_char           *p;
    size_t            len;
    ngx_uint_t        i;
    ngx_at_issuer_t  *issuer;

    len = 1;

    for (i = 0; i < atcf->ntrusted; i++) {
        issuer = ngx_at_issuer_from_trusted(&atcf->trusted[i]);
        len += issuer->name.len + sizeof(" :keys=,age=,fetches=,failures=")
               + 3 * NGX_INT_T_LEN + NGX_TIME_T_LEN;
    }

    p = ngx_pnalloc(r->pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    state->data = p;

    for (i = 0; i < atcf->ntrusted; i++) {
        if (i) {
            *p++ = ' ';
        }

        p = ngx_at_fetch_issuer_status(p,
                 ngx_at_issuer_from_trusted(&atcf->trusted[i]));
    }

    state->len = p - state->data;

    return NGX_OK;
}
