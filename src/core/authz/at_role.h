/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Roles: patterns over the scopes that endpoints require, as CIPP has them.
 *
 * "*" in a pattern stands for any characters, and for none; ASCII letters are
 * equal in either case; no other character has a meaning.  A pattern matches a
 * whole scope or not at all.
 */

#ifndef AT_ROLE_H
#define AT_ROLE_H

#include "core/base/at_str.h"


#define AT_PATTERN_MAX  256


/* Zeroed, it grants nothing.  The caller owns all that it points to. */
typedef struct {
    size_t           n_grant;
    const at_str_t  *grant;
    size_t           n_deny;
    const at_str_t  *deny;
    size_t           n_blocked;
    const at_str_t  *blocked;
} at_role_t;


/*
 * CIPP's "readonly", "editor", "admin" and "superadmin", by their names in any
 * ASCII case: such a name is of no other role.  NULL if it is none of them.
 */
const at_role_t *at_role_builtin(at_str_t name);

/*
 * Whether the role has the scope that is required.  A deny is tested on that
 * very scope and wins.  A grant is tested on it too, and if the scope is X.Read,
 * also on X.ReadWrite, which covers it.  So to deny X.ReadWrite leaves X.Read
 * to those who are granted either, and to deny X.Read leaves X.ReadWrite; what
 * takes both is to deny X.*, or X.Read*.
 */
int at_role_allows(const at_role_t *role, at_str_t required);

/* the two halves of it, for a requirement that goes by several names */
int at_role_denies(const at_role_t *role, at_str_t required);
int at_role_grants(const at_role_t *role, at_str_t required);

/*
 * Whether the role may not call an endpoint whatever it is granted.  endpoint is
 * "METHOD /template" or a path alone.  A blocked name is compared with all of
 * it, with the path, and with the path's last segment ("ListUsers" blocks "GET
 * /api/ListUsers"), in any ASCII case, without regard to a slash at the end; a
 * "*" is a character of the name.
 */
int at_role_blocks(const at_role_t *role, at_str_t endpoint);


/* at most as many steps as the product of their lengths */
int at_pattern_match(at_str_t pattern, at_str_t text);

/*
 * What a grant or a deny may be: 1 to AT_PATTERN_MAX bytes without spaces and
 * control characters, and without ? [ ] and `, which have a meaning in CIPP's
 * own patterns: a deny that is read otherwise would be a hole.
 */
int at_pattern_is_valid(at_str_t pattern);


#endif
