/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "core/base/at_crypto.h"
#include "core/base/at_hex.h"
#include "core/session/at_password.h"
#include "core/authz/at_role.h"
#include "cli/terminal/cli.h"
#include "cli/record/cli_type.h"


#define CLI_MS_MAX  (CLI_TIME_MAX * 1000 + 999)

#define CLI_NAME_HINT  "use 1 to 255 bytes without control characters"
#define CLI_HASH_HINT  "use a hash of yescrypt, bcrypt or SHA-512 whose "     \
                       "cost is not too high"


/* --- errors -------------------------------------------------------------- */


int
cli_type_error(at_error_t *err, const cli_field_t *field, at_str_t text,
    const char *hint)
{
    if (field->internal || text.len > 64) {
        return at_error(err, "invalid value in \"%s\": %s", field->name, hint);
    }

    return at_error(err, "invalid value \"%.*s\" in \"%s\": %s",
                    (int) text.len, text.data, field->name, hint);
}


int
cli_type_no_memory(at_error_t *err)
{
    return at_error(err, "memory allocation failed");
}


/* --- one string ---------------------------------------------------------- */


int
cli_json_is_empty(json_t *value)
{
    return json_is_null(value)
           || (json_is_string(value) && json_string_length(value) == 0);
}


at_str_t
cli_json_str(const json_t *value)
{
    return (at_str_t) { json_string_value(value), json_string_length(value) };
}


static int
cli_read_string(cli_record_t *rec, const cli_field_t *field, json_t *value,
    at_error_t *err)
{
    at_str_t  *text;

    if (field->type->nullable && cli_json_is_empty(value)) {
        return 0;
    }

    if (!json_is_string(value)) {
        return at_error(err, "\"%s\" is not a string", field->name);
    }

    text = cli_field_value(rec, field);
    *text = cli_json_str(value);

    return field->type->check(*text)
           ? 0 : cli_type_error(err, field, *text, field->type->hint);
}


static int
cli_read_role_name(cli_record_t *rec, const cli_field_t *field, json_t *value,
    at_error_t *err)
{
    if (cli_read_string(rec, field, value, err) != 0) {
        return -1;
    }

    return at_role_builtin(rec->u.role.name) == NULL
           ? 0 : cli_type_error(err, field, rec->u.role.name,
                                "a built-in role cannot be changed");
}


static json_t *
cli_write_string(const void *src)
{
    const at_str_t  *text = src;

    return json_stringn(text->len ? text->data : "", text->len);
}


static json_t *
cli_write_reference(const void *src)
{
    const at_str_t  *text = src;

    return text->len ? cli_write_string(src) : json_null();
}


/* 1 to max bytes without control characters of ASCII or of Latin-1 */
static int
cli_is_printable(at_str_t text, size_t max)
{
    size_t  i;

    for (i = 0; i < text.len; i++) {
        if (cli_control_len(text, i) != 0) {
            return 0;
        }
    }

    return text.len != 0 && text.len <= max;
}


static int
cli_name_is_valid(at_str_t text)
{
    return cli_is_printable(text, AT_NAME_MAX);
}


static int
cli_text_is_valid(at_str_t text)
{
    return text.len <= AT_TEXT_MAX;
}


const cli_type_t  cli_type_name = {
    cli_read_string, cli_write_string, cli_name_is_valid, CLI_NAME_HINT, 0
};
const cli_type_t  cli_type_role_name = {
    cli_read_role_name, cli_write_string, cli_name_is_valid, CLI_NAME_HINT, 0
};
const cli_type_t  cli_type_reference = {
    cli_read_string, cli_write_reference, cli_name_is_valid, CLI_NAME_HINT, 1
};
const cli_type_t  cli_type_text = {
    cli_read_string, cli_write_string, cli_text_is_valid,
    "use at most 4096 bytes", 0
};
const cli_type_t  cli_type_hash = {
    cli_read_string, cli_write_reference, at_password_hash_is_valid,
    CLI_HASH_HINT, 1
};


/* --- lists of strings ---------------------------------------------------- */


static at_bytes_t *
cli_list_begin(cli_record_t *rec)
{
    at_bytes_t  *bytes;

    bytes = &rec->lists[rec->n_lists++];
    bytes->len = 0;

    return bytes;
}


