/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * URLs, Cache-Control, discovery documents, and transfers from a server on
 * loopback, also while each allocation fails in turn.  t/jwks.t tests TLS and
 * misbehaving servers.
 *
 * Requirements: allocation-points, fetch-failures, fetch-request,
 *   fetch-and-clients, fetch-media-types.
 */

#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fail.h"
#include "tap.h"


#define malloc   fail_malloc
#define realloc  fail_realloc
#define strndup  fail_strndup

#include "core/fetch/at_cache_control.c"
#include "core/fetch/at_discovery.c"
#include "core/fetch/at_fetch.c"
#include "core/base/at_url.c"

#undef malloc
#undef realloc
#undef strndup


/* --- URLs ---------------------------------------------------------------- */

static void
test_urls(void)
{
    size_t              i;
    static char         large[AT_URL_LEN_MAX + 2];

    static const char  *good[] = {
        "https://a", "https://a/", "https://a.example:8443/x?y=z",
        "https://a_b-c.d/", "https://127.0.0.1/", "https://[::1]:8443/",
        "https://10.0.0.1", "https://a?x",
        "https://login.microsoftonline.com/11111111-2222/v2.0", "https://a:1",
        "https://a:65535", "http://127.0.0.1", "http://127.0.0.1:8080/jwks",
        "http://127.255.255.254/", "http://[::1]", "http://[::1]:80/x",
        "http://[0:0:0:0:0:0:0:1]/", "https://a/@b", "https://a/x:y"
    };

    static const char  *bad[] = {
        "", "a", "https:", "https:/", "https://", "https:///x", "https://?x",
        "HTTPS://a", "https://:80", "https://a:", "https://a:/", "https://a:0",
        "https://a:65536", "https://a:123456", "https://a:x", "https://a:8x",
        "https://a:-1", "https://u@a/", "https://u:p@a/", "https://@a",
        "https://a/#f", "https://a#f", "https://a b/", "https://a/ ",
        " https://a", "https://a/\n", "https://a/\x7f", "https://a/\xc3\xa9",
        "https://a\"b", "https://a/\\", "https://a/<x>", "https://a/{x}",
        "https://a/`", "https://[::1", "https://::1/", "https://[]/",
        "https://[::1]x/", "https://[::1%25lo]/", "https://[fe80::1%lo]/",
        "https://.a/", "https://a%2fb/", "https://a,b/", "https://a*",
        "ftp://127.0.0.1/", "file:///etc/passwd", "//a/", "javascript:x",
        "http://a/", "http://localhost/", "http://localhost:8080",
        "http://128.0.0.1/", "http://126.255.255.255/", "http://0.0.0.0/",
        "http://127.1/", "http://0x7f.0.0.1/", "http://127.0.0.1.example/",
        "http://127.0.0.1@a/", "http://2130706433/", "http://[::]/",
        "http://[::2]/", "http://[::ffff:127.0.0.1]/", "http://127.0.0.01/",
        "http://127.0.0.1:99999/", "http://127.0.0.1 /", "http://a/127.0.0.1"
    };

    for (i = 0; i < N(good); i++) {
        ok(at_url_is_valid(str(good[i])), "valid URL: %s", good[i]);
    }

    for (i = 0; i < N(bad); i++) {
        ok(!at_url_is_valid(str(bad[i])), "invalid URL: %s", bad[i]);
    }

    ok(!at_url_is_valid((at_str_t) { "https://a/\0x", 12 }),
       "a URL with a NUL byte is invalid");

    memset(large, 'a', sizeof(large));
    memcpy(large, "https://a/", 10);
    ok(at_url_is_valid((at_str_t) { large, AT_URL_LEN_MAX }),
       "a URL of the maximum length is valid");
    ok(!at_url_is_valid((at_str_t) { large, AT_URL_LEN_MAX + 1 }),
       "a longer URL is invalid");
}


