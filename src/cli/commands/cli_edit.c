/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <errno.h>

#include "core/authz/at_role.h"
#include "cli/commands/cli_edit.h"
#include "cli/record/cli_show.h"


const cli_kind_t *
cli_command_kind(const cli_t *cli)
{
    return cli_kind_find(cli_str(cli->command->noun));
}


int
cli_edit_put(cli_t *cli, const char *member, json_t *value)
{
    if (cli->object == NULL) {
        cli->object = json_object();
    }

    return json_object_set_new(cli->object, member, value) == 0
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
cli_edit_set(cli_t *cli, const char *member, const char *text)
{
    json_t  *value;

    value = cli_edit_string(cli, "", member, text);

    return value != NULL ? cli_edit_put(cli, member, value) : -1;
}


/* A new reference, or NULL, in which case an error may have been reported. */
static json_t *
cli_edit_value(cli_t *cli, const cli_option_t *option, const cli_list_t *list)
{
    size_t    i;
    int64_t   expires;
    json_t   *array, *item;

    if (option->literal != NULL) {
        return json_loads(option->literal, JSON_DECODE_ANY, NULL);
    }

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
            item = NULL;

        } else {
            item = cli_edit_string(cli, "--", option->name,
                                   list->items[i].data);
        }

        if (!(option->flags & CLI_MANY)) {
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


/* sets the members that the options of the command name */
static int
cli_edit_apply(cli_t *cli)
{
    size_t               i, j;
    const cli_option_t  *options;

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

        if (cli_edit_put(cli, options[i].member,
                         cli_edit_value(cli, &options[i], &cli->values[i]))
            != 0)
        {
            return -1;
        }
    }

    return 0;
}


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
cli_edit_check(cli_t *cli)
{
    int           rc;
    cli_record_t  rec = { .kind = NULL };

    rc = cli_edit_apply(cli) == 0 ? cli_edit_parse(cli, &rec, cli->object)
                                  : -1;
    cli_record_free(&rec);

    return rc;
}


/* a record that names a missing user or role would refuse every request */
static int
cli_edit_check_reference(cli_t *cli, at_store_t *store, const char *noun)
{
    const char    *name;
    cli_record_t   other = { .kind = NULL };

    name = json_string_value(json_object_get(cli->object, noun));

    if (name == NULL
        || (strcmp(noun, "role") == 0
            && at_role_builtin(cli_str(name)) != NULL))
    {
        return 0;
    }

    return cli_store_get(cli, store, cli_kind_find(cli_str(noun)),
                         cli_str(name), &other);
}


/*
 * Flushes the output with a secret before the transaction is committed: a
 * secret that could not be printed must not become valid.
 */
static int
cli_edit_write(cli_t *cli, at_store_t *store, void *data)
{
    cli_edit_t  *edit = data;

    if (cli_edit_check_reference(cli, store, "user") != 0
        || cli_edit_check_reference(cli, store, "role") != 0
        || (edit->replace ? cli_store_write(cli, store, &edit->rec)
                          : cli_store_add(cli, store, &edit->rec)) != 0
        || cli_show(cli, &edit->rec, edit->secret_name, edit->secret) != 0)
    {
        return -1;
    }

    return edit->secret != NULL ? cli_flush(cli) : 0;
}


int
cli_edit_create(cli_t *cli, cli_edit_t *edit)
{
    int  rc;

    rc = cli_edit_apply(cli) == 0
         && cli_edit_parse(cli, &edit->rec, cli->object) == 0
         ? cli_store_run(cli, AT_STORE_WRITE, cli_edit_write, edit) : -1;

    cli_record_free(&edit->rec);

    return rc;
}


/* a new secret comes first; the latest old one stays valid */
static int
cli_edit_keep_secret(cli_t *cli, const json_t *old)
{
    json_t  *hashes;

    hashes = json_object_get(cli->object, "secret_hashes");
    old = json_object_get(old, "secret_hashes");

    return json_array_size(old) == 0
           || json_array_append(hashes, json_array_get(old, 0)) == 0
           ? 0 : cli_no_memory(cli);
}


static int
cli_edit_update_run(cli_t *cli, at_store_t *store, void *data)
{
    int          rc;
    json_t      *object;
    cli_edit_t  *edit = data;

    if (cli_store_get(cli, store, cli_command_kind(cli),
                      cli_str(cli->operand), &edit->rec) != 0)
    {
        return -1;
    }

    object = cli_record_json(&edit->rec, 1);

    if (object == NULL) {
        return cli_no_memory(cli);
    }

    rc = edit->keep_secret ? cli_edit_keep_secret(cli, object) : 0;

    if (rc == 0 && json_object_update(object, cli->object) != 0) {
        rc = cli_no_memory(cli);
    }

    if (rc == 0) {
        rc = cli_edit_parse(cli, &edit->rec, object) == 0
             ? cli_edit_write(cli, store, edit) : -1;
    }

    json_decref(object);

    return rc;
}


int
cli_edit_update(cli_t *cli, cli_edit_t *edit)
{
    int  rc;

    if (cli_edit_apply(cli) != 0) {
        return -1;
    }

    if (cli->object == NULL) {
        return cli_usage(cli, "no change given, see \"auth-token help %s "
                         "%s\"", cli->command->noun, cli->command->verb);
    }

    edit->replace = 1;

    rc = cli_store_run(cli, AT_STORE_WRITE, cli_edit_update_run, edit);
    cli_record_free(&edit->rec);

    return rc;
}
