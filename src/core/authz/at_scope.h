/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Scopes that a token grants.  They are compared byte by byte; no character is
 * special.
 */

#ifndef AT_SCOPE_H
#define AT_SCOPE_H

#include "core/base/at_str.h"
#include "core/json/at_json.h"


typedef struct {
    size_t           n;
    const at_str_t  *items;     /* views of the claim */
    const at_str_t  *sorted;    /* the items in search order, or NULL */
} at_scopes_t;


/*
 * Reads a claim that is an array of strings, or one string of scopes separated
 * by spaces (RFC 8693 section 4.2); without a claim (NULL) there are no
 * scopes.  Returns 0; -1 if the claim has another type; -2 if memory
 * allocation failed.
 */
int at_scopes_from_claim(at_scopes_t *scopes, const at_json_value_t *claim);
void at_scopes_free(at_scopes_t *scopes);

/* Sorts into the order of at_scopes_t.sorted. */
void at_scopes_sort(at_str_t *items, size_t n);

int at_scopes_have(const at_scopes_t *scopes, at_str_t scope);


/* Cuts the next scope off rest; returns 0 if only spaces are left. */
int at_scope_next(at_str_t *scope, at_str_t *rest);

typedef enum {
    AT_SCOPE_ALL = 0,
    AT_SCOPE_ANY
} at_scope_mode_e;


#endif