static void
test_proxies(void)
{
    size_t  i;

    static const char  *good[] = {
        "http://proxy", "http://proxy:3128", "https://proxy.example:3128",
        "http://10.0.0.1:1", "http://[::1]:3128", "http://127.0.0.1:3128"
    };

    static const char  *bad[] = {
        "", "proxy", "proxy:3128", "http://", "http://u:p@proxy:3128",
        "http://proxy/", "http://proxy:3128/", "socks5://proxy",
        "http://proxy:0", "http://pro xy", "http://proxy?x", "http://proxy#x"
    };

    static const char  *ports[][2] = {
        { "https://a:443", "https://a" }, { "http://a:80", "http://a" },
        { "https://a:80", "https://a:80" }, { "http://a:443", "http://a:443" },
        { "https://a", "https://a" }, { "https://a:8443", "https://a:8443" },
        { "https://[::1]:443", "https://[::1]" },
        { "https://[::443]", "https://[::443]" },
        { "https://a:00443", "https://a" }
    };

    for (i = 0; i < N(good); i++) {
        ok(at_url_is_origin(str(good[i])), "valid proxy: %s", good[i]);
    }

    for (i = 0; i < N(bad); i++) {
        ok(!at_url_is_origin(str(bad[i])), "invalid proxy: %s", bad[i]);
    }

    for (i = 0; i < N(ports); i++) {
        ok(at_str_equal(at_url_cut_default_port(str(ports[i][0])),
                        str(ports[i][1])),
           "%s without its default port", ports[i][0]);
    }
}


/* --- Cache-Control ------------------------------------------------------- */

static void
test_max_age(void)
{
    size_t  i;

    static const struct {
        const char *control, *age; int64_t expected;
    } rows[] = {
        { "", "", -1 }, { "", "5", -1 }, { "public", "", -1 },
        { "max-age=60", "", 60 }, { "MAX-AGE=60", "", 60 },
        { "public, max-age=86400, must-revalidate", "", 86400 },
        { "public,max-age=86400,must-revalidate", "", 86400 },
        { ",, ,max-age=1,,", "", 1 }, { "max-age=\"60\"", "", 60 },
        { "max-age = 60", "", 60 }, { "max-age=0", "", 0 },
        { "max-age=60", "20", 40 }, { "max-age=60", "60", 0 },
        { "max-age=60", "90", 0 }, { "max-age=60", "x", 60 },
        { "max-age=60", "-5", 60 },
        { "max-age=60", "99999999999999999999", 0 },
        { "max-age=99999999999999999999999", "", AT_MAX_AGE_CAP },
        { "max-age=60, max-age=30", "", 30 },
        { "max-age=30, max-age=60", "", 30 }, { "no-store", "", 0 },
        { "No-Store", "", 0 }, { "no-cache", "", 0 },
        { "no-cache=\"set-cookie\"", "", 0 },
        { "max-age=60, no-store", "", 0 }, { "no-cache, max-age=60", "", 0 },
        { "max-age", "", -1 }, { "max-age=", "", -1 }, { "max-age=x", "", -1 },
        { "max-age=6x", "", -1 }, { "max-age=-6", "", -1 },
        { "max-age=+6", "", -1 }, { "max-age=1.5", "", -1 },
        { "max-age=\"60", "", 60 }, { "max-age=\"\"", "", -1 },
        { "xmax-age=60", "", -1 }, { "s-maxage=60", "", -1 },
        { "x=\"no-store, max-age=1\", max-age=60", "", 60 },
        { "x=\"\\\", no-store, \", max-age=60", "", 60 },
        { "x=\"no-store", "", -1 }, { "x=\"\\", "", -1 }, { "=", "", -1 },
        { "=,=", "", -1 }, { "=no-store", "", -1 },
        { "\"x, no-store", "", 0 }, { "max-age=60, x\"y, no-cache", "", 0 },
    };

    for (i = 0; i < N(rows); i++) {
        is_int(at_cache_control_max_age(str(rows[i].control),
                                        str(rows[i].age)), rows[i].expected,
               "Cache-Control: %s, Age: %s", rows[i].control, rows[i].age);
    }

    is_int(at_cache_control_max_age((at_str_t) { NULL, 0 },
                                    (at_str_t) { NULL, 0 }),
           -1, "without headers nothing is said");
    is_int(at_cache_control_max_age((at_str_t) { "\0,max-age=1", 11 },
                                    str("")),
           1, "a NUL byte is part of a directive");
}


/* --- discovery ----------------------------------------------------------- */

