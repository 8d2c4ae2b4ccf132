/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "core/authz/at_path.h"
#include "core/authz/at_role.h"


/* a built-in role has the first n entries of the lists */

static const at_str_t  at_role_builtin_grant[] = {
    at_str("*.Read"),
    at_str("*.ReadWrite")
};

static const at_str_t  at_role_builtin_deny[] = {
    at_str("CIPP.SuperAdmin.*"),
    at_str("CIPP.Admin.*"),
    at_str("CIPP.AppSettings.*"),
    at_str("Tenant.Standards.ReadWrite")
};

static const at_str_t  at_role_builtin_grant_all[] = {
    at_str("*")
};

static const struct {
    at_str_t   name;
    at_role_t  role;
} at_role_builtins[] = {
    { at_str("readonly"),
      { 1, at_role_builtin_grant, 3, at_role_builtin_deny, 0, NULL } },
    { at_str("editor"),
      { 2, at_role_builtin_grant, 4, at_role_builtin_deny, 0, NULL } },
    { at_str("admin"),
      { 1, at_role_builtin_grant_all, 1, at_role_builtin_deny, 0, NULL } },
    { at_str("superadmin"),
      { 1, at_role_builtin_grant_all, 0, NULL, 0, NULL } }
};


/*
 * Matches text followed by tail.  Each star matches as little as possible; on
 * a mismatch the last star matches one character more.  Earlier stars need not
 * be changed, because the last star can match everything that they would
 * leave.
 */
static int
at_pattern_match(at_str_t pattern, at_str_t text, at_str_t tail)
{
    char    c;
    size_t  i, p, star, matched;

    i = 0;
    p = 0;
    star = pattern.len;             /* the last star; none yet */
    matched = 0;                    /* where its match ends */

    while (i < text.len + tail.len) {
        c = i < text.len ? text.data[i] : tail.data[i - text.len];

        if (p < pattern.len && pattern.data[p] == '*') {
            star = p++;
            matched = i;

        } else if (p < pattern.len
                   && at_lower(pattern.data[p]) == at_lower(c))
        {
            p++;
            i++;

        } else if (star < pattern.len) {
            p = star + 1;
            i = ++matched;

        } else {
            return 0;
        }
    }

    while (p < pattern.len && pattern.data[p] == '*') {
        p++;
    }

    return p == pattern.len;
}


static int
at_pattern_match_any(const at_str_t *patterns, size_t n, at_str_t text,
    at_str_t tail)
{
    size_t  i;

    for (i = 0; i < n; i++) {
        if (at_pattern_match(patterns[i], text, tail)) {
            return 1;
        }
    }

    return 0;
}


int
at_pattern_is_valid(at_str_t pattern)
{
    size_t         i;
    unsigned char  c;

    for (i = 0; i < pattern.len; i++) {
        c = (unsigned char) pattern.data[i];

        if (c <= ' ' || c == 0x7f || c == '?' || c == '[' || c == ']'
            || c == '`')
        {
            return 0;
        }
    }

    return pattern.len > 0 && pattern.len <= AT_PATTERN_MAX;
}


const at_role_t *
at_role_builtin(at_str_t name)
{
    size_t  i;

    for (i = 0;
         i < sizeof(at_role_builtins) / sizeof(at_role_builtins[0]);
         i++)
    {
        if (at_str_equal_nocase(at_role_builtins[i].name, name)) {
            return &at_role_builtins[i].role;
        }
    }

    return NULL;
}


int
at_role_denies(const at_role_t *role, at_str_t required)
{
    return at_pattern_match_any(role->deny, role->n_deny, required,
                                at_str(""));
}


int
at_role_grants(const at_role_t *role, at_str_t required)
{
    return at_pattern_match_any(role->grant, role->n_grant, required,
                                at_str(""))
           || (at_pattern_match(at_str("*.Read"), required, at_str(""))
               && at_pattern_match_any(role->grant, role->n_grant, required,
                                       at_str("Write")));
}


/* removes a trailing slash, unless the path is "/" */
static at_str_t
at_path_strip_slash(at_str_t path)
{
    size_t  n;

    n = path.len;

    if (n > 1 && path.data[n - 1] == '/' && path.data[n - 2] != ' ') {
        path.len--;
    }

    return path;
}


int
at_role_blocks(const at_role_t *role, at_str_t endpoint)
{
    size_t       i;
    at_str_t     path, last, name;
    const char  *space;

    if (endpoint.len == 0) {
        return 0;
    }

    endpoint = at_path_strip_slash(endpoint);
    path = endpoint;
    space = memchr(path.data, ' ', path.len);

    /* a path may contain spaces, too */

    if (space && path.data[0] != '/') {
        path.len -= (size_t) (space + 1 - path.data);
        path.data = space + 1;
    }

    last = at_path_last_segment(path);

    for (i = 0; i < role->n_blocked; i++) {
        name = at_path_strip_slash(role->blocked[i]);

        if (name.len
            && (at_str_equal_nocase(name, last)
                || at_str_equal_nocase(name, path)
                || at_str_equal_nocase(name, endpoint)))
        {
            return 1;
        }
    }

    return 0;
}