/* the next string of an array of strings */
static int
cli_read_entry(at_str_t *text, const cli_field_t *field, json_t *item,
    at_error_t *err)
{
    if (!json_is_string(item)) {
        return at_error(err, "\"%s\" has an entry that is not a string",
                        field->name);
    }

    *text = cli_json_str(item);

    return 0;
}


int
cli_type_read_texts(cli_record_t *rec, const cli_field_t *field,
    json_t *array, at_error_t *err)
{
    size_t       i;
    json_t      *item;
    at_str_t     text;
    at_bytes_t  *bytes;

    if (!json_is_array(array)) {
        return at_error(err, "\"%s\" is not an array", field->name);
    }

    bytes = cli_list_begin(rec);

    json_array_foreach(array, i, item) {
        if (cli_read_entry(&text, field, item, err) != 0) {
            return -1;
        }

        if (!field->type->check(text)) {
            return cli_type_error(err, field, text, field->type->hint);
        }

        at_list_add(bytes, cli_field_value(rec, field), text);
    }

    return bytes->failed ? cli_type_no_memory(err) : 0;
}


static int
cli_read_hashes(cli_record_t *rec, const cli_field_t *field, json_t *value,
    at_error_t *err)
{
    return json_array_size(value) <= AT_CLIENT_SECRETS_MAX
           ? cli_type_read_texts(rec, field, value, err)
           : at_error(err, "\"%s\" has more than %d entries", field->name,
                      AT_CLIENT_SECRETS_MAX);
}


static json_t *
cli_write_texts(const void *src)
{
    json_t     *array;
    at_str_t    text;
    at_list_t   rest;

    rest = *(const at_list_t *) src;
    array = json_array();

    while (array != NULL && at_list_next(&rest, &text)) {
        if (json_array_append_new(array, cli_write_string(&text)) != 0) {
            json_decref(array);
            return NULL;
        }
    }

    return array;
}


int
cli_entry_is_valid(at_str_t text)
{
    return cli_is_printable(text, AT_TEXT_MAX);
}


const cli_type_t  cli_type_names = {
    cli_type_read_texts, cli_write_texts, cli_entry_is_valid, CLI_ENTRY_HINT, 0
};
const cli_type_t  cli_type_patterns = {
    cli_type_read_texts, cli_write_texts, at_pattern_is_valid,
    "use a scope pattern such as \"Identity.*.Read\"", 0
};
const cli_type_t  cli_type_hashes = {
    cli_read_hashes, cli_write_texts, at_password_hash_is_valid, CLI_HASH_HINT,
    0
};


/* --- address ranges ------------------------------------------------------ */


int
cli_type_read_ranges(cli_record_t *rec, const cli_field_t *field,
    json_t *array, at_error_t *err)
{
    int          any;
    size_t       i;
    json_t      *item;
    at_cidr_t    cidr;
    at_str_t     text;
    at_list_t   *list;
    at_bytes_t  *bytes;

    any = 0;
    bytes = cli_list_begin(rec);
    list = cli_field_value(rec, field);

    json_array_foreach(array, i, item) {
        if (cli_read_entry(&text, field, item, err) != 0) {
            return -1;
        }

        if (at_str_equal_nocase(text, at_str("any"))) {
            any = 1;

        } else if (at_cidr_parse(&cidr, text) == -1) {
            return cli_type_error(err, field, text, "use an address or a "
                                  "range such as 192.0.2.0/24");

        } else {
            at_list_add_range(bytes, list, &cidr);
        }
    }

    if (any) {
        *list = (at_list_t) { 0, 0, NULL };
    }

    return bytes->failed ? cli_type_no_memory(err) : 0;
}


static int
cli_read_ranges(cli_record_t *rec, const cli_field_t *field, json_t *value,
    at_error_t *err)
{
    if (json_is_array(value)) {
        return cli_type_read_ranges(rec, field, value, err);
    }

    if (json_is_null(value)
        || (json_is_string(value)
            && at_str_equal_nocase(cli_json_str(value), at_str("any"))))
    {
        return 0;
    }

    return at_error(err, "\"%s\" is neither an array nor \"any\"",
                    field->name);
}


