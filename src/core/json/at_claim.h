/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Claims of a verified token: read strictly, found by a path, shown as text.
 */

#ifndef AT_CLAIM_H
#define AT_CLAIM_H

#include <sys/types.h>

#include "core/base/at_str.h"
#include "core/json/at_json.h"


#define AT_CLAIMS_DEPTH_MAX    32
#define AT_CLAIMS_MEMBERS_MAX  256
#define AT_CLAIMS_STRING_MAX   8192  /* bytes */


/* A payload that was read, with all that its values point to. */
typedef struct at_claims_s  at_claims_t;

/*
 * Reads a copy of document, a payload after base64url.  Returns 0; -1 for what
 * is no JSON object as at_json.h takes it, -2 where memory failed: then *claims
 * is NULL.
 */
int at_claims_parse(at_claims_t **claims, at_str_t document);
void at_claims_free(at_claims_t *claims);

/* the object; NULL for NULL */
const at_json_value_t *at_claims_object(const at_claims_t *claims);


#define AT_CLAIM_PATH_NAMES  8


/* "realm_access.roles": member names from the outside in */
typedef struct {
    size_t    n;
    at_str_t  names[AT_CLAIM_PATH_NAMES];
} at_claim_path_t;

/*
 * Splits len bytes of text at its dots; a dot or backslash that belongs to a
 * name is written with a backslash before it, which is removed in place.  The
 * path's names are views of text.  Returns 0, or -1 for an empty name, for too
 * many names, and for a backslash before anything else.
 */
int at_claim_path_parse(at_claim_path_t *path, char *text, size_t len);

/* The claim, or NULL.  claims may be NULL. */
const at_json_value_t *at_claim_find(const at_json_value_t *claims,
    const at_claim_path_t *path);

/*
 * By name in any ASCII case, as the names of nginx variables have none: the
 * exact name, else the only one that differs by case alone, else NULL.
 */
const at_json_value_t *at_claim_find_nocase(const at_json_value_t *claims,
    at_str_t name);

/*
 * The claim as text: a string is itself, null is empty, anything else is its
 * compact JSON.  Writes at most size bytes to buf, without a terminator, and
 * returns how many there are in all; -1 where memory failed.
 */
ssize_t at_claim_to_text(const at_json_value_t *claim, char *buf, size_t size);


#endif
