/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The sentence of a refusal in the format "text": CIPP's own, which name the
 * role, the permission or the endpoint.  These are the operator's words, of the
 * store and of the catalogue; nothing that a request said is in them.
 */

#ifndef AT_ERROR_TEXT_H
#define AT_ERROR_TEXT_H

#include "core/authz/at_endpoint_list.h"
#include "core/authz/at_identity.h"
#include "core/base/at_verdict.h"


/*
 * Writes at most size bytes to buf, without a terminator, and returns how many
 * there are in all.  Control characters are written as question marks.
 * endpoint, the row of the catalogue, may be NULL.
 */
size_t at_error_text(char *buf, size_t size, at_verdict_e verdict,
    const at_identity_t *identity, const at_endpoint_t *endpoint);


#endif
