/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Types of the members of records.
 */

#ifndef CLI_TYPE_H
#define CLI_TYPE_H

#include "cli/record/cli_record.h"


/*
 * read() sets the field at dst from the value and returns 0, or says in err
 * what the value should be and returns -1.  write() makes the value, or NULL
 * where memory failed; a type without it is read and ignored.
 */
struct cli_type_s {
    int     (*read)(cli_record_t *rec, void *dst, json_t *value,
                    at_error_t *err);
    json_t *(*write)(const void *src);
};

extern const cli_type_t  cli_type_name;         /* at_str_t, not empty */
extern const cli_type_t  cli_type_role_name;    /* the same, not a built-in */
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
extern const cli_type_t  cli_type_digest;       /* of a token */
extern const cli_type_t  cli_type_token;        /* a token, to be hashed */
extern const cli_type_t  cli_type_ignored;

/* CIPP's columns: values, or JSON text of them */
extern const cli_type_t  cli_type_cipp_ranges;      /* at_list_t */
extern const cli_type_t  cli_type_cipp_permissions; /* at_list_t of patterns */
extern const cli_type_t  cli_type_cipp_names;       /* at_list_t */
extern const cli_type_t  cli_type_cipp_bool;        /* int */
extern const cli_type_t  cli_type_cipp_allowed;     /* int: not all tenants */
extern const cli_type_t  cli_type_cipp_blocked;     /* int: some tenants */


#endif
