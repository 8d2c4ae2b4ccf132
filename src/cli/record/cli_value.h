/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Single values of records: what is accepted, and how it is written.
 */

#ifndef CLI_VALUE_H
#define CLI_VALUE_H

#include <stdint.h>

#include "core/authz/at_cidr.h"
#include "core/base/at_error.h"
#include "core/base/at_str.h"


#define CLI_VALUE_SIZE  64  /* of a range as text, and of a time */

#define CLI_TOKEN_LEN_MIN  32  /* characters of a token that is given */
#define CLI_TOKEN_LEN_MAX  4096


/* of at most max bytes, not empty, without control characters */
int cli_name_is_valid(at_str_t text, size_t max);

/* what can stand in a header: printable ASCII without spaces */
int cli_token_is_valid(at_str_t text);

/* "any", in any case */
int cli_text_is_any(at_str_t text);

/* Returns 0, or -1 for what is not exactly len bytes in hex. */
int cli_hex_decode(unsigned char *bytes, size_t len, at_str_t text);

/* writes 2 * len characters and a terminator */
void cli_hex_encode(char *text, const unsigned char *bytes, size_t len);

/* an address alone where the range is one; terminated */
void cli_range_format(char text[CLI_VALUE_SIZE], const at_cidr_t *cidr);

/* RFC 3339, in UTC, of milliseconds since the epoch; terminated */
void cli_time_format(char text[CLI_VALUE_SIZE], int64_t ms);


#endif
