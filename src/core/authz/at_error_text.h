/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The message of a response in the format "text", as CIPP writes it: it names
 * the role, the permission or the endpoint.  These names come from the store
 * and from the endpoint list, never from the request.
 */

#ifndef AT_ERROR_TEXT_H
#define AT_ERROR_TEXT_H

#include "core/authz/at_endpoint_list.h"
#include "core/authz/at_identity.h"
#include "core/base/at_verdict.h"


/*
 * Writes at most size bytes to buf, without a terminator, and returns the
 * length of the whole message.  Control characters are replaced by question
 * marks.  endpoint may be NULL.
 */
size_t at_error_text(char *buf, size_t size, at_verdict_e verdict,
    const at_identity_t *identity, const at_endpoint_t *endpoint);


#endif
