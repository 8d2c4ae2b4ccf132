/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdio.h>

#include "core/base/at_crypto.h"
#include "core/session/at_session.h"
#include "core/session/at_token_use.h"
#include "cli/record/cli_show.h"
#include "cli/record/cli_type.h"
#include "cli/record/cli_value.h"


#define CLI_LABEL  "%-18s "


/* --- JSON ---------------------------------------------------------------- */


/* 1 with a token's use, 0: there was none, or it is not asked for; -1 */
static int
cli_show_get_use(const cli_t *cli, const cli_record_t *rec, at_token_use_t *use)
{
    if (cli->sessions == NULL) {
        return 0;
    }

    memcpy(use->digest, rec->digest, AT_SHA256_LEN);

    return at_token_use_get(cli->sessions, use);
}


static int
cli_show_use_json(const cli_t *cli, const cli_record_t *rec, json_t *object)
{
    int             found;
    at_token_use_t  use;

    found = cli_show_get_use(cli, rec, &use);

    if (cli->sessions == NULL) {
        return 0;
    }

    if (found < 0
        || json_object_set_new(object, "use_count",
                               json_integer(found ? (json_int_t) use.count : 0))
           != 0)
    {
        return -1;
    }

    return json_object_set_new(object, "last_used",
                               found ? json_integer(use.last) : json_null());
}


json_t *
cli_show_json(const cli_t *cli, const cli_record_t *rec)
{
    int      rc;
    json_t  *object;

    object = cli_record_json(rec, 0);

    if (object == NULL) {
        return NULL;
    }

    rc = 0;

    if (cli_record_ranges(rec) != NULL) {
        rc = json_object_set_new(object, "unrestricted", json_boolean(
                                 cli_record_is_unrestricted(rec)));
    }

    if (rc == 0 && rec->kind->table == AT_TABLE_CLIENTS) {
        rc = json_object_set_new(object, "secrets", json_integer(
                                 (json_int_t) rec->u.client.secrets.n));
    }

    if (rc == 0 && rec->kind->table == AT_TABLE_USERS) {
        rc = json_object_set_new(object, "password", json_boolean(
                                 rec->u.user.password.len != 0));
    }

    if (rc == 0) {
        rc = cli_show_use_json(cli, rec, object);
    }

    if (rc != 0) {
        json_decref(object);
        return NULL;
    }

    return object;
}


static int
cli_show_object(cli_t *cli, const cli_record_t *rec, const char *name,
    const char *secret)
{
    json_t  *object, *first;

    object = cli_show_json(cli, rec);

    if (secret == NULL || object == NULL) {
        return cli_print_json(cli, object);
    }

    first = json_pack("{s:s}", name, secret);

    if (first == NULL || json_object_update(first, object) != 0) {
        json_decref(first);
        first = NULL;
    }

    json_decref(object);

    return cli_print_json(cli, first);
}


/* --- text ---------------------------------------------------------------- */


static int
cli_record_is_expired(const cli_t *cli, const cli_record_t *rec)
{
    return rec->kind->table == AT_TABLE_TOKENS
           && rec->u.token.expires <= cli->now * 1000;
}


static void
cli_show_time(json_t *value)
{
    char  text[CLI_VALUE_SIZE];

    cli_time_format(text, json_integer_value(value));
    (void) puts(text);
}


static void
cli_show_array(const cli_field_t *field, json_t *array)
{
    size_t   i;
    json_t  *item;

    if (json_array_size(array) == 0) {
        (void) puts(field->type == &cli_type_ranges ? "unrestricted" : "-");
    }

    json_array_foreach(array, i, item) {
        if (i != 0) {
            (void) printf(CLI_LABEL, "");
        }

        cli_print((at_str_t) { json_string_value(item),
                               json_string_length(item) });
        (void) putchar('\n');
    }
}


static void
cli_show_value(const cli_field_t *field, json_t *value)
{
    switch (json_typeof(value)) {

    case JSON_ARRAY:
        cli_show_array(field, value);
        break;

    case JSON_INTEGER:
        cli_show_time(value);
        break;

    case JSON_TRUE:
    case JSON_FALSE:
        (void) puts(json_is_true(value) ? "yes" : "no");
        break;

    case JSON_STRING:
        cli_print((at_str_t) { json_string_value(value),
                               json_string_length(value) });
        (void) putchar('\n');
        break;

    default:
        (void) puts(field->type == &cli_type_expires ? "never" : "-");
    }
}


