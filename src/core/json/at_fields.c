/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>

#include "core/base/at_crypto.h"
#include "core/base/at_hex.h"
#include "core/json/at_fields.h"
#include "core/json/at_json.h"


/* --- JSON ---------------------------------------------------------------- */


static at_fields_e
at_fields_copy(at_str_t *values, const at_str_t *names, size_t n,
    const at_json_value_t *object, char *buf)
{
    size_t  i;

    if (object->type == AT_JSON_OBJECT && object->n == 0) {
        memset(values, 0, n * sizeof(at_str_t));
        return AT_FIELDS_OK;
    }

    if (object->n != n) {
        return AT_FIELDS_INVALID;
    }

    for (i = 0; i < n; i++) {

        if (at_json_member_string(object, names[i], &values[i]) != 1) {
            return AT_FIELDS_INVALID;
        }

        memcpy(buf, values[i].data, values[i].len);
        values[i].data = buf;
        buf += values[i].len;
    }

    return AT_FIELDS_OK;
}


/* The copy that is parsed may contain a password: it is cleansed. */
at_fields_e
at_fields_from_json(at_str_t *values, const at_str_t *names, size_t n,
    at_str_t text, char *buf)
{
    char         *copy;
    at_json_t     json = { NULL, 0 };
    at_fields_e   rc;

    if (text.len == 0) {
        return AT_FIELDS_INVALID;
    }

    copy = malloc(text.len);

    if (copy == NULL) {
        return AT_FIELDS_NO_MEMORY;
    }

    memcpy(copy, text.data, text.len);

    switch (at_json_parse(&json, copy, text.len, 1)) {

    case 0:
        rc = at_fields_copy(values, names, n, json.items, buf);
        break;

    case AT_JSON_NO_MEMORY:
        rc = AT_FIELDS_NO_MEMORY;
        break;

    default:
        rc = AT_FIELDS_INVALID;
    }

    at_json_free(&json);
    at_crypto_cleanse(copy, text.len);
    free(copy);

    return rc;
}


/* --- forms --------------------------------------------------------------- */


int
at_fields_decode(char *buf, size_t *len, at_str_t text)
{
    int     high, low;
    char   *p;
    size_t  i;

    p = buf;

    for (i = 0; i < text.len; i++) {

        if (text.data[i] == '+') {
            *p++ = ' ';
            continue;
        }

        if (text.data[i] != '%') {
            if (text.data[i] <= ' ' || text.data[i] > '~') {
                return -1;
            }

            *p++ = text.data[i];
            continue;
        }

        high = i + 2 < text.len ? at_hex_digit(text.data[i + 1]) : -1;
        low = high >= 0 ? at_hex_digit(text.data[i + 2]) : -1;

        if (low < 0 || high * 16 + low < ' ' || high * 16 + low == 0x7f) {
            return -1;
        }

        *p++ = (char) (high * 16 + low);
        i += 2;
    }

    *len = (size_t) (p - buf);

    return 0;
}


at_fields_e
at_fields_from_form(at_str_t *values, const at_str_t *names, size_t n,
    at_str_t text, char *buf)
{
    size_t    i, len;
    at_str_t  name, value;

    for (i = 0; i < n; i++) {
        values[i] = (at_str_t) { NULL, 0 };
    }

    while (text.len) {
        value = at_str_cut(&text, '&');
        name = at_str_cut(&value, '=');

        if (at_fields_decode(buf, &len, name) != 0) {
            return AT_FIELDS_INVALID;
        }

        for (i = 0; i < n; i++) {
            if (at_str_equal(names[i], (at_str_t) { buf, len })) {
                break;
            }
        }

        if (at_fields_decode(buf, &len, value) != 0
            || (i < n && values[i].data != NULL))
        {
            return AT_FIELDS_INVALID;
        }

        if (i < n) {
            values[i] = (at_str_t) { buf, len };
            buf += len;
        }
    }

    return AT_FIELDS_OK;
}
