/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Input: a required scope and an endpoint in a line each; then lines that begin
 * with "+" (grant), "-" (deny) or "!" (block).  Patterns must match like in a
 * dynamic-programming table, and the role must decide accordingly.
 */

#include <ctype.h>
#include <strings.h>

#include "core/authz/at_role.h"
#include "fuzz.h"


#define FUZZ_RULES  32
#define FUZZ_LEN    512


/* row[j]: whether the pattern so far matches the first j characters of text */
static int
fuzz_match(at_str_t pattern, at_str_t text)
{
    char    row[FUZZ_LEN + 1], before;
    size_t  i, j;

    memset(row, 0, sizeof(row));
    row[0] = 1;

    for (i = 0; i < pattern.len; i++) {
        if (pattern.data[i] == '*') {
            for (j = 1; j <= text.len; j++) {
                row[j] |= row[j - 1];
            }

            continue;
        }

        before = row[0];
        row[0] = 0;

        for (j = 1; j <= text.len; j++) {
            char  here = row[j];

            row[j] = before && tolower((unsigned char) pattern.data[i])
                               == tolower((unsigned char) text.data[j - 1]);
            before = here;
        }
    }

    return row[text.len];
}


static int
fuzz_match_any(const at_str_t *patterns, size_t n, at_str_t text)
{
    int     found = 0;
    size_t  i;

    for (i = 0; i < n; i++) {
        found |= fuzz_match(patterns[i], text);
    }

    return found;
}


static int
fuzz_allows(const at_role_t *role, at_str_t required)
{
    char    covering[FUZZ_LEN + 8];
    size_t  n = required.len;
    int     granted = fuzz_match_any(role->grant, role->n_grant, required);

    if (n >= 5 && strncasecmp(required.data + n - 5, ".Read", 5) == 0) {
        memcpy(covering, required.data, n);
        memcpy(covering + n, "wRiTe", 5);
        granted |= fuzz_match_any(role->grant, role->n_grant,
                                  (at_str_t) { covering, n + 5 });
    }

    return granted && !fuzz_match_any(role->deny, role->n_deny, required);
}


/* text in lower case without a trailing slash */
static void
fuzz_name(char *name, at_str_t text)
{
    size_t  i, n;

    for (i = 0; i < text.len; i++) {
        name[i] = (char) tolower((unsigned char) text.data[i]);
    }

    name[i] = '\0';
    n = strlen(name);

    if (n > 1 && name[n - 1] == '/' && name[n - 2] != ' ') {
        name[n - 1] = '\0';
    }
}


static int
fuzz_blocks(const at_role_t *role, at_str_t endpoint)
{
    int     blocks = 0;
    char    whole[FUZZ_LEN + 1], name[FUZZ_LEN + 1], *path, *last;
    size_t  i;

    fuzz_name(whole, endpoint);
    path = whole[0] == '/' ? NULL : strchr(whole, ' ');
    path = path ? path + 1 : whole;
    last = strrchr(path, '/');
    last = last ? last + 1 : path;

    for (i = 0; whole[0] && i < role->n_blocked; i++) {
        fuzz_name(name, role->blocked[i]);
        blocks |= name[0] && (strcmp(name, whole) == 0
                              || strcmp(name, path) == 0
                              || strcmp(name, last) == 0);
    }

    return blocks;
}


/* a line of limited length without NUL bytes */
static at_str_t
fuzz_short_line(const uint8_t **data, size_t *size)
{
    at_str_t  line = fuzz_line(data, size);

    if (line.len > FUZZ_LEN - 8) {
        line.len = FUZZ_LEN - 8;
    }

    if (line.len && memchr(line.data, '\0', line.len)) {
        line.len = 0;
    }

    return line;
}


static void
fuzz_check(const at_role_t *role, at_str_t required, at_str_t endpoint)
{
    size_t  i;

    for (i = 0; i < role->n_grant; i++) {
        fuzz_assert(at_role_denies(&(at_role_t) { .n_deny = 1,
                                                  .deny = &role->grant[i] },
                                   required)
                    == fuzz_match(role->grant[i], required));
        fuzz_assert(!at_pattern_is_valid(role->grant[i])
                    || memchr(role->grant[i].data, ' ', role->grant[i].len)
                       == NULL);
    }

    fuzz_assert((!at_role_denies(role, required)
                 && at_role_grants(role, required))
                == fuzz_allows(role, required));
    fuzz_assert(at_role_blocks(role, endpoint) == fuzz_blocks(role, endpoint));
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t     n;
    at_str_t   required, endpoint, line, rest;
    at_str_t   grant[FUZZ_RULES], deny[FUZZ_RULES], blocked[FUZZ_RULES];
    at_role_t  role = { 0, grant, 0, deny, 0, blocked };

    required = fuzz_short_line(&data, &size);
    endpoint = fuzz_short_line(&data, &size);

    for (n = 0; size && n < FUZZ_RULES; n++) {
        line = fuzz_short_line(&data, &size);

        if (line.len == 0) {
            continue;
        }

        rest = (at_str_t) { line.data + 1, line.len - 1 };

        switch (line.data[0]) {
        case '+':
            grant[role.n_grant++] = rest;
            break;

        case '-':
            deny[role.n_deny++] = rest;
            break;

        case '!':
            blocked[role.n_blocked++] = rest;
            break;
        }
    }

    fuzz_check(&role, required, endpoint);

    return fuzz_end();
}