static void
cli_show_use(const cli_t *cli, const cli_record_t *rec)
{
    char            text[CLI_VALUE_SIZE];
    at_token_use_t  use;

    switch (cli_show_get_use(cli, rec, &use)) {

    case 1:
        cli_time_format(text, use.last);
        (void) printf(CLI_LABEL "%llu\n", "use_count",
                      (unsigned long long) use.count);
        (void) printf(CLI_LABEL "%s\n", "last_used", text);
        break;

    case 0:
        if (cli->sessions != NULL) {
            (void) printf(CLI_LABEL "0\n" CLI_LABEL "-\n", "use_count",
                          "last_used");
        }
        break;

    default:
        (void) printf(CLI_LABEL "unknown\n", "use_count");
    }
}


static void
cli_show_computed(const cli_t *cli, const cli_record_t *rec)
{
    cli_show_use(cli, rec);

    if (cli_record_is_expired(cli, rec)) {
        (void) printf(CLI_LABEL "yes\n", "expired");
    }

    if (rec->kind->table == AT_TABLE_CLIENTS) {
        (void) printf(CLI_LABEL "%zu\n", "secrets", rec->u.client.secrets.n);
    }

    if (rec->kind->table == AT_TABLE_USERS) {
        (void) printf(CLI_LABEL "%s\n", "password",
                      rec->u.user.password.len != 0 ? "yes" : "no");
    }
}


int
cli_show(cli_t *cli, const cli_record_t *rec, const char *name,
    const char *secret)
{
    json_t             *object;
    const cli_field_t  *field;

    if (cli->json) {
        return cli_show_object(cli, rec, name, secret);
    }

    object = cli_record_json(rec, 0);

    if (object == NULL) {
        return cli_no_memory(cli);
    }

    if (secret != NULL) {
        (void) printf(CLI_LABEL "%s\n", name, secret);
    }

    for (field = rec->kind->fields; field->name != NULL; field++) {
        if (!field->internal) {
            (void) printf(CLI_LABEL, field->name);
            cli_show_value(field, json_object_get(object, field->name));
        }
    }

    cli_show_computed(cli, rec);
    json_decref(object);

    return 0;
}


/* --- lists --------------------------------------------------------------- */


void
cli_show_header(const cli_kind_t *kind)
{
    static const char *const  heads[] = {
        [AT_TABLE_TOKENS] = "state     expires               ranges        "
                            "id",
        [AT_TABLE_CLIENTS] = "state     role          ranges        id",
        [AT_TABLE_USERS] = "state     admin  username",
        [AT_TABLE_ROLES] = "grant  deny  blocked  name"
    };

    (void) puts(heads[kind->table]);
}


static void
cli_show_expires(int64_t expires)
{
    char  text[CLI_VALUE_SIZE];

    cli_time_format(text, expires);
    (void) printf("%-22s", expires == AT_NEVER ? "never" : text);
}


static void
cli_show_ranges(const cli_record_t *rec)
{
    char  text[CLI_VALUE_SIZE];

    (void) snprintf(text, sizeof(text), "%zu", cli_record_ranges(rec)->n);
    (void) printf("%-14s", cli_record_is_unrestricted(rec) ? "unrestricted"
                                                           : text);
}


static void
cli_show_columns(const cli_record_t *rec)
{
    at_str_t  role;

    switch (rec->kind->table) {

    case AT_TABLE_TOKENS:
        cli_show_expires(rec->u.token.expires);
        cli_show_ranges(rec);
        break;

    case AT_TABLE_CLIENTS:
        role = rec->u.client.role;
        cli_print(role.len ? role : at_str("-"));
        (void) printf("%*s", role.len < 12 ? 14 - (int) (role.len ? role.len : 1)
                                           : 2, "");
        cli_show_ranges(rec);
        break;

    case AT_TABLE_USERS:
        (void) printf("%-7s", rec->admin ? "yes" : "no");
        break;

    default:
        (void) printf("%-7zu%-6zu%-9zu", rec->u.role.grant.n,
                      rec->u.role.deny.n, rec->u.role.blocked.n);
    }
}


void
cli_show_line(cli_t *cli, const cli_record_t *rec)
{
    if (rec->kind->table != AT_TABLE_ROLES) {
        (void) printf("%-10s", !rec->enabled ? "disabled"
                               : cli_record_is_expired(cli, rec) ? "expired"
                               : "enabled");
    }

    cli_show_columns(rec);
    cli_print(cli_record_name(rec));
    (void) putchar('\n');
}
