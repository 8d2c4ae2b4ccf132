/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdio.h>
#include <stdlib.h>

#include "core/json/at_claim.h"
#include "core/base/at_crypto.h"
#include "core/json/at_document.h"


struct at_claims_s {
    at_json_t  json;
    size_t     len;
    char       text[];          /* the strings are views of it */
};

static const at_json_limits_t  at_claims_limits = {
    AT_CLAIMS_DEPTH_MAX, AT_CLAIMS_MEMBERS_MAX, AT_CLAIMS_STRING_MAX
};


int
at_claims_parse(at_claims_t **out, at_str_t payload)
{
    int           rc;
    at_claims_t  *claims;

    *out = NULL;
    claims = malloc(sizeof(at_claims_t) + payload.len);

    if (claims == NULL) {
        return -2;
    }

    memset(&claims->json, 0, sizeof(at_json_t));
    claims->len = payload.len;

    if (payload.len) {
        memcpy(claims->text, payload.data, payload.len);
    }

    rc = at_json_parse(&claims->json, claims->text, claims->len,
                       &at_claims_limits);

    if (rc != 0) {
        at_claims_free(claims);
        return rc;
    }

    *out = claims;

    return 0;
}


void
at_claims_free(at_claims_t *claims)
{
    if (claims != NULL) {
        at_json_free(&claims->json);
        at_crypto_cleanse(claims->text, claims->len);
        free(claims);
    }
}


const at_json_value_t *
at_claims_object(const at_claims_t *claims)
{
    return claims != NULL ? claims->json.items : NULL;
}


int
at_claim_path_parse(at_claim_path_t *path, char *text, size_t len)
{
    char  *p, *out, *name, *end;

    path->n = 0;

    out = text;
    name = text;
    end = text + len;

    for (p = text; p <= end; p++) {

        if (p == end || *p == '.') {
            if (out == name || path->n == AT_CLAIM_PATH_NAMES) {
                return -1;
            }

            path->names[path->n++] = (at_str_t) { name,
                                                  (size_t) (out - name) };
            name = out;
            continue;
        }

        if (*p == '\\') {
            p++;

            if (p == end || (*p != '.' && *p != '\\')) {
                return -1;
            }
        }

        *out++ = *p;
    }

    return 0;
}


const at_json_value_t *
at_claim_find(const at_json_value_t *claims, const at_claim_path_t *path)
{
    size_t                  i;
    const at_json_value_t  *claim;

    claim = path->n ? claims : NULL;

    for (i = 0; claim && i < path->n; i++) {
        claim = at_json_member(claim, path->names[i]);
    }

    return claim;
}


const at_json_value_t *
at_claim_find_nocase(const at_json_value_t *claims, at_str_t name)
{
    uint32_t                n;
    const at_json_value_t  *member, *found;

    found = at_json_member(claims, name);

    if (found != NULL || !at_json_is(claims, AT_JSON_OBJECT)) {
        return found;
    }

    member = claims + 1;

    for (n = claims->n; n; n--) {

        if (at_str_equal_nocase((at_str_t) { member->text, member->n },
                                name))
        {
            if (found) {
                return NULL;
            }

            found = member + 1;
        }

        member = at_json_next(member + 1);
    }

    return found;
}


/*
 * jansson prints 17 digits, so that 0.1 becomes 0.10000000000000001.  The text
 * has the least number of digits that is parsed to the same value; both
 * conversions use the decimal separator of the locale.
 */
static ssize_t
at_claim_dump(const at_json_value_t *claim, char *buf, size_t size)
{
    int      digits;
    char     real[32];
    size_t   len;
    json_t  *json;

    digits = 17;

    if (claim->type == AT_JSON_REAL) {
        for (digits = 15; digits < 17; digits++) {
            (void) snprintf(real, sizeof(real), "%.*e", digits - 1,
                            claim->real);

            if (strtod(real, NULL) == claim->real) {
                break;
            }
        }
    }

    json = at_document_from_json(claim);

    if (json == NULL) {
        return -1;
    }

    len = json_dumpb(json, buf, size, JSON_COMPACT|JSON_ENCODE_ANY
                                      |JSON_REAL_PRECISION(digits));
    json_decref(json);

    return len ? (ssize_t) len : -1;
}


ssize_t
at_claim_to_text(const at_json_value_t *claim, char *buf, size_t size)
{
    at_str_t  text;

    if (at_json_is(claim, AT_JSON_NULL)) {
        return 0;
    }

    if (at_json_string(claim, &text) != 0) {
        return at_claim_dump(claim, buf, size);
    }

    if (text.len && size) {
        memcpy(buf, text.data, text.len < size ? text.len : size);
    }

    return (ssize_t) text.len;
}
