/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>
#include <openssl/err.h>

#include "core/base/at_bytes.h"
#include "core/base/at_str.h"
#include "core/fetch/at_cache_control.h"
#include "core/fetch/at_fetch.h"
#include "core/json/at_document.h"


#define AT_FETCH_REDIRECTS    3L
#define AT_FETCH_HEADERS_MAX  (64 * 1024)  /* bytes of all headers */
#define AT_FETCH_POLL_MS      50

/* some servers send a JWK Set only to clients that ask for its type */
#define AT_FETCH_ACCEPT                                                       \
    "application/jwk-set+json, application/json;q=0.9, */*;q=0.1"


typedef struct {
    const at_fetch_t     *fetch;
    at_bytes_t            body;
    size_t                headers_len;
    const char           *cause;        /* of a failure that libcurl does not
                                           know, or NULL */
    char                  reason[CURL_ERROR_SIZE];
} at_transfer_t;


int
at_fetch_init(void)
{
    return curl_global_init(CURL_GLOBAL_ALL) == CURLE_OK ? 0 : -1;
}


/* libcurl aborts the transfer if a callback returns another size than given */

static size_t
at_fetch_write(char *data, size_t size, size_t n, void *transfer)
{
    at_transfer_t *t = transfer;

    size *= n;

    if (size > AT_FETCH_SIZE_MAX - t->body.len) {
        t->cause = "response is larger than 1 MiB";
        return 0;
    }

    at_bytes_append(&t->body, data, size);

    if (t->body.failed) {
        t->cause = "no memory";
        return 0;
    }

    return size;
}


static size_t
at_fetch_count_header(char *data, size_t size, size_t n, void *transfer)
{
    at_transfer_t *t = transfer;

    (void) data;

    t->headers_len += size * n;

    if (t->headers_len > AT_FETCH_HEADERS_MAX) {
        t->cause = "response headers are larger than 64 KiB";
        return 0;
    }

    return size * n;
}


