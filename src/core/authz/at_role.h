/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Roles: patterns of scopes, with the semantics of CIPP.
 *
 * "*" in a pattern stands for zero or more characters.  ASCII case is ignored;
 * no other character is special.  A pattern matches a whole scope.
 */

#ifndef AT_ROLE_H
#define AT_ROLE_H

#include "core/base/at_str.h"


#define AT_PATTERN_MAX  256


/* All zero: grants nothing.  The caller owns the strings. */
typedef struct {
    size_t           n_grant;
    const at_str_t  *grant;
    size_t           n_deny;
    const at_str_t  *deny;
    size_t           n_blocked;
    const at_str_t  *blocked;
} at_role_t;


/*
 * The built-in roles of CIPP, "readonly", "editor", "admin" and "superadmin",
 * in any ASCII case; NULL for other names.  A record of the store cannot
 * replace a built-in role.
 */
const at_role_t *at_role_builtin(at_str_t name);

/*
 * A role allows a required scope if no deny pattern matches it, and a grant
 * pattern does.  A grant of X.ReadWrite includes X.Read.  A deny does not: to
 * deny X.ReadWrite leaves X.Read, and to deny X.Read leaves X.ReadWrite; deny
 * X.* or X.Read* to remove both.  A match takes at most pattern.len *
 * required.len steps.
 */
int at_role_denies(const at_role_t *role, at_str_t required);
int at_role_grants(const at_role_t *role, at_str_t required);

/*
 * Whether the role blocks an endpoint, regardless of its grants.  endpoint is
 * "METHOD /template" or a path.  A blocked name is compared with the whole
 * endpoint, with its path and with the last segment of the path ("ListUsers"
 * blocks "GET /api/ListUsers"); ASCII case and a trailing slash are ignored.
 * "*" is not special here.
 */
int at_role_blocks(const at_role_t *role, at_str_t endpoint);


/*
 * Whether pattern is valid in a grant or a deny: 1 to AT_PATTERN_MAX bytes
 * without spaces, control characters, and ? [ ] `, which are special in
 * patterns of CIPP and would make a deny ineffective here.
 */
int at_pattern_is_valid(at_str_t pattern);


#endif
