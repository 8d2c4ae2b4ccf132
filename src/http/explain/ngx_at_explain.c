/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The process, and the phases of the request.
 */

#include "http/explain/ngx_at_explain.h"

#include "core/base/at_crypto.h"

#include "http/access/ngx_at_access.h"
#include "http/access/ngx_at_password.h"
#include "http/base/ngx_at_conf_record.h"
#include "http/base/ngx_at_main_conf.h"
#include "http/base/ngx_at_str.h"
#include "http/keys/ngx_at_fetch.h"
#include "http/keys/ngx_at_keys.h"
#include "http/store/ngx_at_store.h"
#include "http/worker/ngx_at_job.h"
#include "http/worker/ngx_at_worker.h"


#define NGX_AT_EXPLAIN_TIME      10000  /* ms */
#define NGX_AT_EXPLAIN_LINE_LEN  512


typedef struct {
    ngx_socket_t                fd;             /* for the report */
    ngx_uint_t                  assume_password;
    ngx_array_t                 listening;
    ngx_log_t                   log;            /* in place of all others */
    u_char                      line[NGX_AT_EXPLAIN_LINE_LEN];
    size_t                      line_len;       /* the last line of the log */

    at_bytes_t                  steps;          /* of this module */
    ngx_uint_t                  started;        /* the first phase was run */
    ngx_uint_t                  in_config;      /* nginx selects a location */
    ngx_http_phase_handler_t   *phases;         /* as nginx has set them */
    ngx_http_handler_pt         handler;        /* of the phase that is run */
    ngx_uint_t                  access;         /* it is the access phase */
} ngx_at_explain_t;


static ngx_at_explain_t  explain;

static void *ngx_at_explain_create_conf(ngx_cycle_t *cycle);
static char *ngx_at_explain_init_conf(ngx_cycle_t *cycle, void *conf);
static ngx_int_t ngx_at_explain_init_module(ngx_cycle_t *cycle);


static ngx_core_module_t  ngx_at_explain_module_ctx = {
    ngx_string("auth_token_explain"),
    ngx_at_explain_create_conf,
    ngx_at_explain_init_conf
};


ngx_module_t  ngx_auth_token_explain_module = {
    NGX_MODULE_V1,
    &ngx_at_explain_module_ctx,             /* module context */
    NULL,                                   /* module directives */
    NGX_CORE_MODULE,                        /* module type */
    NULL,                                   /* init master */
    ngx_at_explain_init_module,             /* init module */
    NULL,                                   /* init process */
    NULL,                                   /* init thread */
    NULL,                                   /* exit thread */
    NULL,                                   /* exit process */
    NULL,                                   /* exit master */
    NGX_MODULE_V1_PADDING
};


/* --- the report ---------------------------------------------------------- */


/* writes the report and ends the process; r is NULL before the request */

static void
ngx_at_explain_finish(ngx_http_request_t *r, const char *outcome,
    ngx_uint_t status, const char *note)
{
    size_t      sent;
    ssize_t     n;
    at_bytes_t  report = { NULL, 0, 0, 0 };

    ngx_at_report_open(&report, NULL, "{");
    ngx_at_report_text(&report, "outcome",
                       (at_str_t) { outcome, ngx_strlen(outcome) });

    if (status) {
        ngx_at_report_number(&report, "status", status);
    }

    if (note) {
        ngx_at_report_text(&report, "note",
                           (at_str_t) { note, ngx_strlen(note) });
    }

    if (explain.line_len) {
        ngx_at_report_text(&report, "log", (at_str_t) { (char *) explain.line,
                                                        explain.line_len });
    }

    if (r) {
        ngx_at_report_request(&report, r);
    }

    if (explain.steps.len) {
        ngx_at_report_json(&report, "auth_token", &explain.steps);
    }

    ngx_at_report_close(&report, "}");

    (void) ngx_blocking(explain.fd);

    for (sent = 0; !report.failed && sent < report.len; sent += n) {
        n = write(explain.fd, report.data + sent, report.len - sent);

        if (n <= 0) {
            break;
        }
    }

    _exit(report.failed || sent < report.len);
}


/*
 * Keeps the text between the number of the connection and the context.  Before
 * the first phase it may be an invalid request, with its credential.
 */