#define at_curl_set(curl, option, value)                                      \
    (curl_easy_setopt(curl, CURLOPT_##option, value) == CURLE_OK)


/* neither the environment nor files of the user may set an option */
static int
at_fetch_set_options(CURL *curl, at_transfer_t *t, struct curl_slist *headers)
{
    const char        *protocols;
    const at_fetch_t  *fetch;

    fetch = t->fetch;
    protocols = strncmp(fetch->url, "http:", 5) == 0 ? "http,https" : "https";

    return at_curl_set(curl, URL, fetch->url)
           && at_curl_set(curl, PROTOCOLS_STR, protocols)
           && at_curl_set(curl, FOLLOWLOCATION, 1L)
           && at_curl_set(curl, REDIR_PROTOCOLS_STR, "https")
           && at_curl_set(curl, MAXREDIRS, AT_FETCH_REDIRECTS)
           && at_curl_set(curl, PROXY, fetch->proxy ? fetch->proxy : "")
           && at_curl_set(curl, NOPROXY, "")
           && at_curl_set(curl, NETRC, (long) CURL_NETRC_IGNORED)
           && at_curl_set(curl, SSL_VERIFYPEER, 1L)
           && at_curl_set(curl, SSL_VERIFYHOST, 2L)
           && at_curl_set(curl, SSLVERSION, (long) CURL_SSLVERSION_TLSv1_2)
           && (fetch->ca_file == NULL
               || (at_curl_set(curl, CAINFO, fetch->ca_file)
                   && at_curl_set(curl, CAPATH, NULL)
                   && at_curl_set(curl, PROXY_CAINFO, fetch->ca_file)
                   && at_curl_set(curl, PROXY_CAPATH, NULL)))
           && at_curl_set(curl, NOSIGNAL, 1L)
           && at_curl_set(curl, QUICK_EXIT, 1L)
           && at_curl_set(curl, TIMEOUT_MS, AT_FETCH_TIMEOUT * 1000L)
           && at_curl_set(curl, CONNECTTIMEOUT_MS, AT_FETCH_TIMEOUT * 1000L)
           && at_curl_set(curl, MAXFILESIZE, (long) AT_FETCH_SIZE_MAX)
           && at_curl_set(curl, HTTP_VERSION, (long) CURL_HTTP_VERSION_1_1)
           && at_curl_set(curl, SUPPRESS_CONNECT_HEADERS, 1L)
           && at_curl_set(curl, USERAGENT, "nginx-auth-token")
           && at_curl_set(curl, HTTPHEADER, headers)
           && at_curl_set(curl, ACCEPT_ENCODING, "gzip")
           && at_curl_set(curl, HEADERFUNCTION, at_fetch_count_header)
           && at_curl_set(curl, HEADERDATA, t)
           && at_curl_set(curl, WRITEFUNCTION, at_fetch_write)
           && at_curl_set(curl, WRITEDATA, t)
           && at_curl_set(curl, ERRORBUFFER, t->reason);
}


/* curl_easy_perform() would call a stop function only once a second */
static CURLcode
at_fetch_run(CURLM *multi, at_transfer_t *t)
{
    int       running, left;
    CURLMsg  *msg;

    do {
        if (t->fetch->stop && t->fetch->stop(t->fetch->data)) {
            t->cause = "transfer was stopped";
            return CURLE_ABORTED_BY_CALLBACK;
        }

        if (curl_multi_perform(multi, &running) != CURLM_OK
            || (running && curl_multi_poll(multi, NULL, 0, AT_FETCH_POLL_MS,
                                           NULL) != CURLM_OK))
        {
            return CURLE_OUT_OF_MEMORY;
        }

    } while (running);

    do {
        msg = curl_multi_info_read(multi, &left);

        if (msg && msg->msg == CURLMSG_DONE) {
            return msg->data.result;
        }

    } while (msg);

    return CURLE_FAILED_INIT;
}


/* the page of a proxy, a login or an object store in place of a document */
static int
at_fetch_is_markup(const at_bytes_t *body)
{
    at_str_t  text;

    text = at_document_trim((at_str_t) { body->data, body->len });

    return text.len != 0 && text.data[0] == '<';
}


/*
 * all values of a header, joined by commas; values that do not fit are ignored
 */
static at_str_t
at_fetch_header_values(CURL *curl, const char *name, char *buf, size_t size)
{
    size_t               i, len, n;
    struct curl_header  *header;

    len = 0;

    for (i = 0;
         curl_easy_header(curl, name, i, CURLH_HEADER, -1, &header)
         == CURLHE_OK;
         i++)
    {
        n = strlen(header->value);

        if (n + 1 > size - len) {
            break;
        }

        memcpy(buf + len, header->value, n);
        buf[len + n] = ',';
        len += n + 1;
    }

    return (at_str_t) { buf, len ? len - 1 : 0 };
}


static int
at_fetch_read_response(CURL *curl, at_transfer_t *t,
    at_fetch_response_t *response)
{
    long       status;
    char       control_buf[1024], age_buf[64];
    at_str_t   control, age;

    status = 0;
    (void) curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);

    if (status != 200) {
        (void) snprintf(t->reason, sizeof(t->reason),
                        "the response has status %ld", status);
        return -1;
    }

    if (at_fetch_is_markup(&t->body)) {
        t->cause = "the response is HTML or XML, not JSON";
        return -1;
    }

    response->len = t->body.len;
    at_bytes_append(&t->body, "", 1);

    if (t->body.failed) {
        t->cause = "no memory";
        return -1;
    }

    response->body = t->body.data;

    control = at_fetch_header_values(curl, "Cache-Control", control_buf,
                                     sizeof(control_buf));
    age = at_fetch_header_values(curl, "Age", age_buf, sizeof(age_buf));
    response->max_age = at_cache_control_max_age(control, age);

    return 0;
}


/*
 * The text may quote the server: it becomes one line of printable characters.
 * The time in " after 5001 milliseconds" differs each time and is cut off, so
 * that a caller recognizes an error that repeats.
 */
static void
at_fetch_set_error(at_transfer_t *t, at_error_t *err)
{
    char  *p;

    p = strstr(t->reason, " after ");

    if (p != NULL && isdigit((unsigned char) p[sizeof(" after ") - 1])) {
        *p = '\0';
    }

    (void) at_error(err, "cannot fetch \"%s\": %s", t->fetch->url,
                    t->cause ? t->cause : t->reason);

    for (p = err->text; *p != '\0'; p++) {
        if (*p < 0x20 || *p >= 0x7f) {
            *p = '?';
        }
    }
}


int
at_fetch(at_fetch_response_t *response, const at_fetch_t *fetch,
    at_error_t *err)
{
    int                 rc;
    CURL               *curl;
    CURLM              *multi;
    CURLcode            code;
    at_transfer_t       t;
    struct curl_slist  *headers;

    memset(&t, 0, sizeof(at_transfer_t));
    t.fetch = fetch;
    rc = -1;

    curl = curl_easy_init();
    multi = curl_multi_init();
    headers = curl_slist_append(NULL, "Accept: " AT_FETCH_ACCEPT);

    if (curl && multi && headers
        && at_fetch_set_options(curl, &t, headers)
        && curl_multi_add_handle(multi, curl) == CURLM_OK)
    {
        code = at_fetch_run(multi, &t);

        if (code == CURLE_OK) {
            rc = at_fetch_read_response(curl, &t, response);

        } else if (t.cause == NULL && t.reason[0] == '\0') {
            t.cause = curl_easy_strerror(code);
        }

        (void) curl_multi_remove_handle(multi, curl);

    } else {
        t.cause = "no memory";
    }

    curl_easy_cleanup(curl);
    (void) curl_multi_cleanup(multi);
    curl_slist_free_all(headers);
    ERR_clear_error();

    if (rc != 0) {
        at_fetch_set_error(&t, err);
        at_bytes_free(&t.body);
        *response = (at_fetch_response_t) { NULL, 0, -1 };
    }

    return rc;
}
