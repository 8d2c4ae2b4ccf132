/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Validation and formatting of single values.
 */

#ifndef CLI_VALUE_H
#define CLI_VALUE_H

#include <stdint.h>

#include "core/authz/at_cidr.h"
#include "core/base/at_error.h"
#include "core/base/at_str.h"


#define CLI_VALUE_SIZE  64  /* of a formatted range or time */

/* length in bytes of an API token that the command does not generate */
#define CLI_TOKEN_LEN_MIN  32
#define CLI_TOKEN_LEN_MAX  4096


/* 1 to max bytes without control characters of ASCII or of Latin-1 */
int cli_name_is_valid(at_str_t text, size_t max);

/* printable ASCII without spaces, so that it fits into a header field */
int cli_token_is_valid(at_str_t text);

/* "any" in any case */
int cli_text_is_any(at_str_t text);

/* Writes ADDRESS/BITS, or only ADDRESS for a range of one address. */
void cli_range_format(char text[CLI_VALUE_SIZE], const at_cidr_t *cidr);

/* Writes milliseconds since the epoch as RFC 3339 in UTC. */
void cli_time_format(char text[CLI_VALUE_SIZE], int64_t ms);


#endif
