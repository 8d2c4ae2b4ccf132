/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The few named texts of a small request body, with one reading only.
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
 * A JSON object with exactly these n members, all of them strings without NUL.
 * values are views of buf, which has room for as many bytes as text.
 */
at_fields_e at_fields_from_json(at_str_t *values, const at_str_t *names,
    size_t n, at_str_t text, char *buf);

/*
 * application/x-www-form-urlencoded (RFC 6749 appendix B): a name that is
 * repeated, a "%" without two hex digits, a control character and a byte that
 * should have been encoded are invalid.  Others than these n names are ignored,
 * and what is not there, or is empty, has a len of 0.
 */
at_fields_e at_fields_from_form(at_str_t *values, const at_str_t *names,
    size_t n, at_str_t text, char *buf);

/* the same decoding of one text; *len bytes of buf; 0, or -1 */
int at_fields_decode(char *buf, size_t *len, at_str_t text);


#endif
