/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>

#include <curl/curl.h>
#include <openssl/err.h>

#include "core/fetch/at_fetch.h"
#include "core/json/at_json.h"


#define AT_URL_LEN_MAX        2048
#define AT_HOST_LEN_MAX       255
#define AT_FETCH_REDIRECTS    3L
#define AT_FETCH_HEADERS_MAX  (64 * 1024)  /* of all headers */
#define AT_FETCH_POLL_MS      50  /* milliseconds between two stops */
#define AT_FETCH_MAX_AGE_CAP  INT32_MAX  /* RFC 9111 section 1.2.2 */

#define AT_DISCOVERY_PATH  "/.well-known/openid-configuration"


typedef struct {
    const at_fetch_t     *fetch;
    at_fetch_response_t  *fetched;
    size_t                size;     /* of the body's memory */
    size_t                head;     /* bytes of headers so far */
    const char           *cause;    /* why we gave up, or NULL */
    char                  reason[CURL_ERROR_SIZE];
} at_transfer_t;

/* what is left of a text that is being read */
typedef struct {
    const char  *p;
    const char  *end;
} at_reader_t;


static const at_json_limits_t  at_discovery_limits = { 16, 2048, 8192 };


int
at_fetch_init(void)
{
    return curl_global_init(CURL_GLOBAL_ALL) == CURLE_OK ? 0 : -1;
}


/* --- URLs ---------------------------------------------------------------- */


static int
at_url_cut_prefix(at_str_t *url, at_str_t prefix)
{
    if (url->len < prefix.len
        || memcmp(url->data, prefix.data, prefix.len) != 0)
    {
        return 0;
    }

    url->data += prefix.len;
    url->len -= prefix.len;

    return 1;
}


/* what RFC 3986 allows in a URL without a fragment */
static int
at_url_has_valid_chars(at_str_t url)
{
    size_t  i;

    for (i = 0; i < url.len; i++) {
        if (url.data[i] <= 0x20 || url.data[i] >= 0x7f
            || strchr("\"#<>\\^`{|}", url.data[i]) != NULL)
        {
            return 0;
        }
    }

    return url.len <= AT_URL_LEN_MAX;
}


/* cuts "host[:port]" off; 1 if the port is one */
static int
at_url_cut_port(at_str_t *host)
{
    size_t         i;
    unsigned long  port;

    i = host->len;

    while (i > 0 && host->data[i - 1] >= '0' && host->data[i - 1] <= '9') {
        i--;
    }

    if (i == 0 || host->data[i - 1] != ':') {
        return 1;
    }

    if (host->len - i == 0 || host->len - i > 5) {
        return 0;
    }

    for (port = 0; i < host->len; i++) {
        port = port * 10 + (unsigned long) (host->data[i] - '0');
    }

    while (host->data[--host->len] != ':') { /* void */ }

    return port > 0 && port <= 65535;
}


static int
at_url_host_is_address(at_str_t host, int family, unsigned char addr[16])
{
    char  text[INET6_ADDRSTRLEN];

    if (host.len >= sizeof(text)) {
        return 0;
    }

    memcpy(text, host.data, host.len);
    text[host.len] = '\0';

    return inet_pton(family, text, addr) == 1;
}


static int
at_url_host_is_name(at_str_t host)
{
    size_t  i;

    for (i = 0; i < host.len; i++) {
        if (!isalnum((unsigned char) host.data[i])
            && strchr("-._", host.data[i]) == NULL)
        {
            return 0;
        }
    }

    return host.len > 0 && host.len <= AT_HOST_LEN_MAX && host.data[0] != '.';
}


/* 0: no host; 1: any other one; 2: a loopback address */
static int
at_url_host_kind(at_str_t host)
{
    unsigned char               addr[16];
    static const unsigned char  loopback[16] = { [15] = 1 };

    if (!at_url_cut_port(&host)) {
        return 0;
    }

    if (host.len > 2 && host.data[0] == '[' && host.data[host.len - 1] == ']') {
        host.data++;
        host.len -= 2;

        return !at_url_host_is_address(host, AF_INET6, addr)
               ? 0 : memcmp(addr, loopback, 16) == 0 ? 2 : 1;
    }

    if (at_url_host_is_address(host, AF_INET, addr)) {
        return addr[0] == 127 ? 2 : 1;
    }

    return at_url_host_is_name(host);
}


