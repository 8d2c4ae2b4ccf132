/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Verbs that are the same for every kind of record.
 */

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/session/at_session.h"
#include "cli/commands/cli_edit.h"
#include "cli/record/cli_show.h"


typedef struct {
    char      *operand;
    json_t    *object;
    uint64_t   n;
} cli_generic_t;


static const cli_kind_t *
cli_command_kind(const cli_t *cli)
{
    return cli_kind_find(cli_str(cli->command->noun));
}


static int
cli_generic_parse(cli_t *cli, int argc, char **argv, const cli_option_t *table,
    char **operand)
{
    if (cli_options(cli, argc, argv, table, operand) != 0) {
        return -1;
    }

    if (operand != NULL && *operand == NULL) {
        return cli_usage(cli, "the %s is missing", cli->command->operand);
    }

    return 0;
}


static int
cli_generic_parse_operand(cli_t *cli, int argc, char **argv, char **operand)
{
    const cli_option_t  table[] = { { NULL, CLI_FLAG, NULL } };

    return cli_generic_parse(cli, argc, argv, table, operand);
}


/* of tokens, a server's state directory says how often they were used */
static int
cli_generic_open_state(cli_t *cli, const char *state)
{
    int         n;
    char        path[PATH_MAX];
    at_error_t  err;

    if (state == NULL) {
        return 0;
    }

    n = snprintf(path, sizeof(path), "%s/data/sessions", state);

    if (n < 0 || n >= (int) sizeof(path)) {
        return cli_usage(cli, "--state: the path is too long");
    }

    cli->sessions = at_session_db_open(path, NULL, &err);

    return cli->sessions != NULL ? 0 : cli_failure(cli, "%s", err.text);
}


/* for the verbs that show */
static int
cli_generic_run_read(cli_t *cli, int argc, char **argv, cli_generic_t *verb,
    char **operand, cli_store_pt run)
{
    int    rc;
    char  *state = NULL;

    const cli_option_t  none[] = { { NULL, CLI_FLAG, NULL } };
    const cli_option_t  table[] = {
        { "state", CLI_TEXT, &state }, { NULL, CLI_FLAG, NULL }
    };

    rc = cli_generic_parse(cli, argc, argv,
                           cli_command_kind(cli)->table == AT_TABLE_TOKENS ? table
                                                                           : none,
                           operand);

    if (rc == 0) {
        rc = cli_generic_open_state(cli, state);
    }

    if (rc == 0) {
        rc = cli_store_run(cli, AT_STORE_READ, run, verb);
    }

    at_session_db_close(cli->sessions);
    cli->sessions = NULL;

    return rc;
}


/* --- show ---------------------------------------------------------------- */


static int
cli_generic_show_run(cli_t *cli, at_store_t *store, void *data)
{
    int             rc;
    cli_generic_t  *verb = data;
    cli_record_t    rec;

    memset(&rec, 0, sizeof(rec));

    rc = cli_store_get(cli, store, cli_command_kind(cli), cli_str(verb->operand),
                       &rec);

    if (rc == 0) {
        rc = cli_show(cli, &rec, NULL, NULL);
    }

    cli_record_free(&rec);

    return rc == 0 ? cli_flush(cli) : -1;
}


int
cli_generic_show(cli_t *cli, int argc, char **argv)
{
    cli_generic_t  verb = { 0 };

    return cli_generic_run_read(cli, argc, argv, &verb, &verb.operand, cli_generic_show_run);
}


/* --- list ---------------------------------------------------------------- */


static int
cli_generic_list_json(cli_t *cli, const cli_record_t *rec, cli_generic_t *verb)
{
    char    *text;
    json_t  *object;

    object = cli_show_json(cli, rec);
    text = object != NULL ? json_dumps(object, JSON_COMPACT) : NULL;
    json_decref(object);

    if (text == NULL) {
        return cli_no_memory(cli);
    }

    (void) printf("%s\n    %s", verb->n != 0 ? "," : "", text);
    free(text);

    return 0;
}


static int
cli_generic_list_record(cli_t *cli, cli_record_t *rec, void *data)
{
    cli_generic_t  *verb = data;

    if (cli->json) {
        if (cli_generic_list_json(cli, rec, verb) != 0) {
            return -1;
        }

    } else {
        if (verb->n == 0) {
            cli_show_header(rec->kind);
        }

        cli_show_line(cli, rec);
    }

    verb->n++;

    return ferror(stdout) ? cli_flush(cli) : 0;
}


