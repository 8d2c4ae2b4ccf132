/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Patterns and roles, and the built-in roles with the endpoint list of CIPP
 * compared with the operators of PowerShell.
 *
 * Requirements: path-templates.
 */

#include <regex.h>
#include <strings.h>
#include <time.h>

#include "core/authz/at_role.h"
#include "data.h"


#define CIPP_ROWS         645
#define CIPP_PERMISSIONS  112   /* different ones */


/* by a role that denies pattern */
static int
matches(at_str_t pattern, at_str_t text)
{
    at_role_t  role = { .n_deny = 1, .deny = &pattern };

    return at_role_denies(&role, text);
}


static int
allows(const at_role_t *role, at_str_t required)
{
    return !at_role_denies(role, required) && at_role_grants(role, required);
}


static void
test_pattern(void)
{
    size_t  i;

    static const struct { const char *pattern, *text; int match; } cases[] = {
        { "*", "", 1 }, { "*", "a", 1 }, { "*", "a.b/c d", 1 },
        { "**", "", 1 }, { "***", "abc", 1 },
        { "", "", 1 }, { "", "a", 0 }, { "a", "", 0 }, { "*a", "", 0 },
        { "a", "a", 1 }, { "a", "A", 1 }, { "A", "a", 1 }, { "a", "b", 0 },
        { "a", "ab", 0 }, { "a", "ba", 0 }, { "ab", "a", 0 },
        { "a*", "a", 1 }, { "a*", "abc", 1 }, { "a*", "ba", 0 },
        { "*a", "a", 1 }, { "*a", "cba", 1 }, { "*a", "ab", 0 },
        { "a*c", "ac", 1 }, { "a*c", "abc", 1 }, { "a*c", "abcb", 0 },
        { "a*c", "acbc", 1 }, { "*ab", "aab", 1 }, { "*aab", "aaab", 1 },
        { "*a*b*", "xxaxxbxx", 1 }, { "*a*b*", "xxbxxaxx", 0 },
        { "ab*bc", "abc", 0 }, { "ab*bc", "abbc", 1 }, { "a*a*a", "aa", 0 },
        { "a*a", "a", 0 }, { "a*a", "aa", 1 }, { "a*b*c", "abbc", 1 },
        { "*abc*abd", "abcabcabd", 1 }, { "*abc*abd", "abcabcab", 0 },
        { "*.Read", "CIPP.Core.Read", 1 }, { "*.read", "CIPP.Core.READ", 1 },
        { "*.Read", "CIPP.Core.ReadWrite", 0 }, { "*.Read", ".Read", 1 },
        { "*.Read", "Read", 0 }, { "*.Read", "CIPP.Core-Read", 0 },
        { "*.Read", "CIPP.Core.Read ", 0 }, { "*.Read", "a.Read\nb", 0 },
        { "CIPP.*", "CIPPX.Core", 0 }, { "CIPP.*", "CIPP.", 1 },
        { "?", "a", 0 }, { "?", "?", 1 }, { "[a]", "a", 0 },
        { "[a]", "[A]", 1 }, { "a.c", "abc", 0 }, { "a|b", "a", 0 },
        { "\\*", "\\x", 1 },
        { "K", "\xe2\x84\xaa", 0 }, { "\xc3\x89", "\xc3\xa9", 0 },
        { "@", "`", 0 }, { "[", "{", 0 },
    };

    for (i = 0; i < N(cases); i++) {
        is_int(matches(str(cases[i].pattern), str(cases[i].text)),
               cases[i].match, "'%s' %s '%s'", cases[i].pattern,
               cases[i].match ? "matches" : "does not match", cases[i].text);
    }

    ok(matches((at_str_t) { "a*\0", 3 }, (at_str_t) { "ab\0", 3 })
       && !matches((at_str_t) { "a\0b", 3 }, str("a")),
       "a pattern compares NUL bytes");
    ok(matches(str("*"), (at_str_t) { NULL, 0 })
       && matches((at_str_t) { NULL, 0 }, (at_str_t) { NULL, 0 })
       && !matches((at_str_t) { NULL, 0 }, str("a")),
       "an empty text matches * and the empty pattern only");
}


