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
    at_json_t  values;
    size_t     len;
    char       text[];          /* what the strings are views of */
};

static const at_json_limits_t  at_claims_limits = {
    AT_CLAIMS_DEPTH_MAX, AT_CLAIMS_MEMBERS_MAX, AT_CLAIMS_STRING_MAX
};


static int at_claim_path_add(at_claim_path_t *path, const char *data, size_t len);
static const at_json_value_t *at_claim_find_unique_nocase(const at_json_value_t *object,
    at_str_t name);
static size_t at_claim_real_precision(double value);


int
at_claims_parse(at_claims_t **out, at_str_t document)
{
    int           rc;
    at_claims_t  *claims;

    *out = NULL;
    claims = malloc(sizeof(at_claims_t) + document.len);

    if (claims == NULL) {
        return -2;
    }

    memset(&claims->values, 0, sizeof(at_json_t));
    claims->len = document.len;

    if (document.len) {
        memcpy(claims->text, document.data, document.len);
    }

    rc = at_json_parse(&claims->values, claims->text, claims->len,
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
        at_json_free(&claims->values);
        at_crypto_cleanse(claims->text, claims->len);
        free(claims);
    }
}


const at_json_value_t *
at_claims_object(const at_claims_t *claims)
{
    return claims != NULL ? claims->values.items : NULL;
}


int
at_claim_path_parse(at_claim_path_t *path, char *text, size_t len)
{
    char  *p, *out, *name, *end;

    path->n = 0;

    out = text;
    name = text;
    end = text + len;

    for (p = text; p < end; p++) {

        if (*p == '.') {
            if (at_claim_path_add(path, name, (size_t) (out - name)) != 0) {
                return -1;
            }

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

    return at_claim_path_add(path, name, (size_t) (out - name));
}


static int
at_claim_path_add(at_claim_path_t *path, const char *data, size_t len)
{
    if (len == 0 || path->n == AT_CLAIM_PATH_NAMES) {
        return -1;
    }

    path->names[path->n].data = data;
    path->names[path->n].len = len;
    path->n++;

    return 0;
}


const at_json_value_t *
at_claim_find(const at_json_value_t *claims, const at_claim_path_t *path)
{
    size_t                  i;
    const at_json_value_t  *claim;

    /* a path without names leads nowhere, and not to all the claims */
    claim = path->n ? claims : NULL;

    for (i = 0; claim && i < path->n; i++) {
        claim = at_json_member(claim, path->names[i]);
    }

    return claim;
}


const at_json_value_t *
at_claim_find_nocase(const at_json_value_t *claims, at_str_t name)
{
    const at_json_value_t  *claim;

    claim = at_json_member(claims, name);

    return claim ? claim : at_claim_find_unique_nocase(claims, name);
}


static const at_json_value_t *
at_claim_find_unique_nocase(const at_json_value_t *object, at_str_t name)
{
    uint32_t                n;
    const at_json_value_t  *member, *found;

    if (!at_json_is(object, AT_JSON_OBJECT)) {
        return NULL;
    }

    found = NULL;
    member = object + 1;

    for (n = object->n; n; n--) {

        if (at_str_equal_nocase((at_str_t) { member->text, member->n }, name)) {
            if (found) {
                return NULL;
            }

            found = member + 1;
        }

        member = at_json_next(member + 1);
    }

    return found;
}


/* what is no text itself, as jansson writes it */
static ssize_t
at_claim_dump(const at_json_value_t *claim, char *buf, size_t size)
{
    size_t   len, flags;
    json_t  *json;

    json = at_document_from_json(claim);

    if (json == NULL) {
        return -1;
    }

    flags = JSON_COMPACT | JSON_ENCODE_ANY;

    if (claim->type == AT_JSON_REAL) {
        flags |= JSON_REAL_PRECISION(at_claim_real_precision(claim->real));
    }

    len = json_dumpb(json, buf, size, flags);
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


/*
 * 0.1 is 0.10000000000000001 in jansson's 17 digits.  What is printed here is
 * read back here, so that the locale's decimal point does not matter.
 */
static size_t
at_claim_real_precision(double value)
{
    char    buf[32];
    size_t  digits;

    for (digits = 15; digits < 17; digits++) {
        (void) snprintf(buf, sizeof(buf), "%.*e", (int) digits - 1, value);

        if (strtod(buf, NULL) == value) {
            break;
        }
    }

    return digits;
}