static int
cli_generic_list_run(cli_t *cli, at_store_t *store, void *data)
{
    int                rc;
    const cli_kind_t  *kind;

    kind = cli_command_kind(cli);

    if (cli->json) {
        (void) printf("{\n  \"%s\": [", kind->plural);
    }

    rc = cli_store_each(cli, store, kind, cli_generic_list_record, data);

    if (cli->json) {
        (void) puts("\n  ]\n}");
    }

    return rc == 0 ? cli_flush(cli) : -1;
}


int
cli_generic_list(cli_t *cli, int argc, char **argv)
{
    cli_generic_t  verb = { 0 };

    return cli_generic_run_read(cli, argc, argv, &verb, NULL, cli_generic_list_run);
}


/* --- enable, disable, delete --------------------------------------------- */


static int
cli_generic_print_done(cli_t *cli, const cli_record_t *rec, const char *done)
{
    if (cli->json) {
        return cli_show(cli, rec, NULL, NULL);
    }

    (void) printf("%s ", rec->kind->noun);
    cli_print(cli_record_name(rec));
    (void) printf(" is %s\n", done);

    return 0;
}


static int
cli_generic_set_enabled(cli_t *cli, at_store_t *store, cli_generic_t *verb, int enabled)
{
    int           rc;
    cli_record_t  rec;

    memset(&rec, 0, sizeof(rec));

    rc = cli_store_get(cli, store, cli_command_kind(cli), cli_str(verb->operand),
                       &rec);

    if (rc == 0) {
        rec.enabled = enabled;
        rc = cli_generic_print_done(cli, &rec, enabled ? "enabled" : "disabled");
    }

    if (rc == 0) {
        rc = cli_store_replace(cli, store, &rec);
    }

    cli_record_free(&rec);

    return rc;
}


static int
cli_generic_enable_run(cli_t *cli, at_store_t *store, void *data)
{
    return cli_generic_set_enabled(cli, store, data, 1);
}


static int
cli_generic_disable_run(cli_t *cli, at_store_t *store, void *data)
{
    return cli_generic_set_enabled(cli, store, data, 0);
}


static int
cli_generic_print_deleted(cli_t *cli, const cli_record_t *rec)
{
    at_str_t  name;

    if (!cli->json) {
        return cli_generic_print_done(cli, rec, strcmp(cli->command->verb, "revoke") == 0
                                                ? "revoked" : "deleted");
    }

    name = cli_record_name(rec);

    return cli_print_json(cli, json_pack("{s:s%, s:b}",
                          rec->kind->fields[0].name, name.data, name.len,
                          "deleted", 1));
}


static int
cli_generic_delete_run(cli_t *cli, at_store_t *store, void *data)
{
    int             rc;
    cli_generic_t  *verb = data;
    cli_record_t    rec;

    memset(&rec, 0, sizeof(rec));

    rc = cli_store_get(cli, store, cli_command_kind(cli), cli_str(verb->operand),
                       &rec);

    if (rc == 0) {
        rc = cli_generic_print_deleted(cli, &rec);
    }

    if (rc == 0) {
        rc = cli_store_delete(cli, store, &rec);
    }

    cli_record_free(&rec);

    return rc;
}


static int
cli_generic_run_write(cli_t *cli, int argc, char **argv, cli_store_pt run)
{
    cli_generic_t  verb = { 0 };

    if (cli_generic_parse_operand(cli, argc, argv, &verb.operand) != 0
        || cli_store_run(cli, AT_STORE_WRITE, run, &verb) != 0)
    {
        return -1;
    }

    return cli_flush(cli);
}


int
cli_generic_enable(cli_t *cli, int argc, char **argv)
{
    return cli_generic_run_write(cli, argc, argv, cli_generic_enable_run);
}


int
cli_generic_disable(cli_t *cli, int argc, char **argv)
{
    return cli_generic_run_write(cli, argc, argv, cli_generic_disable_run);
}


int
cli_generic_delete(cli_t *cli, int argc, char **argv)
{
    return cli_generic_run_write(cli, argc, argv, cli_generic_delete_run);
}