static void
test_valid(void)
{
    char    text[AT_PATTERN_MAX + 1];
    size_t  i;

    static const struct { const char *pattern; int valid; } cases[] = {
        { "*", 1 }, { "CIPP.Core.Read", 1 }, { "*.Read*", 1 },
        { "GET /users", 0 }, { "https://api/.default", 1 }, { "\xc3\xa9", 1 },
        { "", 0 }, { " ", 0 }, { "a b", 0 }, { "a\tb", 0 }, { "a\n", 0 },
        { "a\x7f", 0 }, { "a?", 0 }, { "[a]", 0 }, { "a]", 0 }, { "`*", 0 },
    };

    for (i = 0; i < N(cases); i++) {
        is_int(at_pattern_is_valid(str(cases[i].pattern)), cases[i].valid,
               "'%s' is %s pattern", cases[i].pattern,
               cases[i].valid ? "a valid" : "an invalid");
    }

    memset(text, 'a', sizeof(text));
    ok(at_pattern_is_valid((at_str_t) { text, AT_PATTERN_MAX }),
       "a pattern of the maximum length is valid");
    ok(!at_pattern_is_valid((at_str_t) { text, AT_PATTERN_MAX + 1 }),
       "a longer pattern is invalid");
    ok(!at_pattern_is_valid((at_str_t) { "a\0b", 3 }), "NUL is invalid");
}


static void
test_pattern_time(void)
{
    double       ms = cpu_time();
    static char  pattern[AT_PATTERN_MAX], text[8192];

    memset(pattern, 'a', sizeof(pattern));
    pattern[0] = '*';
    pattern[sizeof(pattern) / 2] = '*';
    pattern[sizeof(pattern) - 1] = 'b';
    memset(text, 'a', sizeof(text));

    ok(!matches((at_str_t) { pattern, sizeof(pattern) },
                (at_str_t) { text, sizeof(text) }),
       "a pattern that almost matches everywhere in 8 KiB does not match");

    ms = cpu_time() - ms;

    printf("# %.3f ms\n", ms);
    ok(ms < 100, "it takes less than 100 ms");
}


/* the words of text, at most 8 */
static size_t
words(at_str_t list[8], const char *text)
{
    size_t       n;
    const char  *end;

    for (n = 0; n < 8 && *text; n++) {
        end = strchr(text, ' ');

        list[n].data = text;
        list[n].len = end ? (size_t) (end - text) : strlen(text);

        text += list[n].len + (end != NULL);
    }

    return n;
}


