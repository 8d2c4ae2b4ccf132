/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "core/authz/at_rights.h"


/* a scope with n names */
static int
at_rights_allow_scope(const at_rights_t *rights, const at_str_t *names,
    size_t n)
{
    int               by_scope, by_role, by_owner, granted;
    size_t            i;
    const at_role_t  *role;

    role = rights->role;
    by_scope = rights->admin;
    by_role = 0;
    by_owner = !rights->owned || rights->owner_admin;
    granted = 0;

    for (i = 0; i < n; i++) {
        if (role != NULL && at_role_denies(role, names[i])) {
            return 0;
        }

        by_scope = by_scope || at_scopes_have(&rights->scopes, names[i]);
        by_role = by_role || (role != NULL && at_role_grants(role, names[i]));
        by_owner = by_owner || at_scopes_have(&rights->owner_scopes, names[i]);
    }

    switch (rights->from) {

    case AT_RIGHTS_SCOPES:
        granted = by_scope;
        break;

    case AT_RIGHTS_ROLE:
        granted = by_role;
        break;

    case AT_RIGHTS_SCOPES_AND_ROLE:
        granted = by_scope && by_role;
        break;

    case AT_RIGHTS_SCOPES_OR_ROLE:
        granted = by_scope || by_role;
        break;
    }

    return granted && by_owner;
}


int
at_rights_allow_endpoint(const at_rights_t *rights,
    const at_endpoint_t *endpoint)
{
    at_str_t  names[3];

    if (endpoint->kind != AT_ENDPOINT_SCOPE) {
        return 1;
    }

    names[0] = endpoint->scope;
    names[1] = endpoint->id;
    names[2] = endpoint->text;

    return at_rights_allow_scope(rights, names, 3);
}


int
at_rights_satisfy(const at_rights_t *rights, at_str_t required,
    at_scope_mode_e mode)
{
    int       covered, found;
    at_str_t  scope;

    found = 0;

    while (at_scope_next(&scope, &required)) {
        covered = at_rights_allow_scope(rights, &scope, 1);

        if (covered == (mode == AT_SCOPE_ANY)) {
            return covered;
        }

        found = 1;
    }

    return found && mode == AT_SCOPE_ALL;
}
