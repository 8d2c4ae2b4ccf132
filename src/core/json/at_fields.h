/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Named strings of a small request body.
 */

#ifndef AT_FIELDS_H
#define AT_FIELDS_H

#include "core/base/at_str.h"


typedef enum {
    AT_FIELDS_OK = 0,
    AT_FIELDS_INVALID,
    AT_FIELDS_NO_MEMORY
} at_fields_e;


/*
 * Parses a JSON object with exactly these n members, all of them strings.  The
 * values are views of buf, which must have room for text.len bytes.  An empty
 * object has no values.
 */
at_fields_e at_fields_from_json(at_str_t *values, const at_str_t *names,
    size_t n, at_str_t text, char *buf);

/*
 * Parses application/x-www-form-urlencoded (RFC 6749 appendix B).  Repeated
 * names, a "%" without two hex digits, control characters and bytes that
 * should have been encoded are invalid.  Other names are ignored; the value of
 * a missing name is empty.  The values are views of buf as above.
 */
at_fields_e at_fields_from_form(at_str_t *values, const at_str_t *names,
    size_t n, at_str_t text, char *buf);

/* Decodes one string of a form into buf.  Returns 0 and sets *len, or -1. */
int at_fields_decode(char *buf, size_t *len, at_str_t text);


#endif