static void
test_allows(void)
{
    size_t     i;
    at_str_t   grant[8], deny[8];
    at_role_t  role;

    static const struct {
        const char *grant, *deny, *required; int allows;
    } cases[] = {
        { "", "", "A.B.Read", 0 }, { "", "", "", 0 }, { "*", "", "", 1 },
        { "*", "", "A.B.Read", 1 }, { "A.B.Read", "", "A.B.Read", 1 },
        { "a.b.read", "", "A.B.Read", 1 }, { "A.B.Read", "", "a.b.READ", 1 },
        { "A.B.Read", "", "A.B.ReadWrite", 0 },
        { "A.B.Read", "", "A.B.Rea", 0 }, { "A.B.Read", "", "A.B.Reader", 0 },
        { "A.B.Read", "", "xA.B.Read", 0 },
        { "A.C.Read A.B.Read", "", "A.B.Read", 1 },

        /* X.ReadWrite includes X.Read; no other scope includes another */
        { "A.B.ReadWrite", "", "A.B.Read", 1 },
        { "a.b.readwrite", "", "A.B.READ", 1 },
        { "A.*.ReadWrite", "", "A.B.Read", 1 },
        { "*Write", "", "A.B.Read", 1 }, { "*Write", "", "A.B.Rea", 0 },
        { "A.B.ReadWrite", "", "A.B.ReadWrite", 1 },
        { "A.B.ReadWrite", "", "A.C.Read", 0 },
        { "A.B.ReadWrite", "", "A.B", 0 }, { "A.B.ReadWrite", "", "A.B.", 0 },
        { "A.B.ReadWriteAll", "", "A.B.ReadWrite", 0 },
        { "A.B.Write", "", "A.B.Read", 0 }, { "ReadWrite", "", "Read", 0 },
        { ".ReadWrite", "", ".Read", 1 }, { "readWrite", "", "read", 0 },
        { "A.SpreadWrite", "", "A.Spread", 0 },

        /* a deny wins, for exactly the scope that it matches */
        { "*", "A.*", "A.B.Read", 0 }, { "*", "a.*", "A.B.Read", 0 },
        { "*", "A.*", "B.A.Read", 1 },
        { "A.B.Read", "A.B.Read", "A.B.Read", 0 },
        { "*", "*", "A.B.Read", 0 }, { "*", "A.B.ReadWrite", "A.B.Read", 1 },
        { "*", "A.B.ReadWrite", "A.B.ReadWrite", 0 },
        { "A.B.ReadWrite", "A.B.ReadWrite", "A.B.Read", 1 },
        { "A.B.ReadWrite", "A.B.ReadWrite", "A.B.ReadWrite", 0 },
        { "A.B.ReadWrite", "A.B.Read", "A.B.Read", 0 },
        { "A.B.ReadWrite", "A.B.Read", "A.B.ReadWrite", 1 },
        { "*", "A.B.Read*", "A.B.ReadWrite", 0 },
        { "*", "A.B.Read*", "A.B.Read", 0 }, { "*", "X A.* Y", "A.B.Read", 0 },
    };

    for (i = 0; i < N(cases); i++) {
        role = (at_role_t) { .grant = grant, .deny = deny };
        role.n_grant = words(grant, cases[i].grant);
        role.n_deny = words(deny, cases[i].deny);

        is_int(allows(&role, str(cases[i].required)), cases[i].allows,
               "grant '%s', deny '%s': %s is %s", cases[i].grant,
               cases[i].deny, cases[i].required,
               cases[i].allows ? "allowed" : "not allowed");
    }

    role = (at_role_t) { 0 };
    ok(!allows(&role, str("A.B.Read"))
       && !at_role_blocks(&role, str("GET /a")),
       "a role of zeroes grants nothing and blocks nothing");
}


static void
test_blocks(void)
{
    size_t     i;
    at_str_t   name;
    at_role_t  role = { .blocked = &name, .n_blocked = 1 };

    static const struct {
        const char *blocked, *endpoint; int blocks;
    } cases[] = {
        { "ListUsers", "GET /api/ListUsers", 1 },
        { "listusers", "GET /api/ListUsers", 1 },
        { "LISTUSERS", "POST /api/listusers", 1 },
        { "ListUsers", "/api/ListUsers", 1 }, { "ListUsers", "/ListUsers", 1 },
        { "ListUsers", "ListUsers", 1 },
        { "ListUsers", "GET /api/ListUsers/", 1 },
        { "ListUsers/", "GET /api/ListUsers", 1 },
        { "ListUsers", "GET /api/ListUser", 0 },
        { "ListUser", "GET /api/ListUsers", 0 },
        { "Users", "GET /api/ListUsers", 0 },
        { "ListUsers", "GET /api/ListUsers/:id", 0 },
        { ":id", "GET /api/ListUsers/:id", 1 },
        { "api", "GET /api/ListUsers", 0 }, { "GET", "GET /api/ListUsers", 0 },
        { "/api/ListUsers", "GET /api/ListUsers", 1 },
        { "/API/listusers", "POST /api/ListUsers", 1 },
        { "/ListUsers", "GET /api/ListUsers", 0 },
        { "api/ListUsers", "GET /api/ListUsers", 0 },
        { "GET /api/ListUsers", "GET /api/ListUsers", 1 },
        { "get /api/ListUsers", "GET /api/ListUsers", 1 },
        { "POST /api/ListUsers", "GET /api/ListUsers", 0 },
        { "GET /api/ListUsers", "/api/ListUsers", 0 },
        { "*", "GET /api/ListUsers", 0 }, { "List*", "GET /api/ListUsers", 0 },
        { "*", "GET /api/*", 1 },
        { "My Report", "/api/My Report", 1 },
        { "Report", "/api/My Report", 0 }, { "/", "GET /", 1 },
        { "/", "/", 1 }, { "GET /", "GET /", 1 }, { "/", "GET /a", 0 },
        { "", "GET /a/", 0 }, { "", "GET /", 0 }, { "", "", 0 },
        { "a", "", 0 },
    };

    for (i = 0; i < N(cases); i++) {
        name = str(cases[i].blocked);
        is_int(at_role_blocks(&role, str(cases[i].endpoint)), cases[i].blocks,
               "'%s' %s '%s'", cases[i].blocked,
               cases[i].blocks ? "blocks" : "does not block",
               cases[i].endpoint);
    }

    ok(!at_role_blocks(&role, (at_str_t) { NULL, 0 }),
       "an empty endpoint is not blocked");
}


