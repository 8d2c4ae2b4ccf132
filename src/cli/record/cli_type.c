/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "core/base/at_crypto.h"
#include "core/session/at_password.h"
#include "core/authz/at_role.h"
#include "cli/terminal/cli.h"
#include "cli/record/cli_type.h"
#include "cli/record/cli_value.h"


#define CLI_MS_MAX  (CLI_TIME_MAX * 1000 + 999)


typedef int (*cli_validator_pt)(at_str_t text);


static int
cli_read_string(at_str_t *text, json_t *value, at_error_t *err)
{
    if (!json_is_string(value)) {
        return at_error(err, "is no string");
    }

    text->data = json_string_value(value);
    text->len = json_string_length(value);

    return 0;
}


/* an error that shows the text, unless that is long */
static int
cli_text_error(at_error_t *err, at_str_t text, const char *what)
{
    if (text.len > 64) {
        return at_error(err, "has an entry that is %s", what);
    }

    return at_error(err, "\"%.*s\" is %s", (int) text.len, text.data, what);
}


/* --- one text ------------------------------------------------------------ */


static int
cli_read_name(cli_record_t *rec, void *dst, json_t *value, at_error_t *err)
{
    at_str_t  *text = dst;

    (void) rec;

    if (cli_read_string(text, value, err) != 0) {
        return -1;
    }

    if (!cli_name_is_valid(*text, AT_NAME_MAX)) {
        return at_error(err, "is empty, longer than %d bytes, or has control "
                        "characters", AT_NAME_MAX);
    }

    return 0;
}


static int
cli_read_role_name(cli_record_t *rec, void *dst, json_t *value,
    at_error_t *err)
{
    at_str_t  *text = dst;

    if (cli_read_name(rec, dst, value, err) != 0) {
        return -1;
    }

    return at_role_builtin(*text) == NULL
           ? 0 : cli_text_error(err, *text, "a built-in role, which cannot be "
                                "changed");
}


static int
cli_json_is_empty(json_t *value)
{
    return json_is_null(value)
           || (json_is_string(value) && json_string_length(value) == 0);
}


static int
cli_read_reference(cli_record_t *rec, void *dst, json_t *value,
    at_error_t *err)
{
    return cli_json_is_empty(value) ? 0 : cli_read_name(rec, dst, value, err);
}


static int
cli_read_text(cli_record_t *rec, void *dst, json_t *value, at_error_t *err)
{
    at_str_t  *text = dst;

    (void) rec;

    if (cli_read_string(text, value, err) != 0) {
        return -1;
    }

    return text->len <= AT_TEXT_MAX
           ? 0 : at_error(err, "is longer than %d bytes", AT_TEXT_MAX);
}


static int
cli_read_hash(cli_record_t *rec, void *dst, json_t *value, at_error_t *err)
{
    at_str_t  *text = dst;

    (void) rec;

    if (cli_json_is_empty(value)) {
        return 0;
    }

    if (cli_read_string(text, value, err) != 0) {
        return -1;
    }

    /* it may be a password: it is not shown */
    return at_password_hash_is_valid(*text)
           ? 0 : at_error(err, "is no hash of yescrypt, bcrypt or SHA-512, "
                               "or one that takes too long");
}


static json_t *
cli_write_text(const void *src)
{
    const at_str_t  *text = src;

    return json_stringn(text->len ? text->data : "", text->len);
}


static json_t *
cli_write_reference(const void *src)
{
    const at_str_t  *text = src;

    return text->len ? cli_write_text(src) : json_null();
}


const cli_type_t  cli_type_name = { cli_read_name, cli_write_text };
const cli_type_t  cli_type_role_name = { cli_read_role_name, cli_write_text };
const cli_type_t  cli_type_text = { cli_read_text, cli_write_text };
const cli_type_t  cli_type_hash = { cli_read_hash, cli_write_reference };
const cli_type_t  cli_type_reference = {
    cli_read_reference, cli_write_reference
};


/* --- lists --------------------------------------------------------------- */


static at_bytes_t *
cli_record_list_begin(cli_record_t *rec)
{
    at_bytes_t  *bytes;

    bytes = &rec->lists[rec->n_lists++];
    bytes->len = 0;

    return bytes;
}


static int
cli_record_list_end(const at_bytes_t *bytes, at_error_t *err)
{
    return bytes->failed ? at_error(err, "is too much for the memory") : 0;
}


