/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>

#include "cli/record/cli_scan.h"


enum {
    CLI_AT_START = 0,           /* before "{", or "[" */
    CLI_AT_FIRST_NAME,          /* a name or "}" */
    CLI_AT_NAME,
    CLI_IN_NAME,
    CLI_AT_COLON,
    CLI_AT_VALUE,
    CLI_IN_SCALAR,
    CLI_AT_FIRST_ELEMENT,       /* an element or "]" */
    CLI_AT_ELEMENT,
    CLI_IN_ELEMENT,
    CLI_BEHIND_ELEMENT,         /* "," or "]" */
    CLI_BEHIND_VALUE,           /* "," or "}" */
    CLI_AT_END
};


static int
cli_scan_is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}


static cli_scan_e
cli_scan_go(cli_scan_t *scan, unsigned state)
{
    scan->state = state;

    return CLI_SCAN_OK;
}


/* --- what is handed out -------------------------------------------------- */


/* realloc() would leave a copy behind, which may be of a secret */
static int
cli_scan_grow(cli_scan_t *scan)
{
    char    *grown;
    size_t   size;

    size = scan->size ? scan->size * 2 : 1024;
    grown = malloc(size);

    if (grown == NULL) {
        return -1;
    }

    if (scan->len) {
        memcpy(grown, scan->text, scan->len);
        explicit_bzero(scan->text, scan->size);
    }

    free(scan->text);
    scan->text = grown;
    scan->size = size;

    return 0;
}


static cli_scan_e
cli_scan_keep(cli_scan_t *scan, char c, size_t max)
{
    if (scan->len == max) {
        return CLI_SCAN_TOO_LONG;
    }

    if (scan->len == scan->size && cli_scan_grow(scan) != 0) {
        return CLI_SCAN_NO_MEMORY;
    }

    scan->text[scan->len++] = c;

    return CLI_SCAN_OK;
}


static cli_scan_e
cli_scan_hand_out(cli_scan_t *scan, cli_scan_pt handler)
{
    int       rc;
    at_str_t  name, text;

    name = (at_str_t) { scan->name, scan->name_len };
    text = (at_str_t) { scan->text, scan->len };

    rc = handler(scan->handlers->data, name, text);
    scan->len = 0;

    return rc == 0 ? CLI_SCAN_OK : CLI_SCAN_STOPPED;
}


/* --- the states ---------------------------------------------------------- */


static cli_scan_e
cli_scan_name(cli_scan_t *scan, char c)
{
    if (c == '"') {
        return cli_scan_go(scan, CLI_AT_COLON);
    }

    if (c == '\\' || (unsigned char) c < ' ') {
        return CLI_SCAN_INVALID;
    }

    if (scan->name_len == CLI_SCAN_NAME) {
        return CLI_SCAN_TOO_LONG;
    }

    scan->name[scan->name_len++] = c;

    return CLI_SCAN_OK;
}


static cli_scan_e
cli_scan_scalar(cli_scan_t *scan, char c)
{
    cli_scan_e  rc;

    if (!cli_scan_is_space(c) && c != ',' && c != '}') {
        return c == '"' || c == '[' || c == ']' || c == '{' || c == ':'
               ? CLI_SCAN_INVALID
               : cli_scan_keep(scan, c, CLI_SCAN_SCALAR);
    }

    rc = cli_scan_hand_out(scan, scan->handlers->value);

    if (c == ',') {
        scan->state = CLI_AT_NAME;

    } else {
        scan->state = c == '}' ? CLI_AT_END : CLI_BEHIND_VALUE;
    }

    return rc;
}


static cli_scan_e
cli_scan_value(cli_scan_t *scan, char c)
{
    if (c == '[') {
        scan->state = CLI_AT_FIRST_ELEMENT;
        return cli_scan_hand_out(scan, scan->handlers->array);
    }

    if (c == '{' || c == '"' || c == ',' || c == '}') {
        return CLI_SCAN_INVALID;
    }

    scan->state = CLI_IN_SCALAR;

    return cli_scan_scalar(scan, c);
}


/* brackets of both kinds are counted as one: a parser sees the whole later */
static void
cli_scan_count(cli_scan_t *scan, char c)
{
    if (scan->escaped) {
        scan->escaped = 0;

    } else if (scan->quoted) {
        scan->escaped = c == '\\';
        scan->quoted = c != '"';

    } else if (c == '"') {
        scan->quoted = 1;

    } else if (c == '{' || c == '[') {
        scan->depth++;

    } else if (c == '}' || c == ']') {
        scan->depth--;
    }
}