static void
ngx_at_explain_write_log(ngx_log_t *log, ngx_uint_t level, u_char *buf,
    size_t len)
{
    u_char  *p, *last;

    last = buf + len;
    p = ngx_strlchr(buf, last, '*');
    p = p ? ngx_strlchr(p, last, ' ') : NULL;

    if (p == NULL || !explain.started
        || ngx_strncmp(p + 1, "auth_token: ", 12) == 0)
    {
        return;
    }

    buf = p + 1;
    p = ngx_strnstr(buf, ", client: ", last - buf);
    last = p ? p : last;

    explain.line_len = ngx_min((size_t) (last - buf), sizeof(explain.line));
    ngx_memcpy(explain.line, buf, explain.line_len);
}


/* --- phases -------------------------------------------------------------- */


/*
 * "--user" names a user without a password: once the password was compared,
 * the comparison counts as successful.
 */

static void
ngx_at_explain_set_password(ngx_http_request_t *r)
{
    ngx_at_ctx_t             *ctx;
    ngx_at_password_check_t  *check;

    ctx = ngx_at_find_ctx(r);
    check = ctx && explain.assume_password ? ctx->password_check : NULL;

    if (check && !check->job.busy) {
        check->compared = 1;
        check->matches = 1;
    }
}


static ngx_int_t
ngx_at_explain_run_module(ngx_http_request_t *r)
{
    ngx_int_t  rc;

    ngx_at_explain_set_password(r);

    rc = ngx_at_access_handler(r);

    if (rc == NGX_AGAIN) {
        return rc;
    }

    at_bytes_free(&explain.steps);

    if (ngx_at_explain_steps(&explain.steps, r, ngx_at_find_ctx(r))) {
        ngx_at_explain_finish(r, "unknown", 0,
                              "the keys that nginx has fetched are not known "
                              "to this process");
    }

    return rc;
}


/* in place of the handler of a phase */

static ngx_int_t
ngx_at_explain_handler(ngx_http_request_t *r)
{
    ngx_int_t                  rc;
    ngx_uint_t                 access;
    ngx_http_core_loc_conf_t  *clcf;

    access = explain.access;
    rc = explain.handler == ngx_at_access_handler
         ? ngx_at_explain_run_module(r) : explain.handler(r);

    if (r != r->main || rc == NGX_OK || rc == NGX_DECLINED || rc == NGX_AGAIN
        || rc == NGX_DONE)
    {
        return rc;
    }

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    if (access && clcf->satisfy == NGX_HTTP_SATISFY_ANY
        && (rc == NGX_HTTP_FORBIDDEN || rc == NGX_HTTP_UNAUTHORIZED))
    {
        return rc;
    }

    ngx_at_explain_finish(r, access && rc != NGX_HTTP_NO_CONTENT ? "refused"
                                                                 : "answered",
                          rc > 0 ? rc : NGX_HTTP_INTERNAL_SERVER_ERROR, NULL);

    return NGX_ERROR;
}


/* in place of the checker of a phase up to the access phase */

static ngx_int_t
ngx_at_explain_checker(ngx_http_request_t *r, ngx_http_phase_handler_t *ph)
{
    ngx_int_t                   rc;
    ngx_uint_t                  status;
    ngx_at_ctx_t               *ctx;
    ngx_http_phase_handler_t   *nginx, copy;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_get_module_main_conf(r, ngx_http_core_module);
    nginx = &explain.phases[ph - cmcf->phase_engine.handlers];

    /* nginx runs phases again for an "error_page" */

    if (r == r->main
        && (explain.in_config || (!explain.started && r->internal)))
    {
        ngx_at_explain_finish(r, "answered", r->err_status, NULL);
    }

    explain.started = 1;
    explain.line_len = 0;

    if (nginx->checker == ngx_http_core_post_access_phase && r->access_code) {
        ctx = ngx_at_find_ctx(r);
        status = r->access_code;

        /* the filter of the module sends the status of its refusal */

        if (ctx && ctx->phase == NGX_AT_REFUSED
            && status == ctx->returned_status)
        {
            status = ctx->status;
        }

        ngx_at_explain_finish(r, "refused", status, NULL);
    }

    if (nginx->handler == NULL) {
        explain.in_config = r == r->main;
        rc = nginx->checker(r, ph);
        explain.in_config = 0;

        return rc;
    }

    copy = *nginx;
    copy.handler = ngx_at_explain_handler;
    explain.handler = nginx->handler;
    explain.access = nginx->checker == ngx_http_core_access_phase;

    return nginx->checker(r, &copy);
}


/* in place of the checkers after the access phase */