static void
test_builtin(void)
{
    ok(at_role_builtin(str("readonly")) && at_role_builtin(str("editor"))
       && at_role_builtin(str("admin")) && at_role_builtin(str("superadmin")),
       "CIPP has four built-in roles");
    ok(at_role_builtin(str("ReadOnly")) == at_role_builtin(str("readonly")),
       "their names have no case");
    ok(!allows(at_role_builtin(str("readonly")), str("CIPP.Admin.Read"))
       && !allows(at_role_builtin(str("editor")), str("cipp.admin.ReadWrite"))
       && allows(at_role_builtin(str("admin")), str("CIPP.Admin.Read")),
       "readonly and editor are denied CIPP.Admin.*, admin is not");
    ok(!at_role_builtin(str("")) && !at_role_builtin(str("read"))
       && !at_role_builtin(str("administrator"))
       && !at_role_builtin(str("anonymous"))
       && !at_role_builtin(str("authenticated"))
       && !at_role_builtin(str("admin ")), "other roles are not built-in");
}


/* --- compared with the operators of PowerShell --------------------------- */

/* Config/cipp-roles.json of CIPP */
static const struct cipp_role {
    const char  *name;
    const char  *include[4];
    const char  *exclude[5];
    unsigned     allowed;       /* endpoints, public ones excluded */
} cipp_roles[] = {
    { "readonly", { "*.Read" },
      { "CIPP.SuperAdmin.*", "CIPP.Admin.*", "CIPP.AppSettings.*" }, 257 },
    { "editor", { "*.Read", "*.ReadWrite" },
      { "CIPP.SuperAdmin.*", "CIPP.Admin.*",
        "CIPP.AppSettings.*", "Tenant.Standards.ReadWrite" }, 571 },
    { "admin", { "*" }, { "CIPP.SuperAdmin.*" }, 623 },
    { "superadmin", { "*" }, { NULL }, 641 },
};

static struct {
    const char  *path;
    const char  *permission;
} cipp[CIPP_ROWS];

static const char  *permissions[CIPP_ROWS];
static size_t       n_permissions;


/* the operator -like, for patterns without ?, [ and ` */
static int
like(const char *text, const char *pattern)
{
    size_t  i;

    if (*pattern != '*') {
        return strncasecmp(text, pattern, 1) == 0
               && (*text == '\0' || like(text + 1, pattern + 1));
    }

    for (i = 0; i <= strlen(text); i++) {
        if (like(text + i, pattern + 1)) {
            return 1;
        }
    }

    return 0;
}


static int
cipp_allows(const struct cipp_role *role, const char *permission)
{
    int     allows = 0;
    size_t  i;

    for (i = 0; i < N(role->include) && role->include[i]; i++) {
        allows |= like(permission, role->include[i]);
    }

    for (i = 0; i < N(role->exclude) && role->exclude[i]; i++) {
        allows &= !like(permission, role->exclude[i]);
    }

    return allows;
}


