/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The report as one JSON object.
 */

#include "http/explain/ngx_at_explain.h"

#include "core/base/at_utf8.h"

#include "http/base/ngx_at_conf_record.h"
#include "http/base/ngx_at_loc_conf.h"
#include "http/base/ngx_at_str.h"


#define NGX_AT_REPORT_TEXT_MAX  1024


static void
ngx_at_report_append(at_bytes_t *report, const char *text)
{
    at_bytes_append(report, text, ngx_strlen(text));
}


static void
ngx_at_report_begin(at_bytes_t *report, const char *name)
{
    if (report->len && report->data[report->len - 1] != '{'
        && report->data[report->len - 1] != '[')
    {
        ngx_at_report_append(report, ",");
    }

    if (name) {
        ngx_at_report_append(report, "\"");
        ngx_at_report_append(report, name);
        ngx_at_report_append(report, "\":");
    }
}


void
ngx_at_report_open(at_bytes_t *report, const char *name, const char *open)
{
    ngx_at_report_begin(report, name);
    ngx_at_report_append(report, open);
}


void
ngx_at_report_json(at_bytes_t *report, const char *name,
    const at_bytes_t *json)
{
    ngx_at_report_begin(report, name);
    at_bytes_append(report, json->data, json->len);
}


void
ngx_at_report_close(at_bytes_t *report, const char *close)
{
    ngx_at_report_append(report, close);
}


void
ngx_at_report_text(at_bytes_t *report, const char *name, at_str_t text)
{
    u_char      escaped[8], *p;
    size_t      i;
    unsigned    valid, truncated;

    truncated = text.len > NGX_AT_REPORT_TEXT_MAX;

    if (truncated) {
        text.len = NGX_AT_REPORT_TEXT_MAX;

        while (text.len && ((u_char) text.data[text.len] & 0xc0) == 0x80) {
            text.len--;
        }
    }

    ngx_at_report_begin(report, name);
    ngx_at_report_append(report, "\"");

    valid = at_utf8_is_valid(text);

    for (i = 0; i < text.len; i++) {
        p = escaped;

        if ((u_char) text.data[i] < 0x20 || text.data[i] == 0x7f) {
            p = ngx_sprintf(p, "\\u00%02xd", (ngx_uint_t) text.data[i]);

        } else if ((u_char) text.data[i] >= 0x80 && !valid) {
            *p++ = '?';

        } else {
            if (text.data[i] == '"' || text.data[i] == '\\') {
                *p++ = '\\';
            }

            *p++ = text.data[i];
        }

        at_bytes_append(report, escaped, p - escaped);
    }

    ngx_at_report_append(report, truncated ? "...\"" : "\"");
}


void
ngx_at_report_format(at_bytes_t *report, const char *name,
    const char *fmt, ...)
{
    u_char   buf[NGX_AT_REPORT_TEXT_MAX + 1], *last;
    va_list  args;

    va_start(args, fmt);
    last = ngx_vslprintf(buf, buf + sizeof(buf), fmt, args);
    va_end(args);

    ngx_at_report_text(report, name, (at_str_t) { (char *) buf, last - buf });
}


void
ngx_at_report_number(at_bytes_t *report, const char *name, ngx_uint_t number)
{
    u_char  buf[NGX_INT_T_LEN], *last;

    last = ngx_sprintf(buf, "%ui", number);

    ngx_at_report_begin(report, name);
    at_bytes_append(report, buf, last - buf);
}


static void
ngx_at_report_position(at_bytes_t *report, const ngx_at_conf_record_t *record)
{
    ngx_at_report_format(report, "position", "%V:%ui", &record->file,
                         record->line);
}


void
ngx_at_report_directive(at_bytes_t *report, const void *block,
    const char *name)
{
    const ngx_at_conf_record_t  *record;

    for (record = ngx_at_conf_find_directive(block, name, NULL); record;
         record = ngx_at_conf_find_directive(block, name, record))
    {
        ngx_at_report_open(report, NULL, "{");
        ngx_at_report_text(report, "text", ngx_at_view(record->text));
        ngx_at_report_position(report, record);
        ngx_at_report_close(report, "}");
    }
}


/* the blocks around the location, the outermost first */

static void
ngx_at_report_blocks(at_bytes_t *report, const void *block)
{
    const ngx_at_conf_record_t  *record;

    record = ngx_at_conf_find_block(block);

    if (record == NULL || record->parent == NULL) {
        return;
    }

    ngx_at_report_blocks(report, record->parent);

    ngx_at_report_open(report, NULL, "{");
    ngx_at_report_text(report, "text", ngx_at_view(record->text));
    ngx_at_report_position(report, record);
    ngx_at_report_close(report, "}");
}


void
ngx_at_report_request(at_bytes_t *report, ngx_http_request_t *r)
{
    ngx_str_t                  addr;
    ngx_connection_t          *c;
    ngx_at_loc_conf_t         *atcf;
    ngx_http_core_srv_conf_t  *cscf;

    c = r->connection;

    if (r->loc_conf == NULL) {
        return;
    }

    addr = c->addr_text;
    cscf = ngx_http_get_module_srv_conf(r, ngx_http_core_module);
    atcf = ngx_http_get_module_loc_conf(r, ngx_http_auth_token_module);

    ngx_at_report_text(report, "listener",
                       ngx_at_view(c->listening->addr_text));
    ngx_at_report_text(report, "server", ngx_at_view(cscf->server_name));
    ngx_at_report_open(report, "blocks", "[");
    ngx_at_report_blocks(report, atcf);
    ngx_at_report_close(report, "]");

#if (NGX_HTTP_SSL)
    ngx_at_report_text(report, "scheme", c->ssl ? at_str("https")
                                                : at_str("http"));
#endif

    ngx_at_report_text(report, "method", ngx_at_view(r->method_name));
    ngx_at_report_text(report, "uri", ngx_at_view(r->uri));
    ngx_at_report_text(report, "client", ngx_at_view(addr));
}
