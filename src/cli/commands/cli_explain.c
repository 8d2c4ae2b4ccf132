/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * auth-token explain: describes a request to a private nginx process, see
 * src/http/explain, and prints its report.
 */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/at_base64url.h"
#include "core/base/at_bytes.h"
#include "core/base/at_crypto.h"
#include "core/base/at_url.h"
#include "cli/commands/cli_commands.h"
#include "cli/terminal/cli_explanation.h"
#include "cli/terminal/cli_file.h"
#include "cli/terminal/cli_options.h"


#define CLI_EXPLAIN_REPORT_MAX  (1024 * 1024)

/* nginx opens it unless the module has replaced the logs */
#define CLI_EXPLAIN_LOG                                                       \
    "error_log \"/dev/null/this configuration does not load the module "      \
    "auth_token\";"

typedef struct {
    char        conf[PATH_MAX];
    at_str_t    host;
    at_str_t    target;         /* of the request line */
    char        to[512];        /* for AUTH_TOKEN_EXPLAIN_TO */
    at_bytes_t  request;
} cli_explain_t;


/* --- the request --------------------------------------------------------- */


static void
cli_explain_add(cli_explain_t *explain, at_str_t text)
{
    at_bytes_append(&explain->request, text.data, text.len);
}


/* "https://HOST:PORT/PATH" selects host and listener */
static int
cli_explain_url(cli_t *cli, cli_explain_t *explain)
{
    size_t    len;
    int       https;
    at_str_t  url, name, digits;
    unsigned  port;

    url = cli_str(cli_text(cli, "url"));
    explain->host = at_str("localhost");
    explain->target = url;

    if (!at_str_is_visible(url, "#")) {
        return cli_invalid(cli, "url", "use a path or an http or https URL, "
                           "without spaces, control characters and \"#\"");
    }

    if (url.data[0] == '/') {
        return 0;
    }

    https = at_str_cut_prefix(&url, at_str("https://"));

    if (!https && !at_str_cut_prefix(&url, at_str("http://"))) {
        return cli_invalid(cli, "url", "use a path that begins with \"/\", or "
                           "an http or https URL");
    }

    len = strcspn(url.data, "/?");
    explain->host = (at_str_t) { url.data, len };
    explain->target = (at_str_t) { url.data + len, url.len - len };

    at_host_split(explain->host, &name, &digits);
    port = digits.len ? at_port_parse(digits) : https ? 443 : 80;

    if (name.len == 0 || port == 0 || memchr(url.data, '@', len) != NULL
        || (explain->target.len != 0 && explain->target.data[0] == '?'))
    {
        return cli_invalid(cli, "url", "use http[s]://HOST[:PORT]/PATH");
    }

    if (explain->target.len == 0) {
        explain->target = at_str("/");
    }

    (void) snprintf(explain->to, sizeof(explain->to), ":%u", port);

    return 0;
}


static int
cli_explain_is_token(at_str_t text)
{
    return text.len && at_str_is_visible(text, "()<>@,;:\\\"/[]?={}");
}


/* fields with a value on the command line */
static int
cli_explain_headers(cli_t *cli, cli_explain_t *explain)
{
    size_t             i;
    int                has_host;
    at_str_t           name, value;
    const cli_list_t  *headers;

    headers = cli_list(cli, "header");
    has_host = 0;

    for (i = 0; i < headers->n; i++) {
        value = headers->items[i];
        name = at_str_cut(&value, ':');
        value = at_str_trim(value);

        if (!cli_explain_is_token(name) || !at_str_is_printable(value)) {
            return cli_usage(cli, "invalid value in \"--header\": use "
                             "\"NAME: VALUE\" without control characters");
        }

        if (at_str_equal_nocase(name, at_str("Authorization"))
            || at_str_equal_nocase(name, at_str("Cookie"))
            || at_str_equal_nocase(name, at_str("X-API-Token")))
        {
            return cli_usage(cli, "\"--header\" must not hold a credential: "
                             "use \"--bearer\", \"--api-token\" or "
                             "\"--secret-header\" with a file");
        }

        has_host |= at_str_equal_nocase(name, at_str("Host"));

        cli_explain_add(explain, name);
        cli_explain_add(explain, at_str(": "));
        cli_explain_add(explain, value);
        cli_explain_add(explain, at_str("\r\n"));
    }

    if (!has_host) {
        cli_explain_add(explain, at_str("Host: "));
        cli_explain_add(explain, explain->host);
        cli_explain_add(explain, at_str("\r\n"));
    }

    return 0;
}