static void
is_url(const char *issuer, const char *expected)
{
    at_error_t   err;
    char        *url = at_discovery_url(str(issuer), &err);

    is_str(url ? url : strstr(err.text, "https URL") ? "none" : err.text,
           expected, "the discovery URL of %s", issuer);
    free(url);
}


/* document has single quotes; expected: the jwks_uri, or part of the error */
static void
is_parsed(const char *document, const char *issuer, const char *expected,
    int valid)
{
    char        *uri, text[5100];
    at_error_t   err = { { 0 } };

    (void) snprintf(text, sizeof(text), "%s", document);
    uri = at_discovery_parse(str(quote(text)), str(issuer), &err);

    ok((uri != NULL) == valid && strstr(uri ? uri : err.text, expected),
       "%.200s of %s: %s", document, issuer, uri ? uri : err.text);

    free(uri);
}


static void
test_discovery(void)
{
    size_t              i;
    char                deep[5000];
    at_error_t          err;
    const char *const  *document;

#define CONFIGURATION  "/.well-known/openid-configuration"
#define ISSUER         "'issuer':'https://i/x'"
#define URI            "'jwks_uri':'https://k/j'"

    static const struct { const char *says, *documents[12]; } invalid[] = {
        { "JSON object", { "", "[]", "<html>", "{" ISSUER "," URI
          ",'jwks_uri':'x'}", "{" ISSUER "," ISSUER "}",
          "{" ISSUER "," URI "}x" } },
        { "\"issuer\"", { "{}", "{" URI "}", "{'issuer':1," URI "}",
          "{'issuer':['https://i/x']," URI "}" } },
        { "another issuer: https://i/x/", {
          "{'issuer':'https://i/x/'," URI "}" } },
        { "another issuer", { "{'issuer':'https://i'," URI "}",
          "{'issuer':'https://I/x'," URI "}",
          "{'issuer':'https://i/x\\u0000'," URI "}",
          "{'issuer':'x\\n[alert]'," URI "}", "{'issuer':''," URI "}" } },

        /* a remote issuer must not direct requests at this host */
        { "\"jwks_uri\"", { "{" ISSUER ",'jwks_uri':'http://127.0.0.1/j'}",
          "{" ISSUER "}", "{" ISSUER ",'jwks_uri':null}",
          "{" ISSUER ",'jwks_uri':''}", "{" ISSUER ",'jwks_uri':'http://k/j'}",
          "{" ISSUER ",'jwks_uri':'file:///x'}",
          "{" ISSUER ",'jwks_uri':'https://k/j\\u0000'}",
          "{" ISSUER ",'jwks_uri':'https://u:p@k/j'}" } },
    };

    is_url("https://i", "https://i" CONFIGURATION);
    is_url("https://i/", "https://i" CONFIGURATION);
    is_url("https://i/x", "https://i/x" CONFIGURATION);
    is_url("https://i/x/v2.0/", "https://i/x/v2.0" CONFIGURATION);
    is_url("http://127.0.0.1:80", "http://127.0.0.1:80" CONFIGURATION);
    is_url("https://i?x", "none");
    is_url("https://i/x?", "none");
    is_url("http://i", "none");
    is_url("i", "none");
    is_url("", "none");

    is_parsed("{" ISSUER "," URI "}", "https://i/x", "https://k/j", 1);
    is_parsed("{'jwks_uri':'https://k/j?a=b','issuer':'https:\\/\\/i/x',"
              "'y':[{}],'z':'\\u0000'}", "https://i/x", "https://k/j?a=b", 1);
    is_parsed("{'issuer':'http://127.0.0.1','jwks_uri':'http://[::1]/j'}",
              "http://127.0.0.1", "http://[::1]/j", 1);

    is_parsed("{" ISSUER "," URI ",'x':123456789012345678901234567890}",
              "https://i/x", "https://k/j", 1);
    is_parsed("\xef\xbb\xbf{" ISSUER "," URI "}", "https://i/x",
              "https://k/j", 1);

    for (i = 0; i < N(invalid); i++) {
        for (document = invalid[i].documents; *document; document++) {
            is_parsed(*document, "https://i/x", invalid[i].says, 0);
        }
    }

    memset(deep, '[', 2500);
    memset(deep + 2500, ']', 2500);
    memcpy(deep, "{'x':", 5);
    memcpy(deep + 4995, "}", 2);
    is_parsed(deep, "https://i/x", "JSON object", 0);

    ok(at_discovery_parse((at_str_t) { "{}\0", 3 }, at_str("https://i/x"),
                          &err) == NULL,
       "a NUL byte after the document is an error");
}


