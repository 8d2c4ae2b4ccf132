/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "cli/record/cli_cipp.h"
#include "cli/record/cli_type.h"
#include "core/authz/at_role.h"
#include "core/base/at_bytes.h"


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


static at_str_t
cli_cipp_trim(at_str_t text)
{
    static const char  spaces[] = " \t\n\v\f\r";

    while (text.len && memchr(spaces, text.data[0], sizeof(spaces) - 1)) {
        text.data++;
        text.len--;
    }

    while (text.len && memchr(spaces, text.data[text.len - 1],
                              sizeof(spaces) - 1))
    {
        text.len--;
    }

    return text;
}


/*
 * The range as at_cidr_parse() expects it, or NULL: .NET, which CIPP uses,
 * accepts spaces around it, and an IPv6 address with brackets and a zone.
 */
static json_t *
cli_cipp_range(json_t *item)
{
    char         buf[64];
    size_t       len;
    at_str_t     range, addr;
    at_cidr_t    cidr;
    const char  *slash, *zone;

    if (!json_is_string(item)) {
        return NULL;
    }

    range = cli_cipp_trim(cli_json_str(item));

    if (at_str_equal_nocase(range, at_str("any"))) {
        return json_stringn(range.data, range.len);
    }

    slash = memchr(range.data, '/', range.len);
    addr.data = range.data;
    addr.len = slash != NULL ? (size_t) (slash - range.data) : range.len;

    /* "/" and the prefix length */
    range.data += addr.len;
    range.len -= addr.len;

    if (memchr(addr.data, ':', addr.len) != NULL) {

        if (addr.data[0] == '[' && addr.data[addr.len - 1] == ']') {
            addr.data++;
            addr.len -= 2;
        }

        zone = memchr(addr.data, '%', addr.len);
        addr.len = zone != NULL ? (size_t) (zone - addr.data) : addr.len;
    }

    len = addr.len + range.len;

    if (len > sizeof(buf)) {
        return NULL;
    }

    memcpy(buf, addr.data, addr.len);
    memcpy(buf + addr.len, range.data, range.len);

    return at_cidr_parse(&cidr, (at_str_t) { buf, len }) != -1
           ? json_stringn(buf, len) : NULL;
}


/*
 * An array, one range, or the JSON text of these.  Text that is not JSON must
 * be a range; CIPP reads other text as "Any".  Entries that are not a range
 * are added to rec->bad_ranges.
 */
