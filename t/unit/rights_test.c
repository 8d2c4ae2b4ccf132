/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Rights of identities: scopes, roles, and the limit of an owner.
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
    at_rights_t  rights = { 0 };

    ok(!satisfy(&rights, "read", AT_SCOPE_ALL),
       "rights of zeroes grant nothing");
    ok(!satisfy(&rights, "", AT_SCOPE_ALL), "an empty requirement denies");

    rights.scopes = (at_scopes_t) { 2, read_write, NULL };
    ok(satisfy(&rights, "read", AT_SCOPE_ALL), "a granted scope is allowed");
    ok(satisfy(&rights, " read  write ", AT_SCOPE_ALL),
       "two granted scopes are allowed");
    ok(!satisfy(&rights, "read team", AT_SCOPE_ALL),
       "all: one missing scope denies");
    ok(satisfy(&rights, "team read", AT_SCOPE_ANY),
       "any: one granted scope is enough");
    ok(!satisfy(&rights, "team other", AT_SCOPE_ANY),
       "any: no granted scope denies");
    ok(!satisfy(&rights, "", AT_SCOPE_ALL),
       "all: an empty requirement denies");
    ok(!satisfy(&rights, "   ", AT_SCOPE_ANY),
       "any: a requirement of spaces denies");
    ok(!satisfy(&rights, "READ", AT_SCOPE_ALL),
       "scopes are compared with case");
    ok(!satisfy(&rights, "rea*", AT_SCOPE_ALL),
       "\"*\" is not special in scopes");

    rights.admin = 1;
    ok(satisfy(&rights, "anything", AT_SCOPE_ALL),
       "an administrator has every scope");
    ok(!satisfy(&rights, " ", AT_SCOPE_ALL),
       "an empty requirement denies an administrator");
}


static void
test_roles(void)
{
    at_role_t    role = { 0 };
    at_rights_t  rights = { 0 };

    role.grant = grant_all;
    role.n_grant = 1;
    role.deny = deny_admin;
    role.n_deny = 1;

    rights.from = AT_RIGHTS_ROLE;
    rights.scopes = (at_scopes_t) { 2, read_write, NULL };
    ok(!satisfy(&rights, "read", AT_SCOPE_ALL),
       "role only: scopes grant nothing");

    rights.role = &role;
    ok(satisfy(&rights, "Identity.User.Read", AT_SCOPE_ALL),
       "the role grants");
    ok(!satisfy(&rights, "CIPP.Admin.Read", AT_SCOPE_ALL), "the role denies");

    rights.admin = 1;
    ok(!satisfy(&rights, "CIPP.Admin.Read", AT_SCOPE_ALL),
       "the role denies an administrator, too");

    rights.admin = 0;
    rights.from = AT_RIGHTS_SCOPES_AND_ROLE;
    ok(satisfy(&rights, "read", AT_SCOPE_ALL), "scopes and role: both grant");
    ok(!satisfy(&rights, "team", AT_SCOPE_ALL),
       "scopes and role: the role alone is not enough");

    rights.from = AT_RIGHTS_SCOPES_OR_ROLE;
    ok(satisfy(&rights, "team", AT_SCOPE_ALL),
       "scopes or role: the role grants");

    role.n_grant = 0;
    ok(satisfy(&rights, "read", AT_SCOPE_ALL),
       "scopes or role: the scope grants");
    ok(!satisfy(&rights, "team", AT_SCOPE_ALL),
       "scopes or role: neither grants");
}


static void
test_names(void)
{
    at_role_t      role = { 0 };
    at_rights_t    rights = { 0 };
    at_endpoint_t  endpoint = { .scope = at_str("CIPP.Admin.Read"),
                                .text = at_str("GET /x") };

    rights.from = AT_RIGHTS_ROLE;
    rights.role = &role;
    role.grant = grant_get;
    role.n_grant = 1;

    ok(at_rights_allow_endpoint(&rights, &endpoint),
       "one granted name of a scope is enough");

    role.deny = deny_admin;
    role.n_deny = 1;

    ok(!at_rights_allow_endpoint(&rights, &endpoint),
       "one denied name of a scope is enough to deny");
}


static void
test_owner(void)
{
    at_rights_t  rights = { 0 };

    rights.from = AT_RIGHTS_SCOPES_OR_ROLE;
    rights.scopes = (at_scopes_t) { 2, read_write, NULL };
    rights.owned = 1;

    ok(!satisfy(&rights, "read", AT_SCOPE_ALL),
       "an owner without rights limits to nothing");

    rights.owner_scopes = (at_scopes_t) { 1, read_only, NULL };
    ok(satisfy(&rights, "read", AT_SCOPE_ALL),
       "a scope that the owner has, too");
    ok(!satisfy(&rights, "write", AT_SCOPE_ALL),
       "a scope that the owner lacks");
    ok(!satisfy(&rights, "read write", AT_SCOPE_ALL),
       "all: one scope that the owner lacks");
    ok(satisfy(&rights, "write read", AT_SCOPE_ANY),
       "any: one scope that the owner has");

    rights.owner_admin = 1;
    ok(satisfy(&rights, "write", AT_SCOPE_ALL),
       "an owner who is an administrator does not limit");
    ok(!satisfy(&rights, "team", AT_SCOPE_ALL),
       "an owner who is an administrator grants nothing");

    rights.from = AT_RIGHTS_ROLE;
    rights.role = at_role_builtin(at_str("superadmin"));
    rights.owner_admin = 0;
    ok(!satisfy(&rights, "write", AT_SCOPE_ALL),
       "a role does not exceed the owner");
}


static void
test_unknown(void)
{
    at_rights_t  rights = { 0 };

    rights.from = (at_rights_mode_e) 99;
    rights.admin = 1;
    rights.scopes = (at_scopes_t) { 2, read_write, NULL };

    ok(!satisfy(&rights, "read", AT_SCOPE_ALL),
       "an invalid mode grants nothing");
}


int
main(void)
{
    RUN(test_scopes, test_roles, test_names, test_owner, test_unknown);

    return tap_done();
}
