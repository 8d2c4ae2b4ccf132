/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The freshness lifetime of a response (RFC 9111).
 */

#ifndef AT_CACHE_CONTROL_H
#define AT_CACHE_CONTROL_H

#include <stdint.h>

#include "core/base/at_str.h"


/*
 * The remaining lifetime in seconds: max-age less Age; 0 for no-store and
 * no-cache; -1 without a valid max-age.  cache_control holds all values of
 * Cache-Control, joined by commas; both arguments may be empty.  The shortest
 * of several lifetimes is used, and directives that cannot be parsed are
 * ignored.
 */
int64_t at_cache_control_max_age(at_str_t cache_control, at_str_t age);


#endif
