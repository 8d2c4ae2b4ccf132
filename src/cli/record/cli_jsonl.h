/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The export format, JSON Lines: a header line, then one record on each line.
 *     {"format":"auth-token","version":1,"records":2}
 *     {"type":"role","name":"ops","grant":["*.Read"]}
 *     {"type":"client","id":"ci","role":"ops"}
 *
 * "type" is the noun of the kind; the other members are those of
 * cli_record.c.  "records" is the number of records; it is optional, and
 * detects a file that was truncated between two lines.
 */

#ifndef CLI_JSONL_H
#define CLI_JSONL_H

#include <stdio.h>

#include "core/base/at_error.h"
#include "cli/record/cli_record.h"


#define CLI_JSONL_LINE_MAX  (1024 * 1024)  /* bytes of one line */


/*
 * Parses the header line.  *records is -1 if it has no number of records.
 * Returns 0, or -1 with err set.
 */
int cli_jsonl_parse_header(at_str_t line, int64_t *records, at_error_t *err);

/*
 * Parses a record.  Its strings are views of *object, which the caller
 * releases with json_decref(), also after an error.  Returns 0, or -1 with err
 * set.
 */
int cli_jsonl_parse_record(at_str_t line, cli_record_t *rec, json_t **object,
    at_error_t *err);

/* Write a line to out.  Return 0, or -1 if memory allocation failed. */
int cli_jsonl_write_header(FILE *out, int64_t records);
int cli_jsonl_write_record(FILE *out, const cli_record_t *rec);


#endif