static int
cli_cipp_read_ranges(cli_record_t *rec, const cli_field_t *field,
    json_t *value, at_error_t *err)
{
    int      rc;
    size_t   i;
    json_t  *array, *ranges, *item, *range;

    array = cli_cipp_value(field, value, err);
    array = cli_cipp_array(array != NULL ? array : json_incref(value), err);
    ranges = json_array();
    rec->bad_ranges = json_array();

    if (array == NULL || ranges == NULL || rec->bad_ranges == NULL) {
        json_decref(array);
        json_decref(ranges);
        return cli_type_no_memory(err);
    }

    rc = 0;

    json_array_foreach(array, i, item) {
        range = cli_cipp_range(item);

        rc |= range != NULL ? json_array_append_new(ranges, range)
                            : json_array_append(rec->bad_ranges, item);
    }

    rc = rc == 0 ? cli_type_read_ranges(rec, field, ranges, err)
                 : cli_type_no_memory(err);

    json_decref(array);
    json_decref(ranges);

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


static const cli_type_t  cli_cipp_ranges = { .read = cli_cipp_read_ranges };
static const cli_type_t  cli_cipp_bool = { .read = cli_cipp_read_bool };
static const cli_type_t  cli_cipp_tenants = { .read = cli_cipp_read_tenants };

static const cli_type_t  cli_cipp_names = {
    .read = cli_cipp_read_names,
    .check = cli_entry_is_valid, .hint = CLI_ENTRY_HINT
};

static const cli_type_t  cli_cipp_permissions = {
    .read = cli_cipp_read_permissions,
    .check = cli_cipp_permission_is_valid,
    .hint = "use a permission such as \"Identity.User.Read\""
};


static const cli_field_t  cli_cipp_client_fields[] = {
    { "RowKey", &cli_type_name, cli_offset(u.client.id), 0 },
    { "AppName", &cli_type_text, cli_offset(u.client.name), 0 },
    { "Role", &cli_type_reference, cli_offset(u.client.role), 0 },
    { "Enabled", &cli_cipp_bool, cli_offset(u.client.enabled), 0 },
    { "IPRange", &cli_cipp_ranges, cli_offset(u.client.ranges), 0 },
    { NULL, NULL, 0, 0 }
};

static const cli_field_t  cli_cipp_role_fields[] = {
    { "RowKey", &cli_type_role_name, cli_offset(u.role.name), 0 },
    { "Permissions", &cli_cipp_permissions, cli_offset(u.role.grant), 0 },
    { "BlockedEndpoints", &cli_cipp_names, cli_offset(u.role.blocked), 0 },
    { "AllowedTenants", &cli_cipp_tenants, 0, 0 },
    { "BlockedTenants", &cli_cipp_tenants, 0, 0 },
    { NULL, NULL, 0, 0 }
};


/* the table's name, tags and times of the row, OData types and links */
static int
cli_cipp_is_metadata(const char *name)
{
    size_t  i;

    static const char  *names[] = {
        "table", "PartitionKey", "Timestamp", "ETag", "etag", "MCPAllowed",
        "SplitOverProps"
    };

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(name, names[i]) == 0) {
            return 1;
        }
    }

    return strncmp(name, "odata.", 6) == 0 || strstr(name, "@odata.") != NULL;
}


/* takes the reference of text, which may be NULL */
static int
cli_cipp_warn(json_t *warnings, json_t *text, at_error_t *err)
{
    int  rc;

    rc = json_object_set_new(warnings, json_string_value(text), json_true());
    json_decref(text);

    return rc == 0 ? 0 : cli_type_no_memory(err);
}


/* a new reference to the text of NAME_Part0, NAME_Part1, ..., or NULL */
static json_t *
cli_cipp_join_parts(json_t *row, const char *name, at_error_t *err)
{
    char        part[64];
    json_t     *value;
    unsigned    i;
    at_bytes_t  text = { NULL, 0, 0, 0 };

    for (i = 0; /* void */; i++) {
        (void) snprintf(part, sizeof(part), "%s_Part%u", name, i);
        value = json_object_get(row, part);

        if (!json_is_string(value)) {
            break;
        }

        at_bytes_append(&text, json_string_value(value),
                        json_string_length(value));
    }

    value = text.failed || i == 0 ? NULL : json_stringn(text.data, text.len);
    at_bytes_free(&text);

    if (value == NULL) {
        (void) at_error(err, "\"%s\" is not a string", part);
    }

    return value;
}


/*
 * Adds the column to clean.  CIPP splits a text of more than 30 KB into parts.
 * The first part adds the column, each other one requires the part before it:
 * without a part, a restriction would be lost.
 */
static int
cli_cipp_add_column(json_t *clean, json_t *row, const char *name,
    const char *column, at_error_t *err)
{
    char         part[64];
    json_t      *value;
    unsigned     n;
    const char  *suffix;

    suffix = column + strlen(name);

    if (*suffix == '\0') {
        value = json_incref(json_object_get(row, column));

    } else {
        n = (unsigned) strtoul(suffix + sizeof("_Part") - 1, NULL, 10);

        if (n != 0) {
            (void) snprintf(part, sizeof(part), "%s_Part%u", name, n - 1);

            return json_is_string(json_object_get(row, part))
                   ? 0 : at_error(err, "\"%s\" is missing", part);
        }

        value = cli_cipp_join_parts(row, name, err);
        if (value == NULL) {
            return -1;
        }
    }

    if (json_object_get(clean, name) != NULL) {
        json_decref(value);
        return at_error(err, "column \"%s\" is duplicate", name);
    }

    return json_object_set_new(clean, name, value) == 0
           ? 0 : cli_type_no_memory(err);
}


