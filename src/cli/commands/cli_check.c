/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * auth-token check
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/authz/at_role.h"
#include "core/base/at_crypto.h"
#include "cli/commands/cli_commands.h"
#include "cli/record/cli_store.h"


#define CLI_FINDINGS_MAX  1000  /* that are told; all are counted */


typedef struct {
    cli_t             *cli;
    at_store_t        *store;
    const cli_kind_t  *kind;
    uint64_t           counts[CLI_KINDS];
    uint64_t           damages;
    uint64_t           warnings;
    json_t            *told[2];         /* warnings, damages */
    cli_record_t       rec;
    cli_record_t       again;
} cli_check_t;


/* --- findings ------------------------------------------------------------ */


__attribute__((format(printf, 3, 4)))
static void
cli_check_add_finding(cli_check_t *check, int damage, const char *fmt, ...)
{
    va_list     args;
    uint64_t   *n;
    at_error_t  err;

    n = damage ? &check->damages : &check->warnings;

    if ((*n)++ >= CLI_FINDINGS_MAX) {
        return;
    }

    va_start(args, fmt);
    (void) vsnprintf(err.text, sizeof(err.text), fmt, args);
    va_end(args);

    if (check->cli->json) {
        /* what is no UTF-8 is left out, and counted */
        (void) json_array_append_new(check->told[damage],
                                     json_string(err.text));
        return;
    }

    (void) printf("%-8s ", damage ? "damage" : "warning");
    cli_print(cli_str(err.text));
    (void) putchar('\n');
}


#define cli_check_damage(check, ...)  cli_check_add_finding(check, 1, __VA_ARGS__)
#define cli_check_warn(check, ...)    cli_check_add_finding(check, 0, __VA_ARGS__)


/* a key for people: a digest is told by its record's id, or not at all */
static int
cli_check_key_len(const cli_check_t *check, at_str_t key)
{
    return check->kind->table == AT_TABLE_TOKENS ? 0 : (int) key.len;
}


/* --- a record ------------------------------------------------------------ */


static int
cli_check_record_exists(cli_check_t *check, const char *noun, at_str_t name)
{
    char               buf[AT_KEY_MAX];
    at_str_t           value;
    const cli_kind_t  *kind;

    kind = cli_kind_find(cli_str(noun));

    return at_store_get(check->store, kind->table,
                        cli_kind_key(kind, name, buf), &value)
           == AT_STORE_OK;
}


static void
cli_check_reference(cli_check_t *check, const char *noun, at_str_t name)
{
    at_str_t  whose;

    if (name.len == 0
        || (strcmp(noun, "role") == 0 && at_role_builtin(name) != NULL)
        || cli_check_record_exists(check, noun, name))
    {
        return;
    }

    whose = cli_record_name(&check->rec);

    cli_check_warn(check, "%s \"%.*s\": no such %s \"%.*s\"",
                   check->kind->noun, (int) whose.len, whose.data, noun,
                   (int) name.len, name.data);
}


/* a client's rights are its role's */
static void
cli_check_role(cli_check_t *check)
{
    at_str_t  whose;

    whose = cli_record_name(&check->rec);

    if (check->rec.u.client.role.len == 0) {
        cli_check_warn(check, "client \"%.*s\": it has no role, and may do "
                       "nothing", (int) whose.len, whose.data);
    }
}


/* what the bytes say must be what an import would take */
static void
cli_check_values(cli_check_t *check)
{
    json_t      *object;
    at_str_t     name;
    at_error_t   err;

    name = cli_record_name(&check->rec);
    object = cli_record_json(&check->rec, 1);

    if (object == NULL) {
        cli_check_damage(check, "%s \"%.*s\": a text is not UTF-8",
                         check->kind->noun, (int) name.len, name.data);

    } else if (cli_record_parse(&check->again, check->kind,
                                check->kind->fields, object, &err)
               != 0)
    {
        cli_check_damage(check, "%s \"%.*s\": %.300s", check->kind->noun,
                         (int) name.len, name.data, err.text);
    }

    json_decref(object);
}


/* an id leads to the token, and the token to the id */
static void
cli_check_id(cli_check_t *check, at_str_t key)
{
    at_str_t  id, digest;

    id = cli_record_name(&check->rec);

    if (at_store_get(check->store, AT_TABLE_TOKEN_IDS, id, &digest)
        != AT_STORE_OK || !at_str_equal(digest, key))
    {
        cli_check_damage(check, "token \"%.*s\": its id does not lead to it",
                         (int) id.len, id.data);
    }
}