static ngx_int_t
ngx_at_explain_end(ngx_http_request_t *r, ngx_http_phase_handler_t *ph)
{
    ngx_at_ctx_t  *ctx;

    if (r == r->main) {
        ctx = ngx_at_find_ctx(r);
        ngx_at_explain_finish(r, "granted", 0,
                              ctx && ctx->phase == NGX_AT_REFUSED
                              ? "another access module grants the request "
                                "(satisfy any)"
                              : NULL);
    }

    ngx_at_explain_finish(r->main, "unknown", 0,
                          "an access module of nginx needs the response to a "
                          "subrequest, whose content handler is not run here");
    return NGX_OK;
}


/* nginx responds by itself, for example to an invalid request */

static ngx_int_t
ngx_at_explain_header_filter(ngx_http_request_t *r)
{
    if (r == r->main) {
        ngx_at_explain_finish(r, "answered", r->headers_out.status, NULL);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_at_explain_body_filter(ngx_http_request_t *r, ngx_chain_t *in)
{
    return NGX_OK;
}


static void
ngx_at_explain_closed(void *data)
{
    ngx_at_explain_finish(NULL, "answered", NGX_HTTP_CLOSE,
                          "nginx closes the connection without a response");
}


static void
ngx_at_explain_timeout(ngx_event_t *ev)
{
    ngx_at_explain_finish(NULL, "unknown", 0,
                          "an access module of nginx waits for an event");
}


static ngx_int_t
ngx_at_explain_replace_phases(ngx_cycle_t *cycle)
{
    ngx_uint_t                  i, n, after;
    ngx_http_phase_handler_t   *ph;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_core_module);
    ph = cmcf->phase_engine.handlers;

    for (n = 0; ph[n].checker; n++) { /* void */ }

    explain.phases = ngx_palloc(cycle->pool,
                                n * sizeof(ngx_http_phase_handler_t));
    if (explain.phases == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(explain.phases, ph, n * sizeof(ngx_http_phase_handler_t));
    after = 0;

    for (i = 0; i < n; i++) {
        ph[i].checker = after ? ngx_at_explain_end : ngx_at_explain_checker;
        after |= explain.phases[i].checker == ngx_http_core_post_access_phase;
    }

    cmcf->phases[NGX_HTTP_LOG_PHASE].handlers.nelts = 0;
    ngx_http_top_header_filter = ngx_at_explain_header_filter;
    ngx_http_top_body_filter = ngx_at_explain_body_filter;

    return NGX_OK;
}


/* --- the process --------------------------------------------------------- */


static void *
ngx_at_explain_create_conf(ngx_cycle_t *cycle)
{
    int         type;
    char       *fd, *password;
    socklen_t   len;

    fd = getenv(NGX_AT_EXPLAIN_SOCKET);

    if (fd == NULL || ngx_test_config || ngx_process == NGX_PROCESS_SIGNALLER)
    {
        return &explain;
    }

    explain.fd = ngx_atoi((u_char *) fd, ngx_strlen(fd));
    len = sizeof(int);

    if (getsockopt(explain.fd, SOL_SOCKET, SO_TYPE, &type, &len) == -1
        || ngx_at_conf_record_start(cycle->pool) != NGX_OK)
    {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, 0,
                      "invalid \"" NGX_AT_EXPLAIN_SOCKET "\" in the "
                      "environment: only \"auth-token explain\" may set it");
        return NULL;
    }

    password = getenv(NGX_AT_EXPLAIN_PASSWORD);
    explain.assume_password = password && ngx_strcmp(password, "1") == 0;

    explain.log.log_level = NGX_LOG_NOTICE;
    explain.log.writer = ngx_at_explain_write_log;

    return &explain;
}


/* once the configuration was parsed, before nginx opens or creates anything */

static char *
ngx_at_explain_init_conf(ngx_cycle_t *cycle, void *conf)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_open_file_t  *file;

    if (ngx_at_conf_records == NULL) {
        return NGX_CONF_OK;
    }

    explain.listening = cycle->listening;
    cycle->listening.nelts = 0;
    cycle->paths.nelts = 0;
    cycle->new_log = explain.log;

    for (part = &cycle->open_files.part; part; part = part->next) {
        file = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (file[i].name.len) {
                ngx_str_set(&file[i].name, "/dev/null");
            }
        }
    }

    return NGX_CONF_OK;
}


/* the key of stored keys, which the user of the workers cannot read */