/* --- a server ------------------------------------------------------------ */

static struct {
    pid_t        pid;
    unsigned     port;
    char         url[128];
} server;

#define HEAD(type)                                                            \
    "HTTP/1.1 200 OK\r\nContent-Type: " type "\r\nConnection: close\r\n"
#define STATUS(status)  "HTTP/1.1 " status " No\r\n"
#define EMPTY           "Content-Length: 0\r\n\r\n"
#define TWO             "Content-Length: 2\r\n\r\n{}"

static const struct {
    const char  *path;
    const char  *answer;
} answers[] = {
    { "/good ", HEAD("application/json") TWO },
    { "/cached ", HEAD("application/json") "Cache-Control: public\r\n"
                  "Cache-Control: max-age=90\r\nAge: 30\r\n" TWO },
    { "/charset ", HEAD("application/json; charset=utf-8") TWO },
    { "/set ", HEAD("application/jwk-set+json") TWO },
    { "/upper ", HEAD("Application/JSON ;x") TWO },
    { "/untyped ", "HTTP/1.1 200 OK\r\n" TWO },
    { "/text ", HEAD("text/plain") TWO },
    { "/bytes ", HEAD("application/octet-stream") TWO },
    { "/labelled ", HEAD("text/html") TWO },
    { "/html ", HEAD("text/html") "Content-Length: 6\r\n\r\n<html>" },
    { "/xml ", HEAD("application/json") "Content-Length: 8\r\n\r\n \n<?xml>" },
    { "/empty ", HEAD("application/json") EMPTY },
    { "/cut ", HEAD("application/json") "Content-Length: 3\r\n\r\n{}" },
    { "/old ", "HTTP/1.0 200 OK\r\n\r\n{}" },
    { "/chunks ", HEAD("application/json") "Transfer-Encoding: chunked\r\n\r\n"
                  "1\r\n{\r\n1\r\n}\r\n0\r\n\r\n" },
    { "/cutchunks ", HEAD("application/json")
                     "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n" },
    { "/announced ",
      HEAD("application/json") "Content-Length: 1048577\r\n\r\n{}" },
    { "/204 ", STATUS("204") "Connection: close\r\n\r\n" },
    { "/404 ", STATUS("404") "Content-Type: application/json\r\n" TWO },
    { "/500 ", STATUS("500") TWO },
    { "/plain ", STATUS("302") "Location: /good\r\n" EMPTY },
    { "/file ", STATUS("302") "Location: file:///etc/passwd\r\n" EMPTY },
    { "/bare ", STATUS("302") EMPTY },
    { "/garbage ", "\x01\x02\xff\n\n" }, { "/nothing ", "" },
};


static void
respond(int fd, const char *text)
{
    (void) send(fd, text, strlen(text), MSG_NOSIGNAL);
}


static void
serve_size(int fd, long size)
{
    char  block[4096];

    memset(block, ' ', sizeof(block));
    respond(fd, HEAD("application/json") "\r\n");

    while (size > 0 && send(fd, block, size > 4096 ? 4096 : (size_t) size,
                            MSG_NOSIGNAL) > 0)
    {
        size -= 4096;
    }
}


static void
serve_one(int fd)
{
    char     request[4096];
    size_t   i, len;
    ssize_t  n;

    for (len = 0; len < sizeof(request) - 1; len += (size_t) n) {
        n = recv(fd, request + len, sizeof(request) - 1 - len, 0);
        request[len + (n > 0 ? (size_t) n : 0)] = '\0';

        if (n <= 0 || strstr(request, "\r\n\r\n") != NULL) {
            break;
        }
    }

    if (strncmp(request, "GET /", 5) != 0) {
        return;
    }

    if (strncmp(request + 5, "size", 4) == 0) {
        serve_size(fd, atol(request + 9));
        return;
    }

    if (strncmp(request + 4, "/hang ", 6) == 0) {
        (void) recv(fd, request, 1, 0);
        return;
    }

    if (strncmp(request + 4, "/asked ", 7) == 0) {
        respond(fd, HEAD("application/json") "\r\n");
        respond(fd, request);
        return;
    }

    for (i = 0; i < N(answers); i++) {
        if (strncmp(request + 4, answers[i].path, strlen(answers[i].path))
            == 0)
        {
            respond(fd, answers[i].answer);
        }
    }
}