static int
cli_read_texts(cli_record_t *rec, at_list_t *list, json_t *value,
    cli_validator_pt check, const char *what, at_error_t *err)
{
    size_t       i;
    json_t      *item;
    at_str_t     text;
    at_bytes_t  *bytes;

    if (!json_is_array(value)) {
        return at_error(err, "is no list");
    }

    bytes = cli_record_list_begin(rec);

    json_array_foreach(value, i, item) {
        if (cli_read_string(&text, item, err) != 0) {
            return at_error(err, "has an entry that is no string");
        }

        if (!check(text)) {
            return what != NULL
                   ? cli_text_error(err, text, what)
                   : at_error(err, "has an entry that is no hash of yescrypt, "
                              "bcrypt or SHA-512, or one that takes too long");
        }

        at_list_add(bytes, list, text);
    }

    return cli_record_list_end(bytes, err);
}


static int
cli_entry_is_valid(at_str_t text)
{
    return cli_name_is_valid(text, AT_TEXT_MAX);
}


static int
cli_read_names(cli_record_t *rec, void *dst, json_t *value, at_error_t *err)
{
    return cli_read_texts(rec, dst, value, cli_entry_is_valid, "empty, too long, "
                          "or has control characters", err);
}


static int
cli_read_patterns(cli_record_t *rec, void *dst, json_t *value, at_error_t *err)
{
    return cli_read_texts(rec, dst, value, at_pattern_is_valid, "no pattern "
                          "over scopes such as Identity.*.Read", err);
}


static int
cli_read_hashes(cli_record_t *rec, void *dst, json_t *value, at_error_t *err)
{
    if (json_array_size(value) > AT_CLIENT_SECRETS_MAX) {
        return at_error(err, "has more than %d entries", AT_CLIENT_SECRETS_MAX);
    }

    return cli_read_texts(rec, dst, value, at_password_hash_is_valid, NULL, err);
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
        if (json_array_append_new(array, cli_write_text(&text)) != 0) {
            json_decref(array);
            return NULL;
        }
    }

    return array;
}


const cli_type_t  cli_type_names = { cli_read_names, cli_write_texts };
const cli_type_t  cli_type_patterns = { cli_read_patterns, cli_write_texts };
const cli_type_t  cli_type_hashes = { cli_read_hashes, cli_write_texts };


/* --- ranges -------------------------------------------------------------- */


/*
 * "Any" beside others makes the list one of any address, but an entry that is
 * none is an error all the same.
 */
static int
cli_read_range_list(cli_record_t *rec, at_list_t *list, json_t *array,
    at_error_t *err)
{
    int          any;
    size_t       i;
    json_t      *item;
    at_cidr_t    cidr;
    at_str_t     text;
    at_bytes_t  *bytes;

    any = 0;
    bytes = cli_record_list_begin(rec);

    json_array_foreach(array, i, item) {
        if (cli_read_string(&text, item, err) != 0) {
            return at_error(err, "has an entry that is no string");
        }

        if (cli_text_is_any(text)) {
            any = 1;

        } else if (at_cidr_parse(&cidr, text) == -1) {
            return cli_text_error(err, text, "no address and no range such as "
                                  "192.0.2.0/24");

        } else {
            at_list_add_range(bytes, list, &cidr);
        }
    }

    if (any) {
        *list = (at_list_t) { 0, 0, NULL };
    }

    return cli_record_list_end(bytes, err);
}


static int
cli_read_ranges(cli_record_t *rec, void *dst, json_t *value, at_error_t *err)
{
    at_str_t  text;

    if (json_is_null(value)) {
        return 0;
    }

    if (json_is_array(value)) {
        return cli_read_range_list(rec, dst, value, err);
    }

    if (cli_read_string(&text, value, err) != 0 || !cli_text_is_any(text)) {
        return at_error(err, "is neither a list nor \"Any\"");
    }

    return 0;
}


static int
cli_read_cipp_range_list(cli_record_t *rec, void *dst, json_t *value,
    at_error_t *err)
{
    int      rc;
    json_t  *list;

    list = json_is_array(value) ? json_incref(value)
                                : json_pack("[O]", value);
    if (list == NULL) {
        return at_error(err, "is too much for the memory");
    }

    rc = cli_read_range_list(rec, dst, list, err);
    json_decref(list);

    return rc;
}


/*
 * CIPP's table has the JSON text of a list or of one string; "" is no list.
 * What is no JSON is taken for an entry, where CIPP reads "Any".
 */
static int
cli_read_cipp_ranges(cli_record_t *rec, void *dst, json_t *value,
    at_error_t *err)
{
    int       rc;
    json_t   *list;
    at_str_t  text;

    if (cli_json_is_empty(value)) {
        return 0;
    }

    if (!json_is_string(value)) {
        return cli_read_cipp_range_list(rec, dst, value, err);
    }

    (void) cli_read_string(&text, value, err);
    list = json_loadb(text.data, text.len, JSON_DECODE_ANY, NULL);

    if (list == NULL) {
        return cli_read_cipp_range_list(rec, dst, value, err);
    }

    rc = cli_json_is_empty(list) ? 0 : cli_read_cipp_range_list(rec, dst, list, err);
    json_decref(list);

    return rc;
}


