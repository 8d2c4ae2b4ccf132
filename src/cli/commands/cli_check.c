/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * auth-token check
 */

#include <stdio.h>

#include "core/authz/at_role.h"
#include "core/base/at_crypto.h"
#include "cli/commands/cli_commands.h"
#include "cli/record/cli_store.h"


#define CLI_FINDINGS_MAX  1000  /* of a list; further ones are left out */


typedef struct {
    cli_t             *cli;
    at_store_t        *store;
    const cli_kind_t  *kind;
    uint64_t           counts[CLI_KINDS];
    uint64_t           damaged;         /* also counts damages left out */
    json_t            *damages;
    json_t            *warnings;
    cli_record_t       rec;
    cli_record_t       parsed;
} cli_check_t;


/* name is that of a record, or a key */
__attribute__((format(printf, 4, 5)))
static void
cli_check_add(cli_check_t *check, json_t *findings, at_str_t name,
    const char *fmt, ...)
{
    va_list     args;
    json_t     *text;
    at_error_t  err;

    check->damaged += findings == check->damages;

    if (json_array_size(findings) >= CLI_FINDINGS_MAX) {
        return;
    }

    va_start(args, fmt);
    (void) vsnprintf(err.text, sizeof(err.text), fmt, args);
    va_end(args);

    text = json_sprintf("%s \"%.*s\": %s", check->kind->noun, (int) name.len,
                        name.len != 0 ? name.data : "", err.text);

    if (text == NULL) {
        text = json_sprintf("%s: a name is not UTF-8", check->kind->noun);
    }

    (void) json_array_append_new(findings, text);
}


/* a user or role that the record names must exist */
static void
cli_check_reference(cli_check_t *check, const char *noun, at_str_t name)
{
    char               buf[AT_KEY_MAX];
    at_str_t           value;
    const cli_kind_t  *kind;

    kind = cli_kind_find(cli_str(noun));

    if (name.len == 0
        || (kind->table == AT_TABLE_ROLES && at_role_builtin(name) != NULL)
        || at_store_get(check->store, kind->table,
                        cli_kind_key(kind, name, buf), &value) == AT_STORE_OK)
    {
        return;
    }

    cli_check_add(check, check->warnings, cli_record_name(&check->rec),
                  "no such %s \"%.*s\"", noun, (int) name.len, name.data);
}


/* a stored record must be one that import would accept */
static void
cli_check_values(cli_check_t *check)
{
    json_t      *object;
    at_error_t   err;

    object = cli_record_json(&check->rec, 1);

    if (object == NULL) {
        cli_check_add(check, check->damages, cli_record_name(&check->rec),
                      "a text is not UTF-8");

    } else if (cli_record_parse(&check->parsed, check->kind,
                                check->kind->fields, object, &err) != 0)
    {
        cli_check_add(check, check->damages, cli_record_name(&check->rec),
                      "%.300s", err.text);
    }

    json_decref(object);
}


/* the record and its key must refer to each other */
static void
cli_check_key(cli_check_t *check, at_str_t key)
{
    at_str_t  name, digest;

    name = cli_record_name(&check->rec);

    if (check->kind->table != AT_TABLE_TOKENS) {
        if (!at_str_equal(cli_record_key(&check->rec), key)) {
            cli_check_add(check, check->damages, key,
                          "the key is not the name of the record");
        }

    } else if (at_store_get(check->store, AT_TABLE_TOKEN_IDS, name, &digest)
               != AT_STORE_OK || !at_str_equal(digest, key))
    {
        cli_check_add(check, check->damages, name,
                      "the id refers to another token or to none");
    }
}


static int
cli_check_record(void *data, at_str_t key, at_str_t value)
{
    cli_check_t  *check = data;

    check->counts[check->kind - cli_kinds]++;

    if (cli_record_decode(&check->rec, check->kind, key, value) != 0) {
        cli_check_add(check, check->damages,
                      check->kind->table == AT_TABLE_TOKENS ? at_str("") : key,
                      "not a record of version %d", AT_RECORD_VERSION);
        return 0;
    }

    cli_check_key(check, key);
    cli_check_values(check);

    if (check->kind->table == AT_TABLE_TOKENS) {
        cli_check_reference(check, "user", check->rec.u.token.user);
        cli_check_reference(check, "role", check->rec.u.token.role);

    } else if (check->kind->table == AT_TABLE_CLIENTS) {
        cli_check_reference(check, "role", check->rec.u.client.role);

        if (check->rec.u.client.role.len == 0) {
            cli_check_add(check, check->warnings,
                          cli_record_name(&check->rec),
                          "no role, so the client has no rights");
        }
    }

    return 0;
}


static int
cli_check_token_id(void *data, at_str_t key, at_str_t value)
{
    at_str_t      bytes;
    cli_check_t  *check = data;

    if (value.len != AT_SHA256_LEN
        || at_store_get(check->store, AT_TABLE_TOKENS, value, &bytes)
           != AT_STORE_OK)
    {
        cli_check_add(check, check->damages, key,
                      "the id refers to a missing token");
    }

    return 0;
}


static int
cli_check_tables(cli_check_t *check)
{
    size_t  i;

    for (i = 0; i < CLI_KINDS; i++) {
        check->kind = &cli_kinds[i];

        if (at_store_foreach(check->store, check->kind->table,
                             cli_check_record, check) != 0)
        {
            return cli_store_fail(check->cli, check->store);
        }
    }

    check->kind = cli_kind_find(at_str("token"));

    return at_store_foreach(check->store, AT_TABLE_TOKEN_IDS,
                            cli_check_token_id, check) == 0
           ? 0 : cli_store_fail(check->cli, check->store);
}


static int
cli_check_run(cli_t *cli, at_store_t *store, void *data)
{
    int           rc;
    size_t        i;
    json_t       *report;
    cli_check_t  *check = data;

    report = json_pack("{s:s, s:[], s:[]}", "store", "sound", "damages",
                       "warnings");

    check->cli = cli;
    check->store = store;
    check->damages = json_object_get(report, "damages");
    check->warnings = json_object_get(report, "warnings");

    rc = report != NULL ? cli_check_tables(check) : cli_no_memory(cli);

    cli_record_free(&check->rec);
    cli_record_free(&check->parsed);

    if (rc != 0) {
        json_decref(report);
        return -1;
    }

    if (check->damaged != 0) {
        (void) json_object_set_new(report, "store", json_string("damaged"));
    }

    for (i = 0; i < CLI_KINDS; i++) {
        (void) json_object_set_new(report, cli_kinds[i].plural, json_integer(
                                   (json_int_t) check->counts[i]));
    }

    if (cli_print_report(cli, report) != 0 || cli_flush(cli) != 0) {
        return -1;
    }

    return check->damaged == 0
           ? 0 : cli_failure(cli, "the store is damaged");
}


/* LMDB trusts the pages of its file: check them first */
int
cli_check(cli_t *cli)
{
    const char         *path;
    cli_check_t         check = { .damaged = 0 };
    at_lmdb_verdict_t   verdict;

    path = cli_store_path(cli);

    if (path == NULL) {
        return -1;
    }

    at_lmdb_verify_path(&verdict, path);

    if (verdict.result == AT_LMDB_DAMAGED) {
        return cli_failure(cli, "%s", verdict.err.text);
    }

    return cli_store_run(cli, AT_STORE_READ, cli_check_run, &check);
}
