/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stddef.h>

#include "cli/record/cli_cipp.h"
#include "cli/record/cli_type.h"
#include "core/authz/at_role.h"


#define cli_offset(field)  offsetof(cli_record_t, field)


/*
 * Returns a new reference, null for an empty string, or NULL with err set: a
 * column that cannot be parsed may have been a restriction.
 */
static json_t *
cli_cipp_value(const cli_field_t *field, json_t *value, at_error_t *err)
{
    json_t    *parsed;
    at_str_t   text;

    if (cli_json_is_empty(value)) {
        return json_null();
    }

    if (!json_is_string(value)) {
        return json_incref(value);
    }

    text = cli_json_str(value);
    parsed = json_loadb(text.data, text.len,
                        JSON_DECODE_ANY|JSON_REJECT_DUPLICATES, NULL);

    if (parsed == NULL) {
        (void) at_error(err, "\"%s\" is not JSON", field->name);
    }

    return parsed;
}


/*
 * The column as an array: PowerShell writes a list of one element as the
 * element itself.  Takes the reference of the value, which may be NULL.
 */
static json_t *
cli_cipp_array(json_t *value, at_error_t *err)
{
    json_t  *array;

    if (value == NULL || json_is_array(value)) {
        return value;
    }

    array = cli_json_is_empty(value) ? json_array() : json_pack("[O]", value);
    json_decref(value);

    if (array == NULL) {
        (void) cli_type_no_memory(err);
    }

    return array;
}


/*
 * An array, one range, or the JSON text of these.  Text that is not JSON must
 * be a range; CIPP reads other text as "Any".
 */
static int
cli_cipp_read_ranges(cli_record_t *rec, const cli_field_t *field,
    json_t *value, at_error_t *err)
{
    int      rc;
    json_t  *array;

    array = cli_cipp_value(field, value, err);
    array = cli_cipp_array(array != NULL ? array : json_incref(value), err);
    rc = array != NULL ? cli_type_read_ranges(rec, field, array, err) : -1;
    json_decref(array);

    return rc;
}


/* CIPP compares permissions as text: "*" would become a wildcard here */
static int
cli_cipp_permission_is_valid(at_str_t text)
{
    return at_pattern_is_valid(text)
           && memchr(text.data, '*', text.len) == NULL;
}


/* an object whose values are the permissions */
static int
cli_cipp_read_permissions(cli_record_t *rec, const cli_field_t *field,
    json_t *value, at_error_t *err)
{
    int          rc;
    json_t      *object, *array, *item;
    const char  *name;

    object = cli_cipp_value(field, value, err);

    if (object == NULL) {
        return -1;
    }

    array = json_array();
    rc = json_is_object(object) || json_is_null(object)
         ? 0 : at_error(err, "\"%s\" is not an object", field->name);

    json_object_foreach(object, name, item) {
        if (!cli_json_is_empty(item) && json_array_append(array, item) != 0) {
            rc = cli_type_no_memory(err);
        }
    }

    if (rc == 0) {
        rc = cli_type_read_texts(rec, field, array, err);
    }

    json_decref(array);
    json_decref(object);

    return rc;
}


static int
cli_cipp_read_names(cli_record_t *rec, const cli_field_t *field,
    json_t *value, at_error_t *err)
{
    int      rc;
    json_t  *array;

    array = cli_cipp_array(cli_cipp_value(field, value, err), err);
    rc = array != NULL ? cli_type_read_texts(rec, field, array, err) : -1;
    json_decref(array);

    return rc;
}


/* az and PowerShell may write a boolean as a string */
static int
cli_cipp_read_bool(cli_record_t *rec, const cli_field_t *field, json_t *value,
    at_error_t *err)
{
    int       *flag;
    at_str_t   text;

    flag = cli_field_value(rec, field);
    *flag = 0;

    if (json_is_null(value)) {
        return 0;
    }

    if (!json_is_string(value)) {
        return cli_type_bool.read(rec, field, value, err);
    }

    text = cli_json_str(value);
    *flag = at_str_equal_nocase(text, at_str("true"));

    return *flag || at_str_equal_nocase(text, at_str("false"))
           ? 0 : cli_type_error(err, field, text, "use true or false");
}


/*
 * A list of allowed tenants without "AllTenants", or a list of blocked ones
 * that is not empty, limits the role.
 */
