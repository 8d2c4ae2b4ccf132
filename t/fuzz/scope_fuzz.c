/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Input: required scopes in the first line, then a claim.  The decision must be
 * that of a comparison word by word.
 */

#include <jansson.h>

#include "core/authz/at_rights.h"
#include "core/authz/at_scope.h"
#include "core/json/at_claim.h"
#include "fuzz.h"


/* whether a token with these scopes satisfies a requirement */
static int
satisfy(const at_scopes_t *scopes, at_str_t required, at_scope_mode_e mode)
{
    at_rights_t  rights = { 0 };

    rights.scopes = *scopes;

    return at_rights_satisfy(&rights, required, mode);
}


/* word is not empty */
static int
fuzz_has(const json_t *claim, at_str_t word)
{
    int      found = 0;
    char    *copy, *next, *part;
    size_t   i;
    json_t  *item;

    if (json_is_array(claim)) {
        json_array_foreach((json_t *) (uintptr_t) claim, i, item) {
            found |= fuzz_is_text(word, json_string_value(item));
        }

        return found;
    }

    copy = strdup(json_string_value(claim));
    next = copy;

    while ((part = strsep(&next, " ")) != NULL) {
        found |= fuzz_is_text(word, part);
    }

    free(copy);

    return found;
}


static void
fuzz_check(const at_scopes_t *scopes, const json_t *claim, at_str_t required)
{
    int         any = 0, all = 1, has;
    size_t      from, to, n = 0;
    at_str_t    word;

    for (from = 0; from < required.len; from = to + 1) {
        for (to = from; to < required.len && required.data[to] != ' '; to++) { }

        if (to == from) {
            continue;
        }

        word = (at_str_t) { required.data + from, to - from };
        has = claim ? fuzz_has(claim, word) : 0;

        fuzz_assert(at_scopes_have(scopes, word) == has);

        any |= has;
        all &= has;
        n++;
    }

    fuzz_assert(satisfy(scopes, required, AT_SCOPE_ANY) == any);
    fuzz_assert(satisfy(scopes, required, AT_SCOPE_ALL) == (n && all));
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int           rc;
    json_t       *plain;
    at_str_t      required, text;
    at_claims_t  *claims;
    at_scopes_t   scopes;

    required = fuzz_line(&data, &size);
    text = fuzz_wrap(data, size);

    /* invalid claims are not given to jansson, which refuses large numbers */
    plain = at_claims_parse(&claims, text) == 0 ? fuzz_json(text) : NULL;

    if (plain == NULL) {
        at_claims_free(claims);
        return fuzz_end();
    }

    rc = at_scopes_from_claim(&scopes, at_json_member(at_claims_object(claims),
                                                      at_str("v")));

    fuzz_assert(rc == 0 || rc == -1);
    fuzz_assert(rc == 0 || (scopes.n == 0 && scopes.items == NULL));

    if (rc == 0) {
        fuzz_check(&scopes, json_object_get(plain, "v"), required);
    }

    at_scopes_free(&scopes);
    at_claims_free(claims);
    json_decref(plain);

    return fuzz_end();
}
