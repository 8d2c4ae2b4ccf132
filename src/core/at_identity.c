/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <jansson.h>

#include "at_identity.h"


void
at_identity_release(at_identity_t *identity)
{
    at_scopes_free(&identity->scopes);
    json_decref(identity->claims);

    memset(identity, 0, sizeof(at_identity_t));
}