static at_str_t
at_url_authority(at_str_t url)
{
    size_t  i;

    for (i = 0; i < url.len; i++) {
        if (url.data[i] == '/' || url.data[i] == '?') {
            break;
        }
    }

    return (at_str_t) { url.data, i };
}


int
at_fetch_url_is_valid(at_str_t url)
{
    if (!at_url_has_valid_chars(url)) {
        return 0;
    }

    if (at_url_cut_prefix(&url, at_str("https://"))) {
        return at_url_host_kind(at_url_authority(url)) != 0;
    }

    return at_url_cut_prefix(&url, at_str("http://"))
           && at_url_host_kind(at_url_authority(url)) == 2;
}


int
at_fetch_proxy_is_valid(at_str_t proxy)
{
    return at_url_has_valid_chars(proxy)
           && (at_url_cut_prefix(&proxy, at_str("https://"))
               || at_url_cut_prefix(&proxy, at_str("http://")))
           && at_url_host_kind(proxy) != 0;
}


/* --- Cache-Control ------------------------------------------------------- */


static int
at_reader_is(const at_reader_t *r, const char *set)
{
    return r->p < r->end && *r->p != '\0' && strchr(set, *r->p) != NULL;
}


static void
at_reader_skip(at_reader_t *r, const char *set)
{
    while (at_reader_is(r, set)) {
        r->p++;
    }
}


/* up to one of set, without blanks at its end */
static at_str_t
at_reader_word(at_reader_t *r, const char *set)
{
    at_str_t  word;

    at_reader_skip(r, " \t");
    word.data = r->p;

    while (r->p < r->end && !at_reader_is(r, set)) {
        r->p++;
    }

    word.len = (size_t) (r->p - word.data);

    while (word.len
           && (word.data[word.len - 1] == ' ' || word.data[word.len - 1] == '\t'))
    {
        word.len--;
    }

    return word;
}


/* the argument of a directive: a token, or a quoted string without escapes */
static at_str_t
at_reader_argument(at_reader_t *r)
{
    at_str_t  word;

    at_reader_skip(r, " \t");

    if (!at_reader_is(r, "\"")) {
        return at_reader_word(r, ",");
    }

    r->p++;
    word.data = r->p;

    while (r->p < r->end && *r->p != '"') {
        r->p += *r->p == '\\' && r->p + 1 < r->end ? 2 : 1;
    }

    word.len = (size_t) (r->p - word.data);
    (void) at_reader_word(r, ",");

    return word;
}


/* delta-seconds (RFC 9111 section 1.2.2), or -1 */
static int64_t
at_delta_seconds_parse(at_str_t text)
{
    size_t   i;
    int64_t  n;

    n = 0;

    for (i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return -1;
        }

        n = n * 10 + (text.data[i] - '0');

        if (n > AT_FETCH_MAX_AGE_CAP) {
            n = AT_FETCH_MAX_AGE_CAP;
        }
    }

    return text.len ? n : -1;
}


int64_t
at_fetch_max_age(at_str_t cache_control, at_str_t age)
{
    int64_t      max, n, old;
    at_str_t     name, argument;
    at_reader_t  r = { cache_control.data, cache_control.data
                                           + cache_control.len };

    max = -1;

    for ( ;; ) {
        at_reader_skip(&r, ", \t");

        if (r.p == r.end) {
            break;
        }

        name = at_reader_word(&r, "=,");
        argument = (at_str_t) { NULL, 0 };

        if (at_reader_is(&r, "=")) {
            r.p++;
            argument = at_reader_argument(&r);
        }

        if (at_str_equal_nocase(name, at_str("no-store"))
            || at_str_equal_nocase(name, at_str("no-cache")))
        {
            return 0;
        }

        n = at_str_equal_nocase(name, at_str("max-age"))
            ? at_delta_seconds_parse(argument) : -1;

        if (n >= 0 && (max < 0 || n < max)) {
            max = n;
        }
    }

    old = at_delta_seconds_parse(age);

    return max < 0 || old <= 0 ? max : old < max ? max - old : 0;
}


/* --- transfer ------------------------------------------------------------ */


static int
at_fetch_grow(at_transfer_t *t, size_t size)
{
    char    *body;
    size_t   n;

    n = t->size ? t->size : 4096;

    while (n < size) {
        n *= 2;
    }

    body = malloc(n);
    if (body == NULL) {
        return -1;
    }

    if (t->fetched->body) {
        memcpy(body, t->fetched->body, t->fetched->len);
    }

    free(t->fetched->body);
    t->fetched->body = body;
    t->size = n;

    return 0;
}