static void
cli_check_key(cli_check_t *check, at_str_t key)
{
    if (check->kind->table == AT_TABLE_TOKENS) {
        cli_check_id(check, key);

    } else if (!at_str_equal(cli_record_key(&check->rec), key)) {
        cli_check_damage(check, "%s \"%.*s\": its key is not its name",
                         check->kind->noun, (int) key.len, key.data);
    }
}


static int
cli_check_record(void *data, at_str_t key, at_str_t value)
{
    cli_check_t  *check = data;

    check->counts[check->kind - cli_kinds]++;

    if (cli_record_decode(&check->rec, check->kind, key, value) != 0) {
        cli_check_damage(check, "%s \"%.*s\": no record of version %d",
                         check->kind->noun, cli_check_key_len(check, key),
                         key.data, AT_RECORD_VERSION);
        return 0;
    }

    cli_check_key(check, key);
    cli_check_values(check);

    switch (check->kind->table) {

    case AT_TABLE_TOKENS:
        cli_check_reference(check, "user", check->rec.u.token.user);
        cli_check_reference(check, "role", check->rec.u.token.role);
        break;

    case AT_TABLE_CLIENTS:
        cli_check_role(check);
        cli_check_reference(check, "role", check->rec.u.client.role);
        break;

    default:
        break;
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
        cli_check_damage(check, "token \"%.*s\": there is an id and no token",
                         (int) key.len, key.data);
    }

    return 0;
}


/* --- the store ----------------------------------------------------------- */


static void
cli_check_print(cli_check_t *check)
{
    size_t  i;

    for (i = 0; i < CLI_KINDS; i++) {
        (void) printf("%-8s %" PRIu64 "\n", cli_kinds[i].plural,
                      check->counts[i]);
    }

    (void) printf("store    %s\n", check->damages != 0 ? "damaged" : "sound");
}


static int
cli_check_print_json(cli_check_t *check)
{
    size_t   i;
    json_t  *object;

    object = json_pack("{s:s, s:O, s:O}",
                       "verdict", check->damages != 0 ? "damaged" : "sound",
                       "damages", check->told[1],
                       "warnings", check->told[0]);

    for (i = 0; object != NULL && i < CLI_KINDS; i++) {
        if (json_object_set_new(object, cli_kinds[i].plural,
                                json_integer((json_int_t) check->counts[i]))
            != 0)
        {
            json_decref(object);
            object = NULL;
        }
    }

    return cli_print_json(check->cli, object);
}


static int
cli_check_tables(cli_check_t *check)
{
    size_t  i;

    for (i = 0; i < CLI_KINDS; i++) {
        check->kind = &cli_kinds[i];

        if (at_store_foreach(check->store, check->kind->table, cli_check_record,
                             check) != 0)
        {
            return cli_store_fail(check->cli, check->store);
        }
    }

    return at_store_foreach(check->store, AT_TABLE_TOKEN_IDS, cli_check_token_id,
                            check) == 0
           ? 0 : cli_store_fail(check->cli, check->store);
}


static int
cli_check_report(cli_check_t *check)
{
    if (!check->cli->json) {
        cli_check_print(check);

    } else if (cli_check_print_json(check) != 0) {
        return -1;
    }

    if (cli_flush(check->cli) != 0) {
        return -1;
    }

    return check->damages == 0
           ? 0 : cli_failure(check->cli, "the store is damaged");
}


static int
cli_check_run(cli_t *cli, at_store_t *store, void *data)
{
    int           rc;
    cli_check_t  *check = data;

    check->cli = cli;
    check->store = store;
    check->told[0] = json_array();
    check->told[1] = json_array();

    rc = check->told[0] != NULL && check->told[1] != NULL
         ? 0 : cli_no_memory(cli);

    if (rc == 0) {
        rc = cli_check_tables(check);
    }

    if (rc == 0) {
        rc = cli_check_report(check);
    }

    json_decref(check->told[0]);
    json_decref(check->told[1]);
    cli_record_free(&check->rec);
    cli_record_free(&check->again);

    return rc;
}


static int
cli_check_store(cli_t *cli)
{
    cli_check_t  check;

    memset(&check, 0, sizeof(check));

    return cli_store_run(cli, AT_STORE_READ, cli_check_run, &check);
}


/* LMDB trusts its pages: broken ones end the process, so it is another one */
int
cli_check(cli_t *cli)
{
    int    status;
    pid_t  pid;

    pid = fork();

    if (pid == -1) {
        return cli_failure(cli, "cannot start a process: %m");
    }

    if (pid == 0) {
        exit(cli_check_store(cli) == 0 ? CLI_OK : cli->status);
    }

    if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status)) {
        return cli_failure(cli, "the store is damaged: LMDB cannot read it");
    }

    cli->status = WEXITSTATUS(status);

    return cli->status == CLI_OK ? 0 : -1;
}
