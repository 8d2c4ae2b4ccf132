/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * JSON with one reading only (RFC 8259, RFC 8725 section 2.4): jansson, with
 * duplicate members, NUL bytes, trailing text and over-sized documents refused.
 * For documents: what comes with a token is read by at_value.h.
 */

#ifndef AT_JSON_H
#define AT_JSON_H

#include <jansson.h>

#include "core/base/at_str.h"
#include "core/json/at_value.h"


typedef enum {
    AT_JSON_OK = 0,
    AT_JSON_INVALID,
    AT_JSON_NO_MEMORY
} at_json_e;


/*
 * Seeds jansson's hash tables, once and before the first object, which would
 * open a file for it.
 */
void at_json_init(void);

/*
 * Parses exactly text, whose top level must be an object.  On AT_JSON_OK
 * *object is a new reference; on anything else it is NULL.
 */
at_json_e at_json_parse(json_t **object, at_str_t text,
    const at_json_limits_t *limits);

/*
 * A member that is a string, as a view that lives as long as the object.
 * Returns 1; 0 if there is no such member; -1 if it is of another type.
 */
int at_json_member_string(const json_t *object, const char *name, at_str_t *value);

/* A value as jansson has it: a new reference, or NULL where memory failed. */
json_t *at_json_from_value(const at_value_t *value);

/*
 * For a library that goes on without what jansson found no memory for: calls
 * run, and leaves it at the first such allocation.  0, or -1 where it was left;
 * what run was about to free is lost then.
 */
int at_json_run_guarded(void (*run)(void *data), void *data);


#endif
