/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Claims of a verified token: parsed, found by a path, converted to text.
 */

#ifndef AT_CLAIM_H
#define AT_CLAIM_H

#include "core/base/at_str.h"
#include "core/json/at_json.h"


/* A parsed payload with its own copy of the text. */
typedef struct at_claims_s  at_claims_t;

/*
 * Parses a copy of payload, decoded from base64url, as at_json.h does.
 * Returns 0 or a result of at_json_parse().  *claims is NULL on error.
 */
int at_claims_parse(at_claims_t **claims, at_str_t payload);
void at_claims_free(at_claims_t *claims);

/* Returns the object of the claims, or NULL if claims is NULL. */
const at_json_value_t *at_claims_object(const at_claims_t *claims);


#define AT_CLAIM_PATH_NAMES  8


/* "realm_access.roles": member names, the outermost first */
typedef struct {
    size_t    n;
    at_str_t  names[AT_CLAIM_PATH_NAMES];
} at_claim_path_t;

/*
 * Splits text at its dots.  A dot or backslash in a name is escaped by a
 * backslash, which is removed in place.  The names are views of text.  Returns
 * 0; -1 for an empty name, too many names and any other escape.
 */
int at_claim_path_parse(at_claim_path_t *path, char *text, size_t len);

/* The claim, or NULL; also NULL if claims is NULL or the path is empty. */
const at_json_value_t *at_claim_find(const at_json_value_t *claims,
    const at_claim_path_t *path);

/*
 * Finds a claim for an nginx variable, whose name is in lower case: the claim
 * with exactly this name, or else the only one that differs in ASCII case.
 */
const at_json_value_t *at_claim_find_nocase(const at_json_value_t *claims,
    at_str_t name);

/*
 * Converts a claim to text: a string as it is; null, and a claim that contains
 * U+0000, as an empty text; others as compact JSON, in which each number has
 * its original text.  Writes at most size bytes to buf, without a terminator.
 * Returns the length of the whole text.
 */
size_t at_claim_to_text(const at_json_value_t *claim, char *buf, size_t size);

/* The same for a value of JSON, strings and null included. */
size_t at_claim_to_json(const at_json_value_t *claim, char *buf, size_t size);


#endif
