/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <errno.h>

#include "core/authz/at_role.h"
#include "cli/commands/cli_edit.h"
#include "cli/record/cli_show.h"


typedef struct {
    const cli_edit_t  *edit;
    cli_record_t       rec;
} cli_change_t;


const cli_kind_t *
cli_command_kind(const cli_t *cli)
{
    return cli_kind_find(cli_str(cli->command->noun));
}


/* --- options to members -------------------------------------------------- */


/* takes the reference */
static int
cli_edit_put(cli_t *cli, json_t *object, const char *member, json_t *value)
{
    return value != NULL && json_object_set_new(object, member, value) == 0
           ? 0 : cli_no_memory(cli);
}


/* A new reference, or NULL with the status set. */
static json_t *
cli_edit_string(cli_t *cli, const char *dashes, const char *name,
    const char *text)
{
    json_t  *value;

    errno = 0;
    value = json_string(text);

    if (value == NULL && errno == ENOMEM) {
        (void) cli_no_memory(cli);

    } else if (value == NULL) {
        (void) cli_usage(cli, "the value of \"%s%s\" is not UTF-8", dashes,
                         name);
    }

    return value;
}


int
cli_edit_set(cli_t *cli, json_t *object, const char *member, const char *text)
{
    json_t  *value;

    value = cli_edit_string(cli, "", member, text);

    return value != NULL ? cli_edit_put(cli, object, member, value) : -1;
}


/* the value of a record option that is not a flag; NULL with the status set */
static json_t *
cli_edit_value(cli_t *cli, const cli_option_t *option, const cli_list_t *list)
{
    size_t    i;
    int64_t   expires;
    json_t   *array, *item;

    if (option->flags & CLI_WHEN) {
        if (cli_expires(cli, option->name, &expires) != 0) {
            return NULL;
        }

        return expires == AT_NEVER ? json_null() : json_integer(expires);
    }

    array = json_array();

    for (i = 0; i < list->n; i++) {

        /* usually an unset variable in a script */
        if (list->items[i].len == 0 && !(option->flags & CLI_EMPTY)) {
            (void) cli_usage(cli, "the value of \"--%s\" is empty",
                             option->name);
            json_decref(array);
            return NULL;
        }

        item = cli_edit_string(cli, "--", option->name, list->items[i].data);

        if (item == NULL || !(option->flags & CLI_MANY)) {
            json_decref(array);
            return item;
        }

        if (json_array_append_new(array, item) != 0) {
            json_decref(array);
            return NULL;
        }
    }

    return array;
}


/* Returns the number of members set, or -1 with the status set. */
static int
cli_edit_apply(cli_t *cli, json_t *object)
{
    int                  n;
    size_t               i, j;
    json_t              *value;
    const cli_option_t  *options;

    n = 0;
    options = cli->command->options;

    for (i = 0; options[i].name != NULL; i++) {
        if (options[i].member == NULL || cli->values[i].n == 0) {
            continue;
        }

        for (j = 0; j < i; j++) {
            if (cli->values[j].n != 0 && options[j].member != NULL
                && strcmp(options[j].member, options[i].member) == 0)
            {
                return cli_exclusive(cli, options[j].name, options[i].name);
            }
        }

        value = options[i].literal != NULL
                ? json_loads(options[i].literal, JSON_DECODE_ANY, NULL)
                : cli_edit_value(cli, &options[i], &cli->values[i]);

        if (cli_edit_put(cli, object, options[i].member, value) != 0) {
            return -1;
        }

        n++;
    }

    return n;
}


/* --- the change ---------------------------------------------------------- */


/* an invalid value is a usage error, because it is the value of an option */
static int
cli_edit_parse(cli_t *cli, cli_record_t *rec, json_t *object)
{
    at_error_t         err;
    const cli_kind_t  *kind;

    kind = cli_command_kind(cli);
    errno = 0;

    if (cli_record_parse(rec, kind, kind->fields, object, &err) == 0) {
        return 0;
    }

    return errno == ENOMEM ? cli_no_memory(cli)
                           : cli_usage(cli, "%s", err.text);
}


int
cli_edit_check(cli_t *cli, json_t *object)
{
    int           rc;
    cli_record_t  rec;

    memset(&rec, 0, sizeof(rec));
    rc = cli_edit_apply(cli, object) >= 0
         ? cli_edit_parse(cli, &rec, object) : -1;
    cli_record_free(&rec);

    return rc;
}


