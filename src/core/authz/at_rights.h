/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * What an identity may do: scopes that were granted to it, a role, the rights
 * of its owner as a ceiling.
 */

#ifndef AT_RIGHTS_H
#define AT_RIGHTS_H

#include "core/authz/at_endpoint_list.h"
#include "core/authz/at_role.h"
#include "core/authz/at_scope.h"
#include "core/base/at_str.h"


typedef enum {
    AT_RIGHTS_SCOPES = 0,       /* a token's scopes */
    AT_RIGHTS_ROLE,             /* a client's role alone */
    AT_RIGHTS_SCOPES_AND_ROLE,             /* both must allow */
    AT_RIGHTS_SCOPES_OR_ROLE            /* an API token's scopes, or its role */
} at_rights_mode_e;

/* zeroed, it is no right at all */
typedef struct {
    at_rights_mode_e  from;
    unsigned          admin:1;         /* passes every scope, no role's deny */
    unsigned          owned:1;          /* the owner's rights are a ceiling */
    unsigned          owner_admin:1;
    at_scopes_t       scopes;
    at_scopes_t       owner_scopes;
    const at_role_t  *role;             /* NULL: none, or none of that name */
} at_rights_t;


/*
 * Whether they cover one requirement, which has n names that mean the same: an
 * endpoint's scope goes by its id and its text as well.  One name that is held
 * is enough, and one that the role denies is too much.
 */
int at_rights_allow_scope(const at_rights_t *rights, const at_str_t *names, size_t n);

/*
 * Whether they cover an endpoint: by its scope, its id or its text; with no
 * right at all if it needs none.
 */
int at_rights_allow_endpoint(const at_rights_t *rights,
    const at_endpoint_t *endpoint);

/*
 * Whether they cover all or any of the scopes in required, which is separated
 * by spaces.  Nothing but spaces is a requirement that none can meet.
 */
int at_rights_satisfy(const at_rights_t *rights, at_str_t required,
    at_scope_mode_e mode);


#endif
