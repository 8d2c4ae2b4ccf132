/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * A private nginx process that explains one request ("auth-token explain").
 *
 * The command starts nginx with the variables below in its environment.  nginx
 * parses the configuration, and reads the request from a socket of the command
 * as if a listener had accepted it.  The phases up to the access phase are
 * run; then the process writes a report to the socket and exits.  It opens no
 * listener, no log, no directory for files and no state, and no content or log
 * handler is run.
 */

#ifndef NGX_AT_EXPLAIN_H
#define NGX_AT_EXPLAIN_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "core/base/at_bytes.h"
#include "core/base/at_str.h"
#include "core/base/at_verdict.h"

#include "http/request/ngx_at_ctx.h"


/* the descriptor of the socket; without it nginx starts as usual */
#define NGX_AT_EXPLAIN_SOCKET    "AUTH_TOKEN_EXPLAIN"

/* the address of the client, or "unix:" */
#define NGX_AT_EXPLAIN_FROM      "AUTH_TOKEN_EXPLAIN_FROM"

/* "ADDRESS:PORT", ":PORT" or "unix:PATH" of the listener; empty: any */
#define NGX_AT_EXPLAIN_TO        "AUTH_TOKEN_EXPLAIN_TO"

/* "1": the password of Basic counts as correct */
#define NGX_AT_EXPLAIN_PASSWORD  "AUTH_TOKEN_EXPLAIN_PASSWORD"


extern ngx_module_t  ngx_auth_token_explain_module;

/* in place of what a worker process does at its start */
ngx_int_t ngx_at_explain_init_process(ngx_cycle_t *cycle);


/* --- ngx_at_explain_connection.c ----------------------------------------- */

/*
 * Gives the socket to a listener, which reads the request.  listening: the
 * ngx_listening_t of the configuration.  NULL: *error says why.
 */
ngx_connection_t *ngx_at_explain_accept(ngx_cycle_t *cycle, ngx_socket_t fd,
    const ngx_array_t *listening, ngx_log_t *log, const char **error);


/* --- ngx_at_explain_report.c: JSON --------------------------------------- */

/* name is NULL for items of an array; open: "{" or "[", close: "}" or "]" */
void ngx_at_report_open(at_bytes_t *report, const char *name,
    const char *open);
void ngx_at_report_close(at_bytes_t *report, const char *close);

/*
 * Control characters are escaped, bytes that are not UTF-8 are replaced, and a
 * long text is truncated.
 */
void ngx_at_report_text(at_bytes_t *report, const char *name, at_str_t text);
void ngx_at_report_format(at_bytes_t *report, const char *name,
    const char *fmt, ...);
void ngx_at_report_number(at_bytes_t *report, const char *name,
    ngx_uint_t number);

/* appends a member that is JSON already */
void ngx_at_report_json(at_bytes_t *report, const char *name,
    const at_bytes_t *json);

/* an item for each directive of the name, see ngx_at_conf_find_directive() */
void ngx_at_report_directive(at_bytes_t *report, const void *block,
    const char *name);

/* the server, the selected location and the client of the request */
void ngx_at_report_request(at_bytes_t *report, ngx_http_request_t *r);


/* --- ngx_at_explain_steps.c ---------------------------------------------- */

/*
 * The steps of the decision, after the access handler has made it: for each
 * one the requirement, the directive that states it, the actual value, and for
 * the step that failed the change that would allow the request.  ctx may be
 * NULL.  Returns 1 if the request was refused only because this process does
 * not know the fetched keys.
 */
ngx_uint_t ngx_at_explain_steps(at_bytes_t *report, ngx_http_request_t *r,
    const ngx_at_ctx_t *ctx);


#endif