static json_t *
cli_write_ranges(const void *src)
{
    char       text[AT_CIDR_TEXT_LEN];
    json_t    *array;
    at_list_t  rest;
    at_cidr_t  cidr;

    rest = *(const at_list_t *) src;
    array = json_array();

    while (array != NULL && at_list_next_range(&rest, &cidr)) {
        (void) at_cidr_format(text, &cidr);

        if (json_array_append_new(array, json_string(text)) != 0) {
            json_decref(array);
            return NULL;
        }
    }

    return array;
}


const cli_type_t  cli_type_ranges = {
    cli_read_ranges, cli_write_ranges, NULL, NULL, 0
};


/* --- flags and times ----------------------------------------------------- */


static int
cli_read_bool(cli_record_t *rec, const cli_field_t *field, json_t *value,
    at_error_t *err)
{
    int  *flag;

    if (!json_is_boolean(value)) {
        return at_error(err, "\"%s\" is neither true nor false", field->name);
    }

    flag = cli_field_value(rec, field);
    *flag = json_is_true(value);

    return 0;
}


static json_t *
cli_write_bool(const void *src)
{
    return json_boolean(*(const int *) src);
}


static int
cli_read_time(cli_record_t *rec, const cli_field_t *field, json_t *value,
    at_error_t *err)
{
    int64_t  *time;

    if (field->type->nullable && json_is_null(value)) {
        return 0;
    }

    if (!json_is_integer(value) || json_integer_value(value) < 0
        || json_integer_value(value) > CLI_MS_MAX)
    {
        return at_error(err, "\"%s\" is not a time in milliseconds since the "
                        "epoch, up to the year 9999", field->name);
    }

    time = cli_field_value(rec, field);
    *time = json_integer_value(value);

    return 0;
}


static json_t *
cli_write_time(const void *src)
{
    return json_integer(*(const int64_t *) src);
}


static json_t *
cli_write_expires(const void *src)
{
    return *(const int64_t *) src == AT_NEVER ? json_null()
                                              : cli_write_time(src);
}


const cli_type_t  cli_type_bool = {
    cli_read_bool, cli_write_bool, NULL, NULL, 0
};
const cli_type_t  cli_type_time = {
    cli_read_time, cli_write_time, NULL, NULL, 0
};
const cli_type_t  cli_type_expires = {
    cli_read_time, cli_write_expires, NULL, NULL, 1
};


/* --- the digest of an API token ------------------------------------------ */


#define CLI_DIGEST_GIVEN  "\"token\" and \"sha256\" are mutually exclusive"

static int
cli_read_digest(cli_record_t *rec, const cli_field_t *field, json_t *value,
    at_error_t *err)
{
    if (rec->has_digest) {
        return at_error(err, CLI_DIGEST_GIVEN);
    }

    rec->has_digest = 1;

    return at_hex_decode(rec->digest, AT_SHA256_LEN, cli_json_str(value)) == 0
           ? 0 : at_error(err, "\"%s\" is not a SHA-256 of %d hex digits",
                          field->name, 2 * AT_SHA256_LEN);
}


static json_t *
cli_write_digest(const void *src)
{
    char  text[2 * AT_SHA256_LEN];

    at_hex_encode(text, src, AT_SHA256_LEN);

    return json_stringn(text, sizeof(text));
}


int
cli_token_is_valid(at_str_t text)
{
    return text.len >= CLI_TOKEN_LEN_MIN && text.len <= CLI_TOKEN_LEN_MAX
           && at_str_is_visible(text, "");
}


static int
cli_read_token(cli_record_t *rec, const cli_field_t *field, json_t *value,
    at_error_t *err)
{
    if (rec->has_digest) {
        return at_error(err, CLI_DIGEST_GIVEN);
    }

    rec->has_digest = 1;

    if (!cli_token_is_valid(cli_json_str(value))) {
        return at_error(err, "\"%s\" is not a token of %d to %d printable "
                        "characters without spaces", field->name,
                        CLI_TOKEN_LEN_MIN, CLI_TOKEN_LEN_MAX);
    }

    return at_sha256(rec->digest, cli_json_str(value)) == 0
           ? 0 : cli_type_no_memory(err);
}


const cli_type_t  cli_type_digest = {
    cli_read_digest, cli_write_digest, NULL, NULL, 0
};
const cli_type_t  cli_type_token = { cli_read_token, NULL, NULL, NULL, 0 };
