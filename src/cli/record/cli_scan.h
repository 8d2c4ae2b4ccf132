/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Splits a JSON object, as it comes in, into its members, and those that are
 * arrays into their elements, which are objects; or such an array alone.  It
 * looks at brackets, strings and commas: what it hands out is parsed by whoever
 * takes it.  Memory is that of the longest element.
 */

#ifndef CLI_SCAN_H
#define CLI_SCAN_H

#include "core/base/at_str.h"


#define CLI_SCAN_NAME     64            /* bytes of a member's name */
#define CLI_SCAN_SCALAR   64            /* of a number, true, false or null */
#define CLI_SCAN_ELEMENT  (1024 * 1024)

typedef enum {
    CLI_SCAN_OK = 0,
    CLI_SCAN_INVALID,           /* at line and offset */
    CLI_SCAN_TOO_LONG,          /* a name, a value or an element */
    CLI_SCAN_STOPPED,           /* by a handler */
    CLI_SCAN_NO_MEMORY
} cli_scan_e;

/*
 * Get views that last for the call; name is as it was written, without its
 * quotes: one with a backslash is some other name.  Not 0 stops the scan.
 */
typedef int (*cli_scan_pt)(void *data, at_str_t name, at_str_t text);

typedef struct {
    cli_scan_pt   value;        /* a number, true, false or null */
    cli_scan_pt   array;        /* an array begins; text is empty */
    cli_scan_pt   element;      /* "{...}" */
    void         *data;
} cli_scan_handlers_t;

/* zeroed but for these two, it is at the start */
typedef struct {
    const cli_scan_handlers_t  *handlers;
    int                         bare;   /* an array alone: its name is empty */
    unsigned                    state;
    unsigned                    depth;
    int                         quoted;
    int                         escaped;
    size_t                      name_len;
    char                        name[CLI_SCAN_NAME];
    size_t                      len;
    size_t                      size;
    char                       *text;
    unsigned long long          offset;
    unsigned long long          line;   /* the first one is 0 */
} cli_scan_t;

/* once it returned something else than CLI_SCAN_OK, it is over */
cli_scan_e cli_scan_feed(cli_scan_t *scan, const char *data, size_t len);

/* whether the object, or the array, ended */
cli_scan_e cli_scan_end(const cli_scan_t *scan);

/* frees what was cleansed before */
void cli_scan_free(cli_scan_t *scan);


#endif
