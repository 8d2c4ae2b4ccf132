/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Commands that are the same for every kind of record, and role set
 */

#include <grp.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/session/at_session.h"
#include "cli/commands/cli_commands.h"
#include "cli/commands/cli_edit.h"
#include "cli/record/cli_show.h"


typedef int (*cli_action_pt)(cli_t *cli, at_store_t *store, cli_record_t *rec);


/* data is the action on the record that the operand names */
static int
cli_generic_run(cli_t *cli, at_store_t *store, void *data)
{
    int             rc;
    cli_record_t    rec = { .kind = NULL };
    cli_action_pt  *action = data;

    rc = cli_store_get(cli, store, cli_command_kind(cli),
                       cli_str(cli->operand), &rec) == 0
         ? (*action)(cli, store, &rec) : -1;

    cli_record_free(&rec);

    return rc;
}


static void
cli_generic_print_done(const cli_record_t *rec, const char *done)
{
    (void) printf("%s ", rec->kind->noun);
    cli_print(cli_record_name(rec));
    (void) printf(" is %s\n", done);
}


static int
cli_generic_enable_record(cli_t *cli, at_store_t *store, cli_record_t *rec)
{
    int  enabled;

    enabled = strcmp(cli->command->verb, "enable") == 0;
    *cli_record_enabled(rec) = enabled;

    if (!cli->json) {
        cli_generic_print_done(rec, enabled ? "enabled" : "disabled");

    } else if (cli_show(cli, rec, NULL, NULL) != 0) {
        return -1;
    }

    return cli_store_write(cli, store, rec);
}


int
cli_generic_enable(cli_t *cli)
{
    cli_action_pt  action = cli_generic_enable_record;

    return cli_store_run(cli, AT_STORE_WRITE, cli_generic_run, &action);
}


static int
cli_generic_delete_record(cli_t *cli, at_store_t *store, cli_record_t *rec)
{
    at_str_t    name;
    at_error_t  err;

    name = cli_record_name(rec);

    if (!cli->json) {
        cli_generic_print_done(rec, strcmp(cli->command->verb, "revoke") == 0
                                    ? "revoked" : "deleted");

    } else if (cli_print_json(cli, json_pack("{s:s%, s:b}",
                              rec->kind->fields[0].name, name.data, name.len,
                              "deleted", 1)) != 0)
    {
        return -1;
    }

    return cli_store_remove(store, rec->kind, cli_record_key(rec), &err) == 0
           ? 0 : cli_failure(cli, "%s", err.text);
}


int
cli_generic_delete(cli_t *cli)
{
    cli_action_pt  action = cli_generic_delete_record;

    return cli_store_run(cli, AT_STORE_WRITE, cli_generic_run, &action);
}


int
cli_generic_update(cli_t *cli)
{
    cli_edit_t  edit = { .secret = NULL };

    return cli_edit_update(cli, &edit);
}


int
cli_role_set(cli_t *cli)
{
    cli_edit_t  edit = { .replace = 1 };

    return cli_edit_set(cli, "name", cli->operand) == 0
           ? cli_edit_create(cli, &edit) : -1;
}


typedef struct {
    const char    *state;       /* directory; NULL: without use counters */
    cli_store_pt   run;
    void          *data;
} cli_generic_read_t;


/*
 * The user of worker processes can write the session database: the command
 * must not have more rights than that user when LMDB reads it.
 */
static int
cli_generic_drop_privileges(cli_t *cli, const char *data)
{
    struct stat  st;

    if (stat(data, &st) != 0) {
        return cli_failure(cli, "\"%s\": %m", data);
    }

    if (geteuid() != 0 || st.st_uid == 0) {
        return 0;
    }

    return setgroups(0, NULL) == 0 && setgid(st.st_gid) == 0
           && setuid(st.st_uid) == 0
           ? 0 : cli_failure(cli, "cannot become user %u, the owner of "
                             "\"%s\": %m", (unsigned) st.st_uid, data);
}


/* opens the use counters of API tokens if --state names a state directory */
static int
cli_generic_read(cli_t *cli, at_store_t *store, void *data)
{
    cli_generic_read_t *read = data;

    int                n, rc;
    char               dir[PATH_MAX], path[PATH_MAX];
    at_error_t         err;
    at_lmdb_verdict_t  verdict = { .ino = 0 };

    if (read->state == NULL) {
        return read->run(cli, store, read->data);
    }

    n = snprintf(path, sizeof(path), "%s/data/sessions", read->state);

    if (n < 0 || n >= (int) sizeof(path)) {
        return cli_usage(cli, "the path in \"--state\" is too long");
    }

    (void) snprintf(dir, sizeof(dir), "%s/data", read->state);

    if (cli_generic_drop_privileges(cli, dir) != 0) {
        return -1;
    }

    cli->sessions = at_session_db_open(path, NULL, &verdict, &err);

    if (cli->sessions == NULL) {
        return cli_failure(cli, "%s", err.text);
    }

    rc = read->run(cli, store, read->data);
    at_session_db_close(cli->sessions);
    cli->sessions = NULL;

    return rc;
}


static int
cli_generic_run_read(cli_t *cli, cli_store_pt run, void *data)
{
    cli_generic_read_t  read = { NULL, run, data };

    if (cli_command_kind(cli)->table == AT_TABLE_TOKENS) {
        read.state = cli_text(cli, "state");
    }

    return cli_store_run(cli, AT_STORE_READ, cli_generic_read, &read);
}


static int
cli_generic_show_record(cli_t *cli, at_store_t *store, cli_record_t *rec)
{
    (void) store;

    return cli_show(cli, rec, NULL, NULL);
}


int
cli_generic_show(cli_t *cli)
{
    cli_action_pt  action = cli_generic_show_record;

    return cli_generic_run_read(cli, cli_generic_run, &action);
}


static int
cli_generic_list_record(cli_t *cli, cli_record_t *rec, void *data)
{
    int     *n = data;
    char    *text;
    json_t  *object;

    if (!cli->json) {
        if (*n == 0) {
            cli_show_header(rec->kind);
        }

        cli_show_line(cli, rec);

    } else {
        object = cli_show_json(cli, rec);
        text = object != NULL ? json_dumps(object, JSON_COMPACT) : NULL;
        json_decref(object);

        if (text == NULL) {
            return cli_no_memory(cli);
        }

        (void) printf("%s\n    %s", *n != 0 ? "," : "", text);
        free(text);
    }

    *n = 1;

    return ferror(stdout) ? cli_flush(cli) : 0;
}


static int
cli_generic_list_run(cli_t *cli, at_store_t *store, void *data)
{
    int                n, rc;
    const cli_kind_t  *kind;

    (void) data;
    n = 0;
    kind = cli_command_kind(cli);

    if (cli->json) {
        (void) printf("{\n  \"%s\": [", kind->plural);
    }

    rc = cli_store_each(cli, store, kind, cli_generic_list_record, &n);

    if (cli->json) {
        (void) puts("\n  ]\n}");
    }

    return rc;
}


int
cli_generic_list(cli_t *cli)
{
    return cli_generic_run_read(cli, cli_generic_list_run, NULL);
}