/* a record that names a missing user or role would refuse every request */
static int
cli_edit_check_reference(cli_t *cli, at_store_t *store, const char *noun)
{
    int                  rc;
    const char          *name;
    cli_record_t         other;
    const cli_option_t  *option;

    for (option = cli->command->options; option->name != NULL; option++) {
        if (strcmp(option->name, noun) == 0) {
            break;
        }
    }

    name = option->name != NULL ? cli_text(cli, noun) : NULL;

    if (name == NULL
        || (strcmp(noun, "role") == 0
            && at_role_builtin(cli_str(name)) != NULL))
    {
        return 0;
    }

    memset(&other, 0, sizeof(other));
    rc = cli_store_get(cli, store, cli_kind_find(cli_str(noun)),
                       cli_str(name), &other);
    cli_record_free(&other);

    return rc;
}


/*
 * Flushes the output with a secret before the transaction is committed: a
 * secret that could not be printed must not become valid.
 */
static int
cli_change_print(cli_t *cli, cli_change_t *change)
{
    if (cli_show(cli, &change->rec, change->edit->secret_name,
                 change->edit->secret) != 0)
    {
        return -1;
    }

    return change->edit->secret != NULL ? cli_flush(cli) : 0;
}


static int
cli_change_create(cli_t *cli, at_store_t *store, void *data)
{
    int            rc;
    cli_change_t  *change = data;
    cli_record_t   old;

    *cli_record_created(&change->rec) = cli->now * 1000;

    if (cli_edit_check_reference(cli, store, "user") != 0
        || cli_edit_check_reference(cli, store, "role") != 0)
    {
        return -1;
    }

    if (!change->edit->replace) {
        rc = cli_store_add(cli, store, &change->rec);

    } else {
        memset(&old, 0, sizeof(old));
        rc = cli_store_find(cli, store, change->rec.kind,
                            cli_record_name(&change->rec), &old);

        if (rc == 1) {
            *cli_record_created(&change->rec) = *cli_record_created(&old);
        }

        cli_record_free(&old);
        rc = rc != -1 ? cli_store_replace(cli, store, &change->rec) : -1;
    }

    return rc == 0 ? cli_change_print(cli, change) : -1;
}


int
cli_edit_new(cli_t *cli, int (*make)(cli_t *cli, json_t *object))
{
    int      rc;
    json_t  *object;

    object = json_object();
    rc = object != NULL ? make(cli, object) : cli_no_memory(cli);
    json_decref(object);

    return rc;
}


int
cli_edit_create(cli_t *cli, const cli_edit_t *edit)
{
    int           rc;
    cli_change_t  change = { .edit = edit };

    rc = cli_edit_apply(cli, edit->object) >= 0
         && cli_edit_parse(cli, &change.rec, edit->object) == 0
         ? cli_store_run(cli, AT_STORE_WRITE, cli_change_create, &change)
         : -1;

    cli_record_free(&change.rec);

    return rc == 0 ? cli_flush(cli) : -1;
}


static int
cli_change_update(cli_t *cli, at_store_t *store, void *data)
{
    int                n, rc;
    json_t            *object;
    cli_change_t      *change = data;
    const cli_edit_t  *edit;

    edit = change->edit;

    if (cli_store_get(cli, store, cli_command_kind(cli),
                      cli_str(cli->operand), &change->rec) != 0)
    {
        return -1;
    }

    object = cli_record_json(&change->rec, 1);

    if (object == NULL) {
        return cli_no_memory(cli);
    }

    n = cli_edit_apply(cli, object);
    rc = n == -1 ? -1 : 0;

    if (n == 0 && edit->hook == NULL) {
        rc = cli_usage(cli, "no change given, see \"auth-token help %s %s\"",
                       cli->command->noun, cli->command->verb);
    }

    if (rc == 0 && edit->hook != NULL) {
        rc = edit->hook(cli, object, edit->data);
    }

    if (rc == 0
        && (cli_edit_parse(cli, &change->rec, object) != 0
            || cli_edit_check_reference(cli, store, "user") != 0
            || cli_edit_check_reference(cli, store, "role") != 0
            || cli_store_replace(cli, store, &change->rec) != 0
            || cli_change_print(cli, change) != 0))
    {
        rc = -1;
    }

    json_decref(object);

    return rc;
}


int
cli_edit_update(cli_t *cli, const cli_edit_t *edit)
{
    int           rc;
    cli_change_t  change = { .edit = edit };

    rc = cli_store_run(cli, AT_STORE_WRITE, cli_change_update, &change);
    cli_record_free(&change.rec);

    return rc == 0 ? cli_flush(cli) : -1;
}
