/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stddef.h>

#include "cli/record/cli_type.h"
#include "core/base/at_crypto.h"


#define cli_offset(field)  offsetof(cli_record_t, field)


static const cli_field_t  cli_role_fields[] = {
    { "name", &cli_type_role_name, cli_offset(u.role.name), 0 },
    { "grant", &cli_type_patterns, cli_offset(u.role.grant), 0 },
    { "deny", &cli_type_patterns, cli_offset(u.role.deny), 0 },
    { "blocked_endpoints", &cli_type_names, cli_offset(u.role.blocked), 0 },
    { "created", &cli_type_time, cli_offset(u.role.created), 0 },
    { NULL, NULL, 0, 0 }
};

static const cli_field_t  cli_user_fields[] = {
    { "username", &cli_type_name, cli_offset(u.user.username), 0 },
    { "id", &cli_type_reference, cli_offset(u.user.id), 0 },
    { "password_hash", &cli_type_hash, cli_offset(u.user.password), 1 },
    { "issuers", &cli_type_names, cli_offset(u.user.issuers), 0 },
    { "enabled", &cli_type_bool, cli_offset(u.user.enabled), 0 },
    { "scope", &cli_type_names, cli_offset(u.user.scopes), 0 },
    { "is_admin", &cli_type_bool, cli_offset(u.user.admin), 0 },
    { "created", &cli_type_time, cli_offset(u.user.created), 0 },
    { NULL, NULL, 0, 0 }
};

static const cli_field_t  cli_client_fields[] = {
    { "id", &cli_type_name, cli_offset(u.client.id), 0 },
    { "name", &cli_type_text, cli_offset(u.client.name), 0 },
    { "issuers", &cli_type_names, cli_offset(u.client.issuers), 0 },
    { "enabled", &cli_type_bool, cli_offset(u.client.enabled), 0 },
    { "role", &cli_type_reference, cli_offset(u.client.role), 0 },
    { "ip_ranges", &cli_type_ranges, cli_offset(u.client.ranges), 0 },
    { "secret_hashes", &cli_type_hashes, cli_offset(u.client.secrets), 1 },
    { "created", &cli_type_time, cli_offset(u.client.created), 0 },
    { NULL, NULL, 0, 0 }
};

static const cli_field_t  cli_token_fields[] = {
    { "id", &cli_type_name, cli_offset(u.token.id), 0 },
    { "sha256", &cli_type_digest, cli_offset(digest), 1 },
    { "token", &cli_type_token, cli_offset(digest), 1 },
    { "description", &cli_type_text, cli_offset(u.token.description), 0 },
    { "user", &cli_type_reference, cli_offset(u.token.user), 0 },
    { "role", &cli_type_reference, cli_offset(u.token.role), 0 },
    { "scope", &cli_type_names, cli_offset(u.token.scopes), 0 },
    { "ip_ranges", &cli_type_ranges, cli_offset(u.token.ranges), 0 },
    { "expires", &cli_type_expires, cli_offset(u.token.expires), 0 },
    { "enabled", &cli_type_bool, cli_offset(u.token.enabled), 0 },
    { "created", &cli_type_time, cli_offset(u.token.created), 0 },
    { NULL, NULL, 0, 0 }
};

const cli_kind_t  cli_kinds[CLI_KINDS] = {
    { "role", "roles", AT_TABLE_ROLES, AT_TABLE_ROLES, cli_role_fields,
      cli_offset(u.role.created), 0, 0 },
    { "user", "users", AT_TABLE_USERS, AT_TABLE_USERS, cli_user_fields,
      cli_offset(u.user.created), cli_offset(u.user.enabled), 0 },
    { "client", "clients", AT_TABLE_CLIENTS, AT_TABLE_CLIENTS,
      cli_client_fields, cli_offset(u.client.created),
      cli_offset(u.client.enabled), cli_offset(u.client.ranges) },
    { "token", "tokens", AT_TABLE_TOKENS, AT_TABLE_TOKEN_IDS,
      cli_token_fields, cli_offset(u.token.created),
      cli_offset(u.token.enabled), cli_offset(u.token.ranges) }
};


const cli_kind_t *
cli_kind_find(at_str_t noun)
{
    size_t  i;

    for (i = 0; i < CLI_KINDS; i++) {
        if (at_str_equal(noun, (at_str_t) { cli_kinds[i].noun,
                                            strlen(cli_kinds[i].noun) }))
        {
            return &cli_kinds[i];
        }
    }

    return NULL;
}


at_str_t
cli_kind_key(const cli_kind_t *kind, at_str_t name, char buf[AT_KEY_MAX])
{
    if (name.len > AT_NAME_MAX) {
        return (at_str_t) { NULL, 0 };
    }

    return kind->table == AT_TABLE_CLIENTS || kind->table == AT_TABLE_ROLES
           ? at_store_lower_key(buf, name) : name;
}


