/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdio.h>

#include "core/base/at_crypto.h"
#include "core/session/at_session.h"
#include "core/session/at_token_use.h"
#include "cli/record/cli_show.h"
#include "cli/terminal/cli_options.h"


static int
cli_record_is_expired(const cli_t *cli, const cli_record_t *rec)
{
    return rec->kind->table == AT_TABLE_TOKENS
           && rec->u.token.expires <= cli->now * 1000;
}


/* how often, and when last, an API token was used */
static int
cli_show_add_use(const cli_t *cli, const cli_record_t *rec, json_t *object)
{
    int             found;
    at_token_use_t  use;

    if (cli->sessions == NULL) {
        return 0;
    }

    memcpy(use.digest, rec->digest, AT_SHA256_LEN);
    found = at_token_use_get(cli->sessions, &use);

    if (found < 0
        || json_object_set_new(object, "use_count", json_integer(
                               found ? (json_int_t) use.count : 0)) != 0)
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
    rc = object != NULL ? cli_show_add_use(cli, rec, object) : -1;

    if (rc == 0 && cli_record_ranges(rec) != NULL) {
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

    if (rc != 0) {
        json_decref(object);
        return NULL;
    }

    return object;
}


/* replaces numbers and empty lists by words, for people */
static void
cli_show_humanize(const cli_t *cli, const cli_record_t *rec, json_t *object)
{
    char     text[CLI_TIME_SIZE];
    size_t   i;
    json_t  *value;

    static const char *const  times[] = { "created", "expires", "last_used" };

    for (i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        value = json_object_get(object, times[i]);

        if (json_is_integer(value)) {
            cli_time_format(text, json_integer_value(value));
            (void) json_object_set_new(object, times[i], json_string(text));
        }
    }

    if (json_is_null(json_object_get(object, "expires"))) {
        (void) json_object_set_new(object, "expires", json_string("never"));
    }

    if (cli_record_is_expired(cli, rec)) {
        (void) json_object_set_new(object, "expired", json_true());
    }

    if (json_object_del(object, "unrestricted") == 0
        && cli_record_is_unrestricted(rec))
    {
        (void) json_object_set_new(object, "ip_ranges",
                                   json_string("unrestricted"));
    }
}


int
cli_show(cli_t *cli, const cli_record_t *rec, const char *name,
    const char *secret)
{
    json_t  *object, *record;

    object = secret != NULL ? json_pack("{s:s}", name, secret)
                            : json_object();
    record = cli_show_json(cli, rec);

    if (record == NULL || json_object_update(object, record) != 0) {
        json_decref(object);
        object = NULL;

    } else if (!cli->json) {
        cli_show_humanize(cli, rec, object);
    }

    json_decref(record);

    return cli_print_report(cli, object);
}


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
cli_show_columns(const cli_record_t *rec)
{
    char       text[CLI_TIME_SIZE];
    at_str_t   role;

    switch (rec->kind->table) {

    case AT_TABLE_TOKENS:
        cli_time_format(text, rec->u.token.expires);
        (void) printf("%-22s", rec->u.token.expires == AT_NEVER ? "never"
                                                                : text);
        break;

    case AT_TABLE_CLIENTS:
        role = rec->u.client.role.len ? rec->u.client.role : at_str("-");
        cli_print(role);
        (void) printf("%*s", role.len < 12 ? 14 - (int) role.len : 2, "");
        break;

    case AT_TABLE_USERS:
        (void) printf("%-7s", rec->u.user.admin ? "yes" : "no");
        break;

    default:
        (void) printf("%-7zu%-6zu%-9zu", rec->u.role.grant.n,
                      rec->u.role.deny.n, rec->u.role.blocked.n);
    }

    if (cli_record_is_unrestricted(rec)) {
        (void) printf("%-14s", "unrestricted");

    } else if (cli_record_ranges(rec) != NULL) {
        (void) printf("%-14zu", cli_record_ranges(rec)->n);
    }
}


void
cli_show_line(cli_t *cli, cli_record_t *rec)
{
    const int  *enabled;

    enabled = cli_record_enabled(rec);

    if (enabled != NULL) {
        (void) printf("%-10s", !*enabled ? "disabled"
                               : cli_record_is_expired(cli, rec) ? "expired"
                               : "enabled");
    }

    cli_show_columns(rec);
    cli_print(cli_record_name(rec));
    (void) putchar('\n');
}
