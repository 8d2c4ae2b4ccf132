/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Public keys of Ed25519 (RFC 8032), which OpenSSL does not check.
 */

#ifndef AT_ED25519_H
#define AT_ED25519_H

#include "core/base/at_error.h"


#define AT_ED25519_LEN  32


/*
 * Checks that the AT_ED25519_LEN bytes are the canonical encoding of a point
 * on the curve that does not have a low order.  Signatures for a key of low
 * order can be made without the private key.  Returns 0, or -1 with err set.
 */
int at_ed25519_check(const unsigned char *point, at_error_t *err);


#endif
