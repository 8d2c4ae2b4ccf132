/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * What identities may do: scopes, roles, the ceiling of an owner.
 *
 * Requirements: scope-claim, scope-literal, claim-types, store-decisions,
 *   path-methods.
 */

#include "tap.h"

#include "core/authz/at_rights.h"


static at_str_t  read_write[] = { at_str("read"), at_str("write") };
static at_str_t  read_only[] = { at_str("read") };

static const at_str_t  grant_all[] = { at_str("*") };
static const at_str_t  grant_get[] = { at_str("GET /*") };
static const at_str_t  deny_admin[] = { at_str("CIPP.Admin.*") };


static int
satisfy(const at_rights_t *rights, const char *required, at_scope_mode_e mode)
{
    return at_rights_satisfy(rights,
                             (at_str_t) { required, strlen(required) }, mode);
}


static void
test_scopes(void)
{
    at_rights_t  rights;

    memset(&rights, 0, sizeof(rights));
    ok(!satisfy(&rights, "read", AT_SCOPE_ALL), "zeroed rights are none");
    ok(!satisfy(&rights, "", AT_SCOPE_ALL), "nothing is not met by none");

    rights.scopes = (at_scopes_t) { 2, read_write, NULL };
    ok(satisfy(&rights, "read", AT_SCOPE_ALL), "a scope that is held");
    ok(satisfy(&rights, " read  write ", AT_SCOPE_ALL), "two of them");
    ok(!satisfy(&rights, "read team", AT_SCOPE_ALL), "one is missing");
    ok(satisfy(&rights, "team read", AT_SCOPE_ANY), "one of them");
    ok(!satisfy(&rights, "team other", AT_SCOPE_ANY), "none of them");
    ok(!satisfy(&rights, "", AT_SCOPE_ALL), "an empty requirement");
    ok(!satisfy(&rights, "   ", AT_SCOPE_ANY), "spaces alone");
    ok(!satisfy(&rights, "READ", AT_SCOPE_ALL), "case counts");
    ok(!satisfy(&rights, "rea*", AT_SCOPE_ALL), "a star is a star");

    rights.admin = 1;
    ok(satisfy(&rights, "anything", AT_SCOPE_ALL), "an admin has all");
    ok(!satisfy(&rights, " ", AT_SCOPE_ALL), "but not an empty one");
}


static void
test_roles(void)
{
    at_role_t    role;
    at_rights_t  rights;

    memset(&role, 0, sizeof(role));
    memset(&rights, 0, sizeof(rights));

    role.grant = grant_all;
    role.n_grant = 1;
    role.deny = deny_admin;
    role.n_deny = 1;

    rights.from = AT_RIGHTS_ROLE;
    rights.scopes = (at_scopes_t) { 2, read_write, NULL };
    ok(!satisfy(&rights, "read", AT_SCOPE_ALL),
       "by role alone: scopes give nothing");

    rights.role = &role;
    ok(satisfy(&rights, "Identity.User.Read", AT_SCOPE_ALL), "granted");
    ok(!satisfy(&rights, "CIPP.Admin.Read", AT_SCOPE_ALL), "denied");

    rights.admin = 1;
    ok(!satisfy(&rights, "CIPP.Admin.Read", AT_SCOPE_ALL),
       "denied to an admin, too");

    rights.admin = 0;
    rights.from = AT_RIGHTS_SCOPES_AND_ROLE;
    ok(satisfy(&rights, "read", AT_SCOPE_ALL), "both allow");
    ok(!satisfy(&rights, "team", AT_SCOPE_ALL), "the role alone allows");

    rights.from = AT_RIGHTS_SCOPES_OR_ROLE;
    ok(satisfy(&rights, "team", AT_SCOPE_ALL), "either: the role");

    role.n_grant = 0;
    ok(satisfy(&rights, "read", AT_SCOPE_ALL), "either: the scope");
    ok(!satisfy(&rights, "team", AT_SCOPE_ALL), "neither");
}


static void
test_names(void)
{
    at_str_t     names[2] = { at_str("CIPP.Admin.Read"), at_str("GET /x") };
    at_role_t    role;
    at_rights_t  rights;

    memset(&role, 0, sizeof(role));
    memset(&rights, 0, sizeof(rights));

    rights.from = AT_RIGHTS_ROLE;
    rights.role = &role;
    role.grant = grant_get;
    role.n_grant = 1;

    ok(at_rights_allow_scope(&rights, names, 2), "one name is granted");

    role.deny = deny_admin;
    role.n_deny = 1;

    ok(!at_rights_allow_scope(&rights, names, 2),
       "a deny of one name is not passed by by another");
}


static void
test_owner(void)
{
    at_rights_t  rights;

    memset(&rights, 0, sizeof(rights));

    rights.from = AT_RIGHTS_SCOPES_OR_ROLE;
    rights.scopes = (at_scopes_t) { 2, read_write, NULL };
    rights.owned = 1;

    ok(!satisfy(&rights, "read", AT_SCOPE_ALL), "an owner without rights");

    rights.owner_scopes = (at_scopes_t) { 1, read_only, NULL };
    ok(satisfy(&rights, "read", AT_SCOPE_ALL), "below the ceiling");
    ok(!satisfy(&rights, "write", AT_SCOPE_ALL), "above it");
    ok(!satisfy(&rights, "read write", AT_SCOPE_ALL), "one above it");
    ok(satisfy(&rights, "write read", AT_SCOPE_ANY), "any below it");

    rights.owner_admin = 1;
    ok(satisfy(&rights, "write", AT_SCOPE_ALL), "an admin is no ceiling");
    ok(!satisfy(&rights, "team", AT_SCOPE_ALL),
       "but gives nothing that the token lacks");

    rights.from = AT_RIGHTS_ROLE;
    rights.role = at_role_builtin(at_str("superadmin"));
    rights.owner_admin = 0;
    ok(!satisfy(&rights, "write", AT_SCOPE_ALL),
       "no role lifts above the owner");
}


static void
test_unknown(void)
{
    at_rights_t  rights;

    memset(&rights, 0, sizeof(rights));

    rights.from = (at_rights_mode_e) 99;
    rights.admin = 1;
    rights.scopes = (at_scopes_t) { 2, read_write, NULL };

    ok(!satisfy(&rights, "read", AT_SCOPE_ALL), "a source of rights unheard of");
}


int
main(void)
{
    test_scopes();
    test_roles();
    test_names();
    test_owner();
    test_unknown();

    return tap_done();
}
