/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>

#include <jansson.h>

#include "at_identity.h"


void
at_identity_release(at_identity_t *identity)
{
    size_t  i;

    at_scopes_free(&identity->rights.scopes);
    at_scopes_free(&identity->rights.owner_scopes);
    json_decref(identity->claims);

    free((void *) (uintptr_t) identity->own_role.grant);
    free((void *) (uintptr_t) identity->own_role.deny);
    free((void *) (uintptr_t) identity->own_role.blocked);

    for (i = 0; i < identity->n_copies; i++) {
        free(identity->copies[i]);
    }

    memset(identity, 0, sizeof(at_identity_t));
}


at_str_t
at_identity_keep(at_identity_t *identity, at_str_t bytes)
{
    void  *copy;

    copy = identity->n_copies < AT_IDENTITY_COPIES ? malloc(bytes.len) : NULL;

    if (copy == NULL) {
        return (at_str_t) { NULL, 0 };
    }

    memcpy(copy, bytes.data, bytes.len);
    identity->copies[identity->n_copies++] = copy;

    return (at_str_t) { copy, bytes.len };
}
