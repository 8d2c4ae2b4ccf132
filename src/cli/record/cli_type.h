/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The types of the members of a record.
 */

#ifndef CLI_TYPE_H
#define CLI_TYPE_H

#include "core/base/at_error.h"
#include "cli/record/cli_record.h"


/*
 * read() sets the field from the value and returns 0, or returns -1 with err
 * set.  write() returns the value, or NULL if memory allocation failed; a type
 * without write() is accepted as input only.
 */
struct cli_type_s {
    int     (*read)(cli_record_t *rec, const cli_field_t *field, json_t *value,
                    at_error_t *err);
    json_t *(*write)(const void *src);

    /* of a type that reads a string or an array of strings */
    int     (*check)(at_str_t text);
    const char  *hint;                  /* what check() accepts */
    int          nullable;              /* null, or "" for a string, is the
                                           default value */
};

extern const cli_type_t  cli_type_name;         /* at_str_t, not empty */
extern const cli_type_t  cli_type_role_name;    /* the same, not built in */
extern const cli_type_t  cli_type_reference;    /* at_str_t, or null */
extern const cli_type_t  cli_type_text;         /* at_str_t */
extern const cli_type_t  cli_type_hash;         /* at_str_t, or null */
extern const cli_type_t  cli_type_names;        /* at_list_t */
extern const cli_type_t  cli_type_patterns;     /* at_list_t */
extern const cli_type_t  cli_type_hashes;       /* at_list_t */
extern const cli_type_t  cli_type_ranges;       /* at_list_t */
extern const cli_type_t  cli_type_bool;         /* int */
extern const cli_type_t  cli_type_expires;      /* int64_t */
extern const cli_type_t  cli_type_time;         /* int64_t */
extern const cli_type_t  cli_type_digest;       /* SHA-256 of an API token */
extern const cli_type_t  cli_type_token;        /* API token, stored hashed */


/* The parts that are shared with the columns of CIPP's tables: */

#define cli_field_value(rec, field)                                           \
    ((void *) ((char *) (rec) + (field)->offset))

/* null or an empty string */
int cli_json_is_empty(json_t *value);

/* a view of a JSON string */
at_str_t cli_json_str(const json_t *value);

/*
 * `invalid value "text" in "field": hint`.  The value is left out if it is
 * long, or if it may be a secret.  Always returns -1.
 */
int cli_type_error(at_error_t *err, const cli_field_t *field, at_str_t text,
    const char *hint);

/* `memory allocation failed`; always returns -1 */
int cli_type_no_memory(at_error_t *err);

/* Reads an array of strings.  Returns 0, or -1 with err set. */
int cli_type_read_texts(cli_record_t *rec, const cli_field_t *field,
    json_t *array, at_error_t *err);

/* the check of cli_type_names */
int cli_entry_is_valid(at_str_t text);

#define CLI_ENTRY_HINT  "use 1 to 4096 bytes without control characters"

/*
 * Reads an array of addresses and ranges.  An entry "any" makes the list
 * unrestricted; the other entries must still be valid.  Returns 0, or -1 with
 * err set.
 */
int cli_type_read_ranges(cli_record_t *rec, const cli_field_t *field,
    json_t *array, at_error_t *err);


/* length in bytes of an API token that the command does not generate */
#define CLI_TOKEN_LEN_MIN  32
#define CLI_TOKEN_LEN_MAX  4096

/* printable ASCII without spaces, so that it fits into a header field */
int cli_token_is_valid(at_str_t text);


#endif
