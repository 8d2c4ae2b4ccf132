/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The rights of an identity: granted scopes, a role, and the rights of its
 * owner as an upper limit.
 */

#ifndef AT_RIGHTS_H
#define AT_RIGHTS_H

#include "core/authz/at_endpoint_list.h"
#include "core/authz/at_role.h"
#include "core/authz/at_scope.h"
#include "core/base/at_str.h"


typedef enum {
    AT_RIGHTS_SCOPES = 0,       /* the scopes of a token */
    AT_RIGHTS_ROLE,             /* only the role of a client */
    AT_RIGHTS_SCOPES_AND_ROLE,  /* both must grant */
    AT_RIGHTS_SCOPES_OR_ROLE    /* the scopes or the role of an API token */
} at_rights_mode_e;

/* All zero: no rights. */
typedef struct {
    at_rights_mode_e  from;
    unsigned          admin:1;          /* holds every scope; the role may
                                           still deny */
    unsigned          owned:1;          /* limited to the owner's rights */
    unsigned          owner_admin:1;
    at_scopes_t       scopes;
    at_scopes_t       owner_scopes;
    const at_role_t  *role;             /* NULL: none, or an unknown one */
} at_rights_t;


/*
 * Whether the rights cover the scope of an endpoint, which has three names:
 * the scope, the id and the text.  One granted name is enough, and the role
 * must deny none of them.  An endpoint without a scope requires no rights.
 */
int at_rights_allow_endpoint(const at_rights_t *rights,
    const at_endpoint_t *endpoint);

/*
 * Whether the rights cover all, or any, of the scopes in required, which are
 * separated by spaces.  An empty requirement denies.
 */
int at_rights_satisfy(const at_rights_t *rights, at_str_t required,
    at_scope_mode_e mode);


#endif