static cli_scan_e
cli_scan_element(cli_scan_t *scan, char c)
{
    cli_scan_e  rc;

    rc = cli_scan_keep(scan, c, CLI_SCAN_ELEMENT);
    cli_scan_count(scan, c);

    if (rc != CLI_SCAN_OK || scan->depth != 0) {
        return rc;
    }

    scan->state = CLI_BEHIND_ELEMENT;

    return cli_scan_hand_out(scan, scan->handlers->element);
}


static cli_scan_e
cli_scan_begin_name(cli_scan_t *scan)
{
    scan->name_len = 0;

    return cli_scan_go(scan, CLI_IN_NAME);
}


static cli_scan_e
cli_scan_begin_element(cli_scan_t *scan)
{
    scan->state = CLI_IN_ELEMENT;

    return cli_scan_element(scan, '{');
}


static cli_scan_e
cli_scan_begin(cli_scan_t *scan, char c)
{
    if (!scan->bare) {
        return c == '{' ? cli_scan_go(scan, CLI_AT_FIRST_NAME)
                        : CLI_SCAN_INVALID;
    }

    return c == '[' ? cli_scan_value(scan, c) : CLI_SCAN_INVALID;
}


static cli_scan_e
cli_scan_end_array(cli_scan_t *scan)
{
    return cli_scan_go(scan, scan->bare ? CLI_AT_END : CLI_BEHIND_VALUE);
}


/* between two things: what may come next, or nothing */
static cli_scan_e
cli_scan_between(cli_scan_t *scan, char c)
{
    if (cli_scan_is_space(c)) {
        return CLI_SCAN_OK;
    }

    switch (scan->state) {

    case CLI_AT_START:
        return cli_scan_begin(scan, c);

    case CLI_AT_FIRST_NAME:
        if (c == '}') {
            return cli_scan_go(scan, CLI_AT_END);
        }

        return c == '"' ? cli_scan_begin_name(scan) : CLI_SCAN_INVALID;

    case CLI_AT_NAME:
        return c == '"' ? cli_scan_begin_name(scan) : CLI_SCAN_INVALID;

    case CLI_AT_COLON:
        return c == ':' ? cli_scan_go(scan, CLI_AT_VALUE) : CLI_SCAN_INVALID;

    case CLI_AT_VALUE:
        return cli_scan_value(scan, c);

    case CLI_AT_FIRST_ELEMENT:
        if (c == ']') {
            return cli_scan_end_array(scan);
        }

        return c == '{' ? cli_scan_begin_element(scan) : CLI_SCAN_INVALID;

    case CLI_AT_ELEMENT:
        return c == '{' ? cli_scan_begin_element(scan) : CLI_SCAN_INVALID;

    case CLI_BEHIND_ELEMENT:
        if (c == ',') {
            return cli_scan_go(scan, CLI_AT_ELEMENT);
        }

        return c == ']' ? cli_scan_end_array(scan) : CLI_SCAN_INVALID;

    case CLI_BEHIND_VALUE:
        if (c == ',') {
            return cli_scan_go(scan, CLI_AT_NAME);
        }

        return c == '}' ? cli_scan_go(scan, CLI_AT_END) : CLI_SCAN_INVALID;

    default:
        return CLI_SCAN_INVALID;
    }
}


static cli_scan_e
cli_scan_byte(cli_scan_t *scan, char c)
{
    switch (scan->state) {

    case CLI_IN_ELEMENT:
        return cli_scan_element(scan, c);

    case CLI_IN_NAME:
        return cli_scan_name(scan, c);

    case CLI_IN_SCALAR:
        return cli_scan_scalar(scan, c);

    default:
        return cli_scan_between(scan, c);
    }
}


cli_scan_e
cli_scan_feed(cli_scan_t *scan, const char *data, size_t len)
{
    size_t      i;
    cli_scan_e  rc;

    for (i = 0; i < len; i++) {
        rc = cli_scan_byte(scan, data[i]);

        if (rc != CLI_SCAN_OK) {
            return rc;
        }

        scan->offset++;
        scan->line += data[i] == '\n';
    }

    return CLI_SCAN_OK;
}


cli_scan_e
cli_scan_end(const cli_scan_t *scan)
{
    return scan->state == CLI_AT_END ? CLI_SCAN_OK : CLI_SCAN_INVALID;
}


void
cli_scan_free(cli_scan_t *scan)
{
    if (scan->text != NULL) {
        explicit_bzero(scan->text, scan->size);
    }

    free(scan->text);
    scan->text = NULL;
    scan->len = 0;
    scan->size = 0;
}