/* what it returns is not what it was given: the transfer ends */
static size_t
at_fetch_write(char *data, size_t size, size_t n, void *transfer)
{
    at_transfer_t *t = transfer;

    size *= n;

    if (size > AT_FETCH_SIZE_MAX - t->fetched->len) {
        t->cause = "it is larger than 1 MiB";
        return 0;
    }

    if (t->fetched->len + size + 1 > t->size
        && at_fetch_grow(t, t->fetched->len + size + 1) != 0)
    {
        t->cause = "no memory";
        return 0;
    }

    memcpy(t->fetched->body + t->fetched->len, data, size);
    t->fetched->len += size;
    t->fetched->body[t->fetched->len] = '\0';

    return size;
}


static size_t
at_fetch_count_header(char *data, size_t size, size_t n, void *transfer)
{
    at_transfer_t *t = transfer;

    (void) data;

    t->head += size * n;

    if (t->head > AT_FETCH_HEADERS_MAX) {
        t->cause = "its headers are larger than 64 KiB";
        return 0;
    }

    return size * n;
}


#define at_curl_set(curl, option, value)                                      \
    (curl_easy_setopt(curl, option, value) == CURLE_OK)


/* nobody but the caller has a say: no environment, no file, no memory */
static int
at_fetch_set_source(CURL *curl, const at_fetch_t *fetch)
{
    return at_curl_set(curl, CURLOPT_URL, fetch->url)
           && at_curl_set(curl, CURLOPT_PROTOCOLS_STR,
                          strncmp(fetch->url, "http:", 5) == 0 ? "http" : "https")
           && at_curl_set(curl, CURLOPT_FOLLOWLOCATION, 1L)
           && at_curl_set(curl, CURLOPT_REDIR_PROTOCOLS_STR, "https")
           && at_curl_set(curl, CURLOPT_MAXREDIRS, AT_FETCH_REDIRECTS)
           && at_curl_set(curl, CURLOPT_PROXY, fetch->proxy ? fetch->proxy : "")
           && at_curl_set(curl, CURLOPT_NOPROXY, "")
           && at_curl_set(curl, CURLOPT_NETRC, (long) CURL_NETRC_IGNORED)
           && at_curl_set(curl, CURLOPT_SSL_VERIFYPEER, 1L)
           && at_curl_set(curl, CURLOPT_SSL_VERIFYHOST, 2L)
           && at_curl_set(curl, CURLOPT_SSLVERSION, (long) CURL_SSLVERSION_TLSv1_2)
           && (fetch->ca_file == NULL
               || (at_curl_set(curl, CURLOPT_CAINFO, fetch->ca_file)
                   && at_curl_set(curl, CURLOPT_CAPATH, NULL)
                   && at_curl_set(curl, CURLOPT_PROXY_CAINFO, fetch->ca_file)
                   && at_curl_set(curl, CURLOPT_PROXY_CAPATH, NULL)));
}


static int
at_fetch_set_limits(CURL *curl)
{
    return at_curl_set(curl, CURLOPT_NOSIGNAL, 1L)
           && at_curl_set(curl, CURLOPT_QUICK_EXIT, 1L)
           && at_curl_set(curl, CURLOPT_TIMEOUT_MS, AT_FETCH_TIMEOUT * 1000L)
           && at_curl_set(curl, CURLOPT_CONNECTTIMEOUT_MS, AT_FETCH_TIMEOUT * 1000L)
           && at_curl_set(curl, CURLOPT_MAXFILESIZE, (long) AT_FETCH_SIZE_MAX);
}


static int
at_fetch_set_options(CURL *curl, at_transfer_t *t, struct curl_slist *headers)
{
    return at_curl_set(curl, CURLOPT_ERRORBUFFER, t->reason)
           && at_fetch_set_source(curl, t->fetch)
           && at_fetch_set_limits(curl)
           && at_curl_set(curl, CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_1_1)
           && at_curl_set(curl, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L)
           && at_curl_set(curl, CURLOPT_USERAGENT, "nginx-auth-token")
           && at_curl_set(curl, CURLOPT_HTTPHEADER, headers)
           && at_curl_set(curl, CURLOPT_ACCEPT_ENCODING, "gzip")
           && at_curl_set(curl, CURLOPT_HEADERFUNCTION, at_fetch_count_header)
           && at_curl_set(curl, CURLOPT_HEADERDATA, t)
           && at_curl_set(curl, CURLOPT_WRITEFUNCTION, at_fetch_write)
           && at_curl_set(curl, CURLOPT_WRITEDATA, t);
}


