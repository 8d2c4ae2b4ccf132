/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "core/authz/at_rights.h"


static int
at_scopes_have_any(const at_scopes_t *scopes, const at_str_t *names, size_t n)
{
    size_t  i;

    for (i = 0; i < n; i++) {
        if (at_scopes_have(scopes, names[i])) {
            return 1;
        }
    }

    return 0;
}


static int
at_role_matches_any(const at_role_t *role, const at_str_t *names, size_t n,
    int (*match)(const at_role_t *role, at_str_t required))
{
    size_t  i;

    for (i = 0; role != NULL && i < n; i++) {
        if (match(role, names[i])) {
            return 1;
        }
    }

    return 0;
}


int
at_rights_allow_scope(const at_rights_t *rights, const at_str_t *names,
    size_t n)
{
    int  scope, role, granted;

    if (at_role_matches_any(rights->role, names, n, at_role_denies)) {
        return 0;
    }

    scope = rights->admin || at_scopes_have_any(&rights->scopes, names, n);
    role = at_role_matches_any(rights->role, names, n, at_role_grants);
    granted = 0;

    switch (rights->from) {

    case AT_RIGHTS_SCOPES:
        granted = scope;
        break;

    case AT_RIGHTS_ROLE:
        granted = role;
        break;

    case AT_RIGHTS_SCOPES_AND_ROLE:
        granted = scope && role;
        break;

    case AT_RIGHTS_SCOPES_OR_ROLE:
        granted = scope || role;
        break;
    }

    return granted
           && (!rights->owned || rights->owner_admin
               || at_scopes_have_any(&rights->owner_scopes, names, n));
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