static json_t *
cli_write_ranges(const void *src)
{
    char       text[CLI_VALUE_SIZE];
    json_t    *array;
    at_list_t  rest;
    at_cidr_t  cidr;

    rest = *(const at_list_t *) src;
    array = json_array();

    while (array != NULL && at_list_next_range(&rest, &cidr)) {
        cli_range_format(text, &cidr);

        if (json_array_append_new(array, json_string(text)) != 0) {
            json_decref(array);
            return NULL;
        }
    }

    return array;
}


const cli_type_t  cli_type_ranges = { cli_read_ranges, cli_write_ranges };
const cli_type_t  cli_type_cipp_ranges = { cli_read_cipp_ranges, NULL };


/* --- flags and times ----------------------------------------------------- */


static int
cli_read_bool(cli_record_t *rec, void *dst, json_t *value, at_error_t *err)
{
    int  *flag = dst;

    (void) rec;

    if (!json_is_boolean(value)) {
        return at_error(err, "is neither true nor false");
    }

    *flag = json_is_true(value);

    return 0;
}


static json_t *
cli_write_bool(const void *src)
{
    return json_boolean(*(const int *) src);
}


static int
cli_read_time(cli_record_t *rec, void *dst, json_t *value, at_error_t *err)
{
    int64_t  *time = dst;

    (void) rec;

    if (!json_is_integer(value) || json_integer_value(value) < 0
        || json_integer_value(value) > CLI_MS_MAX)
    {
        return at_error(err, "is no number of milliseconds since the epoch "
                        "up to the year 9999");
    }

    *time = json_integer_value(value);

    return 0;
}


static json_t *
cli_write_time(const void *src)
{
    return json_integer(*(const int64_t *) src);
}


static int
cli_read_expires(cli_record_t *rec, void *dst, json_t *value, at_error_t *err)
{
    return json_is_null(value) ? 0 : cli_read_time(rec, dst, value, err);
}


static json_t *
cli_write_expires(const void *src)
{
    return *(const int64_t *) src == AT_NEVER ? json_null()
                                              : cli_write_time(src);
}


const cli_type_t  cli_type_bool = { cli_read_bool, cli_write_bool };
const cli_type_t  cli_type_time = { cli_read_time, cli_write_time };
const cli_type_t  cli_type_expires = { cli_read_expires, cli_write_expires };


/* --- the digest of a token ----------------------------------------------- */


static int
cli_read_digest(cli_record_t *rec, void *dst, json_t *value, at_error_t *err)
{
    at_str_t  text;

    if (cli_read_string(&text, value, err) != 0
        || cli_hex_decode(dst, AT_SHA256_LEN, text) != 0)
    {
        return at_error(err, "is no SHA-256 in %d hex digits",
                        2 * AT_SHA256_LEN);
    }

    rec->has_digest = 1;

    return 0;
}


static json_t *
cli_write_digest(const void *src)
{
    char  text[2 * AT_SHA256_LEN + 1];

    cli_hex_encode(text, src, AT_SHA256_LEN);

    return json_string(text);
}


static int
cli_read_token(cli_record_t *rec, void *dst, json_t *value, at_error_t *err)
{
    at_str_t  text;

    if (cli_read_string(&text, value, err) != 0 || !cli_token_is_valid(text)) {
        return at_error(err, "is no token of %d to %d printable characters "
                        "without spaces", CLI_TOKEN_LEN_MIN, CLI_TOKEN_LEN_MAX);
    }

    if (at_sha256(dst, text) != 0) {
        return at_error(err, "is too much for the memory");
    }

    rec->has_digest = 1;

    return 0;
}


static int
cli_read_ignored(cli_record_t *rec, void *dst, json_t *value, at_error_t *err)
{
    (void) rec;
    (void) dst;

    return json_is_object(value) || json_is_array(value)
           ? at_error(err, "is no single value") : 0;
}


const cli_type_t  cli_type_digest = { cli_read_digest, cli_write_digest };
const cli_type_t  cli_type_token = { cli_read_token, NULL };
const cli_type_t  cli_type_ignored = { cli_read_ignored, NULL };


/* --- CIPP's columns ------------------------------------------------------ */


/*
 * What a column holds: its JSON text, or the value itself.  "" is null.  A new
 * reference, or NULL with err set: what cannot be read may have been a limit.
 */