static int
cli_cipp_read_tenants(cli_record_t *rec, const cli_field_t *field,
    json_t *value, at_error_t *err)
{
    int      all;
    size_t   i;
    json_t  *array, *item;

    array = cli_cipp_array(cli_cipp_value(field, value, err), err);

    if (array == NULL) {
        return -1;
    }

    all = 0;

    json_array_foreach(array, i, item) {
        all |= json_is_string(item)
               && at_str_equal_nocase(cli_json_str(item),
                                      at_str("AllTenants"));
    }

    rec->tenant_limited |= strcmp(field->name, "AllowedTenants") == 0
                           ? !all : json_array_size(array) != 0;
    json_decref(array);

    return 0;
}


static int
cli_cipp_read_ignored(cli_record_t *rec, const cli_field_t *field,
    json_t *value, at_error_t *err)
{
    (void) rec;

    return json_is_object(value) || json_is_array(value)
           ? at_error(err, "\"%s\" is an object or an array", field->name)
           : 0;
}


static const cli_type_t  cli_cipp_ranges = { .read = cli_cipp_read_ranges };
static const cli_type_t  cli_cipp_bool = { .read = cli_cipp_read_bool };
static const cli_type_t  cli_cipp_tenants = { .read = cli_cipp_read_tenants };
static const cli_type_t  cli_cipp_ignored = { .read = cli_cipp_read_ignored };

static const cli_type_t  cli_cipp_names = {
    .read = cli_cipp_read_names,
    .check = cli_entry_is_valid, .hint = CLI_ENTRY_HINT
};

static const cli_type_t  cli_cipp_permissions = {
    .read = cli_cipp_read_permissions,
    .check = cli_cipp_permission_is_valid,
    .hint = "use a permission such as \"Identity.User.Read\""
};


#define CLI_CIPP_IGNORED                                                      \
    { "PartitionKey", &cli_cipp_ignored, 0, 0 },                              \
    { "Timestamp", &cli_cipp_ignored, 0, 0 },                                 \
    { "ETag", &cli_cipp_ignored, 0, 0 }

static const cli_field_t  cli_cipp_client_fields[] = {
    { "RowKey", &cli_type_name, cli_offset(u.client.id), 0 },
    { "AppName", &cli_type_text, cli_offset(u.client.name), 0 },
    { "Role", &cli_type_reference, cli_offset(u.client.role), 0 },
    { "Enabled", &cli_cipp_bool, cli_offset(u.client.enabled), 0 },
    { "IPRange", &cli_cipp_ranges, cli_offset(u.client.ranges), 0 },
    { "MCPAllowed", &cli_cipp_ignored, 0, 0 },
    CLI_CIPP_IGNORED,
    { NULL, NULL, 0, 0 }
};

static const cli_field_t  cli_cipp_role_fields[] = {
    { "RowKey", &cli_type_role_name, cli_offset(u.role.name), 0 },
    { "Permissions", &cli_cipp_permissions, cli_offset(u.role.grant), 0 },
    { "BlockedEndpoints", &cli_cipp_names, cli_offset(u.role.blocked), 0 },
    { "AllowedTenants", &cli_cipp_tenants, 0, 0 },
    { "BlockedTenants", &cli_cipp_tenants, 0, 0 },
    CLI_CIPP_IGNORED,
    { NULL, NULL, 0, 0 }
};


int
cli_cipp_parse(cli_record_t *rec, json_t *row, at_error_t *err)
{
    void        *next;
    json_t      *value;
    const char  *name, *table;

    table = json_string_value(json_object_get(row, "PartitionKey"));

    if (table == NULL
        || (strcmp(table, "ApiClients") != 0
            && strcmp(table, "CustomRoles") != 0))
    {
        return 0;
    }

    json_object_foreach_safe(row, next, name, value) {

        /* the table's name, the row's tag, and OData types and links */
        if (strcmp(name, "table") == 0 || strcmp(name, "etag") == 0
            || strncmp(name, "odata.", 6) == 0
            || strstr(name, "@odata.") != NULL)
        {
            (void) json_object_del(row, name);
        }
    }

    if (strcmp(table, "CustomRoles") == 0) {
        if (cli_record_parse(rec, cli_kind_find(at_str("role")),
                             cli_cipp_role_fields, row, err) != 0)
        {
            return -1;
        }

        rec->tenant_limited |= json_object_get(row, "AllowedTenants") == NULL;
        return 1;
    }

    if (cli_record_parse(rec, cli_kind_find(at_str("client")),
                         cli_cipp_client_fields, row, err) != 0)
    {
        return -1;
    }

    if (rec->u.client.role.len == 0) {
        rec->u.client.role = at_str("cipp-api");
    }

    rec->u.client.enabled &= json_object_get(row, "Enabled") != NULL;

    return 1;
}
