/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Parses claims and single JSON values for tests.
 */

#ifndef VALUES_H
#define VALUES_H

#include "core/json/at_claim.h"
#include "tap.h"


/*
 * Parses claims with single quotes; the caller frees them.  Ends the test run
 * on error.
 */
TAP_UNUSED static at_claims_t *
values_claims(const char *text)
{
    char         *copy = quote(strdup(text));
    at_claims_t  *claims;

    must(at_claims_parse(&claims, str(copy)) == 0, text);
    free(copy);

    return claims;
}


/* Parses {"v":text}, or returns NULL. */
TAP_UNUSED static at_claims_t *
values_wrap(at_str_t text)
{
    size_t        len;
    at_claims_t  *claims;
    char         *object = malloc(text.len + 8);

    must(object != NULL, "no memory");

    memcpy(object, "{\"v\":", 5);
    memcpy(object + 5, text.data, text.len);
    len = text.len + 5;
    object[len++] = '}';

    (void) at_claims_parse(&claims, (at_str_t) { object, len });
    free(object);

    return claims;
}


/* the same, but ends the test run on error */
TAP_UNUSED static at_claims_t *
values_any(const char *text)
{
    at_claims_t  *claims = values_wrap(str(text));

    must(claims != NULL, text);

    return claims;
}


/* the value of "v"; NULL for NULL */
TAP_UNUSED static const at_json_value_t *
values_unwrap(const at_claims_t *claims)
{
    return at_json_member(at_claims_object(claims), at_str("v"));
}


#endif