static json_t *
cli_cipp_value(json_t *value, at_error_t *err)
{
    json_t    *parsed;
    at_str_t   text;

    if (cli_json_is_empty(value)) {
        return json_null();
    }

    if (!json_is_string(value)) {
        return json_incref(value);
    }

    (void) cli_read_string(&text, value, err);
    parsed = json_loadb(text.data, text.len,
                        JSON_DECODE_ANY|JSON_REJECT_DUPLICATES, NULL);

    if (parsed == NULL) {
        (void) at_error(err, "is no JSON");
    }

    return parsed;
}


/* one of PowerShell's lists, which is the element itself where there is one */
static json_t *
cli_cipp_list(json_t *value, at_error_t *err)
{
    json_t  *parsed, *list;

    parsed = cli_cipp_value(value, err);

    if (parsed == NULL || json_is_array(parsed)) {
        return parsed;
    }

    list = cli_json_is_empty(parsed) ? json_array() : json_pack("[O]", parsed);
    json_decref(parsed);

    if (list == NULL) {
        (void) at_error(err, "is too much for the memory");
    }

    return list;
}


/* in CIPP's permissions a star has no meaning, and here it would have one */
static int
cli_cipp_is_permission(at_str_t text)
{
    return at_pattern_is_valid(text)
           && memchr(text.data, '*', text.len) == NULL;
}


/* of an object, the values */
static int
cli_read_cipp_permissions(cli_record_t *rec, void *dst, json_t *value,
    at_error_t *err)
{
    int          rc;
    json_t      *object, *list, *item;
    const char  *name;

    object = cli_cipp_value(value, err);

    if (object == NULL) {
        return -1;
    }

    list = json_array();
    rc = json_is_object(object) || json_is_null(object)
         ? 0 : at_error(err, "is no object of permissions");

    json_object_foreach(object, name, item) {
        if (!cli_json_is_empty(item)) {
            (void) json_array_append(list, item);
        }
    }

    if (rc == 0) {
        rc = cli_read_texts(rec, dst, list, cli_cipp_is_permission,
                            "no permission such as Identity.User.Read", err);
    }

    json_decref(list);
    json_decref(object);

    return rc;
}


static int
cli_read_cipp_names(cli_record_t *rec, void *dst, json_t *value,
    at_error_t *err)
{
    int      rc;
    json_t  *list;

    list = cli_cipp_list(value, err);

    if (list == NULL) {
        return -1;
    }

    rc = cli_read_names(rec, dst, list, err);
    json_decref(list);

    return rc;
}


/* az and PowerShell print the type as a word, now and then */
static int
cli_read_cipp_bool(cli_record_t *rec, void *dst, json_t *value,
    at_error_t *err)
{
    int       *flag = dst;
    at_str_t   text;

    if (!json_is_string(value)) {
        *flag = 0;
        return json_is_null(value) ? 0 : cli_read_bool(rec, dst, value, err);
    }

    (void) cli_read_string(&text, value, err);
    *flag = at_str_equal_nocase(text, at_str("true"));

    return *flag || at_str_equal_nocase(text, at_str("false"))
           ? 0 : cli_text_error(err, text, "neither true nor false");
}


static int
cli_read_cipp_tenants(int *limited, json_t *value, at_str_t all,
    at_error_t *err)
{
    size_t     i;
    json_t    *list, *item;
    at_str_t   text;

    list = cli_cipp_list(value, err);

    if (list == NULL) {
        return -1;
    }

    /* all: the word without which a list of allowed ones is a limit */
    *limited = all.len != 0 || json_array_size(list) != 0;

    json_array_foreach(list, i, item) {
        if (all.len != 0 && json_is_string(item)) {
            text.data = json_string_value(item);
            text.len = json_string_length(item);
            *limited &= !at_str_equal_nocase(text, all);
        }
    }

    json_decref(list);

    return 0;
}


static int
cli_read_cipp_allowed(cli_record_t *rec, void *dst, json_t *value,
    at_error_t *err)
{
    (void) rec;

    return cli_read_cipp_tenants(dst, value, at_str("AllTenants"), err);
}


static int
cli_read_cipp_blocked(cli_record_t *rec, void *dst, json_t *value,
    at_error_t *err)
{
    (void) rec;

    return cli_read_cipp_tenants(dst, value, at_str(""), err);
}


const cli_type_t  cli_type_cipp_permissions = {
    cli_read_cipp_permissions, NULL
};
const cli_type_t  cli_type_cipp_names = { cli_read_cipp_names, NULL };
const cli_type_t  cli_type_cipp_bool = { cli_read_cipp_bool, NULL };
const cli_type_t  cli_type_cipp_allowed = { cli_read_cipp_allowed, NULL };
const cli_type_t  cli_type_cipp_blocked = { cli_read_cipp_blocked, NULL };