/* a field whose value is a prefix and the only line of a file */
static int
cli_explain_secret(cli_t *cli, cli_explain_t *explain, at_str_t name,
    at_str_t prefix, const char *path)
{
    int        rc;
    at_str_t   value;
    at_file_t  file;

    if (path == NULL) {
        return 0;
    }

    if (cli_file_read(cli, &file, path, CLI_TOKEN_FILE_MAX) != 0) {
        return -1;
    }

    value = cli_file_line(&file);
    rc = 0;

    if (value.len == 0 || !at_str_is_printable(value)) {
        rc = cli_failure(cli, "\"%s\" is not one line of text", path);
    }

    cli_explain_add(explain, name);
    cli_explain_add(explain, at_str(": "));
    cli_explain_add(explain, prefix);
    cli_explain_add(explain, value);
    cli_explain_add(explain, at_str("\r\n"));
    at_file_free(&file);

    return rc;
}


static int
cli_explain_secrets(cli_t *cli, cli_explain_t *explain)
{
    size_t             i;
    at_str_t           name, path;
    const cli_list_t  *headers;

    headers = cli_list(cli, "secret-header");

    for (i = 0; i < headers->n; i++) {
        path = headers->items[i];
        name = at_str_cut(&path, ':');

        if (!cli_explain_is_token(name) || path.len == 0) {
            return cli_usage(cli, "invalid value in \"--secret-header\": use "
                             "\"NAME:FILE\"");
        }

        if (cli_explain_secret(cli, explain, name, at_str(""), path.data)
            != 0)
        {
            return -1;
        }
    }

    return cli_explain_secret(cli, explain, at_str("Authorization"),
                              at_str("Bearer "), cli_text(cli, "bearer")) == 0
           && cli_explain_secret(cli, explain, at_str("X-API-Token"),
                                 at_str(""), cli_text(cli, "api-token")) == 0
           ? 0 : -1;
}


/* Basic with a wrong password, which the module then treats as correct */
static int
cli_explain_user(cli_t *cli, cli_explain_t *explain)
{
    char      pair[512], text[at_base64url_encoded_len(512) + 1];
    size_t    i, len;
    at_str_t  user;

    user = cli_str(cli_text(cli, "user"));

    if (user.len == 0) {
        return 0;
    }

    if (user.len > 255 || memchr(user.data, ':', user.len) != NULL
        || !at_str_is_printable(user))
    {
        return cli_invalid(cli, "user", "use 1 to 255 bytes without colons "
                           "and control characters");
    }

    len = (size_t) snprintf(pair, sizeof(pair), "%s:password", user.data);
    at_base64url_encode(text, (unsigned char *) pair, len);
    len = at_base64url_encoded_len(len);

    for (i = 0; i < len; i++) {
        text[i] = text[i] == '-' ? '+' : text[i] == '_' ? '/' : text[i];
    }

    cli_explain_add(explain, at_str("Authorization: Basic "));
    cli_explain_add(explain, (at_str_t) { text, len });
    cli_explain_add(explain, (at_str_t) { "==", (4 - len % 4) % 4 });
    cli_explain_add(explain, at_str("\r\n"));

    return 0;
}


static int
cli_explain_request(cli_t *cli, cli_explain_t *explain)
{
    at_str_t  method, proxied;

    method = cli_str(cli_given(cli, "method") ? cli_text(cli, "method")
                                              : "GET");
    proxied = cli_str(cli_text(cli, "proxy-protocol"));

    if (!at_str_has_only(method, at_str(AT_UPPER_CASE "-_"))) {
        return cli_invalid(cli, "method", "use a name in capital letters");
    }

    if (proxied.len) {
        if (!at_str_has_only(proxied, at_str("0123456789abcdefABCDEF.:"))) {
            return cli_invalid(cli, "proxy-protocol", "use an address");
        }

        cli_explain_add(explain, strchr(proxied.data, ':') != NULL
                                 ? at_str("PROXY TCP6 ")
                                 : at_str("PROXY TCP4 "));
        cli_explain_add(explain, proxied);
        cli_explain_add(explain, strchr(proxied.data, ':') != NULL
                                 ? at_str(" ::1 40000 443\r\n")
                                 : at_str(" 127.0.0.1 40000 443\r\n"));
    }

    cli_explain_add(explain, method);
    cli_explain_add(explain, at_str(" "));
    cli_explain_add(explain, explain->target);
    cli_explain_add(explain, at_str(" HTTP/1.1\r\n"));

    if (cli_explain_headers(cli, explain) != 0
        || cli_explain_secrets(cli, explain) != 0
        || cli_explain_user(cli, explain) != 0)
    {
        return -1;
    }

    cli_explain_add(explain, at_str("\r\n"));

    return explain->request.failed ? cli_no_memory(cli) : 0;
}


/* --- the process --------------------------------------------------------- */