static CURLcode
at_fetch_result(CURLM *multi)
{
    int       left;
    CURLMsg  *msg;

    do {
        msg = curl_multi_info_read(multi, &left);

        if (msg && msg->msg == CURLMSG_DONE) {
            return msg->data.result;
        }

    } while (msg);

    return CURLE_FAILED_INIT;
}


/* curl_easy_perform() would ask whether to stop once a second only */
static CURLcode
at_fetch_run(CURLM *multi, at_transfer_t *t)
{
    int  running;

    for ( ;; ) {

        if (t->fetch->stop && t->fetch->stop(t->fetch->data)) {
            t->cause = "it was stopped";
            return CURLE_ABORTED_BY_CALLBACK;
        }

        if (curl_multi_perform(multi, &running) != CURLM_OK) {
            return CURLE_OUT_OF_MEMORY;
        }

        if (running == 0) {
            return at_fetch_result(multi);
        }

        if (curl_multi_poll(multi, NULL, 0, AT_FETCH_POLL_MS, NULL) != CURLM_OK)
        {
            return CURLE_OUT_OF_MEMORY;
        }
    }
}


/* "after 5001 milliseconds" differs each time: the same trouble is one text */
static void
at_fetch_cut_time(char *reason)
{
    char  *after;

    after = strstr(reason, " after ");

    if (after != NULL && isdigit((unsigned char) after[sizeof(" after ") - 1]))
    {
        *after = '\0';
    }
}


/* what a server said may be in the text: one plain line is made of it */
static int
at_fetch_fail(at_transfer_t *t, CURLcode code, at_error_t *err)
{
    char        *p;
    const char  *cause;

    at_fetch_cut_time(t->reason);

    cause = t->cause ? t->cause
            : t->reason[0] ? t->reason : curl_easy_strerror(code);

    (void) at_error(err, "cannot fetch \"%s\": %s", t->fetch->url, cause);

    for (p = err->text; *p != '\0'; p++) {
        if (*p < 0x20 || *p >= 0x7f) {
            *p = '?';
        }
    }

    return -1;
}


/* application/json, or any of its kind (RFC 6839 section 3.1) */
static int
at_fetch_is_json(const char *type)
{
    at_str_t     media;
    at_reader_t  r;

    if (type == NULL) {
        return 1;
    }

    r = (at_reader_t) { type, type + strlen(type) };
    media = at_reader_word(&r, ";");

    if (media.len > 5
        && at_str_equal_nocase((at_str_t) { media.data + media.len - 5, 5 },
                               at_str("+json")))
    {
        return 1;
    }

    return media.len == 0
           || at_str_equal_nocase(media, at_str("application/json"))
           || at_str_equal_nocase(media, at_str("text/json"));
}


static int
at_fetch_check_response(CURL *curl, at_transfer_t *t, at_error_t *err)
{
    long   status;
    char  *type;

    status = 0;
    type = NULL;

    (void) curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    (void) curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &type);

    if (status != 200) {
        (void) snprintf(t->reason, sizeof(t->reason),
                        "the answer has status %ld", status);
        return at_fetch_fail(t, CURLE_OK, err);
    }

    if (!at_fetch_is_json(type)) {
        t->cause = "its Content-Type is not JSON's";
        return at_fetch_fail(t, CURLE_OK, err);
    }

    /* an empty one is a document, too */
    if (t->fetched->body == NULL && at_fetch_grow(t, 1) != 0) {
        t->cause = "no memory";
        return at_fetch_fail(t, CURLE_OK, err);
    }

    t->fetched->body[t->fetched->len] = '\0';

    return 0;
}


/* all values of a header, joined by commas; what does not fit is left out */
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


static void
at_fetch_read_max_age(CURL *curl, at_fetch_response_t *fetched)
{
    char      control[1024], age[64];
    at_str_t  text;

    text = at_fetch_header_values(curl, "Cache-Control", control, sizeof(control));
    fetched->max_age = at_fetch_max_age(text,
                                  at_fetch_header_values(curl, "Age", age, sizeof(age)));
}


static int
at_fetch_perform(CURLM *multi, CURL *curl, at_transfer_t *t,
    struct curl_slist *headers, at_error_t *err)
{
    CURLcode  code;

