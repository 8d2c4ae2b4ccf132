/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>

#include "core/json/at_claim.h"
#include "core/base/at_crypto.h"


struct at_claims_s {
    at_json_t  json;
    size_t     len;
    char       text[];          /* the strings are views of it */
};

/* a text of which no more than size bytes are written */
typedef struct {
    char    *buf;
    size_t   size;
    size_t   len;               /* of the whole text */
} at_claim_text_t;


int
at_claims_parse(at_claims_t **out, at_str_t payload)
{
    int           rc;
    at_claims_t  *claims;

    *out = NULL;
    claims = malloc(sizeof(at_claims_t) + payload.len);

    if (claims == NULL) {
        return AT_JSON_NO_MEMORY;
    }

    memset(&claims->json, 0, sizeof(at_json_t));
    claims->len = payload.len;

    if (payload.len) {
        memcpy(claims->text, payload.data, payload.len);
    }

    rc = at_json_parse(&claims->json, claims->text, claims->len,
                       AT_JSON_DEPTH_MAX);

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


static void
at_claim_add(at_claim_text_t *out, at_str_t text)
{
    size_t  room;

    room = out->len < out->size ? out->size - out->len : 0;

    if (text.len && room) {
        memcpy(out->buf + out->len, text.data,
               text.len < room ? text.len : room);
    }

    out->len += text.len;
}


/* escapes what JSON does not allow in a string (RFC 8259 section 7) */
static void
at_claim_add_string(at_claim_text_t *out, const at_json_value_t *string)
{
    char         escape[6] = { '\\', 'u', '0', '0', '0', '0' };
    uint32_t     i, start;
    const char  *found;

    static const char  hex[] = "0123456789ABCDEF";
    static const char  characters[] = "\"\\\b\f\n\r\t";
    static const char  letters[] = "\"\\bfnrt";

    at_claim_add(out, at_str("\""));

    for (i = 0, start = 0; i < string->n; i++) {
        found = memchr(characters, string->text[i], sizeof(characters) - 1);

        if (found == NULL && (unsigned char) string->text[i] >= ' ') {
            continue;
        }

        at_claim_add(out, (at_str_t) { string->text + start, i - start });
        start = i + 1;

        if (found != NULL) {
            escape[1] = letters[found - characters];
            at_claim_add(out, (at_str_t) { escape, 2 });

        } else {
            escape[1] = 'u';
            escape[4] = hex[string->text[i] >> 4];
            escape[5] = hex[string->text[i] & 0xf];
            at_claim_add(out, (at_str_t) { escape, 6 });
        }
    }

    at_claim_add(out, (at_str_t) { string->text + start, i - start });
    at_claim_add(out, at_str("\""));
}


/* The depth that the value was parsed with bounds the recursion. */
static void
at_claim_add_json(at_claim_text_t *out, const at_json_value_t *value)
{
    int                     is_object;
    uint32_t                n;
    const at_json_value_t  *item;

    if (value->type == AT_JSON_STRING) {
        at_claim_add_string(out, value);
        return;
    }

    if (value->type != AT_JSON_ARRAY && value->type != AT_JSON_OBJECT) {
        at_claim_add(out, (at_str_t) { value->text, value->n });
        return;
    }

    is_object = value->type == AT_JSON_OBJECT;
    at_claim_add(out, is_object ? at_str("{") : at_str("["));

    item = value + 1;

    for (n = 0; n < value->n; n++) {

        if (n) {
            at_claim_add(out, at_str(","));
        }

        if (is_object) {
            at_claim_add_string(out, item++);
            at_claim_add(out, at_str(":"));
        }

        at_claim_add_json(out, item);
        item = at_json_next(item);
    }

    at_claim_add(out, is_object ? at_str("}") : at_str("]"));
}


size_t
at_claim_to_json(const at_json_value_t *claim, char *buf, size_t size)
{
    at_claim_text_t  out = { buf, size, 0 };

    at_claim_add_json(&out, claim);

    return out.len;
}


size_t
at_claim_to_text(const at_json_value_t *claim, char *buf, size_t size)
{
    at_str_t         text;
    at_claim_text_t  out = { buf, size, 0 };

    if (at_json_string(claim, &text) == 0) {
        at_claim_add(&out, text);
        return out.len;
    }

    if (claim->type == AT_JSON_NULL || at_json_has_nul(claim)) {
        return 0;
    }

    return at_claim_to_json(claim, buf, size);
}