static void
test_cipp_role(const struct cipp_role *role)
{
    int       expected;
    size_t    i;
    unsigned  allowed = 0, wrong = 0;

    for (i = 0; i < CIPP_ROWS; i++) {
        if (strcmp(cipp[i].permission, "Public") == 0) {
            continue;
        }

        expected = cipp_allows(role, cipp[i].permission);
        allowed += (unsigned) expected;

        if (allows(at_role_builtin(str(role->name)), str(cipp[i].permission))
            != expected)
        {
            printf("# %s %s\n", role->name, cipp[i].permission);
            wrong++;
        }
    }

    is_int(wrong, 0, "%s is granted the same endpoints as by -like",
           role->name);
    is_int(allowed, role->allowed, "%s is granted %u endpoints", role->name,
           role->allowed);
}


/* the operator -match, with the required permission as a pattern */
static int
cipp_matches(const char *permission, const char *required)
{
    int      found;
    regex_t  re;

    if (regcomp(&re, required, REG_EXTENDED|REG_ICASE|REG_NOSUB) != 0) {
        return -1;
    }

    found = regexec(&re, permission, 0, NULL, 0) == 0;
    regfree(&re);

    return found;
}


static void
test_cipp_custom(void)
{
    size_t     i, j;
    at_str_t   grant;
    unsigned   wrong = 0;
    at_role_t  role = { .grant = &grant, .n_grant = 1 };

    for (i = 0; i < n_permissions; i++) {
        for (j = 0; j < n_permissions; j++) {
            grant = str(permissions[i]);

            if (allows(&role, str(permissions[j]))
                != cipp_matches(permissions[i], permissions[j]))
            {
                printf("# %s for %s\n", permissions[i], permissions[j]);
                wrong++;
            }
        }
    }

    is_int(n_permissions, CIPP_PERMISSIONS, "CIPP has 112 permissions");
    is_int(wrong, 0, "a custom role with one permission is granted the same "
           "permissions as by -match");
}


static void
test_cipp_blocked(void)
{
    size_t     i, j;
    at_str_t   name;
    unsigned   wrong = 0;
    at_role_t  role = { .blocked = &name, .n_blocked = 1 };

    for (i = 0; i < CIPP_ROWS; i++) {
        name = str(strrchr(cipp[i].path, '/') + 1);

        for (j = 0; j < CIPP_ROWS; j++) {
            wrong += at_role_blocks(&role, str(cipp[j].path)) != (i == j);
        }
    }

    is_int(wrong, 0, "the name of an endpoint blocks only that endpoint");
}


static void
cipp_add(size_t n, char *line)
{
    size_t  i;

    (void) strsep(&line, "\t");
    cipp[n].path = strsep(&line, "\t");
    cipp[n].permission = strsep(&line, "\t");

    for (i = 0; i < n_permissions; i++) {
        if (strcmp(permissions[i], cipp[n].permission) == 0) {
            return;
        }
    }

    permissions[n_permissions++] = cipp[n].permission;
}


static void
test_cipp(void)
{
    char       *line, *next;
    size_t      i, n = 0;
    at_file_t   file = data_read("conf-examples/cipp/endpoints.tsv");

    next = file.data;

    while ((line = strsep(&next, "\n")) != NULL) {
        if (*line != '#' && *line != '\0' && n < CIPP_ROWS) {
            cipp_add(n++, line);
        }
    }

    if (is_int(n, CIPP_ROWS, "CIPP has 645 endpoints")) {
        for (i = 0; i < N(cipp_roles); i++) {
            test_cipp_role(&cipp_roles[i]);
        }

        test_cipp_custom();
        test_cipp_blocked();
    }

    at_file_free(&file);
}


int
main(void)
{
    RUN(test_pattern, test_valid, test_pattern_time, test_allows, test_blocks,
        test_builtin, test_cipp);

    return tap_done();
}
