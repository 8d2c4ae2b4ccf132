/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>

#include <jansson.h>

#include <openssl/err.h>
#include <openssl/evp.h>

#include "core/jose/at_keyset.h"
#include "core/jose/at_pem.h"
#include "core/json/at_document.h"


#define AT_KID_LOG_SIZE  96     /* of the buffer for a kid in a log */


void
at_keyset_free(at_keyset_t *set)
{
    size_t  i;

    if (set == NULL) {
        return;
    }

    for (i = 0; i < set->n; i++) {
        at_key_free(set->keys[i].key);
    }

    json_decref(set->json);
    free(set);
}


/* a kid for a log: \xHH in place of other than printable ASCII, truncated */
static void
at_kid_escape(char *out, size_t size, at_str_t kid)
{
    int            len, printable;
    size_t         i;
    unsigned char  c;

    for (i = 0; i < kid.len && size > sizeof("\\xff..."); i++) {
        c = (unsigned char) kid.data[i];
        printable = c >= 0x20 && c < 0x7f && c != '"' && c != '\\';

        len = snprintf(out, size, printable ? "%c" : "\\x%02x", c);
        out += len;
        size -= (size_t) len;
    }

    (void) snprintf(out, size, "%s", i < kid.len ? "..." : "");
}


static void
at_jwk_warn(const json_t *jwk, size_t number, const at_error_t *reason,
    at_keyset_warn_pt warn, void *data)
{
    char        escaped[AT_KID_LOG_SIZE];
    at_str_t    kid;
    at_error_t  line;

    if (at_document_string(jwk, "kid", &kid) == 1) {
        at_kid_escape(escaped, sizeof(escaped), kid);
        (void) at_error(&line, "key %zu is ignored, kid: \"%s\": %.300s",
                        number, escaped, reason->text);

    } else {
        (void) at_error(&line, "key %zu is ignored: %.300s", number,
                        reason->text);
    }

    warn(data, line.text);
}


static int
at_keyset_fill(at_keyset_t *set, const json_t *keys, unsigned algs,
    at_keyset_warn_pt warn, void *data, at_error_t *err)
{
    size_t           i, n;
    at_error_t       reason;
    at_str_t         use;
    const json_t    *jwk;
    const at_jwk_t  *key;

    n = json_array_size(keys);

    for (i = 0; i < n && i < AT_KEYSET_KEYS_MAX; i++) {
        jwk = json_array_get(keys, i);

        if (at_document_string(jwk, "use", &use) == 1
            && at_str_equal(use, at_str("enc")))
        {
            continue;
        }

        if (at_jwk_parse(&set->keys[set->n], jwk, algs, &reason) != 0) {
            at_jwk_warn(jwk, i + 1, &reason, warn, data);
            continue;
        }

        key = &set->keys[set->n++];

        if (json_array_append_new(set->json, at_jwk_reduce(key, jwk)) != 0) {
            return at_error(err, "no memory");
        }
    }

    if (i < n) {
        (void) at_error(&reason, "%zu further keys are ignored: only the "
                        "first %d are examined", n - i, AT_KEYSET_KEYS_MAX);
        warn(data, reason.text);
    }

    return set->n != 0 ? 0 : at_error(err, "no usable key in the JWK Set");
}


static int
at_keyset_from_jwks(at_keyset_t *set, at_str_t text, unsigned algs,
    at_keyset_warn_pt warn, void *data, at_error_t *err)
{
    int      rc;
    json_t  *document, *keys;

    document = at_document_parse_lenient(text, AT_DOCUMENT_MAX);

    if (document == NULL) {
        return at_error(err, "invalid JSON");
    }

    keys = json_object_get(document, "keys");
    set->json = json_array();

    if (!json_is_array(keys)) {
        rc = at_error(err, "not a JWK Set: \"keys\" is missing or not an "
                      "array");
    } else {
        rc = at_keyset_fill(set, keys, algs, warn, data, err);
    }

    json_decref(document);

    return rc;
}


static int
at_keyset_from_pem(at_keyset_t *set, at_str_t text, unsigned algs,
    at_error_t *err)
{
    at_jwk_t      *jwk;
    at_pem_key_t   key;

    if (at_pem_parse(&key, &set->certificates, text, err) != 0) {
        return -1;
    }

    jwk = &set->keys[0];
    jwk->key = at_key_create(key.pkey, algs, err);
    memcpy(jwk->x5t, key.x5t, sizeof(jwk->x5t));
    memcpy(jwk->x5t_s256, key.x5t_s256, sizeof(jwk->x5t_s256));
    set->n = jwk->key != NULL;

    EVP_PKEY_free(key.pkey);

    return set->n ? 0 : -1;
}


static at_keyset_t *
at_keyset_create(at_str_t text, int is_pem, unsigned algs,
    at_keyset_warn_pt warn, void *data, at_error_t *err)
{
    int           rc;
    at_keyset_t  *set;

    set = calloc(1, sizeof(at_keyset_t));

    if (set == NULL) {
        (void) at_error(err, "no memory");
        return NULL;
    }

    rc = is_pem ? at_keyset_from_pem(set, text, algs, err)
                : at_keyset_from_jwks(set, text, algs, warn, data, err);

    if (rc != 0) {
        at_keyset_free(set);
        set = NULL;
    }

    ERR_clear_error();

    return set;
}


at_keyset_t *
at_keyset_parse_jwks(at_str_t text, unsigned algs, at_keyset_warn_pt warn,
    void *data, at_error_t *err)
{
    return at_keyset_create(text, 0, algs, warn, data, err);
}


at_keyset_t *
at_keyset_parse(at_str_t text, unsigned algs, at_keyset_warn_pt warn,
    void *data, at_error_t *err)
{
    text = at_document_trim(text);

    if (text.len == 0) {
        (void) at_error(err, "the file is empty");
        return NULL;
    }

    return at_keyset_create(text, text.data[0] != '{', algs, warn, data, err);
}


char *
at_keyset_to_jwks(const at_keyset_t *set)
{
    char    *text;
    json_t  *document;

    document = json_pack("{s:O}", "keys", set->json);
    text = document != NULL ? json_dumps(document, JSON_COMPACT) : NULL;
    json_decref(document);

    return text;
}