    if (!at_fetch_set_options(curl, t, headers)
        || curl_multi_add_handle(multi, curl) != CURLM_OK)
    {
        t->cause = "no memory";
        return at_fetch_fail(t, CURLE_OUT_OF_MEMORY, err);
    }

    code = at_fetch_run(multi, t);

    if (code != CURLE_OK) {
        return at_fetch_fail(t, code, err);
    }

    if (at_fetch_check_response(curl, t, err) != 0) {
        return -1;
    }

    at_fetch_read_max_age(curl, t->fetched);

    return 0;
}


int
at_fetch(at_fetch_response_t *fetched, const at_fetch_t *fetch, at_error_t *err)
{
    int                 rc;
    CURL               *curl;
    CURLM              *multi;
    at_transfer_t       t;
    struct curl_slist  *headers;

    memset(fetched, 0, sizeof(at_fetch_response_t));
    fetched->max_age = -1;

    memset(&t, 0, sizeof(at_transfer_t));
    t.fetch = fetch;
    t.fetched = fetched;

    curl = curl_easy_init();
    multi = curl_multi_init();
    headers = curl_slist_append(NULL, "Accept: application/json");

    if (curl && multi && headers) {
        rc = at_fetch_perform(multi, curl, &t, headers, err);
        (void) curl_multi_remove_handle(multi, curl);

    } else {
        t.cause = "no memory";
        rc = at_fetch_fail(&t, CURLE_OUT_OF_MEMORY, err);
    }

    curl_easy_cleanup(curl);
    (void) curl_multi_cleanup(multi);
    curl_slist_free_all(headers);
    ERR_clear_error();

    if (rc != 0) {
        free(fetched->body);
        fetched->body = NULL;
        fetched->len = 0;
    }

    return rc;
}


/* --- discovery ----------------------------------------------------------- */


char *
at_discovery_url(at_str_t issuer, at_error_t *err)
{
    char  *url;

    if (!at_fetch_url_is_valid(issuer)
        || memchr(issuer.data, '?', issuer.len) != NULL)
    {
        (void) at_error(err, "an issuer that is discovered is an https URL "
                        "without a query");
        return NULL;
    }

    if (issuer.data[issuer.len - 1] == '/') {
        issuer.len--;
    }

    url = malloc(issuer.len + sizeof(AT_DISCOVERY_PATH));

    if (url == NULL) {
        (void) at_error(err, "no memory");
        return NULL;
    }

    memcpy(url, issuer.data, issuer.len);
    memcpy(url + issuer.len, AT_DISCOVERY_PATH, sizeof(AT_DISCOVERY_PATH));

    return url;
}


/*
 * A provider elsewhere has no say in what is asked of this host without TLS,
 * as its redirects have none.
 */
static int
at_discovery_allows_jwks_uri(at_str_t issuer, at_str_t uri)
{
    return at_fetch_url_is_valid(uri)
           && (at_url_cut_prefix(&uri, at_str("https://"))
               || at_url_cut_prefix(&issuer, at_str("http://")));
}


static char *
at_discovery_jwks_uri(const json_t *document, at_str_t issuer, at_error_t *err)
{
    char      *uri;
    at_str_t   value;

    if (at_json_member_string(document, "issuer", &value) != 1) {
        (void) at_error(err, "has no \"issuer\"");
        return NULL;
    }

    if (!at_str_equal(value, issuer)) {
        (void) at_error(err, "is of another issuer%s%.*s",
                        at_fetch_url_is_valid(value) ? ": " : "",
                        at_fetch_url_is_valid(value) ? (int) value.len : 0,
                        value.data);
        return NULL;
    }

    if (at_json_member_string(document, "jwks_uri", &value) != 1
        || !at_discovery_allows_jwks_uri(issuer, value))
    {
        (void) at_error(err, "has no \"jwks_uri\" that is an https URL");
        return NULL;
    }

    uri = strndup(value.data, value.len);

    if (uri == NULL) {
        (void) at_error(err, "no memory");
    }

    return uri;
}


char *
at_discovery_parse(at_str_t document, at_str_t issuer, at_error_t *err)
{
    char       *uri;
    json_t     *object;
    at_json_e   rc;

    rc = at_json_parse(&object, document, &at_discovery_limits);

    if (rc != AT_JSON_OK) {
        (void) at_error(err, rc == AT_JSON_INVALID ? "is not a JSON object"
                                                   : "no memory");
        return NULL;
    }

    uri = at_discovery_jwks_uri(object, issuer, err);
    json_decref(object);

    return uri;
}