static void
serve(int fd)
{
    int  client;

    (void) prctl(PR_SET_PDEATHSIG, SIGKILL);

    for ( ;; ) {
        client = accept(fd, NULL, NULL);

        if (client >= 0) {
            serve_one(client);
            (void) shutdown(client, SHUT_RDWR);
            (void) close(client);
        }
    }
}


static void
start_server(void)
{
    int                 fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in  addr = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    socklen_t           len = sizeof(addr);

    if (fd == -1
        || bind(fd, (struct sockaddr *) &addr, len) != 0 || listen(fd, 64) != 0
        || getsockname(fd, (struct sockaddr *) &addr, &len) != 0)
    {
        bail("no server");
    }

    server.port = ntohs(addr.sin_port);
    server.pid = fork();

    if (server.pid == 0) {
        serve(fd);
    }

    (void) close(fd);
}


static const char *
url_of(const char *path)
{
    (void) snprintf(server.url, sizeof(server.url),
                    "http://127.0.0.1:%u%s", server.port, path);

    return server.url;
}


/* --- documents ----------------------------------------------------------- */

static int
fetch_path(at_fetch_response_t *fetched, const char *path, at_error_t *err)
{
    at_fetch_t  fetch = { .url = url_of(path) };

    err->text[0] = '\0';

    return at_fetch(fetched, &fetch, err);
}


static at_fetch_response_t
is_fetched(const char *path, const char *expected)
{
    at_error_t           err;
    at_fetch_response_t  fetched;

    is_int(fetch_path(&fetched, path, &err), 0,
           "%s: a document is returned %s", path, err.text);

    if (expected) {
        is_bytes((at_str_t) { fetched.body, fetched.len }, str(expected),
                 "%s: its content", path);
    }

    ok(fetched.body && fetched.body[fetched.len] == '\0',
       "%s: it is terminated", path);
    free(fetched.body);

    return fetched;
}


static void
is_not_fetched(const char *path, const char *says)
{
    at_error_t           err;
    at_fetch_response_t  fetched;

    is_int(fetch_path(&fetched, path, &err), -1, "%s: an error is returned",
           path);
    ok(strstr(err.text, says) != NULL && strstr(err.text, server.url) != NULL,
       "%s: the error has URL and cause: %s", path, err.text);
    ok(fetched.body == NULL && fetched.len == 0,
       "%s: no document is returned", path);
    is_int(ERR_peek_error(), 0, "%s: the error queue of OpenSSL is empty",
           path);
}


static void
test_fetch(void)
{
    is_int(is_fetched("/good", "{}").max_age, -1,
           "without Cache-Control there is no max_age");
    is_int(is_fetched("/cached", "{}").max_age, 60,
           "max_age is max-age less Age, also from two headers");
    (void) is_fetched("/charset", "{}");
    (void) is_fetched("/set", "{}");
    (void) is_fetched("/upper", "{}");
    (void) is_fetched("/untyped", "{}");
    (void) is_fetched("/text", "{}");
    (void) is_fetched("/bytes", "{}");
    (void) is_fetched("/labelled", "{}");
    (void) is_fetched("/empty", "");
    (void) is_fetched("/old", "{}");
    (void) is_fetched("/chunks", "{}");
    is_int(is_fetched("/size1048576", NULL).len, AT_FETCH_SIZE_MAX,
           "a document of the maximum size is returned");

    is_not_fetched("/size1048577", "larger");
    is_not_fetched("/size99999999", "larger");
    is_not_fetched("/announced", "size");
    is_not_fetched("/html", "HTML or XML");
    is_not_fetched("/xml", "HTML or XML");
    is_not_fetched("/cut", "");
    is_not_fetched("/cutchunks", "");
    is_not_fetched("/204", "204");
    is_not_fetched("/404", "404");
    is_not_fetched("/500", "500");
    is_not_fetched("/plain", "http");
    is_not_fetched("/file", "file");
    is_not_fetched("/bare", "302");
    is_not_fetched("/garbage", "");
    is_not_fetched("/nothing", "");
}