static ngx_int_t
ngx_at_explain_read_state(ngx_cycle_t *cycle, ngx_at_main_conf_t *atmcf)
{
    at_error_t       err;
    at_state_key_t  *key;

    if (atmcf->sources.nelts == 0) {
        return NGX_OK;
    }

    key = ngx_pcalloc(cycle->pool, sizeof(at_state_key_t));
    if (key == NULL) {
        return NGX_ERROR;
    }

    if (at_state_read_only(key, (char *) atmcf->state_path.data, &err) == 0) {
        atmcf->state_key = key;

    } else {
        ngx_log_stderr(0, "fetched keys are not known: %s", err.text);
    }

    return NGX_OK;
}


/* the process sees files as a worker process does */

static ngx_int_t
ngx_at_explain_drop_privileges(ngx_cycle_t *cycle)
{
    ngx_core_conf_t  *ccf;

    ccf = (ngx_core_conf_t *) ngx_get_conf(cycle->conf_ctx, ngx_core_module);

    if (geteuid() != 0 || !ccf->master) {
        return NGX_OK;
    }

    return setgid(ccf->group) == -1
           || initgroups(ccf->username, ccf->group) == -1
           || setuid(ccf->user) == -1
           ? NGX_ERROR : NGX_OK;
}


ngx_int_t
ngx_at_explain_init_process(ngx_cycle_t *cycle)
{
    ngx_at_main_conf_t  *atmcf;

    atmcf = ngx_http_cycle_get_module_main_conf(cycle,
                                                ngx_http_auth_token_module);
    ngx_at_job_init(atmcf);

    if (ngx_at_worker_init(cycle, atmcf) != NGX_OK
        || ngx_at_keys_watch(cycle, atmcf) != NGX_OK
        || ngx_at_fetch_load_stored(cycle, atmcf) != NGX_OK
        || ngx_at_store_watch(cycle, atmcf) != NGX_OK)
    {
        return NGX_ERROR;
    }

    /* nothing can be fetched: the state is only read */

    if (atmcf->state_key) {
        at_crypto_cleanse(atmcf->state_key, sizeof(at_state_key_t));
        atmcf->state_key = NULL;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_at_explain_start(ngx_cycle_t *cycle, const char **error)
{
    ngx_uint_t           i;
    ngx_module_t        *module;
    ngx_socket_t         fd;
    ngx_connection_t    *c;
    ngx_at_main_conf_t  *atmcf;
    ngx_pool_cleanup_t  *cln;

    static ngx_event_t   timer;

    *error = "nginx could not be initialized";

    atmcf = ngx_http_cycle_get_module_main_conf(cycle,
                                                ngx_http_auth_token_module);
    if (atmcf == NULL) {
        *error = "the configuration has no \"http\" block";
        return NGX_ERROR;
    }

    ngx_at_worker_reset();

    if (ngx_at_explain_read_state(cycle, atmcf) != NGX_OK
        || ngx_at_explain_drop_privileges(cycle) != NGX_OK)
    {
        return NGX_ERROR;
    }

    for (i = 0; cycle->modules[i]; i++) {
        module = cycle->modules[i];

        if (module->init_process && module->init_process(cycle) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    timer.handler = ngx_at_explain_timeout;
    timer.log = &explain.log;
    timer.data = &explain;
    ngx_add_timer(&timer, NGX_AT_EXPLAIN_TIME);

    /* the report is written even if nginx has closed its connection */

    fd = explain.fd;
    explain.fd = dup(fd);

    if (explain.fd == -1 || ngx_at_explain_replace_phases(cycle) != NGX_OK) {
        return NGX_ERROR;
    }

    c = ngx_at_explain_accept(cycle, fd, &explain.listening, &explain.log,
                              error);
    cln = c ? ngx_pool_cleanup_add(c->pool, 0) : NULL;

    if (cln == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_at_explain_closed;

    return NGX_OK;
}


/* the last step of nginx before it would become a daemon */

static ngx_int_t
ngx_at_explain_init_module(ngx_cycle_t *cycle)
{
    const char    *error;
    ngx_uint_t     i, after;
    ngx_module_t  *module;

    if (ngx_at_conf_records == NULL) {
        return NGX_OK;
    }

    after = 0;

    for (i = 0; cycle->modules[i]; i++) {
        module = cycle->modules[i];

        if (after && module->init_module
            && module->init_module(cycle) != NGX_OK)
        {
            return NGX_ERROR;
        }

        after |= module == &ngx_auth_token_explain_module;
    }

    ngx_cycle = cycle;

    if (ngx_at_explain_start(cycle, &error) != NGX_OK) {
        ngx_at_explain_finish(NULL, "failed", 0, error);
    }

    /* until here warnings were printed for the user of the command */

    ngx_use_stderr = 0;

    for ( ;; ) {
        ngx_process_events_and_timers(cycle);
    }
}