/* in the new process: starts nginx with the socket */
static void
cli_explain_exec(const cli_t *cli, const cli_explain_t *explain, int fd)
{
    int          null;
    char         number[16], *args[16], **arg;
    const char  *nginx, *from, *to;

    null = open("/dev/null", O_RDWR|O_CLOEXEC);
    (void) snprintf(number, sizeof(number), "%d", fd);

    from = cli_given(cli, "from") ? cli_text(cli, "from") : "127.0.0.1";
    to = cli_given(cli, "to") ? cli_text(cli, "to") : explain->to;

    if (null == -1 || dup2(null, STDIN_FILENO) == -1
        || dup2(null, STDOUT_FILENO) == -1
        || fcntl(fd, F_SETFD, 0) == -1
        || unsetenv("NGINX") != 0
        || setenv("AUTH_TOKEN_EXPLAIN", number, 1) != 0
        || setenv("AUTH_TOKEN_EXPLAIN_FROM", from, 1) != 0
        || setenv("AUTH_TOKEN_EXPLAIN_TO", to, 1) != 0
        || setenv("AUTH_TOKEN_EXPLAIN_PASSWORD",
                  cli_given(cli, "user") ? "1" : "0", 1)
           != 0)
    {
        _exit(127);
    }

    arg = args;
    *arg++ = (char *) (uintptr_t) "nginx";
    *arg++ = (char *) (uintptr_t) "-e";
    *arg++ = (char *) (uintptr_t) "/dev/null";
    *arg++ = (char *) (uintptr_t) "-g";
    *arg++ = (char *) (uintptr_t) CLI_EXPLAIN_LOG;

    if (explain->conf[0] != '\0') {
        *arg++ = (char *) (uintptr_t) "-c";
        *arg++ = (char *) (uintptr_t) explain->conf;
    }

    if (cli_given(cli, "prefix")) {
        *arg++ = (char *) (uintptr_t) "-p";
        *arg++ = (char *) (uintptr_t) cli_text(cli, "prefix");
    }

    *arg = NULL;
    nginx = cli_text(cli, "nginx");

    if (nginx != NULL) {
        (void) execvp(nginx, args);

    } else {
        (void) execvp("nginx", args);
        (void) execv("/usr/sbin/nginx", args);
    }

    _exit(127);
}


/* sends the request and reads the report up to its end */
static int
cli_explain_exchange(int fd, const at_bytes_t *request, at_bytes_t *report)
{
    char     buf[8192];
    size_t   sent;
    ssize_t  n;

    for (sent = 0; sent < request->len; sent += (size_t) n) {
        n = send(fd, request->data + sent, request->len - sent, MSG_NOSIGNAL);

        /* nginx has read enough */
        if (n == -1 && (errno == EPIPE || errno == ECONNRESET)) {
            break;
        }

        if (n == -1 && errno == EINTR) {
            n = 0;

        } else if (n == -1) {
            return -1;
        }
    }

    do {
        n = read(fd, buf, sizeof(buf));

        if (n > 0) {
            at_bytes_append(report, buf, (size_t) n);
        }

    } while ((n > 0 && report->len < CLI_EXPLAIN_REPORT_MAX)
             || (n == -1 && errno == EINTR));

    return report->failed ? -1 : 0;
}


static int
cli_explain_run(cli_t *cli, const cli_explain_t *explain, at_bytes_t *report)
{
    int    rc, status, fds[2];
    pid_t  pid;

    if (socketpair(AF_UNIX, SOCK_STREAM|SOCK_CLOEXEC, 0, fds) != 0) {
        return cli_failure(cli, "cannot create a socket: %m");
    }

    pid = fork();

    if (pid == -1) {
        (void) close(fds[0]);
        (void) close(fds[1]);
        return cli_failure(cli, "cannot start a process: %m");
    }

    if (pid == 0) {
        cli_explain_exec(cli, explain, fds[1]);
    }

    (void) close(fds[1]);
    rc = cli_explain_exchange(fds[0], &explain->request, report);
    (void) close(fds[0]);

    while (waitpid(pid, &status, 0) == -1 && errno == EINTR) { /* void */ }

    if (WIFEXITED(status) && WEXITSTATUS(status) == 127 && report->len == 0) {
        return cli_failure(cli, "cannot run nginx: use \"--nginx PROGRAM\"");
    }

    return rc == 0 && report->len
           ? 0 : cli_failure(cli, "nginx has not explained the request, see "
                             "its message");
}


int
cli_explain(cli_t *cli)
{
    int            rc;
    json_t        *json;
    at_bytes_t     report = { NULL, 0, 0, 0 };
    cli_explain_t  explain = { .to = "" };

    if (cli_given(cli, "conf")
        && realpath(cli_text(cli, "conf"), explain.conf) == NULL)
    {
        return cli_failure(cli, "cannot open \"%s\": %m",
                           cli_text(cli, "conf"));
    }

    rc = cli_explain_url(cli, &explain) == 0
         && cli_explain_request(cli, &explain) == 0
         ? cli_explain_run(cli, &explain, &report) : -1;

    if (explain.request.data != NULL) {
        at_crypto_cleanse(explain.request.data, explain.request.size);
    }

    at_bytes_free(&explain.request);

    if (rc == 0) {
        json = json_loadb(report.data, report.len, JSON_ALLOW_NUL, NULL);
        rc = json != NULL
             ? cli_explanation_print(cli, json)
             : cli_failure(cli, "nginx has sent an invalid report");
    }

    at_bytes_free(&report);

    return rc;
}