/* the field of a column or of a part of it, in any case, as in PowerShell */
static const cli_field_t *
cli_cipp_find_field(const cli_field_t *fields, const char *column)
{
    size_t  len;

    for ( /* void */ ; fields->name != NULL; fields++) {
        len = strlen(fields->name);

        if (strncasecmp(fields->name, column, len) == 0
            && (column[len] == '\0'
                || strncasecmp(column + len, "_Part", 5) == 0))
        {
            return fields;
        }
    }

    return NULL;
}


/*
 * Leaves only the columns of fields in the row: without metadata, without
 * null, which is an absent column, and without columns that this version does
 * not know.
 */
static int
cli_cipp_clean_row(json_t *row, const cli_field_t *fields, const char *table,
    json_t *warnings, at_error_t *err)
{
    int                 rc;
    json_t             *clean, *value;
    const char         *name;
    const cli_field_t  *field;

    value = json_object_get(row, "OriginalEntityId");

    if (value != NULL && !json_is_null(value)) {
        return at_error(err, "CIPP has split this row into several rows");
    }

    rc = 0;
    clean = json_object();

    json_object_foreach(row, name, value) {
        field = cli_cipp_find_field(fields, name);

        if (field != NULL && !json_is_null(value)) {
            rc = cli_cipp_add_column(clean, row, field->name, name, err);

        } else if (field == NULL && !cli_cipp_is_metadata(name)) {
            rc = cli_cipp_warn(warnings, json_sprintf(
                     "unknown column \"%s\" of %s ignored", name, table), err);
        }

        if (rc != 0) {
            break;
        }
    }

    if (rc == 0 && (json_object_clear(row) != 0
                    || json_object_update(row, clean) != 0))
    {
        rc = cli_type_no_memory(err);
    }

    json_decref(clean);

    return rc;
}


static int
cli_cipp_check_tenants(const cli_record_t *role, json_t *row, json_t *warnings,
    at_error_t *err)
{
    if (!role->tenant_limited
        && json_object_get(row, "AllowedTenants") != NULL)
    {
        return 0;
    }

    return cli_cipp_warn(warnings, json_sprintf(
               "role \"%s\": CIPP limits it to some tenants, which the module "
               "does not enforce: the API must enforce it",
               json_string_value(json_object_get(row, "RowKey"))), err);
}


int
cli_cipp_parse(cli_record_t *rec, json_t *row, json_t *warnings,
    at_error_t *err)
{
    int                 is_role;
    json_t             *key;
    const char         *table;
    const cli_kind_t   *kind;
    const cli_field_t  *fields;

    table = json_string_value(json_object_get(row, "PartitionKey"));

    if (table == NULL
        || (strcmp(table, "ApiClients") != 0
            && strcmp(table, "CustomRoles") != 0))
    {
        return 0;
    }

    is_role = strcmp(table, "CustomRoles") == 0;
    fields = is_role ? cli_cipp_role_fields : cli_cipp_client_fields;

    key = json_object_get(row, "RowKey");

    if (key != NULL && cli_json_is_empty(key)) {
        return cli_cipp_warn(warnings, json_sprintf(
                   "row of %s with an empty \"RowKey\" ignored", table), err);
    }

    kind = cli_kind_find(is_role ? at_str("role") : at_str("client"));

    if (cli_cipp_clean_row(row, fields, table, warnings, err) != 0
        || cli_record_parse(rec, kind, fields, row, err) != 0)
    {
        return -1;
    }

    if (!is_role) {
        if (rec->u.client.role.len == 0) {
            rec->u.client.role = at_str("cipp-api");
        }

        rec->u.client.enabled &= json_object_get(row, "Enabled") != NULL;
        return 1;
    }

    return cli_cipp_check_tenants(rec, row, warnings, err) == 0 ? 1 : -1;
}