static void
test_request(void)
{
    at_error_t           err;
    at_fetch_t           fetch = { .url = url_of("/asked") };
    at_fetch_response_t  fetched;

    /* proxies of the environment are ignored */
    (void) setenv("http_proxy", "http://127.0.0.1:1", 1);
    (void) setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
    (void) setenv("HOME", "/nonexistent", 1);

    if (!is_int(at_fetch(&fetched, &fetch, &err), 0,
                "the server receives the request"))
    {
        return;
    }

    ok(strncmp(fetched.body, "GET /asked HTTP/1.1\r\n", 21) == 0,
       "the request is GET: %s", fetched.body);
    ok(strstr(fetched.body, "\r\nAccept: application/jwk-set+json, "
              "application/json;q=0.9, */*;q=0.1\r\n") != NULL,
       "it asks for a JWK Set, then JSON, and accepts any type");
    ok(strstr(fetched.body, "\r\nAccept-Encoding: gzip\r\n") != NULL,
       "it accepts gzip");
    ok(strstr(fetched.body, "uthorization") == NULL
       && strstr(fetched.body, "ookie") == NULL, "it has no credentials");
    free(fetched.body);

    fetch.proxy = "http://127.0.0.1:1";
    is_int(at_fetch(&fetched, &fetch, &err), -1, "a configured proxy is used");

    (void) unsetenv("http_proxy");
    (void) unsetenv("ALL_PROXY");
}


static int
stop_soon(void *data)
{
    return ++*(int *) data > 3;
}


static void
test_stop(void)
{
    int                  asked = 0;
    at_error_t           err;
    at_fetch_t           fetch = { .url = url_of("/hang"), .stop = stop_soon,
                                   .data = &asked };
    at_fetch_response_t  fetched;

    is_int(at_fetch(&fetched, &fetch, &err), -1,
           "a transfer is aborted by the stop function");
    is_int(asked, 4, "the stop function is called until it returns 1");
    ok(strstr(err.text, "stopped") != NULL, "the error says so: %s", err.text);
}


/* --- failing allocations ------------------------------------------------- */

static int
fail_fetch(void *data, unsigned n)
{
    int                  rc, right;
    at_error_t           err;
    at_fetch_response_t  fetched;

    (void) data;
    (void) n;

    rc = fetch_path(&fetched, "/cached", &err);
    (void) fail_end();

    right = rc == 0 ? fetched.len == 2 && memcmp(fetched.body, "{}", 3) == 0
                    : fetched.body == NULL && err.text[0] != '\0';
    free(fetched.body);

    return right;
}


static int
fail_discovery(void *data, unsigned n)
{
    int          right;
    char        *url, *uri;
    at_str_t     issuer = at_str("https://i");
    at_error_t   err = { { 0 } };

    (void) data;
    (void) n;

    url = at_discovery_url(issuer, &err);
    uri = at_discovery_parse(at_str("{\"issuer\":\"https://i\","
                                    "\"jwks_uri\":\"https://k\"}"),
                             issuer, &err);
    (void) fail_end();

    right = (url && uri) || err.text[0] != '\0';
    right &= uri == NULL || strcmp(uri, "https://k") == 0;
    free(url);
    free(uri);

    return right;
}


int
main(void)
{
    if (curl_global_init_mem(CURL_GLOBAL_ALL, fail_malloc, free, fail_realloc,
                             fail_strdup, fail_calloc) != CURLE_OK)
    {
        bail("no curl");
    }

    start_server();

    is_int(at_fetch_init(), 0, "libcurl is initialized");

    RUN(test_urls, test_proxies, test_max_age, test_discovery, test_fetch,
        test_request, test_stop);
    fail_each("a document", fail_fetch, NULL);
    fail_each("discovery", fail_discovery, NULL);

    (void) kill(server.pid, SIGKILL);
    (void) waitpid(server.pid, NULL, 0);
    curl_global_cleanup();
    curl_global_cleanup();

    return tap_done();
}