void
cli_record_free(cli_record_t *rec)
{
    size_t  i;

    for (i = 0; i < CLI_RECORD_LISTS_MAX; i++) {
        at_bytes_free(&rec->lists[i]);
    }

    at_bytes_free(&rec->bytes);
    json_decref(rec->bad_ranges);
    memset(rec, 0, sizeof(cli_record_t));
}


at_str_t
cli_record_name(const cli_record_t *rec)
{
    return *(const at_str_t *) (const void *)
           ((const char *) rec + rec->kind->fields[0].offset);
}


at_str_t
cli_record_key(cli_record_t *rec)
{
    if (rec->kind->table == AT_TABLE_TOKENS) {
        return (at_str_t) { (char *) rec->digest, AT_SHA256_LEN };
    }

    return cli_kind_key(rec->kind, cli_record_name(rec), rec->key);
}


int64_t *
cli_record_created(cli_record_t *rec)
{
    return (int64_t *) (void *) ((char *) rec + rec->kind->created);
}


int *
cli_record_enabled(cli_record_t *rec)
{
    return rec->kind->enabled != 0
           ? (void *) ((char *) rec + rec->kind->enabled) : NULL;
}


const at_list_t *
cli_record_ranges(const cli_record_t *rec)
{
    return rec->kind->ranges != 0
           ? (const void *) ((const char *) rec + rec->kind->ranges) : NULL;
}


int
cli_record_is_unrestricted(const cli_record_t *rec)
{
    const at_list_t  *ranges = cli_record_ranges(rec);

    return ranges != NULL && ranges->n == 0;
}


static void
cli_record_reset(cli_record_t *rec, const cli_kind_t *kind)
{
    rec->kind = kind;
    memset(&rec->u, 0, sizeof(rec->u));
    rec->tenant_limited = 0;
    json_decref(rec->bad_ranges);
    rec->bad_ranges = NULL;
    rec->has_digest = 0;
    rec->n_lists = 0;
    rec->bytes.len = 0;

    *cli_record_created(rec) = -1;

    if (cli_record_enabled(rec) != NULL) {
        *cli_record_enabled(rec) = 1;
    }

    if (kind->table == AT_TABLE_TOKENS) {
        rec->u.token.expires = AT_NEVER;
    }
}


int
cli_record_decode(cli_record_t *rec, const cli_kind_t *kind, at_str_t key,
    at_str_t bytes)
{
    cli_record_reset(rec, kind);

    switch (kind->table) {

    case AT_TABLE_ROLES:
        return at_role_decode(&rec->u.role, bytes);

    case AT_TABLE_USERS:
        return at_user_decode(&rec->u.user, bytes);

    case AT_TABLE_CLIENTS:
        return at_client_decode(&rec->u.client, bytes);

    default:
        if (key.len != AT_SHA256_LEN) {
            return -1;
        }

        memcpy(rec->digest, key.data, AT_SHA256_LEN);
        rec->has_digest = 1;

        return at_token_decode(&rec->u.token, bytes);
    }
}


int
cli_record_encode(cli_record_t *rec)
{
    rec->bytes.len = 0;

    switch (rec->kind->table) {

    case AT_TABLE_ROLES:
        return at_role_encode(&rec->bytes, &rec->u.role);

    case AT_TABLE_USERS:
        return at_user_encode(&rec->bytes, &rec->u.user);

    case AT_TABLE_CLIENTS:
        return at_client_encode(&rec->bytes, &rec->u.client);

    default:
        return at_token_encode(&rec->bytes, &rec->u.token);
    }
}


int
cli_record_parse(cli_record_t *rec, const cli_kind_t *kind,
    const cli_field_t *fields, json_t *object, at_error_t *err)
{
    json_t             *value;
    const char         *name;
    const cli_field_t  *field;

    cli_record_reset(rec, kind);

    json_object_foreach(object, name, value) {
        for (field = fields; field->name != NULL; field++) {
            if (strcmp(field->name, name) == 0) {
                break;
            }
        }

        if (field->name == NULL) {
            return at_error(err, "unknown member \"%.64s\"", name);
        }

        if (field->type->read(rec, field, value, err) != 0) {
            return -1;
        }
    }

    if (cli_record_name(rec).len == 0) {
        return at_error(err, "\"%s\" is missing", fields[0].name);
    }

    if (kind->table == AT_TABLE_TOKENS && !rec->has_digest) {
        return at_error(err, "\"sha256\" is missing");
    }

    return 0;
}


json_t *
cli_record_json(const cli_record_t *rec, int internal)
{
    json_t             *object;
    const cli_field_t  *field;

    object = json_object();

    for (field = rec->kind->fields;
         object != NULL && field->name != NULL;
         field++)
    {
        if (field->type->write == NULL || (field->internal && !internal)) {
            continue;
        }

        if (json_object_set_new(object, field->name, field->type->write(
                                (const char *) rec + field->offset))
            != 0)
        {
            json_decref(object);
            return NULL;
        }
    }

    return object;
}
